// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/log_view.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <poll.h>

#include "base/error.h"
#include "base/text.h"
#include "client/mysql.h"
#include "model/change_batch.h"
#include "source/mysql/binlog_file.h"
#include "source/mysql/catalog.h"
#include "source/mysql/charset.h"
#include "source/mysql/column_code.h"
#include "source/mysql/dump.h"
#include "source/mysql/event_cursor.h"
#include "source/mysql/offset.h"
#include "source/mysql/row_decoder.h"
#include "source/mysql/statement.h"

namespace weir::mysql {
namespace {

using Kind = LogEntry::Kind;

constexpr std::size_t kHeaderSize = 19;
constexpr std::size_t kTypeOffset = 4;
constexpr std::size_t kNextPositionOffset = 13;
constexpr std::size_t kFlagsOffset = 17;
constexpr std::uint64_t kArtificial = 0x20;
constexpr std::uint8_t kHeartbeat = 27;
constexpr std::uint8_t kHeartbeatV2 = 41;
constexpr std::uint64_t kFirstEvent = 4;
constexpr std::uint32_t kBinaryCollation = 63;
// A server numbers a table anew whenever it opens it again.
constexpr std::size_t kMostTables = 4096;
// The server sends a heartbeat every second.
constexpr std::chrono::seconds kSilence{60};

// What a server sends in place of an event at the end of its log.
constexpr std::uint8_t kEndOfLog = 0xfe;
constexpr std::size_t kLongestEndOfLog = 8;

struct CollationRange {
  std::uint32_t first;
  std::uint32_t last;
};

/// The collations of utf8mb4, utf8mb3 and ascii, of MySQL 9 and MariaDB 11.8. For the others the
/// bytes in the log are not UTF-8 as they stand.
constexpr auto kUtf8Collations = std::to_array<CollationRange>({
    {11, 11},     {33, 33},     {45, 46},     {65, 65},     {76, 76},     {83, 83},
    {192, 215},   {223, 247},   {253, 323},   {576, 579},   {608, 611},   {1035, 1035},
    {1057, 1057}, {1069, 1070}, {1089, 1089}, {1107, 1107}, {1216, 1216}, {1238, 1238},
    {1248, 1248}, {1270, 1270}, {2048, 2559},
});

[[noreturn]] void bad_offset(const std::string& why, const std::string& fix) {
  throw Error(ExitCode::failed, "offset.format", "not an offset of this log", why, fix);
}

/// The first words of a statement, for somebody who may not see the rest.
std::string first_words(std::string_view sql) {
  const std::string_view text = trim(sql);
  std::size_t end = 0;
  for (int words = 0; words < 2 && end < text.size(); ++words) {
    end = std::min(text.find_first_of(" \t\r\n(", end + 1), text.size());
  }
  return fmt::format("{} ...", text.substr(0, end));
}

bool holds_secret(std::string_view sql) {
  const std::string text = to_lower(sql);
  return text.find("identified") != std::string::npos || text.find("password") != std::string::npos;
}

/// The xid of a Statement as events have it: X'gtrid',X'bqual',format.
std::string with_quotes(const std::string& xid) {
  const std::vector<std::string> parts = split(xid, ',');
  if (parts.size() != 3) return xid;
  return fmt::format("X'{}',X'{}',{}", parts[0], parts[1], parts[2]);
}

/// Whether `error` leaves nothing to go on with, as opposed to a refused question.
bool is_lost(const Error& error) { return error.id() == "mysql.lost"; }

bool is_text(TypeKind kind) {
  return kind == TypeKind::text || kind == TypeKind::enumeration || kind == TypeKind::set;
}

/// What a server's catalogue says now about the tables of its log.
class Catalogue {
 public:
  explicit Catalogue(const Task& task)
      : connection_(task.source, MysqlConnection::Role::source), types_(task.types) {}

  MysqlConnection& connection() { return connection_; }

  struct Known {
    Table table;
    std::vector<std::shared_ptr<const Charset>> charsets;
  };

  /// Throws Error where there is no such table, or none that weir could replicate.
  Known describe(const TableName& name) {
    Known known;
    known.table = std::move(describe_tables(connection_, types_, {&name, 1}).at(0));
    for (const Column& column : known.table.columns) {
      known.charsets.push_back(column.charset.empty() ? nullptr : charset(column.charset));
    }
    return known;
  }

