// SPDX-License-Identifier: Apache-2.0
// The rules about PostgreSQL sources and targets, over facts that went through JSON and back.
#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "model/facts.h"
#include "source/postgres/checks.h"
#include "target/postgres/checks.h"

using namespace weir;

namespace {

TablePlan item_plan() {
  TablePlan plan;
  plan.source.name = plan.target = {"shop", "item"};
  plan.source.engine = "heap";
  for (const char* name : {"code", "image"}) {
    Column column;
    column.name = name;
    column.type.native = std::string(name) == "image" ? "oid" : "text";
    column.type.kind = std::string(name) == "image" ? TypeKind::uint32 : TypeKind::text;
    column.collation = std::string(name) == "image" ? "" : "default";
    PlannedColumn planned;
    planned.name = name;
    planned.source = static_cast<std::uint32_t>(plan.source.columns.size());
    planned.type = column.type;
    planned.target_type = std::string(name) == "image" ? "bigint" : "text";
    plan.source.columns.push_back(std::move(column));
    plan.columns.push_back(std::move(planned));
  }
  plan.source.key = {0};
  plan.key = {0};
  plan.columns[0].nullable = false;
  plan.key_is_primary = true;
  return plan;
}

/// A server with which nothing is wrong.
pgsource::Facts good_source() {
  pgsource::Facts facts;
  facts.version = 180000;
  facts.role = "reader";
  facts.database = "dw";
  facts.encoding = "UTF8";
  facts.wal_level = "logical";
  facts.may_replicate = facts.may_create = true;
  facts.slots = facts.senders = 10;
  facts.slots_free = facts.senders_free = 5;
  facts.connections_free = facts.connections_wanted = 5;
  facts.connection_limits = "max_connections = 100";
  facts.replication_problem = "";
  facts.wal_sender_timeout = "1min";
  facts.wal_sender_millis = 60'000;
  facts.keep_size = "1GB";
  facts.slot_name = "weir_shop";
  facts.publication_name = "weir_shop";
  facts.spill_folder = "/var/tmp";
  facts.spill_free = std::uint64_t{10} << 30;
  pgsource::Facts::TableFacts table;
  table.source = {"shop", "item"};
  table.name = "shop.item";
  table.owned = table.may_select = true;
  table.identity = {"code"};
  facts.tables.push_back(std::move(table));
  return facts;
}

pgsource::Slot quiet_slot() {
  pgsource::Slot slot;
  slot.plugin = "pgoutput";
  slot.database = "dw";
  slot.wal_status = "reserved";
  slot.failover = true;
  return slot;
}

postgres::Facts good_target() {
  postgres::Facts facts;
  facts.version = 180000;
  facts.can_create_schema = facts.utf8 = true;
  facts.encoding = "UTF8";
  facts.role = "writer";
  facts.control_schema = "weir";
  facts.connections_left = facts.connections_wanted = 6;
  facts.connection_limits = "max_connections = 100";
  facts.write_problem = "";
  facts.alters = "ddl.add_column = apply";
  facts.truncates = "ddl.truncate_table = apply";
  postgres::Facts::TableFacts table;
  table.source = table.target = {"shop", "item"};
  table.schema_exists = table.can_create = table.exists = table.is_table = true;
  table.can_write = table.owned = table.can_drop = table.can_truncate = table.has_key = true;
  table.columns["code"] = {"text", -1, "text", true, false, false, false};
  table.columns["image"] = {"int8", -1, "bigint", false, false, false, false};
  facts.tables.push_back(std::move(table));
  return facts;
}

template <class Facts, class Decode>
std::vector<Finding> judged(const Facts& facts, const TablePlan& plan, Decode&& decode) {
  Facts read = decode(encode_facts(facts));
  REQUIRE(link_tables(read.tables, std::span(&plan, 1)).empty());
  std::vector<Finding> findings = judge(read);
  // Each server has the one or the other of these.
  std::erase_if(findings, [](const Finding& found) { return found.id == "postgres.slot-limit"; });
  return findings;
}

const Finding* find(const std::vector<Finding>& findings, const std::string& id) {
  const auto at = std::ranges::find(findings, id, &Finding::id);
  return at == findings.end() ? nullptr : &*at;
}

/// What is wrong with a server, and what is found then.
template <class Facts>
struct Row {
  std::string id;
  Severity severity;
  std::function<void(Facts&)> spoil;
  std::string evidence;
  std::string fix;
};

template <class Facts, class Decode>
void check(const Facts& good, const std::vector<Row<Facts>>& rows, const TablePlan& plan,
           Decode&& decode) {
  for (const Finding& finding : judged(good, plan, decode)) FAIL(finding.id);
  for (const Row<Facts>& row : rows) {
    INFO(row.id << ": " << row.evidence);
    Facts bad = good;
    row.spoil(bad);
    const std::vector<Finding> findings = judged(bad, plan, decode);
    const Finding* const found = find(findings, row.id);
    REQUIRE(found != nullptr);
    CHECK(found->severity == row.severity);
    CHECK_THAT(found->evidence, Catch::Contains(row.evidence));
    CHECK_THAT(found->fix, Catch::Contains(row.fix));
  }
}

void check_source(const std::vector<Row<pgsource::Facts>>& rows) {
  check(good_source(), rows, item_plan(), &pgsource::decode_facts);
}

void check_target(const std::vector<Row<postgres::Facts>>& rows) {
  check(good_target(), rows, item_plan(), &postgres::decode_facts);
}

}  // namespace

