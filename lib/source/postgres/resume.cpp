// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/resume.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "source/postgres/identity.h"
#include "source/postgres/offset.h"
#include "source/postgres/slot.h"

namespace weir::pgsource {
namespace {

/// What is known when a task is refused.
struct Place {
  const Task& task;
  const Offset& offset;
  const std::optional<Slot>& slot;
  std::string slot_name;
  Lsn end;  ///< of the server's log
  Time now{};
};

std::string start(const Place& at) { return "weir sync start " + at.task.name; }

std::string reset(const Place& at, const std::string& to) {
  return fmt::format("weir offset reset {} --to {} --accept-data-loss", at.task.name, to);
}

std::string drop_slot(const Place& at) {
  return fmt::format("SELECT pg_drop_replication_slot('{}')", at.slot_name);
}

void name_gap(const Place& at, Finding& finding, Lsn to, Time to_time) {
  LogGap& gap = finding.gap.emplace();
  gap.from = at.offset.text;
  gap.from_time = at.offset.source_time;
  gap.to = to.text();
  gap.to_time = to_time;
  const Lsn from = Lsn::parse(at.offset.text);
  if (to > from) {
    gap.missing = fmt::format("the WAL from {} to {} ({})", from.text(), to.text(),
                              format_bytes(to.value - from.value));
  }
}

void lose_changes(const Place& at, Finding& finding, const std::string& to) {
  finding.ways.push_back(
      {fmt::format("every change between {} and {} is lost: rows that it touched differ from the "
                   "source until they change again",
                   finding.gap->from, finding.gap->to),
       reset(at, to)});
}

/// A slot that has gone, or can no longer be used: only a new one helps, which begins now.
void add_new_slot(const Place& at, Finding& finding) {
  name_gap(at, finding, at.end, at.now);
  if (!at.slot) {
    finding.ways.push_back(
        {"nothing is lost: if the slot was renamed, or another one keeps the "
         "log from the offset on, name that one as source.slot",
         start(at)});
  }
  finding.gap->before_anew = at.slot ? drop_slot(at) : "";
  lose_changes(at, finding, "now");
}

void add_ways(const Place& at, Finding& finding) {
  const std::string& id = finding.id;
  if (id == "postgres.slot-missing" || id == "postgres.slot-lost") {
    add_new_slot(at, finding);
  } else if (id == "postgres.slot-ahead") {
    const Lsn confirmed = at.slot->confirmed.value_or(at.end);
    name_gap(at, finding, confirmed, Time{});
    lose_changes(at, finding, "lsn:" + confirmed.text());
  } else if (id == "postgres.source-behind") {
    finding.gap.emplace().from = at.offset.text;
    finding.gap->before_anew = at.slot ? drop_slot(at) : "";
    finding.ways.push_back({"nothing is lost: restore the source to its newest state", start(at)});
  } else if (id == "source.identity-changed" || id == "source.promoted") {
    finding.gap.emplace().from = at.offset.text;
    finding.gap->from_time = at.offset.source_time;
    finding.gap->before_anew = at.slot ? drop_slot(at) : "";
    finding.ways.push_back(
        {"nothing is lost: point [source] at the old server again, if it still runs", start(at)});
  }
}

}  // namespace

std::optional<Finding> resume_gap(PgConnection& connection, const Task& task, const Offset& offset,
                                  const Identity& before, ResumeFor purpose) {
  if (connection.scalar("SELECT pg_is_in_recovery()") == "t") return {};
  const std::string name = slot_name(task);
  const std::optional<Slot> slot = read_slot(connection, name);
  const Place at{task,
                 offset,
                 slot,
                 name,
                 Lsn::parse(connection.scalar("SELECT pg_current_wal_flush_lsn()").value_or("0/0")),
                 now()};
  const auto told = [&at](Finding finding) {
    add_ways(at, finding);
    return finding;
  };
  auto changed = identity_gap(read_identity(connection), before, offset, slot, task.source);
  if (changed && changed->severity == Severity::critical) return told(std::move(*changed));
  if (auto gap = slot_gap(slot, name, task.source.database, offset)) {
    // A reader tells the server what is applied a moment before weir's own state knows it.
    const bool own = purpose == ResumeFor::watch && slot && slot->held_by_weir;
    if (!own || gap->id != "postgres.slot-ahead") return told(std::move(*gap));
  }
  if (at.end < Lsn::parse(offset.text)) {
    Finding finding;
    finding.id = "postgres.source-behind";
    finding.severity = Severity::critical;
    finding.what = "the source lacks transactions that the task has applied";
    finding.why = "the server was restored from a backup, or lost the end of its log in a crash";
    finding.fix = "restore the source to its newest state";
    finding.evidence = fmt::format("its log ends at {}, offset {}", at.end.text(), offset.text);
    return told(std::move(finding));
  }
  return changed;
}

}  // namespace weir::pgsource
