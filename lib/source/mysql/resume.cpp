// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/resume.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "model/retention.h"
#include "source/mysql/gtid.h"
#include "source/mysql/offset.h"
#include "source/mysql/retention.h"

namespace weir::mysql {
namespace {

/// The server reads a file from its beginning to tell what is at a place in it.
constexpr std::uint64_t kShortWay = 16 << 20;
constexpr std::string_view kDenied = "1227";

struct FileName {
  std::string_view base;
  std::string_view digits;
  std::uint64_t number = 0;
};

FileName file_name(std::string_view text) {
  FileName out;
  const std::size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return out;
  out.base = text.substr(0, dot);
  out.digits = text.substr(dot + 1);
  std::from_chars(out.digits.data(), out.digits.data() + out.digits.size(), out.number);
  return out;
}

struct Place {
  MysqlConnection& connection;
  const Task& task;
  const Offset& offset;
  LogPosition position;
};

Finding refused(const Place& at, const char* id, std::string what, std::string why, std::string fix,
                std::string evidence) {
  Finding out;
  out.id = id;
  out.severity = Severity::critical;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  out.evidence = std::move(evidence);
  out.gap.emplace();
  out.gap->from = at.offset.text;
  out.gap->from_time = at.offset.source_time;
  return out;
}

std::string start(const Place& at) { return "weir sync start " + at.task.name; }

std::string reset(const Place& at, const std::string& to) {
  return fmt::format("weir offset reset {} --to {} --accept-data-loss", at.task.name, to);
}

Finding changed(const Place& at, std::string evidence) {
  Finding out =
      refused(at, "source.identity-changed",
              "the source is not the server that the task's offset came from",
              "an offset means nothing on another server: changes would be lost or applied twice",
              "point the task at the old server", std::move(evidence));
  out.ways.push_back({"nothing is lost: point [source] at the old server again", start(at)});
  return out;
}

Finding behind(const Place& at, std::string evidence) {
  Finding out =
      refused(at, "mysql.source-behind", "the source lacks transactions that the task has applied",
              "it is another server, or was restored from a backup: an offset means nothing on it",
              "point the task at the old server, or restore the source to its newest state",
              std::move(evidence));
  out.ways.push_back(
      {"nothing is lost: restore the source to its newest state, or point [source] at the server "
       "that has those transactions",
       start(at)});
  return out;
}

/// The log begins after the offset. `oldest` is its first file, or "" if that is not known, and
/// `place` the oldest offset that could be gone on from.
Finding lost(const Place& at, const std::string& oldest, const std::string& place,
             const std::string& missing, std::string evidence) {
  Finding out =
      refused(at, "mysql.offset-lost",
              fmt::format("the source no longer has its log from offset {} on", at.offset.text),
              "the changes after the offset were purged; going on would lose them in silence",
              "restore the missing binlog files on the source", std::move(evidence));
  LogGap& gap = *out.gap;
  gap.missing = missing;
  if (!oldest.empty()) {
    gap.to = oldest + ":4";
    gap.to_time = begin_of(at.connection, at.task, oldest).value_or(Time{});
  }
  out.ways.push_back(
      {"nothing is lost: put the missing binlog files back on the source, list them in its index "
       "file and restart it",
       start(at)});
  if (place.empty()) return out;
  out.ways.push_back(
      {fmt::format("every change between {} and {} is lost: rows that it touched differ from the "
                   "source until they change again",
                   gap.from, gap.to.empty() ? place : gap.to),
       reset(at, place)});
  return out;
}

/// Empty if the account may not see the list; `why` is then the server's word for it.
std::optional<std::vector<LogFile>> list_files(MysqlConnection& connection, std::string& why) {
  try {
    std::vector<LogFile> out;
    for (const auto& row : connection.query("SHOW BINARY LOGS")) {
      out.push_back({row[0].value_or(""), std::stoull(row[1].value_or("0"))});
    }
    return out;
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    why = error.why();
    return {};
  }
}

/// By the sets of transactions that a MySQL keeps for this.
std::optional<Finding> gtid_gap(const Place& at) {
  MysqlConnection& connection = at.connection;
  const std::string set = connection.quote(at.position.gtids.text());
  const auto ask = [&](const std::string& expression) {
    return connection.scalar("SELECT " + expression).value_or("");
  };
  const std::string gone =
      ask(fmt::format("REPLACE(GTID_SUBTRACT(@@global.gtid_purged, {}), '\n', '')", set));
  if (!gone.empty()) {
    std::string why;
    const auto files = list_files(connection, why);
    const std::string oldest = files && !files->empty() ? files->front().name : "";
    const std::string rest = ask(fmt::format(
        "REPLACE(GTID_SUBTRACT(CONCAT({}, ',', @@global.gtid_purged), ''), '\n', '')", set));
    const std::string names = files_before(at.position.file, oldest);
    return lost(at, oldest, "gtid:" + rest,
                fmt::format("the transactions {}{}", gone, names.empty() ? "" : ", in " + names),
                "gtid_purged = " + ask("REPLACE(@@global.gtid_purged, '\n', '')"));
  }
  if (ask(fmt::format("GTID_SUBSET({}, @@global.gtid_executed)", set)) == "1") return {};
  return behind(at, "gtid_executed = " + ask("REPLACE(@@global.gtid_executed, '\n', '')"));
}

/// Whether an event of this file begins at the offset; true if that cannot be told.
bool is_between_events(const Place& at) {
  const LogPosition& position = at.position;
  try {
    const auto rows =
        at.connection.query(fmt::format("SHOW BINLOG EVENTS IN {} FROM {} LIMIT 1",
                                        at.connection.quote(position.file), position.position));
    // The server takes the next event for one that does not begin where it was told.
    return !rows.empty() && rows.front()[1] == std::to_string(position.position);
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    return error.why().find(kDenied) != std::string::npos;
  }
}

/// A MariaDB has no id but numbers that somebody gave it: another one with the same numbers and
/// names of files is known by the transactions in them.
std::optional<Finding> twin_gap(const Place& at, const std::vector<LogFile>& files) {
  MysqlConnection& connection = at.connection;
  const LogPosition& position = at.position;
  const std::string end = connection.scalar("SELECT @@global.gtid_binlog_pos").value_or("");
  if (!GtidSet::parse(end).contains(position.gtids)) {
    return behind(at, fmt::format("gtid_binlog_pos = {}, offset {}", end, at.offset.text));
  }
  const auto own = std::ranges::find(files, position.file, &LogFile::name);
  if (own == files.end()) return {};
  const auto before = transactions_before(connection, own->name);
  const auto after = own + 1 == files.end() ? std::optional<GtidSet>()
                                            : transactions_before(connection, (own + 1)->name);
  bool fits = (!before || position.gtids.contains(*before)) &&
              (!after || after->contains(position.gtids)) && position.position <= own->bytes;
  if (fits && position.position <= kShortWay) {
    const auto there = connection.scalar(fmt::format(
        "SELECT BINLOG_GTID_POS({}, {})", connection.quote(position.file), position.position));
    fits = !there || there->empty() || GtidSet::parse(*there) == position.gtids;
    if (fits && position.position < own->bytes) fits = is_between_events(at);
  }
  if (fits) return {};
  return changed(
      at, fmt::format("{} holds what follows {}{}, offset {}", own->name,
                      before ? before->text() : "nothing",
                      after ? " up to " + after->text() : fmt::format(", {} bytes", own->bytes),
                      at.offset.text));
}

std::optional<Finding> file_gap(const Place& at) {
  const LogPosition& position = at.position;
  std::string why;
  const auto files = list_files(at.connection, why);
  if (!files) {
    Finding finding;
    finding.id = "mysql.log-list-hidden";
    finding.severity = Severity::unknown;
    finding.what = "cannot tell whether the source still has its log from the offset on";
    finding.why =
        "the account may not see SHOW BINARY LOGS; the server decides when the log is opened";
    finding.fix =
        "GRANT BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) ON *.* TO the account";
    finding.evidence = why;
    return finding;
  }
  if (files->empty()) return lost(at, "", "", "all files", "the server has no binlog files");
  const std::string& oldest = files->front().name;
  const std::string missing = files_before(position.file, oldest);
  if (position.by_gtid()) {
    // The GTID state of a MariaDB does not move when files are purged: the floor is in the files.
    const auto floor = transactions_before(at.connection, oldest);
    // From an offset at the end of a file that is gone the log may be read on, by GTID.
    if (floor && !position.gtids.contains(*floor)) {
      return lost(at, oldest, oldest + ":4", missing,
                  fmt::format("the oldest kept file, {}, begins after {}", oldest, floor->text()));
    }
    if (floor) return twin_gap(at, *files);
  }
  const auto own = std::ranges::find(*files, position.file, &LogFile::name);
  if (own == files->end()) {
    return lost(at, oldest, oldest + ":4", missing,
                fmt::format("the oldest kept file is {}", oldest));
  }
  if (position.by_gtid()) return twin_gap(at, *files);
  if (position.position > own->bytes) {
    return behind(at, fmt::format("{} ends at {}", position.file, own->bytes));
  }
  if (position.position < own->bytes && position.position <= kShortWay && !is_between_events(at)) {
    return behind(at, fmt::format("no event of {} begins at {}", own->name, position.position));
  }
  return {};
}

}  // namespace

std::string files_before(const std::string& first, const std::string& oldest) {
  const FileName from = file_name(first);
  const FileName to = file_name(oldest);
  if (from.base.empty() || from.base != to.base || from.number >= to.number) return "";
  const std::uint64_t count = to.number - from.number;
  if (count == 1) return first;
  return fmt::format("{} to {}.{:0{}} ({} files)", first, to.base, to.number - 1, to.digits.size(),
                     count);
}

std::optional<Finding> resume_gap(MysqlConnection& connection, const Task& task,
                                  const Offset& offset, const Identity& now,
                                  const Identity& before) {
  const Place at{connection, task, offset, LogPosition::parse(offset.text)};
  if (!(now == before)) return changed(at, fmt::format("now {}, before {}", now.text, before.text));
  if (at.position.by_gtid() && !connection.is_mariadb()) return gtid_gap(at);
  return file_gap(at);
}

}  // namespace weir::mysql
