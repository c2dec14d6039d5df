// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/source.h"

#include <fmt/format.h>

#include "base/error.h"
#include "source/postgres/catalog.h"
#include "source/postgres/changes.h"
#include "source/postgres/checks.h"
#include "source/postgres/counters.h"
#include "source/postgres/heartbeat.h"
#include "source/postgres/identity.h"
#include "source/postgres/offset.h"
#include "source/postgres/retention.h"
#include "source/postgres/rows.h"
#include "source/postgres/slot.h"
#include "source/postgres/start.h"

namespace weir::pgsource {
namespace {

constexpr const char* kLockTimeout = "SET lock_timeout = '30s'";

const Endpoint& checked(const Task& task) {
  if (!task.source.database.empty()) return task.source;
  throw Error(ExitCode::configuration, "postgres.no-database",
              "[source] does not say which database to follow",
              "a PostgreSQL session, a slot and a publication belong to one database",
              "add database = \"NAME\" to [source]");
}

}  // namespace

PgSource::PgSource(const Task& task)
    : task_(task), connection_(checked(task), PgConnection::Role::source) {}

std::string PgSource::version() { return "PostgreSQL " + connection_.server_version(); }

Identity PgSource::identity() { return {read_identity(connection_).text()}; }

std::vector<TableName> PgSource::tables() { return list_tables(connection_); }

std::vector<Table> PgSource::describe(std::span<const TableName> names) {
  bool stored = connection_.server_version_number() >= 180000;
  if (stored) {
    const auto publication = read_publication(connection_, publication_name(task_));
    stored = !publication || publication->stored_columns;
  }
  return describe_tables(connection_,
                         stored ? GeneratedColumns::stored : GeneratedColumns::left_out, names);
}

std::vector<Finding> PgSource::preflight(const Task& task, std::span<const TablePlan> plans,
                                         bool is_new) {
  return judge(gather(connection_, task, plans, is_new));
}

void PgSource::prepare(std::span<const TablePlan> plans) {
  const std::string slot = slot_name(task_);
  const std::string publication = publication_name(task_);
  const auto published = read_publication(connection_, publication);
  std::vector<const Table*> missing;
  for (const TablePlan& plan : plans) {
    if (!published || !published->tables.contains(plan.source.name)) {
      missing.push_back(&plan.source);
    }
  }
  if (!missing.empty() && !task_.source.publication.empty()) {
    throw Error(ExitCode::refused, "postgres.publication-table",
                fmt::format("the publication {} lacks {}", publication, missing[0]->name.text()),
                "a publication that the task file names is never changed by weir",
                publication_sql(publication, published.has_value(),
                                connection_.server_version_number(), missing));
  }
  if (!missing.empty()) {
    // Before the slot: to a change from before the publication the server finds none, and newer
    // servers pass over it without a word.
    connection_.execute(kLockTimeout);
    connection_.execute(publication_sql(publication, published.has_value(),
                                        connection_.server_version_number(), missing));
    connection_.execute("SET lock_timeout = 0");
  }
  if (!read_slot(connection_, slot)) {
    create_slot(connection_, slot, kStartPatience);
    return;
  }
  // The slot of a start that got no further, or one that was made for us. It may be older than the
  // publication, so nothing may be left that was written before and commits after our start.
  wait_for_transactions(connection_, WaitFor::all, kStartPatience);
}

Offset PgSource::start_offset() {
  return {take_start_position(connection_, kStartPatience).text(), now()};
}

Offset PgSource::log_end() { return {take_log_end(connection_).text(), now()}; }

std::optional<Finding> PgSource::can_resume(const Offset& offset, const Identity& identity) {
  if (connection_.scalar("SELECT pg_is_in_recovery()") == "t") return {};  // a check of its own
  const std::string name = slot_name(task_);
  const std::optional<Slot> slot = read_slot(connection_, name);
  auto told = identity_gap(read_identity(connection_), identity, offset, slot, task_.source);
  if (told && told->severity == Severity::critical) return told;
  if (auto gap = slot_gap(slot, name, task_.source.database, offset)) return gap;
  const std::string end = connection_.scalar("SELECT pg_current_wal_flush_lsn()").value_or("0/0");
  if (Lsn::parse(end) < Lsn::parse(offset.text)) {
    Finding finding;
    finding.id = "postgres.source-behind";
    finding.severity = Severity::critical;
    finding.what = "the source lacks transactions that the task has applied";
    finding.why = "the server was restored from a backup, or lost the end of its log in a crash";
    finding.fix = "restore the source to its newest state";
    finding.evidence = fmt::format("its log ends at {}, offset {}", end, offset.text);
    return finding;
  }
  return told;
}

std::optional<RetentionFacts> PgSource::retention(const Offset& offset, const Identity& identity) {
  std::optional<Finding> gap = can_resume(offset, identity);
  // Whoever reads from the slot keeps the task from starting; its log is still there.
  if (gap && gap->id == "postgres.slot-active") gap->severity = Severity::warning;
  RetentionFacts facts = read_retention(connection_, task_, offset);
  facts.gap = std::move(gap);
  return facts;
}

bool PgSource::reached(const Offset& a, const Offset& b) const {
  return Lsn::parse(a.text) >= Lsn::parse(b.text);
}

std::unique_ptr<RowReader> PgSource::open_rows() {
  return std::make_unique<TableReader>(task_.source);
}

std::unique_ptr<ChangeReader> PgSource::open_changes(const Offset& from,
                                                     std::span<const TablePlan> plans) {
  return std::make_unique<PgChangeReader>(task_, Lsn::parse(from.text), plans);
}

std::unique_ptr<Heartbeat> PgSource::open_heartbeat() {
  return std::make_unique<PgHeartbeat>(task_);
}

std::optional<std::vector<Counter>> PgSource::counters(std::span<const TablePlan> plans) {
  return read_counters(connection_, plans);
}

}  // namespace weir::pgsource
