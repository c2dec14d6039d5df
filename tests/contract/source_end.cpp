// SPDX-License-Identifier: Apache-2.0
#include "contract/source_end.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "server/type_samples.h"
#include "support/eventually.h"
#include "support/temp_postgres.h"

namespace weir::test {

namespace {

/// Neither in UTC, nor a whole number of hours away from it.
const std::vector<std::string> kMysqlArgs = {"--default-time-zone=+05:45",
                                             "--max-allowed-packet=64M"};

template <class Server>
class MysqlEnd final : public SourceEnd {
 public:
  MysqlEnd(typename Server::Options options, std::string product)
      : options_(with(std::move(options), {})), product_(std::move(product)), server_(options_) {}

  std::string product() const override { return product_; }
  weir::Task task(const std::string& name) const override { return task_on(server_, name); }
  weir::Task elsewhere(const std::string& name) override {
    // MariaDB knows a server by this number.
    if (!other_) other_ = std::make_unique<Server>(with(options_, {"--server-id=2"}));
    return task_on(*other_, name);
  }
  std::unique_ptr<AnySession> session() const override {
    MySqlSession session = server_.session();
    session.sql("SET NAMES utf8mb4; SET time_zone = '+00:00'");
    return any_session(std::move(session));
  }
  void restart() override { server_.restart(); }
  void lose_log(const weir::Task&) override {
    server_.sql("FLUSH BINARY LOGS");
    const bool gone = eventually([&] {
      const Rows files = server_.query("SHOW BINARY LOGS");
      if (files.size() == 1) return true;
      // Says nothing and does nothing while the server itself still needs a file.
      server_.sql(fmt::format("PURGE BINARY LOGS TO '{}'", files.back().front()));
      return false;
    });
    if (!gone) throw std::runtime_error("the server keeps its log");
  }
  void release(const weir::Task&) override {}

  std::string folding_text(const std::string&) override {
    return "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";
  }
  std::vector<ContractTable> key_tables(const std::string& schema) override {
    std::vector<ContractTable> out;
    for (const SampleTable& table : key_samples(server_)) {
      const SampleColumn& key = table.columns[0];
      ContractTable made{table.name,
                         fmt::format("CREATE TABLE {}.{} (id INT, k {} PRIMARY KEY)", schema,
                                     table.name, key.definition),
                         {}};
      made.fill = fmt::format("INSERT INTO {}.{} VALUES ", schema, table.name);
      for (std::size_t i = 0; i < key.values.size(); ++i) {
        made.fill += fmt::format("{}({}, {})", i > 0 ? ", " : "", i, key.values[i]);
      }
      out.push_back(std::move(made));
    }
    return out;
  }
  std::vector<ContractTable> type_tables(const std::string& schema) override {
    std::vector<ContractTable> out;
    for (const SampleTable& table : type_samples(server_)) {
      // Nothing of it depends on the stage but the time that it takes.
      if (table.name == "large") continue;
      const bool old = table.old_temporal;
      out.push_back({table.name,
                     (old ? "SET GLOBAL mysql56_temporal_format = OFF;" : "") +
                         create_statement(schema, table) +
                         (old ? ";SET GLOBAL mysql56_temporal_format = ON" : ""),
                     insert_statements(schema, table, 1)});
    }
    return out;
  }

 private:
  static typename Server::Options with(typename Server::Options options,
                                       std::vector<std::string> args) {
    if (args.empty()) args = kMysqlArgs;
    options.args.insert(options.args.end(), args.begin(), args.end());
    return options;
  }
  static weir::Task task_on(const Server& server, const std::string& name) {
    weir::Task task;
    task.name = name;
    task.source.kind = "mysql";
    task.source.socket = server.socket();
    task.source.user = "root";
    return task;
  }

  typename Server::Options options_;
  std::string product_;
  Server server_;
  std::unique_ptr<Server> other_;
};

class PostgresEnd final : public SourceEnd {
 public:
  PostgresEnd(TempPostgres::Release release, std::string product)
      : product_(std::move(product)), release_(release), server_(options(false)) {
    server_.sql("ALTER ROLE weir REPLICATION");
    server_.sql("CREATE EXTENSION hstore; CREATE EXTENSION citext");
  }

  std::string product() const override { return product_; }
  weir::Task task(const std::string& name) const override { return task_on(server_, name); }
  weir::Task elsewhere(const std::string& name) override {
    if (!other_) other_ = std::make_unique<TempPostgres>(options(true));
    return task_on(*other_, name);
  }
  std::unique_ptr<AnySession> session() const override {
    PgSession session = server_.session();
    session.sql("SET timezone = 'UTC'");
    return any_session(std::move(session));
  }
  void restart() override { server_.restart(); }
  void lose_log(const weir::Task& task) override {
    const std::string slot = "weir_" + task.name;
    // The server may not have seen yet that its reader is gone.
    const bool gone = eventually([&] {
      server_.query(fmt::format(
          "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND "
          "slot_name = '{}'",
          slot));
      server_.query(fmt::format(
          "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active "
          "AND slot_name = '{}'",
          slot));
      return server_
          .query(fmt::format("SELECT 1 FROM pg_replication_slots WHERE slot_name = '{}'", slot))
          .empty();
    });
    if (!gone) throw std::runtime_error("the server keeps the slot " + slot);
  }
  void release(const weir::Task& task) override {
    lose_log(task);
    server_.sql("DROP PUBLICATION IF EXISTS weir_" + task.name);
  }