TEST_CASE("PostgreSQL source: what its server lacks", "[pg_checks]") {
  using pgsource::Facts;
  check_source({
      {"postgres.wal-level", Severity::critical, [](Facts& f) { f.wal_level = "replica"; },
       "wal_level = replica, wanted logical", "ALTER SYSTEM SET wal_level"},
      {"postgres.replication-refused", Severity::critical,
       [](Facts& f) { f.replication_problem = "unsupported startup parameter"; },
       "unsupported startup parameter", "host \"dw\" \"reader\""},
      {"postgres.replication-refused", Severity::warning,
       [](Facts& f) {
         f.replication_problem = "unsupported startup parameter";
         f.publication.emplace();
         f.is_new = false;
       },
       "", ""},
      {"postgres.no-free-slot", Severity::critical,
       [](Facts& f) {
         f.snapshots = 4;
         f.slots_free = 4;
       },
       "max_replication_slots = 10, 4 free, wanted 5", "max_replication_slots = 11"},
      {"postgres.no-free-sender", Severity::critical,
       [](Facts& f) {
         f.snapshots = 4;
         f.senders_free = 3;
       },
       "max_wal_senders = 10, 3 free, wanted 4", "max_wal_senders = 11"},
      {"postgres.source-connections", Severity::critical, [](Facts& f) { f.connections_free = 4; },
       "max_connections = 100, 4 free, wanted 5", "raise max_connections by 1"},
      {"postgres.sender-timeout", Severity::warning,
       [](Facts& f) {
         f.wal_sender_timeout = "9s";
         f.wal_sender_millis = 9000;
       },
       "wal_sender_timeout = 9s", "ALTER ROLE \"reader\" SET wal_sender_timeout = '60s'"},
      {"postgres.spill-space", Severity::warning, [](Facts& f) { f.spill_free = 1000; },
       "/var/tmp: 1000 B free", "TMPDIR"},
      {"postgres.spill-space", Severity::warning, [](Facts& f) { f.spill_writable = false; },
       "/var/tmp is not writable", "TMPDIR"},
      {"postgres.prepared-transactions", Severity::critical,
       [](Facts& f) {
         f.prepared = {{"'x' in database dw", "ROLLBACK PREPARED 'x'"}};
       },
       "'x' in database dw", "ROLLBACK PREPARED 'x'"},
      {"postgres.old-transactions", Severity::warning,
       [](Facts& f) {
         f.old_transactions = {{"transaction 1", "SELECT pg_terminate_backend(7)"},
                               {"transaction 2", "ROLLBACK PREPARED 'y'"}};
       },
       "transaction 1; transaction 2", "SELECT pg_terminate_backend(7); ROLLBACK PREPARED 'y'"},
      {"postgres.standby-behind", Severity::warning,
       [](Facts& f) {
         f.standby_slots = {"a", "b"};
       },
       "synchronized_standby_slots = '', wanted 'a, b'",
       "ALTER SYSTEM SET synchronized_standby_slots = 'a, b'"},
      {"postgres.slot-failover", Severity::warning,
       [](Facts& f) {
         f.standby_slots = {"a"};
         f.slot = quiet_slot();
         f.slot->failover = false;
       },
       "failover = f, wanted t", "ALTER_REPLICATION_SLOT weir_shop (FAILOVER true)"},
  });
}

