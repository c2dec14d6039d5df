// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/statement.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "source/mysql/sql_lexer.h"

namespace weir::mysql {
namespace {

class Parser {
 public:
  Parser(std::string_view sql, std::string_view default_schema, std::uint64_t sql_mode)
      : sql_(sql), schema_(default_schema), lexer_(sql, sql_mode) {
    advance();
  }

  Statement parse();

 private:
  void advance() { token_ = lexer_.next(); }
  bool at(std::string_view word) const {
    return token_.kind == SqlToken::Kind::word && equals_ignoring_case(token_.text, word);
  }
  bool at_symbol(char c) const {
    return token_.kind == SqlToken::Kind::symbol && token_.text[0] == c;
  }
  bool at_end() const { return token_.kind == SqlToken::Kind::end || at_symbol(';'); }
  bool accept(std::string_view word) {
    if (!at(word)) return false;
    advance();
    return true;
  }
  bool accept_any(std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [this](std::string_view w) { return accept(w); });
  }

  TableName table_name() {
    TableName name{schema_, token_.text};
    advance();
    if (at_symbol('.')) {
      advance();
      name.schema = std::exchange(name.table, token_.text);
      advance();
    }
    return name;
  }

  SchemaChange change(SchemaChange::Kind kind, TableName name) const {
    SchemaChange out;
    out.kind = kind;
    out.table = std::move(name);
    out.sql = sql_;
    return out;
  }

  /// Passes over one comma-separated clause, parentheses and all.
  void skip_clause() {
    int depth = 0;
    while (token_.kind != SqlToken::Kind::end) {
      if (at_symbol('(')) ++depth;
      if (at_symbol(')')) --depth;
      if (at_symbol(',') && depth <= 0) return;
      advance();
    }
  }

  Statement xa();
  Statement create();
  Statement drop();
  Statement alter();
  Statement alter_table();
  Statement rename_tables();

