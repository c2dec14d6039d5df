// SPDX-License-Identifier: Apache-2.0
// Checks of PostgreSQL sources and targets, each seen failing and passing on a real server, and
// mended by the statement that it prints.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "mapping/task_file.h"
#include "source/postgres/checks.h"
#include "support/eventually.h"
#include "support/preflight_report.h"
#include "support/task_run.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

constexpr const char* kItemRule = "[[table]]\nmatch = \"shop.item\"\n";

/// One table that nothing is wrong with, and a role that may do what the task needs.
void make_source(TempPostgres& source) {
  source.sql("ALTER ROLE weir REPLICATION");
  source.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text); INSERT INTO "
      "shop.item VALUES (1, 'a'), (2, 'b')");
}

void check_source_server(TempPostgres::Release release) {
  TempPostgres source({.release = release, .settings = {"max_prepared_transactions=5"}});
  TempPostgres target;
  make_source(source);
  TaskRun task(source, target, {.rest = kItemRule});
  CHECK(Report(task).trouble() == "");

  source.sql("ALTER ROLE weir NOREPLICATION");
  check_mended(task, source, "postgres.replication-denied", "critical", "wanted t");
  // The name of a privilege that this server does not know.
  source.sql("CREATE ROLE rds_replication; GRANT rds_replication TO weir");
  source.sql("ALTER ROLE weir NOREPLICATION");
  const Report refused(task);
  CHECK(refused.severity("postgres.replication-refused") == "critical");
  CHECK_THAT(refused.fix("postgres.replication-refused"), Catch::Contains("\"dw\" \"weir\""));
  source.sql("REVOKE rds_replication FROM weir; DROP ROLE rds_replication");
  source.sql("ALTER ROLE weir REPLICATION");
  CHECK(Report(task).trouble() == "");

  source.sql("ALTER ROLE weir SET wal_sender_timeout = '2s'");
  check_mended(task, source, "postgres.sender-timeout", "warning",
               "wal_sender_timeout = 2s, wanted 10s or more");
  source.sql("ALTER ROLE weir RESET wal_sender_timeout");

  source.sql("ALTER ROLE weir CONNECTION LIMIT 4");
  const Report full(task);
  CHECK(full.severity("postgres.source-connections") == "critical");
  CHECK_THAT(full.evidence("postgres.source-connections"),
             Catch::Contains("CONNECTION LIMIT of role weir = 4, ") && Catch::Contains("wanted 5"));
  source.sql("ALTER ROLE weir CONNECTION LIMIT -1");

  // The folders of this test are made by the same setting.
  const weir::Task parsed = weir::read_task(task.file());
  weir::PgConnection connection(parsed.source, weir::PgConnection::Role::source);
  REQUIRE(setenv("TMPDIR", "/nonexistent", 1) == 0);
  const weir::pgsource::Facts facts = weir::pgsource::gather(connection, parsed, {}, true);
  REQUIRE(unsetenv("TMPDIR") == 0);
  const std::vector<weir::Finding> findings = weir::pgsource::judge(facts);
  CHECK(std::ranges::count(findings, "postgres.spill-space", &weir::Finding::id) == 1);

  source.sql("BEGIN; INSERT INTO shop.item VALUES (3, 'c'); PREPARE TRANSACTION 'it''s'");
  check_mended(task, source, "postgres.prepared-transactions", "critical", "'it's' in database dw");
  CHECK(Report(task).trouble() == "");
}

