// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/identity.h"

#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace weir::pgsource {
namespace {

constexpr std::string_view kKind = "postgres ";
constexpr std::string_view kTimeline = " timeline ";
constexpr std::string_view kDatabase = " database ";

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

Finding changed(const LogIdentity& now, const Identity& before) {
  Finding finding;
  finding.id = "source.identity-changed";
  finding.severity = Severity::critical;
  finding.what = "the source is not the server that the task's offset came from";
  finding.why = "an offset means nothing on another server: changes would be lost or applied twice";
  finding.fix = "point the task at the old server";
  finding.evidence = fmt::format("now {}, before {}", now.text(), before.text);
  return finding;
}

}  // namespace

std::string LogIdentity::text() const {
  return fmt::format("{}{}{}{}{}{}", kKind, system, kTimeline, timeline, kDatabase, database);
}

std::optional<LogIdentity> LogIdentity::parse(std::string_view text) {
  const std::size_t timeline = text.find(kTimeline);
  const std::size_t database = text.find(kDatabase);
  if (!text.starts_with(kKind) || timeline == std::string_view::npos ||
      database == std::string_view::npos || database < timeline) {
    return {};
  }
  const std::size_t begin = timeline + kTimeline.size();
  const auto read = number(text.substr(begin, database - begin));
  if (!read) return {};
  return LogIdentity{std::string(text.substr(kKind.size(), timeline - kKind.size())), *read,
                     std::string(text.substr(database + kDatabase.size()))};
}

LogIdentity read_identity(PgConnection& connection) {
  // The control file may still name the timeline before a promotion; the WAL's name does not.
  const PgResult row = connection.query(
      "SELECT system_identifier, CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM "
      "pg_control_checkpoint()) ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), "
      "8))::bit(32)::int END, current_database() FROM pg_control_system()");
  return {std::string(row.text(0, 0)), number(row.text(0, 1)).value_or(0),
          std::string(row.text(0, 2))};
}

std::optional<Lsn> end_of_timeline(std::string_view history, std::uint32_t timeline) {
  for (const std::string& line : split(history, '\n')) {
    const std::vector<std::string> fields = split(line, '\t');
    if (fields.size() < 2 || number(trim(fields[0])) != timeline) continue;
    return Lsn::parse(trim(fields[1]));
  }
  return {};
}

std::optional<Finding> identity_gap(const LogIdentity& now, const Identity& before,
                                    const Offset& offset, const std::optional<Slot>& slot,
                                    const Endpoint& endpoint) {
  if (now.text() == before.text) return {};
  const auto earlier = LogIdentity::parse(before.text);
  if (!earlier || earlier->system != now.system || earlier->database != now.database ||
      now.timeline < earlier->timeline) {
    return changed(now, before);
  }
  PgConnection connection(endpoint, PgConnection::Role::source, PgConnection::Mode::replication);
  const PgResult file = connection.command(fmt::format("TIMELINE_HISTORY {}", now.timeline));
  const auto end = end_of_timeline(file.text(0, 1), earlier->timeline);
  Finding finding = changed(now, before);
  finding.id = "source.promoted";
  finding.what =
      fmt::format("a standby was promoted: the source goes on in timeline {}", now.timeline);
  if (!end) {
    finding.why = "that timeline does not come from the one of the task's offset";
    return finding;
  }
  finding.evidence = fmt::format("timeline {} ended at {}, offset {}", earlier->timeline,
                                 end->text(), offset.text);
  if (!slot) {
    finding.why = "the task's slot did not come along, so the changes since its offset may be gone";
    finding.fix =
        "from PostgreSQL 17 on slots follow: set sync_replication_slots and hot_standby_feedback "
        "on standbys, and name them in synchronized_standby_slots on the primary";
    return finding;
  }
  // A slot confirmed beyond the end was confirmed here: the task has been going on already.
  if (Lsn::parse(offset.text) > *end && slot->confirmed.value_or(Lsn{}) < *end) {
    finding.why =
        "the promoted server lacks transactions that the task has applied, and its log may hold "
        "others at the same place";
    finding.fix =
        "compare the target with the source; synchronized_standby_slots on a primary keeps this "
        "from happening";
    return finding;
  }
  finding.severity = Severity::info;
  finding.why = "it has everything that the task has applied, and the task's slot: nothing is lost";
  finding.fix = "nothing";
  return finding;
}

}  // namespace weir::pgsource
