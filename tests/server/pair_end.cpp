// SPDX-License-Identifier: Apache-2.0
#include "server/pair_end.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "support/sqlite_file.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

namespace fs = std::filesystem;

namespace weir::test {

namespace {

template <class Server>
std::string server_section(const std::string& role, const char* kind, const Server& server,
                           const TempDir& dir) {
  const std::string file = dir.write("pw", server.password());
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  return fmt::format(
      "[{}]\nkind = \"{}\"\nhost = \"{}\"\nport = {}\nuser = \"{}\"\npassword = {{ file = \"{}\" "
      "}}\n",
      role, kind, server.host(), server.port(), server.user(), file);
}

std::string hex(const std::string& text) {
  std::string out;
  for (const char c : text) out += fmt::format("{:02X}", static_cast<unsigned char>(c));
  return out;
}

/// Neither in UTC, nor a whole number of hours away from it.
const std::vector<std::string> kMysqlArgs = {"--default-time-zone=+05:45", "--local-infile=ON"};
const std::vector<std::string> kPgSettings = {"timezone=Asia/Kathmandu"};

template <class Server>
class MysqlEnd final : public PairSource {
 public:
  explicit MysqlEnd(bool mariadb) : mariadb_(mariadb), server_({.args = kMysqlArgs}) {}

  std::string section(const std::string& role) const override {
    return server_section(role, "mysql", server_, dir_);
  }
  std::unique_ptr<AnySession> session() const override {
    MySqlSession session = server_.session();
    session.sql("SET NAMES utf8mb4; SET time_zone = '+00:00'");
    return any_session(std::move(session));
  }
  std::string shown(const PairColumn& column) const override {
    const std::string& name = column.name;
    switch (column.kind) {
      case Kind::integer:
      case Kind::decimal:
      case Kind::time:
        return fmt::format("CAST({} AS CHAR)", name);
      case Kind::single:
      case Kind::number:
        return fmt::format("{} * 1e0", name);
      case Kind::text:
      case Kind::padded:
        return fmt::format("HEX(CONVERT({} USING utf8mb4))", name);
      case Kind::bytes:
        return fmt::format("HEX({})", name);
      case Kind::boolean:
        return fmt::format("ELT(1 + ({} <> 0), 'false', 'true')", name);
      case Kind::date:
        return fmt::format("DATE_FORMAT({}, '%Y-%m-%d')", name);
      case Kind::moment:
        return fmt::format("DATE_FORMAT({}, '%Y-%m-%d %H:%i:%s.%f')", name);
      case Kind::json:
        return fmt::format("CONVERT({} USING utf8mb4)", name);
      case Kind::uuid:
        return fmt::format("LOWER(CAST({} AS CHAR))", name);
      case Kind::bits:
        return fmt::format("LPAD(BIN({} + 0), 10, '0')", name);
    }
    return {};
  }

  std::string preparation() const override { return "CREATE DATABASE shop"; }
  std::string completion(const std::vector<PairTable>&) const override { return "DO 1"; }
  std::string type(const PairColumn& column) const override {
    std::string type = column.mysql;
    // Two products, two names of what tells 'a' from 'a '.
    const std::size_t exact = type.find("EXACT");
    if (exact != std::string::npos) {
      type.replace(exact, 5, mariadb_ ? "COLLATE utf8mb4_nopad_bin" : "COLLATE utf8mb4_0900_bin");
    }
    if (type == "UUID" && !mariadb_) return "CHAR(36)";
    return type;
  }
  std::string literal(const PairColumn& column, const std::string& value) const override {
    switch (column.kind) {
      case Kind::text:
      case Kind::padded:
      case Kind::json:
        return "_utf8mb4 X'" + hex(value) + '\'';
      case Kind::bytes:
        return "X'" + value + '\'';
      case Kind::bits:
        return "b'" + value + '\'';
      case Kind::boolean:
        return value;
      default:
        return '\'' + value + '\'';
    }
  }
  std::string settings() const override { return "[types]\ntinyint1 = \"boolean\"\n"; }

 private:
  bool mariadb_;
  TempDir dir_;
  Server server_;
};

class PostgresEnd final : public PairSource {
 public:
  PostgresEnd() : server_({.settings = kPgSettings}) { server_.sql("ALTER ROLE weir REPLICATION"); }