void check_source_tables(TempPostgres::Release release) {
  TempPostgres source({.release = release});
  TempPostgres target;
  make_source(source);
  PgSession owner = source.session();
  const std::string rule = "[[table]]\nmatch = \"shop.*\"\nkey = \"all-columns\"\n";
  TaskRun task(source, target, {.rest = rule});
  CHECK(Report(task).trouble() == "");

  source.sql(
      "ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY; ALTER TABLE shop.item FORCE ROW LEVEL "
      "SECURITY");
  CHECK(Report(task).severity("postgres.select-denied").empty());
  check_mended(task, source, "postgres.row-security", "critical",
               "row_security_active('shop.item') = t");
  source.sql("ALTER ROLE weir NOBYPASSRLS");
  source.sql("ALTER TABLE shop.item DISABLE ROW LEVEL SECURITY");

  source.sql("CREATE TABLE shop.other (id int PRIMARY KEY)");
  check_mended(task, source, "postgres.publication-owner", "critical", "role weir");
  source.sql("ALTER TABLE shop.other OWNER TO postgres; GRANT postgres TO weir");
  CHECK(Report(task).severity("postgres.publication-owner").empty());
  source.sql("REVOKE postgres FROM weir");
  check_mended(task, source, "postgres.select-denied", "critical", "permission denied");
  source.sql("DROP TABLE shop.other");

  owner.sql(
      "CREATE TABLE shop.parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE UNLOGGED TABLE "
      "shop.part_1 PARTITION OF shop.parts FOR VALUES IN (1)");
  check_mended(task, source, "postgres.unlogged", "critical",
               "relpersistence = u, wanted p: partitions shop.part_1");
  owner.sql("DROP TABLE shop.parts; CREATE UNLOGGED TABLE shop.fast (id int PRIMARY KEY)");
  check_mended(task, source, "postgres.unlogged", "critical", "relpersistence = u, wanted p");
  owner.sql("DROP TABLE shop.fast");

  // A key only where there is no primary one, which foreign partitions do not allow.
  source.sql(
      "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere; GRANT "
      "USAGE ON FOREIGN SERVER far TO weir");
  owner.sql(
      "CREATE TABLE shop.parts (id int) PARTITION BY LIST (id); ALTER TABLE shop.parts REPLICA "
      "IDENTITY FULL; CREATE FOREIGN TABLE shop.part_far PARTITION OF shop.parts FOR VALUES IN (2) "
      "SERVER far");
  check_mended(task, source, "postgres.foreign-partition", "critical",
               "relkind = f, wanted r: shop.part_far");
  // By itself it is a table that the rule would take.
  owner.sql("CREATE MATERIALIZED VIEW shop.sums AS SELECT count(*) FROM shop.item");
  CHECK(Report(task).severity("postgres.left-out") == "info");
  CHECK(Report(task).evidence("postgres.left-out") ==
        "foreign table shop.part_far, materialised view shop.sums");
  owner.sql(
      "DROP TABLE shop.parts; DROP FOREIGN TABLE shop.part_far; DROP MATERIALIZED VIEW shop.sums");
  CHECK(Report(task).severity("postgres.left-out").empty());

  owner.sql(
      "CREATE SCHEMA attic; CREATE TABLE attic.old_item (PRIMARY KEY (id)) INHERITS (shop.item)");
  CHECK(Report(task).severity("postgres.inherited", "shop.item") == "warning");
  CHECK_THAT(Report(task).fix("postgres.inherited"), Catch::Contains("\"attic.old_item\""));
  task.rewrite(rule + "[[table]]\nmatch = \"attic.old_item\"\n");
  CHECK(Report(task).severity("postgres.inherited").empty());
  task.rewrite(rule);
  owner.sql("DROP TABLE attic.old_item");

  owner.sql("CREATE TABLE shop.photo (id int PRIMARY KEY, image oid)");
  CHECK(Report(task).severity("postgres.large-objects").empty());
  owner.sql("INSERT INTO shop.photo VALUES (1, lo_from_bytea(0, 'abc'))");
  CHECK(Report(task).severity("postgres.large-objects", "shop.photo") == "info");
  owner.sql(statement(Report(task).fix("postgres.large-objects")));
  CHECK(owner.value("SELECT image_bytes FROM shop.photo") == "\\x616263");
  owner.sql("DROP TABLE shop.photo");

  owner.sql(
      "CREATE COLLATION shop.english (provider = icu, locale = 'en-US'); CREATE TABLE shop.word (w "
      "text COLLATE shop.english PRIMARY KEY, n int)");
  CHECK(Report(task).trouble() == "");
  source.sql("UPDATE pg_collation SET collversion = '1.2' WHERE collname = 'english'");
  check_mended(task, source, "postgres.collation-changed", "warning",
               "collation shop.english: version 1.2, wanted ");
  // No table is read in its order.
  owner.sql(
      "ALTER TABLE shop.word DROP CONSTRAINT word_pkey; ALTER TABLE shop.word ADD PRIMARY "
      "KEY (n)");
  source.sql("UPDATE pg_collation SET collversion = '1.2' WHERE collname = 'english'");
  CHECK(Report(task).severity("postgres.collation-changed").empty());
  owner.sql("DROP TABLE shop.word");

  // A table without a key takes a slot and a sender of its own while it is copied.
  owner.sql("CREATE TABLE shop.log (line text); ALTER TABLE shop.log REPLICA IDENTITY FULL");
  source.sql("ALTER SYSTEM SET max_replication_slots = 1");
  source.restart();
  const Report slots(task);
  REQUIRE(slots.severity("postgres.no-free-slot") == "critical");
  CHECK_THAT(slots.evidence("postgres.no-free-slot"),
             Catch::StartsWith("max_replication_slots = 1, 1 free, wanted 2"));
  source.sql(statement(slots.fix("postgres.no-free-slot")));
  source.restart();
  CHECK(Report(task).trouble() == "");
  CHECK(task.start().code == 0);
  CHECK(Report(task).trouble() == "");
}

