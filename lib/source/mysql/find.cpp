// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/find.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "source/mysql/binlog_event.h"
#include "source/mysql/dump.h"
#include "source/mysql/event_cursor.h"
#include "source/mysql/retention.h"
#include "source/mysql/statement.h"

namespace weir::mysql {
namespace {

constexpr std::uint64_t kFirstEvent = 4;
constexpr std::size_t kHeaderSize = 19;
constexpr std::size_t kTypeOffset = 4;
constexpr std::size_t kNextPositionOffset = 13;
constexpr std::size_t kFlagsOffset = 17;
constexpr std::uint64_t kArtificial = 0x20;
constexpr std::uint8_t kHeartbeat = 27;
constexpr std::uint8_t kHeartbeatV2 = 41;
// What a server sends in place of an event at the end of its log.
constexpr std::uint8_t kEndOfLog = 0xfe;
constexpr std::size_t kLongestEndOfLog = 8;
/// Behind the header of a file come the transactions before it, within so many events.
constexpr int kFirstEvents = 5;

Error not_in_log(const std::string& place, std::string why, std::string fix) {
  return Error(ExitCode::refused, "offset.not-in-log",
               fmt::format("the source's log has no place {}", place), std::move(why),
               std::move(fix));
}

Error other_server(const std::string& place, std::string why) {
  return Error(ExitCode::refused, "offset.other-server",
               fmt::format("{} is a place in the log of another server", place), std::move(why),
               "give a place of this source: weir offset history TASK shows those of the task, and "
               "weir log show TASK what its log holds");
}

/// What the log says while one file of it is read.
struct Place {
  std::uint64_t position = 0;
  GtidSet gtids;  ///< all before it; empty where the server has none
  /// When the last transaction of the file before it was committed, or the file was begun.
  Time last{};
  bool exact = false;     ///< that time has microseconds, else whole seconds
  bool ends_one = false;  ///< a transaction ends there
  Gtid ended;             ///< its id
};

/// Follows which transactions are open while events go by.
class PlaceFinder final : public BinlogHandler {
 public:
  explicit PlaceFinder(std::string file) : file_(std::move(file)) {}

  /// The event that was fed last left no transaction open, nor one prepared.
  bool is_between() const { return !open_ && prepared_.empty(); }
  bool is_over() const { return over_; }
  /// What ended since the last call.
  std::optional<Gtid> take_ended() { return std::exchange(ended_, std::nullopt); }
  Time time() const { return time_; }
  bool exact() const { return exact_; }

  void on_rotate(std::string_view file, std::uint64_t) override { over_ = file != file_; }
  void on_format(const EventHeader&, std::string_view) override {}
  void on_gtid(const EventHeader& header, const GtidEvent& event) override {
    open_ = true;
    gtid_ = event.anonymous ? Gtid{} : event.gtid;
    exact_ = event.commit_time != Time{};
    time_ = exact_ ? event.commit_time : Time(std::chrono::seconds(header.timestamp));
    many_ = gtid_.flavor == Gtid::Flavor::mariadb && !event.standalone &&
            event.xa != GtidEvent::Xa::complete;
  }
  void on_query(const EventHeader&, const QueryEvent& event) override {
    const Statement statement = classify(event.sql, event.schema, event.sql_mode);
    switch (statement.kind) {
      case Statement::Kind::begin:
      case Statement::Kind::xa_start:
        many_ = true;
        return;
      case Statement::Kind::xa_end:
      case Statement::Kind::xa_prepare:
        return;  // the XA_PREPARE event says it
      case Statement::Kind::xa_commit:
      case Statement::Kind::xa_rollback:
        prepared_.erase(with_quotes(statement.xid));
        return end();
      case Statement::Kind::commit:
      case Statement::Kind::rollback:
        return end();
      default:
        if (!many_) end();
    }
  }
  void on_table_map(const EventHeader&, const std::shared_ptr<const TableMap>&) override {}
  void on_rows(const EventHeader&, const RowsEvent&, const TableMap&) override {}
  void on_xid(const EventHeader&) override { end(); }
  void on_xa_prepare(const EventHeader&, std::string_view xid, bool one_phase) override {
    if (!one_phase) prepared_.emplace(xid);
    end();
  }
  void on_heartbeat(const EventHeader&, std::string_view, std::uint64_t) override {}
  void on_statement_text(const EventHeader&, std::string_view) override {}
  void on_other(const EventHeader&, std::string_view) override {}