 private:
  std::shared_ptr<const Charset> charset(const std::string& name) {
    const auto at = charsets_.find(name);
    if (at != charsets_.end()) return at->second;
    const AskServer ask = [this](std::string_view set, std::string_view bytes, std::string& utf8) {
      try {
        const auto value = connection_.scalar(
            fmt::format("SELECT CONVERT(_{} X'{}' USING utf8mb4)", set, hex(bytes)));
        if (value) utf8 = *value;
        return value.has_value();
      } catch (const Error& error) {
        // How some servers say that the bytes are no text of the set.
        if (is_lost(error)) throw;
        return false;
      }
    };
    return charsets_.emplace(name, open_charset(name, ask)).first->second;
  }

  MysqlConnection connection_;
  TypeSettings types_;
  std::map<std::string, std::shared_ptr<const Charset>> charsets_;
};

/// Turns binlog events into entries.
class EntryMaker final : public BinlogHandler {
 public:
  EntryMaker(bool values, std::unique_ptr<Catalogue> catalogue)
      : values_(values), catalogue_(std::move(catalogue)) {
    settings_.zero_dates.kind = ZeroDatePolicy::Kind::keep;
  }

  /// Says where the event that comes next begins. Entries of events before `from` are left out.
  void next_event(LogSink& sink, std::uint64_t position, std::uint64_t from = 0) {
    sink_ = &sink;
    position_ = position;
    silent_ = position < from;
  }
  void set_file(std::string file) { file_ = std::move(file); }
  const std::string& file() const { return file_; }
  bool in_transaction() const { return in_transaction_; }
  /// Whether the file that is read says that the log goes on in another one.
  bool saw_rotate() const { return saw_rotate_; }

  void on_rotate(std::string_view file, std::uint64_t) override {
    // Servers announce the file at the beginning of a stream, too.
    if (!file_.empty() && file_ != file) {
      if (rotate_offset_.empty()) rotate_offset_ = fmt::format("{}:{}", file, kFirstEvent);
      put_rotate(file);
    }
    file_ = file;
    rotate_offset_.clear();
  }

  void on_format(const EventHeader&, std::string_view) override {}

  void on_gtid(const EventHeader& header, const GtidEvent& event) override {
    if (tables_.size() > kMostTables) tables_.clear();
    end_transaction();
    mark();
    gtid_ = event.anonymous ? std::string() : event.gtid.text();
    xid_ = event.xid;
    time_ = event.commit_time;
    const bool is_mariadb = event.gtid.flavor == Gtid::Flavor::mariadb;
    if (!is_mariadb || event.standalone || event.xa == GtidEvent::Xa::complete) return;
    // MariaDB writes no BEGIN.
    in_transaction_ = true;
    put(header, Kind::begin);
  }

  void on_query(const EventHeader& header, const QueryEvent& event) override {
    mark();
    const Statement statement = classify(event.sql, event.schema, event.sql_mode);
    switch (statement.kind) {
      case Statement::Kind::begin:
      case Statement::Kind::xa_start:
        if (std::exchange(in_transaction_, true)) return;
        xid_ = with_quotes(statement.xid);
        put(header, Kind::begin);
        return;
      case Statement::Kind::commit:
      case Statement::Kind::rollback:
        put(header, statement.kind == Statement::Kind::commit ? Kind::commit : Kind::rollback);
        end_transaction();
        return;
      case Statement::Kind::xa_end:
      case Statement::Kind::xa_prepare:
        return;  // the XA_PREPARE event says it
      case Statement::Kind::xa_commit:
      case Statement::Kind::xa_rollback:
        xid_ = with_quotes(statement.xid);
        put(header, statement.kind == Statement::Kind::xa_commit ? Kind::commit : Kind::rollback);
        end_transaction();
        return;
      default:
        put_statement(header, event, statement);
        if (!in_transaction_) end_transaction();
        return;
    }
  }

  void on_table_map(const EventHeader&, const std::shared_ptr<const TableMap>& map) override {
    View& view = tables_[map->id];
    if (view.map == map) return;
    view.decoder.reset();
    view.map = map;
    view.name = {map->schema, map->table};
    view.wanted = sink_->wants(view.name);
  }