void check_all_tables(TempPostgres::Release release) {
  TempPostgres source({.release = release});
  TempPostgres target;
  make_source(source);
  PgSession owner = source.session();
  owner.sql(
      "CREATE SCHEMA app; CREATE TABLE app.loose (v int); CREATE TABLE app.keyed (id int PRIMARY "
      "KEY); CREATE TABLE app.whole (v int); ALTER TABLE app.whole REPLICA IDENTITY FULL; INSERT "
      "INTO app.loose VALUES (1)");
  TaskRun task(source, target, {.rest = kItemRule, .source_rest = "publication = \"all_of_it\"\n"});
  source.sql(
      "CREATE PUBLICATION all_of_it FOR ALL TABLES WITH (publish = 'insert', "
      "publish_via_partition_root = true)");
  CHECK(Report(task).severity("postgres.publication-all").empty());
  check_mended(task, source, "postgres.publication-kinds", "critical", "lacks update, delete");
  CHECK_THROWS_WITH(owner.sql("UPDATE app.loose SET v = 2"), Catch::Contains("replica identity"));
  check_mended(task, source, "postgres.publication-all", "warning",
               "without a replica identity: app.loose");
  owner.sql("UPDATE app.loose SET v = 2");
  CHECK(Report(task).trouble() == "");
}

void check_target(TempPostgres::Release release) {
  TempPostgres source;
  TempPostgres target({.release = release});
  make_source(source);
  TaskRun task(source, target, {.rest = kItemRule});
  CHECK(Report(task).trouble() == "");

  // Somebody forbids what the privileges allow.
  target.sql(
      "CREATE FUNCTION public.no_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE "
      "'tables are made on Mondays'; END$$; CREATE EVENT TRIGGER no_tables ON ddl_command_start "
      "WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.no_tables()");
  const Report refused(task);
  CHECK(refused.severity("postgres.write-refused") == "critical");
  CHECK_THAT(refused.evidence("postgres.write-refused"), Catch::Contains("on Mondays"));
  target.sql("DROP EVENT TRIGGER no_tables");
  CHECK(Report(task).trouble() == "");
  // What was tried has left nothing behind.
  CHECK(target.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'weir'") == "0");
  CHECK(target.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'weir_probe%'") == "0");

  target.sql("ALTER DATABASE dw CONNECTION LIMIT 3");
  const Report full(task);
  CHECK(full.severity("postgres.connections") == "critical");
  CHECK_THAT(
      full.evidence("postgres.connections"),
      Catch::Contains("CONNECTION LIMIT of database dw = 3, ") && Catch::Contains("wanted 6"));
  target.sql("ALTER DATABASE dw CONNECTION LIMIT -1");

  target.sql(
      "CREATE SCHEMA shop AUTHORIZATION weir; CREATE TABLE shop.item (id int PRIMARY KEY, name "
      "text NOT NULL); GRANT SELECT, INSERT, UPDATE, DELETE ON shop.item TO weir");
  check_mended(task, target, "postgres.column-not-null", "warning", "source NULL, target NOT NULL");
  task.rewrite(std::string(kItemRule) + "existing = \"truncate\"\n");
  check_mended(task, target, "postgres.existing-denied", "critical", "TRUNCATE is missing");
  task.rewrite(std::string(kItemRule) + "existing = \"replace\"\n");
  CHECK(Report(task).trouble() == "");  // the schema's owner may drop it
  target.sql("ALTER SCHEMA shop OWNER TO postgres");
  target.sql("GRANT USAGE, CREATE ON SCHEMA shop TO weir");
  check_mended(task, target, "postgres.existing-denied", "critical", "owner is another role");
  task.rewrite(kItemRule);
  CHECK(Report(task).trouble() == "");
  target.sql("ALTER TABLE shop.item OWNER TO postgres");
  target.sql(
      "REVOKE ALL ON shop.item FROM weir; GRANT SELECT, INSERT, UPDATE, DELETE ON "
      "shop.item TO weir");
  check_mended(task, target, "postgres.ddl-denied", "warning", "ddl.add_column = apply");
  target.sql("ALTER TABLE shop.item OWNER TO postgres");
  task.rewrite(std::string(kItemRule) + "[ddl]\nadd_column = \"alert\"\n");
  target.sql("REVOKE TRUNCATE ON shop.item FROM weir");
  target.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON shop.item TO weir");
  check_mended(task, target, "postgres.ddl-denied", "warning", "ddl.truncate_table = apply");
  target.sql("DROP TABLE shop.item");
  task.rewrite(kItemRule);
  CHECK(Report(task).trouble() == "");
}

/// Foreign keys and triggers of the target are left out, while rows are copied too.
void check_triggers(TempPostgres::Release release) {
  TempPostgres source;
  TempPostgres target({.release = release});
  make_source(source);
  source.session().sql(
      "CREATE TABLE shop.a_line (id int PRIMARY KEY, item int REFERENCES shop.item); INSERT INTO "
      "shop.a_line VALUES (1, 2)");
  target.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text); CREATE TABLE "
      "shop.a_line (id int PRIMARY KEY, item int REFERENCES shop.item); CREATE TABLE "
      "public.seen (id int); CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN INSERT INTO public.seen VALUES (NEW.id); RETURN NEW; END$$; CREATE TRIGGER see "
      "AFTER INSERT ON shop.item FOR EACH ROW EXECUTE FUNCTION public.see()");
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"shop.*\"\n[full]\nconnections = 1\n"});
  const Report report(task);
  CHECK(report.severity("postgres.triggers", "shop.item") == "warning");
  CHECK_THAT(report.evidence("postgres.triggers"),
             Catch::Contains("session_replication_role = replica"));
  check_mended(task, target, "postgres.triggers", "warning", "foreign key a_line_item_fkey");
  CHECK(Report(task).trouble() == "");
  // The lines come first, and the items that they refer to later.
  const TaskRun::Result started = task.start();
  INFO(started.text());
  CHECK(started.code == 0);
  CHECK(target.value("SELECT count(*) FROM shop.a_line") == "1");
  CHECK(target.value("SELECT count(*) FROM public.seen") == "0");
}

}  // namespace