 private:
  /// The xid of a Statement as events have it: X'gtrid',X'bqual',format.
  static std::string with_quotes(const std::string& xid) {
    const std::vector<std::string> parts = split(xid, ',');
    if (parts.size() != 3) return xid;
    return fmt::format("X'{}',X'{}',{}", parts[0], parts[1], parts[2]);
  }
  void end() {
    open_ = many_ = false;
    ended_ = gtid_;
  }

  std::string file_;
  bool over_ = false;
  bool open_ = false;
  bool many_ = false;  ///< more events of the transaction follow
  Gtid gtid_;
  Time time_{};
  bool exact_ = false;
  std::optional<Gtid> ended_;
  std::set<std::string> prepared_;
};

std::vector<LogFile> list_files(MysqlConnection& connection) {
  std::vector<LogFile> out;
  for (const auto& row : connection.query("SHOW BINARY LOGS")) {
    const std::string size = row[1].value_or("");
    LogFile& file = out.emplace_back();
    file.name = row[0].value_or("");
    std::from_chars(size.data(), size.data() + size.size(), file.bytes);
  }
  if (out.empty()) {
    throw not_in_log("at all", "the server has no binlog files", "turn its binlog on: log_bin");
  }
  return out;
}

/// The transactions before a file, as its own head says; empty where the server has no GTIDs.
GtidSet gtids_before(MysqlConnection& connection, const std::string& file) {
  if (connection.is_mariadb()) return transactions_before(connection, file).value_or(GtidSet());
  for (const auto& row : connection.query(fmt::format("SHOW BINLOG EVENTS IN {} LIMIT {}",
                                                      connection.quote(file), kFirstEvents))) {
    if (row[2] == "Previous_gtids") return GtidSet::parse(row[5].value_or(""));
  }
  return {};
}

/// Reads a file from its beginning, and shows each place between two transactions for as long as
/// `wants_more` says so. The first is where the first event begins.
class FileScan {
 public:
  using Visitor = std::function<bool(const Place&)>;

  FileScan(MysqlConnection& connection, const Task& task, const std::string& file)
      : task_(task), file_(file) {
    place_.position = kFirstEvent;
    place_.gtids = gtids_before(connection, file);
    place_.last = log_file_begin(task, file).value_or(Time{});
  }

  void run(const Visitor& wants_more) {
    if (!wants_more(place_)) return;
    MysqlConnection stream(task_.source, MysqlConnection::Role::source);
    DumpRequest request;
    request.from.file = file_;
    request.from.position = kFirstEvent;
    request.only_what_is_there = true;
    request_dump(stream, request);
    PlaceFinder finder(file_);
    BinlogDecoder decoder;
    for (;;) {
      std::string_view packet;
      try {
        packet = stream.read_packet();
      } catch (const Error& error) {
        explain_dump_error(stream, error, 0, file_);
      }
      const bool ended = !packet.empty() && static_cast<std::uint8_t>(packet[0]) == kEndOfLog &&
                         packet.size() <= kLongestEndOfLog;
      if (ended) return;
      if (packet.empty() || packet[0] != 0) {
        throw Error(ExitCode::source_unreachable, "mysql.lost",
                    "the server ended the change log stream",
                    "it shut down, or an administrator killed the session",
                    "check that the server runs, and try again");
      }
      const std::string_view event = packet.substr(1);
      const bool is_in_file = locate(event);
      decoder.feed(event, finder);
      if (finder.is_over()) return;
      if (!is_in_file) continue;
      const std::optional<Gtid> gtid = finder.take_ended();
      if (gtid) {
        if (gtid->flavor != Gtid::Flavor::none) place_.gtids.add(*gtid);
        place_.last = finder.time();
        place_.exact = finder.exact();
        place_.ended = *gtid;
        ended_ = true;
      }
      if (!finder.is_between()) continue;
      place_.ends_one = std::exchange(ended_, false);
      if (!wants_more(place_)) return;
    }
  }