  void on_rows(const EventHeader& header, const RowsEvent& event, const TableMap& map) override {
    mark();
    View& view = tables_.at(map.id);
    if (!view.wanted || silent_ || sink_->done()) return;
    LogEntry entry = blank(header);
    entry.schema = view.name.schema;
    entry.table = view.name.table;
    entry.kind = event.kind == RowsEvent::Kind::insert   ? Kind::insert
                 : event.kind == RowsEvent::Kind::update ? Kind::update
                                                         : Kind::remove;
    if (event.partial_json) {
      entry.text = "one or more rows with differences of JSON values, which are not shown";
      sink_->entry(entry);
      return;
    }
    if (!view.decoder) prepare(view);
    const char* at = event.rows.data();
    const char* const end = at + event.rows.size();
    while (at < end && !sink_->done()) {
      arena_.clear();
      at = decode(view, event, at, end);
      if (values_) {
        entry.columns = view.columns;
        if (event.kind != RowsEvent::Kind::insert) entry.before = view.before;
        if (event.kind != RowsEvent::Kind::remove) entry.after = view.after;
      }
      sink_->entry(entry);
    }
  }

  void on_xid(const EventHeader& header) override {
    mark();
    put(header, Kind::commit);
    end_transaction();
  }

  void on_xa_prepare(const EventHeader& header, std::string_view xid, bool one_phase) override {
    mark();
    xid_ = xid;
    put(header, one_phase ? Kind::commit : Kind::prepare);
    end_transaction();
  }

  void on_heartbeat(const EventHeader&, std::string_view, std::uint64_t) override {}

  void on_statement_text(const EventHeader& header, std::string_view sql) override {
    mark();
    if (!values_) return;
    LogEntry entry = blank(header);
    entry.kind = Kind::query;
    entry.text = sql;
    put(entry);
  }

  void on_other(const EventHeader& header, std::string_view name) override {
    if (name != "Rotate") return;
    saw_rotate_ = true;
    rotate_offset_ = fmt::format("{}:{}", file_, position_);
    last_time_ = seconds(header);
    rotate_position_ = position_;
  }

  /// The log goes on in `file`, or in one whose name is not known.
  void put_rotate(std::string_view file) {
    LogEntry entry;
    entry.kind = Kind::rotate;
    entry.offset = rotate_offset_;
    entry.position = rotate_position_;
    entry.time = last_time_;
    entry.text = file;
    put(entry);
  }

 private:
  /// How the rows of one table map are shown.
  struct View {
    std::shared_ptr<const TableMap> map;
    TableName name;
    bool wanted = false;
    bool by_catalogue = false;
    std::optional<RowDecoder> decoder;
    std::vector<LogColumn> columns;
    std::vector<Cell> before;
    std::vector<Cell> after;
  };

  static Time seconds(const EventHeader& header) {
    return Time(std::chrono::seconds(header.timestamp));
  }

  /// Remembers where a transaction, or what is none, begins.
  void mark() {
    if (offset_.empty()) offset_ = fmt::format("{}:{}", file_, position_);
  }

  void end_transaction() {
    in_transaction_ = false;
    offset_.clear();
    gtid_.clear();
    xid_.clear();
    time_ = {};
  }

  LogEntry blank(const EventHeader& header) {
    LogEntry entry;
    entry.offset = offset_;
    entry.position = position_;
    entry.time = time_ == Time{} ? seconds(header) : time_;
    entry.transaction = gtid_;
    entry.xid = xid_;
    last_time_ = entry.time;
    return entry;
  }

  void put(const LogEntry& entry) {
    if (!silent_ && !sink_->done()) sink_->entry(entry);
  }

  void put(const EventHeader& header, Kind kind) {
    LogEntry entry = blank(header);
    entry.kind = kind;
    put(entry);
  }

