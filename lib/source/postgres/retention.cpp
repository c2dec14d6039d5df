// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/retention.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "base/time.h"

namespace weir::pgsource {
namespace {

constexpr int kVersion17 = 170000;

std::int64_t number(std::string_view text) {
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

/// Microseconds since 1970 as text; the epoch for NULL.
Time time_at(const PgResult& rows, std::size_t column) {
  return Time(std::chrono::microseconds(number(rows.text(0, column))));
}

std::string micros(const std::string& expression) {
  return fmt::format("(extract(epoch FROM {}) * 1000000)::bigint", expression);
}

void read_clock(PgConnection& connection, RetentionFacts& facts) {
  const Time asked = now();
  const PgResult clock = connection.query("SELECT " + micros("clock_timestamp()"));
  const Time told = now();
  facts.compare_clocks(time_at(clock, 0), asked, told);
}

void read_settings(PgConnection& connection, RetentionFacts& facts, SlotRetention& slot) {
  const PgResult rows = connection.query(
      "SELECT name, current_setting(name), setting, unit FROM pg_catalog.pg_settings WHERE name IN "
      "('wal_keep_size', 'max_slot_wal_keep_size', 'idle_replication_slot_timeout', "
      "'wal_segment_size') ORDER BY name");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const std::string name(rows.text(i, 0));
    const std::string shown(rows.text(i, 1));
    const std::int64_t value = number(rows.text(i, 2));
    if (name == "wal_segment_size") {
      slot.segment_bytes = static_cast<std::uint64_t>(value);
      continue;
    }
    facts.policy.push_back({name, shown});
    if (name == "max_slot_wal_keep_size") slot.keep_size = shown;
    if (name == "idle_replication_slot_timeout") {
      slot.idle_timeout = shown;
      const std::string_view unit = rows.text(i, 3);
      slot.idle_age = unit == "min"  ? std::chrono::seconds(value * 60)
                      : unit == "ms" ? std::chrono::seconds(value / 1000)
                                     : std::chrono::seconds(value);
    }
  }
}

/// False if there is no such slot.
bool read_slot_state(PgConnection& connection, const std::string& name, SlotRetention& slot) {
  const bool newer = connection.server_version_number() >= kVersion17;
  const PgResult row =
      connection.query(fmt::format("SELECT wal_status, safe_wal_size, restart_lsn, active, {} FROM "
                                   "pg_catalog.pg_replication_slots WHERE slot_name = $1",
                                   newer ? micros("inactive_since") : "NULL"),
                       {name});
  if (row.rows() == 0) return false;
  slot.status = row.text(0, 0);
  if (!row.is_null(0, 1)) slot.safe_bytes = number(row.text(0, 1));
  if (!row.is_null(0, 2)) slot.restart = Lsn::parse(row.text(0, 2));
  slot.active = row.text(0, 3) == "t";
  if (!row.is_null(0, 4) && !slot.active) slot.inactive_since = time_at(row, 4);
  return true;
}

/// The folder of the WAL, which only a member of pg_monitor may list.
void read_folder(PgConnection& connection, RetentionFacts& facts) {
  try {
    facts.file_count = static_cast<std::uint64_t>(
        number(connection.scalar("SELECT count(*) FROM pg_catalog.pg_ls_waldir()").value_or("0")));
  } catch (const Error& error) {
    if (error.id() != "postgres.permission") throw;
  }
}

}  // namespace

std::vector<RetentionLimit> slot_limits(const SlotRetention& slot) {
  std::vector<RetentionLimit> out;
  if (slot.safe_bytes || slot.status == "unreserved") {
    RetentionLimit cap;
    cap.kind = RetentionLimit::Kind::size;
    cap.name = "max_slot_wal_keep_size";
    cap.value = slot.keep_size;
    // The server counts whole segments, the one in use among them.
    const std::int64_t safe =
        slot.safe_bytes.value_or(0) - static_cast<std::int64_t>(slot.segment_bytes);
    cap.bytes = slot.status == "unreserved"
                    ? 0
                    : static_cast<std::uint64_t>(std::max<std::int64_t>(safe, 0));
    out.push_back(std::move(cap));
  }
  if (slot.idle_age.count() > 0) {
    RetentionLimit idle;
    idle.kind = RetentionLimit::Kind::age;
    idle.name = "idle_replication_slot_timeout";
    idle.value = slot.idle_timeout;
    idle.age = slot.idle_age;
    idle.since = slot.inactive_since;
    out.push_back(std::move(idle));
  }
  return out;
}

RetentionFacts read_retention(PgConnection& connection, const Task& task, const Offset& offset) {
  RetentionFacts facts;
  read_clock(connection, facts);
  SlotRetention slot;
  read_settings(connection, facts, slot);
  const Lsn end = Lsn::parse(
      connection
          .scalar("SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
                  "pg_current_wal_lsn() END")
          .value_or("0/0"));
  facts.end = {"", end.value};
  read_folder(connection, facts);
  facts.add_configured_limit(task, offset.source_time);
  if (!read_slot_state(connection, slot_name(task), slot)) return facts;
  facts.policy.push_back({"wal_status", slot.status});
  for (RetentionLimit& limit : slot_limits(slot)) facts.limits.push_back(std::move(limit));
  facts.grows = true;
  const Lsn from = Lsn::parse(offset.text);
  facts.behind = end > from ? end.value - from.value : 0;
  if (slot.restart) {
    facts.oldest = slot.restart->text();
    facts.kept_bytes = end > *slot.restart ? end.value - slot.restart->value : 0;
    facts.margin = from > *slot.restart ? from.value - slot.restart->value : 0;
  }
  const PgResult written = connection.query("SELECT wal_bytes, " + micros("stats_reset") +
                                            " FROM pg_catalog.pg_stat_wal");
  const Time reset = time_at(written, 1);
  if (reset != Time{} && reset < facts.server_now) {
    facts.growth =
        LogGrowth{static_cast<std::uint64_t>(number(written.text(0, 0))), facts.server_now - reset};
  }
  return facts;
}

}  // namespace weir::pgsource
