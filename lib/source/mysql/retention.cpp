// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/retention.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "source/mysql/dump.h"

namespace weir::mysql {
namespace {

constexpr std::uint8_t kFormatDescription = 15;
/// Behind the header of the format event come at most these: encryption, GTID list, checkpoint.
constexpr int kFirstEvents = 5;

std::uint64_t number(std::string_view text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::string value_of(const std::map<std::string, std::string>& settings, const char* name) {
  const auto found = settings.find(name);
  return found == settings.end() ? "" : found->second;
}

std::map<std::string, std::string> read_settings(MysqlConnection& connection) {
  std::map<std::string, std::string> out;
  for (const auto& row : connection.query(
           "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', "
           "'expire_logs_days', 'binlog_expire_logs_auto_purge', 'max_binlog_total_size', "
           "'binlog_space_limit', 'slave_connections_needed_for_purge', 'max_binlog_size', "
           "'basedir')")) {
    out[to_lower(row[0].value_or(""))] = row[1].value_or("");
  }
  return out;
}

/// Asks; empty, with the reason, if the server refuses. A server that does not answer is an Error.
std::optional<MysqlConnection::Values> try_query(MysqlConnection& connection, std::string_view sql,
                                                 std::string& why) {
  try {
    return connection.query(sql);
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    why = error.why();
    return {};
  }
}

Finding hidden(const char* id, std::string what, std::string fix, std::string evidence) {
  Finding out;
  out.id = id;
  out.severity = Severity::unknown;
  out.what = std::move(what);
  out.why = "how long the log is kept cannot be told without it";
  out.fix = std::move(fix);
  out.evidence = std::move(evidence);
  return out;
}

/// RDS for MySQL keeps its own hours, whatever the variables say. Nothing on any other server.
std::optional<RetentionLimit> managed_limit(MysqlConnection& connection, const std::string& basedir,
                                            RetentionFacts& facts) {
  std::string why;
  const auto rows = try_query(connection,
                              "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog "
                              "retention hours'",
                              why);
  if (!rows) {
    if (basedir.starts_with("/rdsdbbin")) {
      facts.hidden.push_back(hidden(
          "mysql.managed-retention-hidden",
          "the managed service keeps its log by a setting that the account may not read",
          "GRANT SELECT ON mysql.rds_configuration TO the account, or set window in [retention] of "
          "the task file",
          why));
    }
    return {};
  }
  if (rows->empty()) return {};
  const std::string value = rows->front().front().value_or("");
  RetentionLimit out;
  out.name = "binlog retention hours";
  out.value = value.empty() ? "NULL" : value;
  out.age = std::chrono::hours(number(value));
  facts.policy.push_back({out.name, out.value});
  return out;
}

}  // namespace

std::optional<Time> log_file_begin(const Task& task, const std::string& file) {
  MysqlConnection connection(task.source, MysqlConnection::Role::source);
  DumpRequest request;
  request.from.file = file;
  request.from.position = 4;
  request.only_what_is_there = true;
  try {
    request_dump(connection, request);
    // Only the server's announcement of the file comes before.
    for (int i = 0; i < kFirstEvents; ++i) {
      const std::string_view packet = connection.read_packet();
      constexpr std::size_t kHeader = 20;  // with the packet's own first byte
      if (packet.size() < kHeader) return {};
      const auto byte = [&packet](std::size_t at) {
        return static_cast<std::uint32_t>(static_cast<std::uint8_t>(packet[at]));
      };
      if (byte(5) != kFormatDescription) continue;
      const std::uint32_t seconds = byte(1) | byte(2) << 8 | byte(3) << 16 | byte(4) << 24;
      if (seconds == 0) return {};
      return Time(std::chrono::seconds(seconds));
    }
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
  }
  return {};
}

std::optional<GtidSet> parse_gtid_list(std::string_view info) {
  if (!info.starts_with('[') || !info.ends_with(']')) return {};
  GtidSet out;
  for (const std::string& part : split(info.substr(1, info.size() - 2), ',')) {
    const std::vector<std::string> fields = split(trim(part), '-');
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != 3) return {};
    Gtid gtid;
    gtid.flavor = Gtid::Flavor::mariadb;
    gtid.domain = static_cast<std::uint32_t>(number(fields[0]));
    gtid.server_id = static_cast<std::uint32_t>(number(fields[1]));
    gtid.sequence = number(fields[2]);
    // A domain is there once for each server that wrote to it, the last writer last.
    out.add(gtid);
  }
  return out;
}

std::optional<GtidSet> transactions_before(MysqlConnection& connection, const std::string& file) {
  for (const auto& row : connection.query(fmt::format("SHOW BINLOG EVENTS IN {} LIMIT {}",
                                                      connection.quote(file), kFirstEvents))) {
    if (row[2] == "Gtid_list") return parse_gtid_list(row[5].value_or(""));
  }
  return {};
}

bool purges_for_readers(MysqlConnection& connection) {
  return judge_policy(read_settings(connection)).waits_for_readers;
}

LogPolicy judge_policy(const std::map<std::string, std::string>& settings) {
  LogPolicy out;
  const std::string seconds = value_of(settings, "binlog_expire_logs_seconds");
  const std::string days = value_of(settings, "expire_logs_days");
  if (value_of(settings, "binlog_expire_logs_auto_purge") != "OFF") {
    if (number(seconds) > 0) {
      out.expiry = std::chrono::seconds(number(seconds));
      out.expiry_name = "binlog_expire_logs_seconds";
      out.expiry_value = seconds;
    } else if (double part = 0;
               std::from_chars(days.data(), days.data() + days.size(), part).ec == std::errc() &&
               part > 0) {
      out.expiry = std::chrono::seconds(static_cast<std::int64_t>(part * 86400));
      out.expiry_name = "expire_logs_days";
      out.expiry_value = days;
    }
  }
  for (const char* name : {"max_binlog_total_size", "binlog_space_limit"}) {
    if (const std::uint64_t cap = number(value_of(settings, name)); cap > 0 && !out.cap) {
      out.cap = cap;
      out.cap_name = name;
    }
  }
  out.file_bytes = number(value_of(settings, "max_binlog_size"));
  out.waits_for_readers = number(value_of(settings, "slave_connections_needed_for_purge")) > 0 ||
                          (settings.contains("max_binlog_total_size") && out.cap);
  if (!out.cap && !out.expiry) out.waits_for_readers = false;
  return out;
}

PlaceInFiles place_in(const std::vector<LogFile>& files, const LogPosition& offset) {
  PlaceInFiles out;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].name == offset.file) {
      out.file = i;
      out.margin = total + std::min(offset.position, files[i].bytes);
    }
    total += files[i].bytes;
  }
  // An offset whose file is gone and that can still be read stands at the beginning of the first.
  out.behind = total - out.margin;
  out.from_file = total;
  for (std::size_t i = 0; out.file && i < *out.file; ++i) out.from_file -= files[i].bytes;
  return out;
}