  void put_statement(const EventHeader& header, const QueryEvent& event,
                     const Statement& statement) {
    LogEntry entry = blank(header);
    entry.kind = Kind::statement;
    entry.schema = event.schema;
    if (statement.changes.size() == 1) {
      entry.schema = statement.changes[0].table.schema;
      entry.table = statement.changes[0].table.table;
    } else if (statement.kind == Statement::Kind::drop_database) {
      entry.schema = statement.schema;
    }
    const bool has_values =
        statement.kind == Statement::Kind::data || statement.kind == Statement::Kind::unknown;
    std::string shortened;
    entry.text = event.sql;
    if ((has_values && !values_) || holds_secret(event.sql)) {
      shortened = first_words(event.sql);
      entry.text = shortened;
    }
    put(entry);
  }

  void prepare(View& view) {
    if (catalogue_ != nullptr && values_ && use_catalogue(view)) return;
    use_map(view);
  }

  bool use_catalogue(View& view) {
    try {
      const Catalogue::Known known = catalogue_->describe(view.name);
      view.decoder.emplace(*view.map, known.table, wanted(view), known.charsets, settings_);
      view.columns.clear();
      for (const Column& column : known.table.columns) {
        view.columns.push_back({column.name, column.type.kind, LogColumn::Text::utf8});
      }
    } catch (const Error& error) {
      // The table is gone, or was defined otherwise when this was logged.
      if (is_lost(error)) throw;
      return false;
    }
    make_cells(view);
    view.by_catalogue = true;
    return true;
  }

  void use_map(View& view) {
    const TableMap& map = *view.map;
    const Table table = table_from_map(map);
    const std::vector<std::shared_ptr<const Charset>> charsets(table.columns.size());
    view.decoder.emplace(map, table, wanted(view), charsets, settings_);
    view.columns.clear();
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const Column& column = table.columns[i];
      view.columns.push_back(
          {column.name, column.type.kind,
           is_text(column.type.kind) ? text_in_log(map.columns[i]) : LogColumn::Text::utf8});
    }
    make_cells(view);
    view.by_catalogue = false;
  }

  std::vector<bool> wanted(const View& view) const {
    return std::vector<bool>(view.map->columns.size(), values_);
  }

  static void make_cells(View& view) {
    view.before.assign(view.columns.size(), Cell());
    view.after.assign(view.columns.size(), Cell());
  }

  const char* decode(View& view, const RowsEvent& event, const char* at, const char* end) {
    const auto decode_row = [&] {
      const char* next = at;
      if (event.kind != RowsEvent::Kind::insert) {
        next = view.decoder->decode(next, end, event.before_columns, view.before, arena_);
      }
      if (event.kind != RowsEvent::Kind::remove) {
        next = view.decoder->decode(next, end, event.after_columns, view.after, arena_);
      }
      return next;
    };
    if (!view.by_catalogue) return decode_row();
    try {
      return decode_row();
    } catch (const Error&) {
      // What the catalogue says now need not fit what was logged then.
      use_map(view);
      return decode_row();
    }
  }

  bool values_;
  std::unique_ptr<Catalogue> catalogue_;
  TypeSettings settings_;
  LogSink* sink_ = nullptr;
  Arena arena_;
  std::unordered_map<std::uint64_t, View> tables_;

  std::string file_;
  std::uint64_t position_ = 0;
  bool silent_ = false;

  bool in_transaction_ = false;
  std::string offset_;  ///< where the transaction in hand begins; "" = none is
  std::string gtid_;
  std::string xid_;
  Time time_{};

  bool saw_rotate_ = false;
  std::string rotate_offset_;
  std::uint64_t rotate_position_ = 0;
  Time last_time_{};
};

class FileReader final : public LogReader {
 public:
  FileReader(const std::string& path, const LogRequest& request)
      : path_(path), file_(path), maker_(request.values, nullptr), follow_(request.follow) {
    const std::string name = std::filesystem::path(path).filename().string();
    maker_.set_file(name);
    if (!request.from.empty()) from_ = parse_from(request.from, name);
  }

  Read read(LogSink& sink) override {
    maker_.next_event(sink, file_.position(), from_);
    switch (file_.next(decoder_, maker_)) {
      case BinlogFile::Read::event:
        if (!maker_.saw_rotate()) return Read::event;
        maker_.put_rotate("");
        return Read::over;
      case BinlogFile::Read::end:
        check_from();
        return Read::end;
      case BinlogFile::Read::truncated:
        break;
    }
    if (follow_) return Read::end;
    check_from();
    throw Error(ExitCode::failed, "binlog.truncated",
                fmt::format("{} ends inside the event at {}", path_, file_.position()),
                "it is still being written, or it was cut short; what came before is shown",
                "wait for the rest with --follow, or fetch the file again");
  }

