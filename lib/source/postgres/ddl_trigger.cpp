// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/ddl_trigger.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace weir::pgsource {
namespace {

using Json = nlohmann::json;

/// A message is for people too, but a statement may hold a whole program.
constexpr int kShownSql = 500;

/// The values of defaults must be printed as a session of weir would.
constexpr const char* kSettings =
    "SET search_path = pg_catalog SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' SET "
    "IntervalStyle "
    "= 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1";

// What fails in a trigger must not fail the statement of the application. A change that is not
// logged here shows in the rows that follow it.
constexpr const char* kHarmless =
    "EXCEPTION WHEN OTHERS THEN\n"
    "  RAISE WARNING 'weir did not log this change of definition: %', SQLERRM;\n"
    "END";

std::string end_body() {
  return fmt::format(
      "\n"
      "DECLARE\n"
      "  done record;\n"
      "  part regclass;\n"
      "  has_rows boolean;\n"
      "  moves boolean;\n"
      "BEGIN\n"
      "  FOR done IN SELECT e.objid, min(e.command_tag) AS tag, n.nspname, r.relname,\n"
      "      CASE WHEN r.relispartition THEN pg_partition_root(r.oid)::oid END AS root\n"
      "    FROM pg_event_trigger_ddl_commands() e JOIN pg_class r ON r.oid = e.objid\n"
      "    JOIN pg_namespace n ON n.oid = r.relnamespace\n"
      "    WHERE e.classid = 'pg_class'::regclass AND r.relkind IN ('r', 'p')\n"
      "      AND r.relpersistence <> 't' AND e.object_type IN ('table', 'table column')\n"
      "    GROUP BY e.objid, n.nspname, r.relname, r.relispartition, r.oid\n"
      "  LOOP\n"
      "    moves := done.tag = 'ALTER TABLE' AND\n"
      "      current_query() ~* E'\\\\mdetach\\\\s+partition\\\\M';\n"
      "    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = done.objid\n"
      "      AND done.tag = 'ALTER TABLE' AND age(xmin) <= age(pg_current_xact_id()::xid)\n"
      "    LOOP\n"
      "      EXECUTE format('SELECT EXISTS (SELECT FROM %s)', part) INTO has_rows;\n"
      "      moves := moves OR has_rows;\n"
      "    END LOOP;\n"
      "    PERFORM pg_logical_emit_message(true, '{0}', jsonb_build_object(\n"
      "      'kind', 'definition', 'table', done.objid::bigint, 'root', done.root::bigint,\n"
      "      'schema', done.nspname, 'name', done.relname, 'sql', left(current_query(), {1}),\n"
      "      'created', done.tag <> 'ALTER TABLE', 'moves', moves,\n"
      "      'columns', (SELECT jsonb_agg(to_jsonb(k)) FROM ({2}) k))::text);\n"
      "  END LOOP;\n"
      "{3}",
      kDdlPrefix, kShownSql, columns_sql("done.objid"), kHarmless);
}

std::string drop_body() {
  return fmt::format(
      "\n"
      "DECLARE\n"
      "  done record;\n"
      "BEGIN\n"
      "  FOR done IN SELECT * FROM pg_event_trigger_dropped_objects()\n"
      "    WHERE object_type IN ('table', 'table column') AND NOT is_temporary\n"
      "  LOOP\n"
      "    PERFORM pg_logical_emit_message(true, '{0}', jsonb_build_object(\n"
      "      'kind', CASE done.object_type WHEN 'table' THEN 'drop_table' ELSE 'drop_column' END,\n"
      "      'table', done.objid::bigint, 'column', done.objsubid,\n"
      "      'column_name', done.address_names[3], 'schema', done.schema_name,\n"
      "      'name', done.object_name, 'sql', left(current_query(), {1}))::text);\n"
      "  END LOOP;\n"
      "{2}",
      kDdlPrefix, kShownSql, kHarmless);
}

std::string function_sql(const char* name, const std::string& body) {
  return fmt::format(
      "CREATE OR REPLACE FUNCTION weir.{}() RETURNS event_trigger LANGUAGE plpgsql {} AS "
      "$weir${}$weir$;\n",
      name, kSettings, body);
}

std::string trigger_sql(const char* name, const char* event) {
  // ALWAYS: sessions with session_replication_role = replica change definitions as well.
  return fmt::format(
      "DROP EVENT TRIGGER IF EXISTS weir_{0};\n"
      "CREATE EVENT TRIGGER weir_{0} ON {1} EXECUTE FUNCTION weir.{0}();\n"
      "ALTER EVENT TRIGGER weir_{0} ENABLE ALWAYS;\n",
      name, event);
}

}  // namespace