 private:
  /// Counts the event; false for one that the server made up for the stream.
  bool locate(std::string_view event) {
    if (event.size() < kHeaderSize) return false;
    const auto type = static_cast<std::uint8_t>(event[kTypeOffset]);
    const std::uint64_t next = little_endian(event.data() + kNextPositionOffset, 4);
    const std::uint64_t flags = little_endian(event.data() + kFlagsOffset, 2);
    if (type == kHeartbeat || type == kHeartbeatV2) return false;
    if (next == 0 && (flags & kArtificial) != 0) return false;
    // The header leaves it out in places, and has 32 bits for what may need more.
    const std::uint64_t counted = place_.position + event.size();
    const bool fits = next == 0 || (counted & 0xffffffff) == next;
    place_.position = fits ? counted : next;
    return true;
  }

  const Task& task_;
  std::string file_;
  Place place_;
  bool ended_ = false;  ///< a transaction, since the last place
};

Offset offset_at(const std::string& file, const Place& place) {
  LogPosition out;
  out.file = file;
  out.position = place.position;
  out.gtids = place.gtids;
  return {out.text(), place.last};
}

std::string shown_files(const std::vector<LogFile>& files) {
  return fmt::format("its log goes from {}:{} to {}:{}", files.front().name, kFirstEvent,
                     files.back().name, files.back().bytes);
}

// ---------------------------------------------------------------- by file and position

FoundOffset find_in_file(MysqlConnection& connection, const Task& task, const std::string& text) {
  const LogPosition wanted = LogPosition::parse(text);
  const std::vector<LogFile> files = list_files(connection);
  const auto own = std::ranges::find(files, wanted.file, &LogFile::name);
  const std::string from_oldest =
      fmt::format("the oldest place is --to {}:{}", files.front().name, kFirstEvent);
  if (own == files.end()) {
    const auto base = [](const std::string& name) { return name.substr(0, name.rfind('.')); };
    if (base(wanted.file) != base(files.front().name)) {
      throw other_server(text, fmt::format("this source calls its files {}.NNNNNN; {}",
                                           base(files.front().name), shown_files(files)));
    }
    throw not_in_log(text, fmt::format("there is no file {}: {}", wanted.file, shown_files(files)),
                     from_oldest);
  }
  if (wanted.position > own->bytes) {
    throw not_in_log(text, fmt::format("{} ends at {}", own->name, own->bytes), from_oldest);
  }
  std::optional<Place> found;
  std::uint64_t before = kFirstEvent;
  std::uint64_t after = 0;
  FileScan(connection, task, own->name).run([&](const Place& place) {
    if (place.position == std::max(wanted.position, kFirstEvent)) found = place;
    if (place.position <= wanted.position) before = place.position;
    if (place.position > wanted.position) after = place.position;
    return !found && after == 0;
  });
  if (!found) {
    throw Error(ExitCode::refused, "offset.inside",
                fmt::format("{} is inside a transaction of the source's log", text),
                "a task that began there would apply a part of it, or what is no event",
                after == 0 ? fmt::format("give the place before it: --to {}:{}", own->name, before)
                           : fmt::format("give the place before it, --to {0}:{1}, or the one after "
                                         "it, --to {0}:{2}",
                                         own->name, before, after));
  }
  FoundOffset out{offset_at(own->name, *found), "", false};
  if (wanted.by_gtid() && !(wanted.gtids == found->gtids)) {
    throw other_server(
        text,
        fmt::format("in this source's log the transactions up to {}:{} are {}", own->name,
                    found->position, found->gtids.empty() ? "without GTIDs" : found->gtids.text()));
  }
  return out;
}

// ---------------------------------------------------------------- by GTID

/// The newest file before which nothing else happened than `set` has; the end if there is none.
std::vector<LogFile>::const_iterator file_of(MysqlConnection& connection,
                                             const std::vector<LogFile>& files,
                                             const GtidSet& set) {
  const auto beyond = std::partition_point(files.begin(), files.end(), [&](const LogFile& file) {
    return set.contains(gtids_before(connection, file.name));
  });
  return beyond == files.begin() ? files.end() : beyond - 1;
}

/// MariaDB: servers that never wrote to this log.
std::string unknown_writers(MysqlConnection& connection, const GtidSet& set) {
  const std::string state = connection.scalar("SELECT @@global.gtid_binlog_state").value_or("");
  std::set<std::string> known;
  for (const std::string& gtid : split(state, ',')) {
    known.insert(std::string(trim(gtid.substr(0, gtid.rfind('-')))));
  }
  std::vector<std::string> unknown;
  for (const std::string& gtid : split(set.text(), ',')) {
    const std::string writer = gtid.substr(0, gtid.rfind('-'));
    if (!known.contains(writer)) unknown.push_back(writer);
  }
  return join(unknown, ", ");
}

/// MySQL: the uuids in `missing` of which the server has no transaction at all.
std::string unknown_uuids(const std::string& executed, const std::string& missing) {
  std::vector<std::string> unknown;
  for (const std::string& part : split(missing, ',')) {
    const std::string uuid(trim(part.substr(0, part.find(':'))));
    if (executed.find(uuid) == std::string::npos) unknown.push_back(uuid);
  }
  return join(unknown, ", ");
}

FoundOffset find_mysql_set(MysqlConnection& connection, const Task& task, const std::string& text,
                           const GtidSet& set, const std::vector<LogFile>& files) {
  const std::string place = "gtid:" + text;
  const std::string quoted = connection.quote(set.text());
  const auto lacking =
      connection.scalar(fmt::format("SELECT GTID_SUBTRACT({}, @@global.gtid_executed)", quoted))
          .value_or("");
  const auto executed = connection.scalar("SELECT @@global.gtid_executed").value_or("");
  if (!lacking.empty()) {
    const std::string unknown = unknown_uuids(executed, lacking);
    if (!unknown.empty()) {
      throw other_server(place, fmt::format("the source has no transaction of the server {}; its "
                                            "gtid_executed is {}",
                                            unknown, executed));
    }
    throw not_in_log(place, fmt::format("the source has not executed {}", lacking),
                     fmt::format("its log ends with {}", executed));
  }
  const auto purged =
      connection.scalar(fmt::format("SELECT GTID_SUBTRACT(@@global.gtid_purged, {})", quoted))
          .value_or("");
  if (!purged.empty()) {
    throw not_in_log(
        place, fmt::format("{} would come next, and was purged", purged),
        fmt::format("the oldest place is --to {}:{}", files.front().name, kFirstEvent));
  }
  const auto file = file_of(connection, files, set);
  if (file == files.end()) {
    throw not_in_log(
        place, shown_files(files),
        fmt::format("the oldest place is --to {}:{}", files.front().name, kFirstEvent));
  }
  Place found;
  FileScan(connection, task, file->name).run([&](const Place& next) {
    if (next.ends_one && !set.contains(next.ended)) return false;
    found = next;
    return true;
  });
  found.gtids = set;
  return {offset_at(file->name, found), "", false};
}

FoundOffset find_mariadb_set(MysqlConnection& connection, const Task& task, const std::string& text,
                             const GtidSet& set, const std::vector<LogFile>& files) {
  const std::string place = "gtid:" + text;
  const std::string unknown = unknown_writers(connection, set);
  if (!unknown.empty()) {
    throw other_server(
        place,
        fmt::format("the source's log has nothing of the domain and server {}; its "
                    "gtid_binlog_state is {}",
                    unknown, connection.scalar("SELECT @@global.gtid_binlog_state").value_or("")));
  }
  const auto file = file_of(connection, files, set);
  const GtidSet oldest = gtids_before(connection, files.front().name);
  const std::string range = fmt::format(
      "its log goes from {} to {}", oldest.empty() ? "the first transaction" : oldest.text(),
      connection.scalar("SELECT @@global.gtid_binlog_pos").value_or(""));
  const std::string fix = fmt::format(
      "give the last transaction of each domain at one place of the log; the oldest place is --to "
      "{}:{}",
      files.front().name, kFirstEvent);
  if (file == files.end()) throw not_in_log(place, range, fix);
  std::optional<Place> found;
  FileScan(connection, task, file->name).run([&](const Place& next) {
    if (next.gtids == set) found = next;
    return !found;
  });
  if (!found) throw not_in_log(place, range, fix);
  return {offset_at(file->name, *found), "", false};
}

FoundOffset find_set(MysqlConnection& connection, const Task& task, const std::string& text) {
  GtidSet set;
  try {
    set = GtidSet::parse(text);
  } catch (const Error& error) {
    throw Error(ExitCode::usage, "offset.format", fmt::format("gtid:{} is no GTID", text),
                error.summary(), "give one as the source's own variables show it");
  }
  const bool is_mariadb = set.flavor() == Gtid::Flavor::mariadb;
  if (set.empty() || is_mariadb != connection.is_mariadb()) {
    throw Error(ExitCode::usage, "offset.format", fmt::format("gtid:{} is no GTID of it", text),
                connection.is_mariadb() ? "the source is a MariaDB: gtid:0-1-42"
                                        : "the source is a MySQL: gtid:UUID:1-42",
                "give one as the source's own variables show it");
  }
  const std::vector<LogFile> files = list_files(connection);
  if (is_mariadb) return find_mariadb_set(connection, task, text, set, files);
  const auto mode = connection.query("SHOW GLOBAL VARIABLES LIKE 'gtid_mode'");
  if (mode.empty() || mode[0][1] != "ON") {
    throw Error(ExitCode::unsupported, "offset.kind", "the source has no GTIDs",
                "its gtid_mode is not ON", "give a position: --to FILE:POSITION");
  }
  return find_mysql_set(connection, task, text, set, files);
}

// ---------------------------------------------------------------- by time

FoundOffset find_time(MysqlConnection& connection, const Task& task, Time wanted) {
  const std::string place = "time:" + to_rfc3339(wanted);
  const Time second = std::chrono::floor<std::chrono::seconds>(wanted);
  const std::string micros =
      connection.scalar("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS UNSIGNED)")
          .value_or("0");
  std::int64_t clock = 0;
  std::from_chars(micros.data(), micros.data() + micros.size(), clock);
  const Time server_now{std::chrono::microseconds(clock)};
  if (wanted > server_now) {
    throw not_in_log(place,
                     fmt::format("by the source's clock it is {} now", to_rfc3339(server_now)),
                     "give a time that has been, or --to now");
  }
  const std::vector<LogFile> files = list_files(connection);
  // What was committed within the second in which a file begins may be in the file before.
  const auto beyond = std::partition_point(files.begin(), files.end(), [&](const LogFile& file) {
    const auto begin = log_file_begin(task, file.name);
    if (!begin) {
      throw Error(ExitCode::failed, "offset.file-time",
                  fmt::format("cannot tell when {} was begun", file.name),
                  "the server did not send the head of the file",
                  "GRANT REPLICATION SLAVE to the account, or give the place as FILE:POSITION");
    }
    return *begin < second;
  });
  if (beyond == files.begin()) {
    const auto begin = log_file_begin(task, files.front().name).value_or(Time{});
    throw not_in_log(
        place, fmt::format("the log begins at {}: what was before is purged", to_rfc3339(begin)),
        fmt::format("the oldest place is --to {}:{}", files.front().name, kFirstEvent));
  }
  // A file without a transaction that late ends where the next one begins.
  for (auto file = beyond - 1;; ++file) {
    Place found;
    bool is_there = false;
    FileScan(connection, task, file->name).run([&](const Place& next) {
      is_there = next.ends_one && next.last >= (next.exact ? wanted : second);
      if (!is_there) found = next;
      return !is_there;
    });
    if (is_there || file + 1 == files.end()) return {offset_at(file->name, found), "", false};
  }
}

FoundOffset find(MysqlConnection& connection, const Task& task, const OffsetRequest& request) {
  switch (request.kind) {
    case OffsetRequest::Kind::file:
      return find_in_file(connection, task, request.text);
    case OffsetRequest::Kind::gtid:
      return find_set(connection, task, request.text);
    case OffsetRequest::Kind::time:
      return find_time(connection, task, request.time);
    case OffsetRequest::Kind::lsn:
      throw Error(ExitCode::unsupported, "offset.kind",
                  "a MySQL or MariaDB source has no LSN in its log",
                  "its places are FILE:POSITION, gtid:SET, time:TIME and now",
                  "see SHOW BINARY LOGS on the source, or weir log show TASK");
    case OffsetRequest::Kind::now:
      break;
  }
  throw bug("a place that the caller finds");
}

}  // namespace

FoundOffset find_place(MysqlConnection& connection, const Task& task,
                       const OffsetRequest& request) {
  FoundOffset out = find(connection, task, request);
  if (purges_for_readers(connection)) {
    out.note =
        "this server purges when its log is read, which was done to find the place: what its "
        "settings let go may be gone by now";
  }
  return out;
}

LogDistance log_between(MysqlConnection& connection, const Offset& from, const Offset& to) {
  const std::vector<LogFile> files = list_files(connection);
  const PlaceInFiles a = place_in(files, LogPosition::parse(from.text));
  const PlaceInFiles b = place_in(files, LogPosition::parse(to.text));
  LogDistance out;
  out.bytes = b.margin > a.margin ? b.margin - a.margin : 0;
  out.at_least = !a.file;
  return out;
}

}  // namespace weir::mysql