  bool wait(std::chrono::milliseconds limit) override {
    // Whatever poll() answers, the file may have grown.
    ::poll(nullptr, 0, static_cast<int>(limit.count()));
    return true;
  }

 private:
  static std::uint64_t parse_from(const std::string& text, const std::string& name) {
    const std::string fix = fmt::format("give a position in the file, or {}:POSITION", name);
    std::uint64_t position = 0;
    const char* const end = text.data() + text.size();
    if (std::from_chars(text.data(), end, position).ptr == end) return position;
    const LogPosition at = LogPosition::parse(text);
    if (at.file != name) bad_offset(fmt::format("the file is {}", name), fix);
    return at.position;
  }

  void check_from() const {
    if (follow_ || from_ <= file_.position()) return;
    bad_offset(fmt::format("{} ends at {}", path_, file_.position()),
               "begin at an earlier position");
  }

  std::string path_;
  BinlogFile file_;
  BinlogDecoder decoder_;
  EntryMaker maker_;
  bool follow_;
  std::uint64_t from_ = 0;
};

/// A replica id for one follower. Never that of a task: the server would end the task's stream.
std::uint32_t random_id() {
  std::random_device device;
  return 0x80000000U | device();
}

class StreamReader final : public LogReader {
 public:
  StreamReader(const Task& task, const LogRequest& request)
      : StreamReader(task, request, LogPosition::parse(request.from)) {}

  Read read(LogSink& sink) override {
    std::string_view packet;
    try {
      packet = connection_.read_packet();
    } catch (const Error& error) {
      explain(error);
    }
    heard_ = Clock::now();
    const bool ended = !packet.empty() && static_cast<std::uint8_t>(packet[0]) == kEndOfLog &&
                       packet.size() <= kLongestEndOfLog;
    if (ended && !follow_) return Read::end;
    if (packet.empty() || packet[0] != 0) {
      throw Error(ExitCode::source_unreachable, "mysql.lost",
                  "the server ended the change log stream",
                  "it shut down, or an administrator killed the session",
                  "check that the server runs, and begin again at the last offset shown");
    }
    const std::string_view event = packet.substr(1);
    locate(event);
    if (!follow_ && !maker_.in_transaction() && past_end()) return Read::end;
    maker_.next_event(sink, begin_);
    decoder_.feed(event, maker_);
    return Read::event;
  }

  bool wait(std::chrono::milliseconds limit) override {
    if (connection_.has_buffered()) return true;
    pollfd fd{connection_.socket(), POLLIN, 0};
    if (::poll(&fd, 1, static_cast<int>(limit.count())) > 0) return true;
    if (Clock::now() - heard_ > kSilence) {
      throw Error(ExitCode::source_unreachable, "mysql.lost", "the source has fallen silent",
                  fmt::format("not even a heartbeat came for {} s", kSilence.count()),
                  "check the server and the network between");
    }
    return false;
  }

 private:
  StreamReader(const Task& task, const LogRequest& request, const LogPosition& from)
      : connection_(task.source, MysqlConnection::Role::source),
        follow_(request.follow),
        server_id_(follow_ ? random_id() : 0),
        from_(from.text()),
        maker_(request.values, std::make_unique<Catalogue>(task)),
        heard_(Clock::now()) {
    if (!from.by_gtid() && from.position < kFirstEvent) {
      bad_offset("the first event of a binlog is at position 4",
                 fmt::format("begin at {}:4", from.file));
    }
    if (!follow_) find_end();
    DumpRequest dump;
    dump.from = from;
    dump.server_id = server_id_;
    dump.only_what_is_there = !follow_;
    // Wanted or not: where an event does not say its position, those before it do.
    dump.annotations = true;
    request_dump(connection_, dump);
  }