  std::string sql_;
  std::string schema_;
  SqlLexer lexer_;
  SqlToken token_;
};

Statement of_kind(Statement::Kind kind) {
  Statement out;
  out.kind = kind;
  return out;
}

Statement definition(std::vector<SchemaChange> changes) {
  Statement out = of_kind(Statement::Kind::definition);
  out.changes = std::move(changes);
  return out;
}

Statement Parser::xa() {
  Statement out;
  if (accept_any({"START", "BEGIN"})) {
    out.kind = Statement::Kind::xa_start;
  } else if (accept("END")) {
    out.kind = Statement::Kind::xa_end;
  } else if (accept("PREPARE")) {
    out.kind = Statement::Kind::xa_prepare;
  } else if (accept("COMMIT")) {
    out.kind = Statement::Kind::xa_commit;
  } else if (accept("ROLLBACK")) {
    out.kind = Statement::Kind::xa_rollback;
  }
  // The three parts of an xid: X'gtrid',X'bqual',format. The letters and quotes carry nothing.
  while (!at_end() && !at("ONE")) {
    if (!at("X")) out.xid += token_.text;
    advance();
  }
  return out;
}

Statement Parser::create() {
  const bool replaces = accept("OR") && accept("REPLACE");
  const bool temporary = accept("TEMPORARY");
  if (accept("TABLE")) {
    if (accept("IF")) {
      accept("NOT");
      accept("EXISTS");
    }
    const TableName name = table_name();
    if (temporary) return of_kind(Statement::Kind::harmless);
    std::vector<SchemaChange> changes;
    if (replaces) changes.push_back(change(SchemaChange::Kind::drop_table, name));
    changes.push_back(change(SchemaChange::Kind::create_table, name));
    return definition(std::move(changes));
  }
  if (at("UNIQUE") || at("FULLTEXT") || at("SPATIAL") || at("INDEX") || at("VECTOR") ||
      at("ONLINE")) {
    while (!at_end() && !at("ON")) advance();
    advance();
    return definition({change(SchemaChange::Kind::index, table_name())});
  }
  return of_kind(
      Statement::Kind::harmless);  // views, routines, triggers, events, accounts, databases
}

Statement Parser::drop() {
  const bool temporary = accept("TEMPORARY");
  if (accept_any({"TABLE", "TABLES"})) {
    if (accept("IF")) accept("EXISTS");
    std::vector<SchemaChange> changes;
    while (!at_end() && !at("RESTRICT") && !at("CASCADE") && !at("WAIT") && !at("NOWAIT")) {
      changes.push_back(change(SchemaChange::Kind::drop_table, table_name()));
      if (at_symbol(',')) advance();
    }
    return temporary ? of_kind(Statement::Kind::harmless) : definition(std::move(changes));
  }
  if (accept_any({"DATABASE", "SCHEMA"})) {
    if (accept("IF")) accept("EXISTS");
    Statement out = of_kind(Statement::Kind::drop_database);
    out.schema = token_.text;
    return out;
  }
  if (accept("INDEX")) {
    while (!at_end() && !at("ON")) advance();
    advance();
    return definition({change(SchemaChange::Kind::index, table_name())});
  }
  return of_kind(Statement::Kind::harmless);
}

Statement Parser::alter() {
  accept("ONLINE");
  accept("OFFLINE");
  accept("IGNORE");
  if (accept("TABLE")) return alter_table();
  return of_kind(Statement::Kind::harmless);
}

Statement Parser::alter_table() {
  if (accept("IF")) accept("EXISTS");
  SchemaChange out = change(SchemaChange::Kind::other, table_name());
  using Kind = SchemaChange::Kind;
  // One statement may do several things; the one that weighs most decides.
  constexpr auto kByWeight =
      std::to_array({Kind::other, Kind::comment, Kind::index, Kind::default_value, Kind::add_column,
                     Kind::drop_column, Kind::rename_column, Kind::change_type, Kind::change_key,
                     Kind::rename_table, Kind::drop_rows});
  const auto found = [&](Kind kind) {
    const auto weight = [&](Kind each) {
      return std::find(kByWeight.begin(), kByWeight.end(), each);
    };
    if (weight(kind) > weight(out.kind)) out.kind = kind;
  };
  const auto at_index_word = [this] {
    return at("INDEX") || at("KEY") || at("UNIQUE") || at("FULLTEXT") || at("SPATIAL") ||
           at("VECTOR");
  };
  const auto at_constraint_word = [this] {
    return at("CONSTRAINT") || at("FOREIGN") || at("CHECK") || at("PERIOD") || at("SYSTEM");
  };
  if (at("WAIT") || at("NOWAIT")) advance();
  while (!at_end()) {
    if (accept("ADD")) {
      if (at("PARTITION") || at_constraint_word()) {
        found(Kind::other);
      } else if (at_index_word()) {
        found(Kind::index);
      } else if (at("PRIMARY")) {
        found(Kind::change_key);
      } else {
        found(Kind::add_column);
      }
    } else if (accept("DROP")) {
      if (at("PARTITION")) {
        found(Kind::drop_rows);
      } else if (at("PRIMARY")) {
        found(Kind::change_key);
      } else if (at_index_word()) {
        found(Kind::index);
      } else if (!at_constraint_word()) {
        found(Kind::drop_column);
      }
    } else if (accept_any({"MODIFY", "CHANGE", "CONVERT"})) {
      found(Kind::change_type);
    } else if (accept("ALTER")) {
      found(at_index_word() ? Kind::index : Kind::default_value);
    } else if (at("COMMENT")) {
      found(Kind::comment);
    } else if (accept("RENAME")) {
      if (at("COLUMN")) {
        found(Kind::rename_column);
      } else if (at("INDEX") || at("KEY")) {
        found(Kind::index);
      } else {
        accept_any({"TO", "AS"});
        out.new_name = table_name();
        found(Kind::rename_table);
      }
    } else if (at("TRUNCATE") || at("EXCHANGE") || at("DISCARD") || at("IMPORT")) {
      found(Kind::drop_rows);
    }
    skip_clause();
    if (at_symbol(',')) advance();
  }
  return definition({out});
}

Statement Parser::rename_tables() {
  std::vector<SchemaChange> changes;
  accept_any({"TABLE", "TABLES"});
  if (accept("IF")) accept("EXISTS");
  while (!at_end()) {
    SchemaChange one = change(SchemaChange::Kind::rename_table, table_name());
    accept("TO");
    one.new_name = table_name();
    changes.push_back(std::move(one));
    if (!at_symbol(',')) break;
    advance();
  }
  return definition(std::move(changes));
}

/// Statements that change neither rows nor the definition of a table.
constexpr auto kHarmless = std::to_array<std::string_view>(
    {"GRANT", "REVOKE", "FLUSH", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "INSTALL", "UNINSTALL",
     "RESET", "CACHE", "PURGE", "KILL", "USE", "SIGNAL"});
/// Statements that change rows. In a row-based log they are there only if a session left ROW
/// format.
constexpr auto kData = std::to_array<std::string_view>(
    {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "WITH", "DO", "IMPORT", "SELECT"});

Statement Parser::parse() {
  if (accept("BEGIN")) return of_kind(Statement::Kind::begin);
  if (accept("START"))
    return of_kind(at("TRANSACTION") ? Statement::Kind::begin : Statement::Kind::harmless);
  if (accept("COMMIT")) return of_kind(Statement::Kind::commit);
  if (accept("ROLLBACK")) {
    accept("WORK");
    return of_kind(at("TO") ? Statement::Kind::rollback_to : Statement::Kind::rollback);
  }
  if (accept("SAVEPOINT") || accept("RELEASE")) return of_kind(Statement::Kind::savepoint);
  if (accept("XA")) return xa();
  if (accept("CREATE")) return create();
  if (accept("DROP")) return drop();
  if (accept("ALTER")) return alter();
  if (at("RENAME")) {
    advance();
    if (at("USER")) return of_kind(Statement::Kind::harmless);
    return rename_tables();
  }
  if (accept("TRUNCATE")) {
    accept("TABLE");
    return definition({change(SchemaChange::Kind::truncate_table, table_name())});
  }
  if (accept("SET")) {
    if (!accept("STATEMENT")) return of_kind(Statement::Kind::harmless);
    // MariaDB: SET STATEMENT variable = value, ... FOR another statement.
    while (!at_end() && !at("FOR")) advance();
    advance();
    return parse();
  }
  if (accept("ANALYZE")) {
    // MariaDB: ANALYZE in front of a statement carries it out.
    const bool of_tables = at("TABLE") || at("TABLES") || at("LOCAL") || at("NO_WRITE_TO_BINLOG");
    return of_kind(of_tables ? Statement::Kind::harmless : Statement::Kind::data);
  }
  const auto is_at = [this](std::string_view word) { return at(word); };
  if (std::any_of(kData.begin(), kData.end(), is_at)) return of_kind(Statement::Kind::data);
  if (std::any_of(kHarmless.begin(), kHarmless.end(), is_at))
    return of_kind(Statement::Kind::harmless);
  return {};
}

}  // namespace

Statement classify(std::string_view sql, std::string_view default_schema, std::uint64_t sql_mode) {
  return Parser(sql, default_schema, sql_mode).parse();
}

}  // namespace weir::mysql