std::optional<Time> begin_of(MysqlConnection& connection, const Task& task,
                             const std::string& file) {
  if (purges_for_readers(connection)) return {};
  return log_file_begin(task, file);
}

RetentionFacts read_retention(MysqlConnection& connection, const Task& task, const Offset& offset) {
  RetentionFacts facts;
  const Time asked = now();
  const std::string clock =
      connection.scalar("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS UNSIGNED)")
          .value_or("0");
  const Time told = now();
  facts.compare_clocks(Time(std::chrono::microseconds(number(clock))), asked, told);

  const auto settings = read_settings(connection);
  const LogPolicy policy = judge_policy(settings);
  for (const auto& [name, value] : settings) {
    if (name != "basedir") facts.policy.push_back({name, value});
  }

  std::string why;
  const auto listed = try_query(connection, "SHOW BINARY LOGS", why);
  if (!listed || listed->empty()) {
    facts.hidden.push_back(hidden(
        "mysql.log-list-hidden", "the files of the source's log cannot be listed",
        "GRANT BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) ON *.* TO the account", why));
    return facts;
  }
  std::uint64_t kept = 0;
  for (const auto& row : *listed) {
    facts.files.push_back({row[0].value_or(""), number(row[1].value_or("0"))});
    kept += facts.files.back().bytes;
  }
  const std::vector<LogFile>& files = facts.files;
  facts.file_count = files.size();
  facts.kept_bytes = kept;
  facts.oldest = files.front().name + ":4";
  facts.end = {files.back().name, files.back().bytes};
  const LogPosition position = LogPosition::parse(offset.text);
  const PlaceInFiles place = place_in(files, position);
  facts.behind = place.behind;
  facts.margin = place.margin;

  // A server that lets go of files only while replicas are there must not take this for one.
  const std::size_t own = place.file.value_or(0);
  Time next = Time{};
  if (policy.waits_for_readers) {
    if (own + 1 < files.size()) next = offset.source_time;
  } else {
    if (const auto begin = log_file_begin(task, files.front().name)) facts.oldest_time = *begin;
    if (own + 1 < files.size()) {
      next = log_file_begin(task, files[own + 1].name).value_or(offset.source_time);
    }
  }
  // A file that begins in the future was begun before the clock was put back.
  next = std::min(next, facts.server_now);
  if (facts.oldest_time != Time{} && facts.oldest_time < facts.server_now) {
    facts.growth = LogGrowth{kept, facts.server_now - facts.oldest_time};
  }

  const auto add_age = [&](RetentionLimit limit) {
    limit.kind = RetentionLimit::Kind::age;
    limit.since = next;
    facts.limits.push_back(std::move(limit));
  };
  // What the operator has set is known better than what the server's settings say.
  if (!facts.add_configured_limit(task, next)) {
    if (auto managed = managed_limit(connection, value_of(settings, "basedir"), facts)) {
      add_age(std::move(*managed));
    } else if (policy.expiry) {
      RetentionLimit expiry;
      expiry.name = policy.expiry_name;
      expiry.value = policy.expiry_value;
      expiry.age = *policy.expiry;
      add_age(std::move(expiry));
    }
  }
  if (policy.cap) {
    // Files go whole, and one more may be begun before the server counts.
    const std::uint64_t used = place.from_file + policy.file_bytes;
    RetentionLimit cap;
    cap.kind = RetentionLimit::Kind::size;
    cap.name = policy.cap_name;
    cap.value = std::to_string(*policy.cap);
    cap.bytes = *policy.cap > used ? *policy.cap - used : 0;
    facts.limits.push_back(std::move(cap));
  }
  facts.grows = facts.limits.empty();
  // Something else than the settings purges if the log is shorter than they allow.
  const auto first_number =
      number(std::string_view(files.front().name).substr(files.front().name.rfind('.') + 1));
  if (!policy.cap && first_number > 1 && facts.oldest_time != Time{}) {
    RetentionLimit measured;
    measured.name = "measured-window";
    measured.age = std::chrono::floor<std::chrono::seconds>(facts.server_now - facts.oldest_time);
    const bool shortest = facts.limits.empty() || measured.age < facts.limits.front().age;
    if (shortest) add_age(std::move(measured));
  }
  return facts;
}

}  // namespace weir::mysql