  std::string section(const std::string& role) const override {
    return server_section(role, "postgres", server_, dir_) + "database = \"" + server_.database() +
           "\"\n";
  }
  std::unique_ptr<AnySession> session() const override {
    PgSession session = server_.session();
    session.sql("SET timezone = 'UTC'; SET intervalstyle = 'postgres'");
    return any_session(std::move(session));
  }
  std::string shown(const PairColumn& column) const override {
    const std::string& name = column.name;
    switch (column.kind) {
      case Kind::single:
      case Kind::number:
        return name + "::float8::text";
      case Kind::text:
      case Kind::padded:
        return fmt::format("upper(encode(convert_to({}::text, 'UTF8'), 'hex'))", name);
      case Kind::bytes:
        return fmt::format("upper(encode({}, 'hex'))", name);
      case Kind::date:
        return fmt::format("to_char({}, 'YYYY-MM-DD')", name);
      case Kind::moment:
        return fmt::format("to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')", name);
      default:
        return name + "::text";
    }
  }

  std::string preparation() const override {
    return "CREATE SCHEMA shop; CREATE TYPE shop.color AS ENUM ('red', 'it''s \\', 'grün')";
  }
  std::string completion(const std::vector<PairTable>& tables) const override {
    // Kept apart from the row, so that a change of other columns does not log it.
    std::string out = "SET timezone = 'UTC'";
    for (const PairTable& table : tables) {
      for (const PairColumn& column : table.columns) {
        if (column.postgres != "text") continue;
        out += fmt::format("; ALTER TABLE shop.{} ALTER {} SET STORAGE EXTERNAL", table.name,
                           column.name);
      }
    }
    return out;
  }
  std::string type(const PairColumn& column) const override { return column.postgres; }
  std::string literal(const PairColumn& column, const std::string& value) const override {
    if (column.kind == Kind::bytes) return "'\\x" + value + '\'';
    std::string out = "'";
    for (const char c : value) {
      if (c == '\'') out += c;
      out += c;
    }
    return out + '\'';
  }

 private:
  TempDir dir_;
  TempPostgres server_;
};

class SqliteEnd final : public PairEnd {
 public:
  std::string section(const std::string&) const override { return file_.section(); }
  std::unique_ptr<AnySession> session() const override { return any_session(file_.session()); }
  std::string table(const std::string& name) const override { return name; }
  std::string shown(const PairColumn& column) const override {
    const std::string& name = column.name;
    switch (column.kind) {
      case Kind::decimal:
        return fmt::format("iif(typeof({0}) = 'real', printf('%.{1}f', {0}), CAST({0} AS TEXT))",
                           name, column.scale);
      case Kind::text:
      case Kind::padded:
      case Kind::bytes:
        return fmt::format("iif({0} IS NULL, NULL, hex(CAST({0} AS BLOB)))", name);
      case Kind::boolean:
        return fmt::format("iif({0} IS NULL, NULL, iif({0}, 'true', 'false'))", name);
      case Kind::single:
      case Kind::number:
        return name;
      default:
        return fmt::format("CAST({} AS TEXT)", name);
    }
  }

 private:
  SqliteFile file_;
};

std::string without_end(std::string text, const std::string& end) {
  while (text.ends_with(end)) text.resize(text.size() - end.size());
  return text;
}

}  // namespace

std::unique_ptr<PairSource> mariadb_end() { return std::make_unique<MysqlEnd<TempMariaDb>>(true); }
std::unique_ptr<PairSource> mysql9_end() { return std::make_unique<MysqlEnd<TempMySql>>(false); }
std::unique_ptr<PairSource> postgres_end() { return std::make_unique<PostgresEnd>(); }
std::unique_ptr<PairEnd> sqlite_end() { return std::make_unique<SqliteEnd>(); }

std::string canonical(const PairColumn& column, const std::string& text) {
  if (text == "NULL") return text;
  switch (column.kind) {
    case Kind::decimal:
    case Kind::time:
    case Kind::moment:
      if (text.find('.') == std::string::npos) return text;
      return without_end(without_end(text, "0"), ".");
    case Kind::single:
      return fmt::format("{:a}", std::strtof(text.c_str(), nullptr));
    case Kind::number:
      return fmt::format("{:a}", std::strtod(text.c_str(), nullptr));
    case Kind::padded:
      return without_end(text, "20");
    case Kind::json:
      return nlohmann::json::parse(text).dump();
    default:
      return text;
  }
}

}  // namespace weir::test