  [[noreturn]] void explain(const Error& error) const {
    try {
      explain_dump_error(connection_, error, server_id_, from_);
    } catch (const Error& explained) {
      if (explained.id() != "mysql.offset-lost") throw;
      throw Error(explained.code(), explained.id(), explained.summary(), explained.why(),
                  "SHOW BINARY LOGS tells which files are left; begin at FILE:4, or at an offset "
                  "that weir has shown");
    }
  }

  /// Where the log ends now. Without it a busy server would be followed until it pauses.
  void find_end() {
    try {
      const auto files = connection_.query("SHOW BINARY LOGS");
      if (files.empty()) return;
      end_ = LogPosition::parse(
          fmt::format("{}:{}", files.back()[0].value_or(""), files.back()[1].value_or("")));
    } catch (const Error& error) {
      if (is_lost(error)) throw;
    }
  }

  bool past_end() const {
    if (!end_ || maker_.file().empty() || begin_ == 0) return false;
    LogPosition here;
    here.file = maker_.file();
    here.position = begin_;
    return reached(here, *end_);
  }

  /// Finds out where `event` begins in its file: servers leave the position out in places.
  void locate(std::string_view event) {
    if (event.size() < kHeaderSize) return;
    const auto type = static_cast<std::uint8_t>(event[kTypeOffset]);
    const std::uint64_t next = little_endian(event.data() + kNextPositionOffset, 4);
    const std::uint64_t flags = little_endian(event.data() + kFlagsOffset, 2);
    if (type == kHeartbeat || type == kHeartbeatV2) return;
    if (next == 0 && (flags & kArtificial) != 0) {
      begin_ = next_ = 0;
      return;
    }
    // The header has 32 bits for a position that may need more.
    const bool fits = next_ != 0 && ((next_ + event.size()) & 0xffffffff) == next;
    begin_ = next == 0 || fits ? next_ : next - std::min<std::uint64_t>(next, event.size());
    next_ = begin_ == 0 ? 0 : begin_ + event.size();
  }