  std::string folding_text(const std::string& schema) override {
    server_.sql(fmt::format(
        "CREATE COLLATION {0}.folding (provider = icu, locale = 'und-u-ks-level2', deterministic "
        "= false)",
        schema));
    return fmt::format("VARCHAR(20) COLLATE {}.folding", schema);
  }
  std::vector<ContractTable> key_tables(const std::string& schema) override {
    const std::string color = schema + ".color";
    server_.session().sql(fmt::format("CREATE TYPE {} AS ENUM ('b', 'a', 'it''s')", color));
    const std::vector<std::pair<const char*, std::vector<const char*>>> keys = {
        {"smallint", {"-32768", "32767", "0", "-1", "1"}},
        {"bigint", {"-9223372036854775808", "9223372036854775807", "0", "-1", "1"}},
        {"numeric", {"'NaN'", "1e40", "-1e-40", "0", "'-Infinity'"}},
        {"numeric(10,2)", {"99999999.99", "-0.01", "0", "0.01", "-99999999.99"}},
        {"double precision", {"'NaN'", "'-Infinity'", "5e-324", "0.1", "-1e308"}},
        {"boolean", {"true", "false"}},
        {"text", {"''", "'a'", "'B'", "E'it''s \\\\ \\t'", "E'\\u00e4'", "E'\\U0001F41F'"}},
        {"varchar(20)", {"'z'", "' a'", "'a b'", "'NULL'", "E'c\\nd'"}},
        {"char(5)", {"''", "'a'", "'b c'", "'Z'", "'z'"}},
        {"bytea", {"''", "'\\x00'", "'\\x0000'", "'\\x5c'", "'\\xff5c0a'"}},
        {"uuid",
         {"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
          "'0f000000-0000-0000-0000-000000000001'"}},
        {"date", {"'infinity'", "'-infinity'", "'4713-01-01 BC'", "'2024-02-29'", "'0001-01-01'"}},
        {"time", {"'00:00'", "'24:00'", "'23:59:59.999999'", "'12:00:00.000001'"}},
        {"timestamp",
         {"'infinity'", "'-infinity'", "'4713-01-01 00:00:00 BC'", "'2026-03-29 02:30:00.5'",
          "'2026-03-29 02:30:00.500001'"}},
        {"timestamptz",
         {"'infinity'", "'0044-03-15 12:00:00.25+00 BC'", "'2026-03-29 02:30:00.5+05:45'",
          "'2026-03-29 02:30:00.500001+05:45'", "'1970-01-01 00:00:00+00'"}},
        {"interval", {"'1 year'", "'-1 mon 3 days'", "'0'", "'100000 hours'", "'0.5 s'"}},
        {"inet", {"'::1'", "'10.0.0.1'", "'10.0.0.0/8'", "'192.168.0.1/24'"}},
        {"bit(3)", {"B'000'", "B'101'", "B'111'", "B'010'"}},
        {color.c_str(), {"'b'", "'a'", "'it''s'"}},
    };
    std::vector<ContractTable> out;
    for (const auto& [type, values] : keys) {
      const std::string name = fmt::format("k{}", out.size());
      ContractTable made{
          name, fmt::format("CREATE TABLE {}.{} (id int, k {} PRIMARY KEY)", schema, name, type),
          fmt::format("INSERT INTO {}.{} VALUES ", schema, name)};
      for (std::size_t i = 0; i < values.size(); ++i) {
        made.fill += fmt::format("{}({}, {})", i > 0 ? ", " : "", i, values[i]);
      }
      out.push_back(std::move(made));
    }
    return out;
  }
  std::vector<ContractTable> type_tables(const std::string& schema) override {
    const std::vector<std::pair<const char*, std::vector<const char*>>> types = {
        {"smallint", {"-32768", "32767"}},
        {"integer", {"-2147483648", "2147483647"}},
        {"bigint", {"-9223372036854775808", "9223372036854775807"}},
        {"numeric", {"'NaN'", "'-Infinity'", "'1e5000'", "1.00"}},
        {"numeric(10,2)", {"'NaN'", "99999999.99", "-0.01"}},
        {"numeric(3,-2)", {"99900", "-100"}},
        {"real", {"'NaN'", "'Infinity'", "'-0'", "'1e-45'", "0.1"}},
        {"double precision", {"'-Infinity'", "'-0'", "'5e-324'", "0.1"}},
        {"boolean", {"true", "false"}},
        {"text",
         {"''", "E'\\\\N'", "E'\\t\\n\\r\\b\\f\\v'", "'NULL'", "repeat(E'x\\t\\\\', 9000)"}},
        {"char(5)", {"'a'", "''", "'  a'"}},
        {"bytea", {"''", "'\\x00'", "'\\xff5c0a090d'", "decode(repeat('00ff5c', 9000), 'hex')"}},
        {"bit(3)", {"B'000'", "B'101'"}},
        {"bit varying", {"B''", "B'1'"}},
        {"date", {"'4713-01-01 BC'", "'5874897-12-31'", "'infinity'"}},
        {"time", {"'00:00'", "'24:00'", "'23:59:59.999999'"}},
        {"timetz", {"'12:00:00.5+15:59'"}},
        {"timestamp",
         {"'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'", "'-infinity'"}},
        {"timestamptz", {"'infinity'", "'2026-01-02 03:04:05.6-08'", "'0044-03-15 12:00+00 BC'"}},
        {"timestamptz(3)", {"'2026-01-02 03:04:05.678+05:30'"}},
        {"interval", {"'178000000 years'", "'1 mon -1 day 00:00:00.000001'", "'-0.5 s'"}},
        {"json", {"'{\"a\" : 1,  \"a\":2}'", "' [1 , \"\\u0000\"] '"}},
        {"jsonb", {"'{\"b\":1.50,\"a\":[null,\"\\n\\\\\"]}'", "'1e40'"}},
        {"uuid", {"'00000000-0000-0000-0000-000000000000'"}},
        {"inet", {"'::1/64'", "'::ffff:1.2.3.4'"}},
        {"cidr", {"'10.0.0.0/8'"}},
        {"macaddr", {"'08:00:2b:01:02:03'"}},
        {"int[]", {"'{}'", "'{NULL,-1}'", "'{{1,2},{3,4}}'", "'[2:3]={1,2}'"}},
        {"text[]", {"ARRAY['a b', 'NULL', NULL, '', E'c\\\\d\"e', E'\\t']"}},
        {"timestamptz[]", {"ARRAY['2026-01-02 03:04:05+05'::timestamptz, 'infinity', NULL]"}},
        {"bytea[]", {"ARRAY['\\x005c'::bytea, '']"}},
        {"int4range", {"'empty'", "'(,)'", "'[1,10)'"}},
        {"tstzrange", {"'[2026-01-01 00:00:00+02,)'"}},
        {"int8multirange", {"'{[1,2),[5,9)}'"}},
        {"tsvector", {"$$'a b':1A,2B c$$"}},
        {"xml", {"'<a x=\"1\">&amp;</a>'"}},
        {"money", {"'-92233720368547758.08'"}},
        {"pg_lsn", {"'FFFFFFFF/FFFFFFFF'"}},
        {"point", {"'(1e300,-0)'"}},
        {"polygon", {"'((0,0),(1,1),(1,0))'"}},
        {"hstore", {"'a=>1, \"b c\"=>NULL'", "''"}},
        {"citext", {"'MixedCase'"}},
    };
    ContractTable out{
        "every", fmt::format("CREATE TABLE {}.every (id int PRIMARY KEY", schema), {}};
    std::size_t rows = 0;
    for (std::size_t i = 0; i < types.size(); ++i) {
      out.create += fmt::format(", c{} {}", i, types[i].first);
      rows = std::max(rows, types[i].second.size() + 1);
    }
    out.create += ')';
    for (std::size_t row = 0; row < rows; ++row) {
      out.fill +=
          fmt::format("{}INSERT INTO {}.every VALUES ({}", row > 0 ? "; " : "", schema, row);
      for (const auto& [type, values] : types) {
        // One row has no value at all.
        out.fill += fmt::format(", {}", row + 1 == rows ? "NULL" : values[row % values.size()]);
      }
      out.fill += ')';
    }
    return {out};
  }

 private:
  TempPostgres::Options options(bool own_identity) const {
    TempPostgres::Options out;
    out.release = release_;
    out.own_identity = own_identity;
    out.settings = {"timezone=Asia/Kathmandu"};
    return out;
  }
  static weir::Task task_on(const TempPostgres& server, const std::string& name) {
    weir::Task task;
    task.name = name;
    task.source.kind = "postgres";
    task.source.socket = server.socket_dir();
    task.source.port = server.port();
    task.source.user = server.user();
    task.source.database = server.database();
    return task;
  }

  std::string product_;
  TempPostgres::Release release_;
  TempPostgres server_;
  std::unique_ptr<TempPostgres> other_;
};

}  // namespace

SourceEnd& source_end(Release release) {
  return kept_end<SourceEnd>(release, end_on_server<SourceEnd, MysqlEnd, PostgresEnd>);
}

}  // namespace weir::test
