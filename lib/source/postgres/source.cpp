// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/source.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include <fmt/format.h>

#include "base/error.h"
#include "model/facts.h"
#include "model/lane.h"
#include "source/postgres/catalog.h"
#include "source/postgres/changes.h"
#include "source/postgres/checks.h"
#include "source/postgres/counters.h"
#include "source/postgres/find.h"
#include "source/postgres/heartbeat.h"
#include "source/postgres/identity.h"
#include "source/postgres/offset.h"
#include "source/postgres/resume.h"
#include "source/postgres/retention.h"
#include "source/postgres/rows.h"
#include "source/postgres/slot.h"
#include "source/postgres/start.h"

namespace weir::pgsource {
namespace {

constexpr const char* kLockTimeout = "SET lock_timeout = '30s'";

const Task& checked(const Task& task) {
  if (!task.source.database.empty()) return task;
  throw Error(ExitCode::configuration, "postgres.no-database",
              "[source] does not say which database to follow",
              "a PostgreSQL session, a slot and a publication belong to one database",
              "add database = \"NAME\" to [source]");
}

}  // namespace

PgSource::PgSource(const Task& task) : task_(checked(task)) {}

PgConnection& PgSource::connection() {
  if (!connection_) connection_.emplace(task_.source, PgConnection::Role::source);
  return *connection_;
}

std::string PgSource::version() { return "PostgreSQL " + connection().server_version(); }

std::optional<ServerClock> PgSource::clock() {
  PgConnection& open = connection();
  return read_clock([&open] {
    const auto micros =
        open.scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
    return Time(std::chrono::microseconds(std::strtoll(micros.value_or("0").c_str(), nullptr, 10)));
  });
}

Identity PgSource::identity() { return {read_identity(connection()).text()}; }

std::vector<TableName> PgSource::tables() { return list_tables(connection()); }

std::vector<Table> PgSource::describe(std::span<const TableName> names) {
  bool stored = connection().server_version_number() >= 180000;
  if (stored) {
    const auto publication = read_publication(connection(), publication_name(task_));
    stored = !publication || publication->stored_columns;
  }
  return describe_tables(connection(),
                         stored ? GeneratedColumns::stored : GeneratedColumns::left_out, names);
}

std::string PgSource::gather(const Task& task, std::span<const TablePlan> plans, bool is_new) {
  return encode_facts(pgsource::gather(connection(), task, plans, is_new));
}

std::vector<Finding> PgSource::judge(std::span<const TablePlan> plans,
                                     const std::string& facts) const {
  Facts known = decode_facts(facts);
  std::vector<Finding> findings = link_tables(known.tables, plans);
  std::ranges::move(pgsource::judge(known), std::back_inserter(findings));
  return findings;
}

void PgSource::prepare(std::span<const TablePlan> plans) {
  const std::string slot = slot_name(task_);
  const std::string publication = publication_name(task_);
  const auto published = read_publication(connection(), publication);
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
                                connection().server_version_number(), missing));
  }
  if (!missing.empty()) {
    // Before the slot: to a change from before the publication the server finds none, and newer
    // servers pass over it without a word.
    connection().execute(kLockTimeout);
    connection().execute(publication_sql(publication, published.has_value(),
                                         connection().server_version_number(), missing));
    connection().execute("SET lock_timeout = 0");
  }
  if (!read_slot(connection(), slot)) {
    create_slot(connection(), slot, kStartPatience);
    return;
  }
  // The slot of a start that got no further, or one that was made for us. It may be older than the
  // publication, so nothing may be left that was written before and commits after our start.
  wait_for_transactions(connection(), WaitFor::all, kStartPatience);
}

void PgSource::branch(const Task& parent) {
  const std::string name = slot_name(task_);
  std::optional<Slot> slot = read_slot(connection(), name);
  if (slot && !slot->usable()) {
    drop_slot(connection(), name);
    slot.reset();
  }
  if (!slot) copy_slot(connection(), slot_name(parent), name);
  // A copy is not known to standbys, whatever the first one is.
  const std::optional<Slot> first = read_slot(connection(), slot_name(parent));
  if (!first || first->failover != true || (slot && slot->failover == true)) return;
  PgConnection replication(task_.source, PgConnection::Role::source,
                           PgConnection::Mode::replication);
  let_fail_over(replication, name);
}

void PgSource::release() {
  if (task_.name != root_name(task_.name)) drop_slot(connection(), slot_name(task_));
}

Offset PgSource::start_offset() {
  return {take_start_position(connection(), kStartPatience).text(), now()};
}

Offset PgSource::log_end() { return {take_log_end(connection()).text(), now()}; }

std::optional<Finding> PgSource::can_resume(const Offset& offset, const Identity& identity) {
  return resume_gap(connection(), task_, offset, identity, ResumeFor::start);
}

std::optional<RetentionFacts> PgSource::retention(const Offset& offset, const Identity& identity) {
  std::optional<Finding> gap = resume_gap(connection(), task_, offset, identity, ResumeFor::watch);
  // Whoever reads from the slot keeps the task from starting; its log is still there.
  if (gap && gap->id == "postgres.slot-active") gap->severity = Severity::warning;
  RetentionFacts facts = read_retention(connection(), task_, offset);
  facts.gap = std::move(gap);
  return facts;
}

FoundOffset PgSource::find_offset(const OffsetRequest& request) {
  return find_place(connection(), task_, request);
}

std::optional<LogDistance> PgSource::distance(const Offset& from, const Offset& to) {
  const std::uint64_t a = Lsn::parse(from.text).value;
  const std::uint64_t b = Lsn::parse(to.text).value;
  return LogDistance{b > a ? b - a : 0, false};
}

Offset PgSource::claim(const FoundOffset& found) { return claim_place(connection(), task_, found); }

std::string PgSource::let_go(const Offset& offset) {
  return let_go_before(connection(), task_, offset);
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
  return read_counters(connection(), plans);
}

}  // namespace weir::pgsource