TEST_CASE("PostgreSQL source: what is no reason for a finding", "[pg_checks]") {
  const TablePlan plan = item_plan();
  const auto ids = [&](const std::function<void(pgsource::Facts&)>& change) {
    pgsource::Facts facts = good_source();
    change(facts);
    std::vector<std::string> out;
    for (const Finding& found : judged(facts, plan, &pgsource::decode_facts)) {
      out.push_back(found.id);
    }
    return out;
  };
  using pgsource::Facts;
  using Ids = std::vector<std::string>;
  // Not tried, or told already.
  CHECK(ids([](Facts& f) { f.replication_problem.reset(); }).empty());
  CHECK(ids([](Facts& f) {
          f.may_replicate = false;
          f.replication_problem = "no";
        }) == Ids{"postgres.replication-denied"});
  // 0 means never.
  CHECK(ids([](Facts& f) { f.wal_sender_millis = 0; }).empty());
  CHECK(ids([](Facts& f) { f.spill_free.reset(); }).empty());
  // Standbys of servers without failover slots, and those that are waited for.
  CHECK(ids([](Facts& f) {
          f.version = 160000;
          f.standby_slots = {"a"};
        }).empty());
  CHECK(ids([](Facts& f) {
          f.standby_slots = {"a"};
          f.synced_slots = "a";
        }).empty());
  // The task's own slot counts.
  CHECK(ids([](Facts& f) {
          f.slot = quiet_slot();
          f.snapshots = 5;
        }) == Ids{"postgres.slot-exists"});
  // A task that resumes has all of it.
  CHECK(ids([](Facts& f) {
          f.is_new = false;
          f.publication.emplace().tables[{"shop", "item"}] = {};
          f.tables[0].published = true;
          f.connections_free = 0;
          f.slots_free = f.senders_free = 0;
        }).empty());
}

TEST_CASE("PostgreSQL source: tables that would be copied in part", "[pg_checks]") {
  using pgsource::Facts;
  check_source({
      {"postgres.row-security", Severity::critical,
       [](Facts& f) {
         f.tables[0].has_policy = true;
         f.tables[0].select_denied = "query would be affected";
       },
       "row_security_active('shop.item') = t", "ALTER ROLE \"reader\" BYPASSRLS"},
      {"postgres.select-denied", Severity::critical,
       [](Facts& f) {
         f.tables[0].may_select = false;
         f.tables[0].select_denied = "permission denied";
       },
       "permission denied",
       "GRANT USAGE ON SCHEMA \"shop\" TO \"reader\"; GRANT SELECT ON \"shop\".\"item\" TO "
       "\"reader\""},
      {"postgres.unlogged", Severity::critical,
       [](Facts& f) {
         f.tables[0].unlogged_parts = {{"shop", "p1"}, {"shop", "p2"}};
       },
       "partitions shop.p1, shop.p2",
       "ALTER TABLE \"shop\".\"p1\" SET LOGGED; ALTER TABLE \"shop\".\"p2\" SET LOGGED"},
      {"postgres.foreign-partition", Severity::critical,
       [](Facts& f) {
         f.tables[0].foreign_parts = {{"shop", "far"}};
       },
       "shop.far", "ALTER TABLE \"shop\".\"item\" DETACH PARTITION \"shop\".\"far\""},
      {"postgres.inherited", Severity::warning,
       [](Facts& f) {
         f.tables[0].children = {{"attic", "item"}, {"shop", "item"}};
       },
       "no rule takes attic.item", "\"attic.item\""},
      {"postgres.left-out", Severity::info, [](Facts& f) { f.left_out = {"foreign table a.b"}; },
       "foreign table a.b", ""},
      {"postgres.large-objects", Severity::info, [](Facts& f) { f.has_large_objects = true; },
       "image of type oid", "lo_get(\"image\")"},
      {"postgres.collation-changed", Severity::warning,
       [](Facts& f) {
         f.changed_collations = {{"default", "", "2.31", "2.36", {}}};
       },
       "database dw: version 2.31, wanted 2.36; keys of shop.item",
       "ALTER DATABASE \"dw\" REFRESH COLLATION VERSION"},
      {"postgres.publication-all", Severity::warning,
       [](Facts& f) {
         f.unidentified = {{"app", "log"}};
         f.unidentified_count = 3;
       },
       "app.log and 2 more", "ALTER TABLE \"app\".\"log\" REPLICA IDENTITY FULL"},
  });
}