std::string ddl_trigger_sql() {
  return "CREATE SCHEMA IF NOT EXISTS weir;\n" + function_sql("ddl_end", end_body()) +
         function_sql("ddl_drop", drop_body()) + trigger_sql("ddl_end", "ddl_command_end") +
         trigger_sql("ddl_drop", "sql_drop");
}

void ensure_ddl_triggers(PgConnection& connection) {
  const std::string end = end_body();
  const std::string drop = drop_body();
  const auto there = connection.scalar(
      "SELECT count(*) FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid WHERE "
      "e.evtenabled = 'A' AND ((e.evtname = 'weir_ddl_end' AND e.evtevent = 'ddl_command_end' AND "
      "p.prosrc = $1) OR (e.evtname = 'weir_ddl_drop' AND e.evtevent = 'sql_drop' AND p.prosrc = "
      "$2))",
      {end, drop});
  if (there == "2") return;
  const std::string sql = ddl_trigger_sql();
  try {
    connection.execute(sql);
  } catch (const Error& error) {
    if (error.code() == ExitCode::source_unreachable) throw;
    throw Error(ExitCode::refused, "postgres.ddl-triggers",
                "the source does not log changes of definition", error.why(),
                "say source.ddl_capture = \"rows\", or have a superuser run this in the task's "
                "database, and start the task again:\n" +
                    sql);
  }
}

DdlMessage read_ddl_message(std::string_view content) {
  try {
    const Json json = Json::parse(content);
    const auto text = [](const Json& from, const char* name) {
      const auto at = from.find(name);
      return at == from.end() || at->is_null() ? std::string() : at->get<std::string>();
    };
    const auto flag = [](const Json& from, const char* name) {
      const auto at = from.find(name);
      return at != from.end() && at->is_boolean() && at->get<bool>();
    };
    const auto number = [](const Json& from, const char* name) -> std::int64_t {
      const auto at = from.find(name);
      return at == from.end() || at->is_null() ? 0
             : at->is_string()                 ? std::stoll(at->get<std::string>())
                                               : at->get<std::int64_t>();
    };
    DdlMessage out;
    const std::string kind = json.at("kind").get<std::string>();
    if (kind == "drop_table") {
      out.kind = DdlMessage::Kind::drop_table;
    } else if (kind == "drop_column") {
      out.kind = DdlMessage::Kind::drop_column;
    } else if (kind != "definition") {
      throw std::out_of_range(kind);
    }
    out.table = json.at("table").get<std::uint32_t>();
    out.root = static_cast<std::uint32_t>(number(json, "root"));
    out.column = static_cast<int>(number(json, "column"));
    out.column_name = text(json, "column_name");
    out.schema = text(json, "schema");
    out.name = text(json, "name");
    out.sql = text(json, "sql");
    out.created = flag(json, "created");
    out.moves_partitions = flag(json, "moves");
    const auto columns = json.find("columns");
    if (columns == json.end() || columns->is_null()) return out;
    for (const Json& from : *columns) {
      ColumnFacts& facts = out.columns.emplace_back();
      facts.number = static_cast<int>(number(from, "number"));
      facts.name = text(from, "name");
      facts.dropped = flag(from, "dropped");
      facts.not_null = flag(from, "not_null");
      facts.generated = flag(from, "generated");
      facts.identity = flag(from, "identity");
      facts.expression = text(from, "expression");
      facts.has_missing = flag(from, "has_missing");
      if (from.contains("missing") && !from["missing"].is_null()) facts.missing = from["missing"];
      facts.type = static_cast<std::uint32_t>(number(from, "type"));
      facts.modifier = static_cast<std::int32_t>(number(from, "modifier"));
      facts.never_rewritten = flag(from, "never_rewritten");
    }
    return out;
  } catch (const std::exception& error) {
    throw Error(ExitCode::failed, "postgres.ddl-message",
                fmt::format("cannot read what an event trigger wrote as {}", kDdlPrefix),
                error.what(),
                "look who else writes such messages; start the task again to have the triggers of "
                "this version");
  }
}

}  // namespace weir::pgsource