  MysqlConnection connection_;
  bool follow_;
  std::uint32_t server_id_;
  std::string from_;
  BinlogDecoder decoder_;
  EntryMaker maker_;
  std::optional<LogPosition> end_;
  std::uint64_t begin_ = 0;  ///< of the event in hand; 0 = not known
  std::uint64_t next_ = 0;
  Clock::time_point heard_;
};

std::string numbered(std::size_t number) { return fmt::format("#{}", number); }

/// Names for labels that the log does not tell.
std::vector<std::string> unnamed_labels(std::size_t count) {
  std::vector<std::string> labels;
  labels.reserve(count);
  for (std::size_t i = 1; i <= count; ++i) labels.push_back(numbered(i));
  return labels;
}

ColumnType type_in_log(const MapColumn& column, bool has_signedness) {
  const bool is_unsigned = has_signedness && column.is_unsigned;
  const bool is_binary = column.collation == kBinaryCollation;
  const auto make = [](TypeKind kind, std::string_view native) {
    ColumnType type;
    type.kind = kind;
    type.native = native;
    return type;
  };
  const auto integer = [&](TypeKind with_sign, TypeKind without, const std::string& native) {
    return make(is_unsigned ? without : with_sign, is_unsigned ? native + " unsigned" : native);
  };
  const auto moment = [&](TypeKind kind, std::string_view native, std::uint16_t digits) {
    ColumnType type = make(kind, native);
    type.precision = digits;
    return type;
  };
  const auto sized = [&](TypeKind kind, std::string_view native, std::uint64_t length) {
    ColumnType type = make(kind, native);
    type.length = length;
    return type;
  };
  constexpr std::array<std::string_view, 4> kTexts = {"tinytext", "text", "mediumtext", "longtext"};
  constexpr std::array<std::string_view, 4> kBlobs = {"tinyblob", "blob", "mediumblob", "longblob"};
  const std::uint16_t meta = column.meta;
  switch (column.type) {
    case kTiny:
      return integer(TypeKind::int8, TypeKind::uint8, "tinyint");
    case kShort:
      return integer(TypeKind::int16, TypeKind::uint16, "smallint");
    case kInt24:
      return integer(TypeKind::int32, TypeKind::int32, "mediumint");
    case kLong:
      return integer(TypeKind::int32, TypeKind::uint32, "int");
    case kLongLong:
      return integer(TypeKind::int64, TypeKind::uint64, "bigint");
    case kFloat:
      return integer(TypeKind::float32, TypeKind::float32, "float");
    case kDouble:
      return integer(TypeKind::float64, TypeKind::float64, "double");
    case kNewDecimal: {
      ColumnType type = integer(TypeKind::decimal, TypeKind::decimal, "decimal");
      type.precision = meta >> 8;
      type.scale = meta & 0xff;
      return type;
    }
    case kBit:
      return sized(TypeKind::bits, "bit", (meta >> 8) * 8U + (meta & 0xff));
    case kYear:
      return make(TypeKind::year, "year");
    case kDate:
    case kNewDate:
      return make(TypeKind::date, "date");
    case kTime:
      return make(TypeKind::time, "time");
    case kDatetime:
      return make(TypeKind::datetime, "datetime");
    case kTimestamp:
      return make(TypeKind::timestamp, "timestamp");
    case kTime2:
      return moment(TypeKind::time, "time", meta);
    case kDatetime2:
      return moment(TypeKind::datetime, "datetime", meta);
    case kTimestamp2:
      return moment(TypeKind::timestamp, "timestamp", meta);
    case kString:
      return is_binary ? sized(TypeKind::bytes, "binary", meta) : make(TypeKind::text, "char");
    case kVarchar:
    case kVarString:
      return is_binary ? sized(TypeKind::bytes, "varbinary", meta)
                       : make(TypeKind::text, "varchar");
    case kVarcharCompressed:
      // One byte of the length is for how the value is compressed.
      return is_binary ? sized(TypeKind::bytes, "varbinary", meta - 1U)
                       : make(TypeKind::text, "varchar");
    case kBlobCompressed:
    case kBlob: {
      const std::size_t size = std::clamp<std::size_t>(meta, 1, kTexts.size()) - 1;
      return is_binary ? make(TypeKind::bytes, kBlobs[size]) : make(TypeKind::text, kTexts[size]);
    }
    case kJson:
      return make(TypeKind::json, "json");
    case kVector:
      return make(TypeKind::vector, "vector");
    case kGeometry:
      return make(TypeKind::geometry, "geometry");
    case kEnum: {
      ColumnType type = make(TypeKind::enumeration, "enum");
      type.members = column.members;
      if (type.members.empty()) type.members = unnamed_labels(meta > 1 ? 65535 : 255);
      return type;
    }
    case kSet: {
      ColumnType type = make(TypeKind::set, "set");
      type.members = column.members;
      if (type.members.empty()) type.members = unnamed_labels(meta * 8U);
      return type;
    }
    default:
      throw Error(
          ExitCode::unsupported, "binlog.column-type",
          fmt::format("a table has a column of type {}, which weir cannot show", column.type),
          "servers wrote it before MySQL 5.0 only", "look at the log with mysqlbinlog");
  }
}

}  // namespace

bool is_binlog(std::string_view head) {
  return head.starts_with(std::string_view("\xfe"
                                           "bin")) ||
         head.starts_with(std::string_view("\xfd"
                                           "bin"));
}

std::unique_ptr<LogReader> open_binlog_file(const std::string& path, const LogRequest& request) {
  return std::make_unique<FileReader>(path, request);
}

std::unique_ptr<LogReader> open_binlog(const Task& task, const LogRequest& request) {
  return std::make_unique<StreamReader>(task, request);
}

Table table_from_map(const TableMap& map) {
  Table table;
  table.name = {map.schema, map.table};
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    const MapColumn& logged = map.columns[i];
    Column column;
    column.name = map.has_names ? logged.name : fmt::format("@{}", i + 1);
    column.type = type_in_log(logged, map.has_signedness);
    column.nullable = logged.nullable;
    table.columns.push_back(std::move(column));
  }
  return table;
}

LogColumn::Text text_in_log(const MapColumn& column) {
  if (column.collation == 0) return LogColumn::Text::unsure;
  const bool is_utf8 = std::any_of(
      kUtf8Collations.begin(), kUtf8Collations.end(), [&column](const CollationRange& range) {
        return column.collation >= range.first && column.collation <= range.last;
      });
  return is_utf8 ? LogColumn::Text::utf8 : LogColumn::Text::foreign;
}

}  // namespace weir::mysql