TEST_CASE("PostgreSQL target: what would stop a task there", "[pg_checks]") {
  using postgres::Facts;
  check_target({
      {"postgres.write-refused", Severity::critical,
       [](Facts& f) { f.write_problem = "no space left"; }, "no space left", "\"weir\""},
      {"postgres.connections", Severity::critical, [](Facts& f) { f.connections_left = 5; },
       "max_connections = 100, 5 free, wanted 6", "raise max_connections by 1"},
      {"postgres.column-not-null", Severity::warning,
       [](Facts& f) { f.tables[0].columns["image"].not_null = true; },
       "source NULL, target NOT NULL", "ALTER COLUMN \"image\" DROP NOT NULL"},
      {"postgres.ddl-denied", Severity::warning, [](Facts& f) { f.tables[0].owned = false; },
       "ddl.add_column = apply", "ALTER TABLE \"shop\".\"item\" OWNER TO \"writer\""},
      {"postgres.ddl-denied", Severity::warning, [](Facts& f) { f.tables[0].can_truncate = false; },
       "ddl.truncate_table = apply", "GRANT TRUNCATE ON \"shop\".\"item\" TO \"writer\""},
      {"postgres.triggers", Severity::warning,
       [](Facts& f) {
         f.may_leave_out_triggers = false;
         f.tables[0].triggers = {"trigger t"};
       },
       "trigger t", "GRANT SET ON PARAMETER session_replication_role TO \"writer\""},
  });
  TablePlan plan = item_plan();
  plan.source.estimated_bytes = std::uint64_t{2} << 30;
  const auto findings = judged(good_target(), plan, &postgres::decode_facts);
  REQUIRE(find(findings, "postgres.disk") != nullptr);
  CHECK(findings.size() == 1);
}

TEST_CASE("PostgreSQL target: what the role may do is asked for by the task alone", "[pg_checks]") {
  TablePlan plan = item_plan();
  postgres::Facts facts = good_target();
  facts.tables[0].owned = facts.tables[0].can_drop = facts.tables[0].can_truncate = false;
  facts.alters.clear();
  facts.truncates.clear();
  CHECK(judged(facts, plan, &postgres::decode_facts).empty());
  for (const ExistingPolicy policy : {ExistingPolicy::truncate, ExistingPolicy::replace}) {
    plan.existing = policy;
    facts.tables[0].started = false;
    const auto findings = judged(facts, plan, &postgres::decode_facts);
    REQUIRE(find(findings, "postgres.existing-denied") != nullptr);
    CHECK(find(findings, "postgres.existing-denied")->severity == Severity::critical);
    // The task has it already: nothing is dropped or emptied any more.
    facts.tables[0].started = true;
    CHECK(judged(facts, plan, &postgres::decode_facts).empty());
  }
}