TEST_CASE("PostgreSQL 15: preflight names what a source's server lacks", "[server][preflight]") {
  check_source_server(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 15: preflight names tables that would be copied in part",
          "[server][preflight]") {
  check_source_tables(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 15: preflight names a publication that hurts others", "[server][preflight]") {
  check_all_tables(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 15: preflight tries what a target must take", "[server][preflight]") {
  check_target(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 15: a target's foreign keys and triggers", "[server][preflight]") {
  check_triggers(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: preflight of a source and a target", "[server][preflight][bootstrap]") {
  check_source_server(TempPostgres::Release::v18);
  check_source_tables(TempPostgres::Release::v18);
  check_target(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 17: preflight tells that a failover would end the task",
          "[server][preflight][bootstrap]") {
  TempPostgres source({.release = TempPostgres::Release::v17});
  TempPostgres target;
  make_source(source);
  const TempPostgres standby({.release = TempPostgres::Release::v17, .standby_of = &source});
  REQUIRE(eventually([&] {
    return source.value("SELECT active FROM pg_replication_slots WHERE slot_name = 'standby'") ==
           "t";
  }));
  TaskRun task(source, target, {.rest = kItemRule});
  const Report before(task);
  CHECK(before.severity("postgres.standby-behind") == "warning");
  CHECK(before.severity("postgres.slot-failover").empty());
  source.sql("SELECT pg_create_logical_replication_slot('weir_shop', 'pgoutput')");
  const Report made(task);
  CHECK(made.severity("postgres.standby-behind").empty());
  REQUIRE(made.severity("postgres.slot-failover") == "warning");
  CHECK_THAT(made.evidence("postgres.slot-failover"), Catch::Contains("failover = f, wanted t"));
  const std::string fix = made.fix("postgres.slot-failover");
  const std::size_t command = fix.find("ALTER_REPLICATION_SLOT");
  REQUIRE(command != std::string::npos);
  PgSession(source.conninfo() + " replication=database")
      .sql(fix.substr(command, fix.find('\'', command) - command));
  CHECK(Report(task).severity("postgres.slot-failover").empty());
  const Report mended(task);
  REQUIRE(mended.severity("postgres.standby-behind") == "warning");
  const std::string settings = mended.fix("postgres.standby-behind");
  source.sql(settings.substr(0, settings.find("; ")));
  source.sql("SELECT pg_reload_conf()");
  REQUIRE(eventually([&] { return source.value("SHOW synchronized_standby_slots") == "standby"; }));
  CHECK(Report(task).severity("postgres.standby-behind").empty());
}
