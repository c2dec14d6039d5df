// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/alter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "source/mysql/charset.h"
#include "source/mysql/default_value.h"
#include "source/mysql/sql_lexer.h"
#include "source/mysql/types.h"

namespace weir::mysql {
namespace {

/// Ends the reading of a statement; becomes Altered::unreadable.
struct Unreadable {
  std::string why;
};

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw Unreadable{fmt::format(text, std::forward<Args>(args)...)};
}

constexpr std::string_view kPrimary = "PRIMARY";
constexpr std::uint64_t kMaxBytes = 65'535;  // of a VARCHAR

/// How a column definition begins: the words, and what information_schema calls the type.
struct TypeName {
  std::string_view words;
  std::string_view data_type;
  bool national = false;
};

// The longest match counts.
constexpr auto kTypeNames = std::to_array<TypeName>({
    {"BIGINT", "bigint"},
    {"BINARY", "binary"},
    {"BIT", "bit"},
    {"BLOB", "blob"},
    {"BOOL", "bool"},
    {"BOOLEAN", "bool"},
    {"CHAR", "char"},
    {"CHAR VARYING", "varchar"},
    {"CHARACTER", "char"},
    {"CHARACTER VARYING", "varchar"},
    {"DATE", "date"},
    {"DATETIME", "datetime"},
    {"DEC", "decimal"},
    {"DECIMAL", "decimal"},
    {"DOUBLE", "double"},
    {"DOUBLE PRECISION", "double"},
    {"ENUM", "enum"},
    {"FIXED", "decimal"},
    {"FLOAT", "float"},
    {"FLOAT4", "float"},
    {"FLOAT8", "double"},
    {"GEOMCOLLECTION", "geometrycollection"},
    {"GEOMETRY", "geometry"},
    {"GEOMETRYCOLLECTION", "geometrycollection"},
    {"INET4", "inet4"},
    {"INET6", "inet6"},
    {"INT", "int"},
    {"INT1", "tinyint"},
    {"INT2", "smallint"},
    {"INT3", "mediumint"},
    {"INT4", "int"},
    {"INT8", "bigint"},
    {"INTEGER", "int"},
    {"JSON", "json"},
    {"LINESTRING", "linestring"},
    {"LONG", "mediumtext"},
    {"LONG CHAR VARYING", "mediumtext"},
    {"LONG CHARACTER VARYING", "mediumtext"},
    {"LONG VARBINARY", "mediumblob"},
    {"LONG VARCHAR", "mediumtext"},
    {"LONG VARCHARACTER", "mediumtext"},
    {"LONGBLOB", "longblob"},
    {"LONGTEXT", "longtext"},
    {"MEDIUMBLOB", "mediumblob"},
    {"MEDIUMINT", "mediumint"},
    {"MEDIUMTEXT", "mediumtext"},
    {"MIDDLEINT", "mediumint"},
    {"MULTILINESTRING", "multilinestring"},
    {"MULTIPOINT", "multipoint"},
    {"MULTIPOLYGON", "multipolygon"},
    {"NATIONAL CHAR", "char", true},
    {"NATIONAL CHAR VARYING", "varchar", true},
    {"NATIONAL CHARACTER", "char", true},
    {"NATIONAL CHARACTER VARYING", "varchar", true},
    {"NATIONAL VARCHAR", "varchar", true},
    {"NATIONAL VARCHARACTER", "varchar", true},
    {"NCHAR", "char", true},
    {"NCHAR VARCHAR", "varchar", true},
    {"NCHAR VARCHARACTER", "varchar", true},
    {"NCHAR VARYING", "varchar", true},
    {"NUMERIC", "decimal"},
    {"NVARCHAR", "varchar", true},
    {"POINT", "point"},
    {"POLYGON", "polygon"},
    {"REAL", "real"},
    {"SERIAL", "serial"},
    {"SET", "set"},
    {"SMALLINT", "smallint"},
    {"TEXT", "text"},
    {"TIME", "time"},
    {"TIMESTAMP", "timestamp"},
    {"TINYBLOB", "tinyblob"},
    {"TINYINT", "tinyint"},
    {"TINYTEXT", "tinytext"},
    {"UUID", "uuid"},
    {"VARBINARY", "varbinary"},
    {"VARCHAR", "varchar"},
    {"VARCHARACTER", "varchar"},
    {"VECTOR", "vector"},
    {"YEAR", "year"},
});

/// Digits that the widths of integers have where nothing else is said.
struct IntegerWidth {
  std::string_view data_type;
  unsigned with_sign;
  unsigned without;
};

constexpr auto kIntegerWidths = std::to_array<IntegerWidth>({
    {"tinyint", 4, 3},
    {"smallint", 6, 5},
    {"mediumint", 9, 8},
    {"int", 11, 10},
    {"bigint", 20, 20},
});

constexpr auto kEngines = std::to_array<std::string_view>(
    {"InnoDB", "MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV", "BLACKHOLE", "ROCKSDB", "SEQUENCE",
     "CONNECT", "SPIDER", "MRG_MyISAM", "S3", "FEDERATED"});

/// Words that begin another clause after a comma.
constexpr auto kClauseWords = std::to_array<std::string_view>(
    {"ADD", "ALTER", "CHANGE", "CONVERT", "DROP", "MODIFY", "RENAME"});

/// Options that say nothing about columns, and may come without '='.
constexpr auto kIgnoredOptions = std::to_array<std::string_view>({"ALGORITHM",
                                                                  "AUTOEXTEND_SIZE",
                                                                  "AUTO_INCREMENT",
                                                                  "AVG_ROW_LENGTH",
                                                                  "CHECKSUM",
                                                                  "COMPRESSION",
                                                                  "CONNECTION",
                                                                  "DELAY_KEY_WRITE",
                                                                  "ENCRYPTION",
                                                                  "ENGINE_ATTRIBUTE",
                                                                  "INSERT_METHOD",
                                                                  "KEY_BLOCK_SIZE",
                                                                  "LOCK",
                                                                  "MAX_ROWS",
                                                                  "MIN_ROWS",
                                                                  "PACK_KEYS",
                                                                  "PAGE_CHECKSUM",
                                                                  "PASSWORD",
                                                                  "ROW_FORMAT",
                                                                  "SECONDARY_ENGINE",
                                                                  "SECONDARY_ENGINE_ATTRIBUTE",
                                                                  "SEQUENCE",
                                                                  "STATS_AUTO_RECALC",
                                                                  "STATS_PERSISTENT",
                                                                  "STATS_SAMPLE_PAGES",
                                                                  "TABLESPACE",
                                                                  "TABLE_CHECKSUM",
                                                                  "TRANSACTIONAL",
                                                                  "UNION"});

struct Default {
  enum class Kind : std::uint8_t { none, null, literal, now, expression };
  Kind kind = Kind::none;
  Literal literal;
  std::uint64_t digits = 0;  ///< of the second: now
  std::string text;          ///< of an expression, for people
};

/// A column as a statement defines it.
struct ColumnDef {
  std::string name;
  std::string data_type;  ///< as information_schema calls it; "bool", "real", "serial" and "json"
                          ///< are still to be resolved
  std::optional<std::uint64_t> length;
  std::optional<std::uint64_t> decimals;
  std::vector<std::string> labels;
  bool national = false;
  bool is_unsigned = false;
  bool zerofill = false;
  bool compressed = false;
  std::string charset;
  std::string collation;
  bool binary_collation = false;
  bool byte = false;  ///< CHAR ... BYTE
  std::optional<bool> null;
  Default value;
  bool on_update = false;
  bool auto_increment = false;
  bool generated = false;
  bool invisible = false;
  bool json_check = false;
  std::string comment;
};

struct Place {
  enum class Kind : std::uint8_t { none, first, after };
  Kind kind = Kind::none;
  std::string column;
};

struct KeyPart {
  std::string column;
  std::uint32_t prefix = 0;
  bool expression = false;
};

struct NewKey {
  Index::Kind kind = Index::Kind::ordinary;
  bool primary = false;
  bool foreign = false;  ///< what a server makes for a foreign key, if nothing else serves
  bool if_not_exists = false;
  std::string name;
  std::vector<KeyPart> parts;
};

struct NewColumn {
  ColumnDef def;
  std::optional<std::string> change;  ///< the column that it takes the place of
  Place place;
  bool if_exists = false;
  bool if_not_exists = false;
};

struct Named {
  std::string from;
  std::string to;
  bool if_exists = false;
};

struct ColumnChange {
  std::string column;
  bool if_exists = false;
  std::optional<Default> value;
  std::optional<bool> invisible;
};

/// A statement, read.
struct Alteration {
  std::vector<NewColumn> columns;
  std::vector<Named> dropped_columns;
  std::vector<Named> dropped_indexes;
  std::vector<Named> renamed_columns;
  std::vector<Named> renamed_indexes;
  std::vector<ColumnChange> changes;
  std::vector<NewKey> keys;
  std::vector<Named> dropped_constraints;

  std::vector<std::string> not_null;  ///< columns of a period
  std::optional<TableName> new_name;
  std::optional<TableName> like;  ///< CREATE TABLE ... LIKE
  std::optional<std::string> comment;
  std::optional<std::string> engine;
  std::string charset;
  std::string collation;
  bool convert = false;
};

// ---------------------------------------------------------------------------------------------

/// Reads a statement; what it does to a table is Alterer's affair.
class AlterParser {
 public:
  AlterParser(std::string_view sql, const AlterContext& context) : sql_(sql), context_(context) {
    SqlLexer lexer(sql, context.sql_mode);
    do {
      tokens_.push_back(lexer.next());
    } while (tokens_.back().kind != SqlToken::Kind::end);
  }

  Alteration parse();
  /// Of CREATE TABLE, as changes of a table without columns. Alteration::like is all there is if
  /// it says so.
  Alteration parse_create();

 private:
  const SqlToken& token(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  void advance() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool at(std::string_view word, std::size_t ahead = 0) const {
    const SqlToken& t = token(ahead);
    return t.kind == SqlToken::Kind::word && equals_ignoring_case(t.text, word);
  }
  bool at_any(std::initializer_list<std::string_view> words, std::size_t ahead = 0) const {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return at(word, ahead); });
  }
  bool at_symbol(char c, std::size_t ahead = 0) const {
    const SqlToken& t = token(ahead);
    return t.kind == SqlToken::Kind::symbol && t.text[0] == c;
  }
  bool at_end() const { return token().kind == SqlToken::Kind::end || at_symbol(';'); }
  bool accept(std::string_view word) {
    if (!at(word)) return false;
    advance();
    return true;
  }
  bool accept_symbol(char c) {
    if (!at_symbol(c)) return false;
    advance();
    return true;
  }
  /// All of several words, or none of them.
  bool accept_all(std::string_view words) {
    const std::vector<std::string> parts = split(words, ' ');
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!at(parts[i], i)) return false;
    }
    for (std::size_t i = 0; i < parts.size(); ++i) advance();
    return true;
  }
  [[noreturn]] void lost() const {
    if (at_end()) refuse("the statement ends before it is whole");
    refuse("weir cannot read it from \"{}\" on", sql_.substr(token().begin, 40));
  }
  void expect(std::string_view word) {
    if (!accept(word)) lost();
  }
  void expect_symbol(char c) {
    if (!accept_symbol(c)) lost();
  }
  std::string name() {
    const SqlToken& t = token();
    if (t.kind != SqlToken::Kind::name && t.kind != SqlToken::Kind::word) lost();
    check_text(t);
    std::string out = t.text;
    advance();
    return out;
  }
  /// [[schema.]table.]column: only the last part says something.
  std::string column_name() {
    std::string out = name();
    while (accept_symbol('.')) out = name();
    return out;
  }
  TableName table_name() {
    TableName out{context_.schema, name()};
    if (accept_symbol('.')) {
      out.schema = std::exchange(out.table, name());
    }
    return out;
  }
  std::uint64_t number() {
    std::uint64_t out = 0;
    const std::string& text = token().text;
    const char* const end = text.data() + text.size();
    if (token().kind != SqlToken::Kind::number ||
        std::from_chars(text.data(), end, out).ptr != end) {
      lost();
    }
    advance();
    return out;
  }
  std::string string() {
    if (token().kind != SqlToken::Kind::string) lost();
    check_text(token());
    std::string out = token().text;
    advance();
    return out;
  }
  std::string charset_name() {
    const SqlToken& t = token();
    if (t.kind == SqlToken::Kind::end || t.kind == SqlToken::Kind::symbol) lost();
    std::string out = to_lower(t.text);
    advance();
    return out;
  }
  bool if_exists() { return accept_all("IF EXISTS"); }
  bool if_not_exists() { return accept_all("IF NOT EXISTS"); }

  /// Text that is kept must be UTF-8, which it is unless the client spoke another set.
  void check_text(const SqlToken& t) const {
    if (text_is_foreign(t)) {
      refuse("it has text in a character set that weir does not convert");
    }
  }
  bool text_is_foreign(const SqlToken& t) const;

  void skip_parentheses();
  /// Passes over the rest of one clause: up to a comma or a closing parenthesis of its level.
  void skip_clause();
  void skip_value() {
    accept_symbol('=');
    if (at_symbol('(')) {
      skip_parentheses();
    } else {
      advance();
    }
  }

  void table_head();
  void clause();
  void add();
  void drop();
  void alter();
  void rename();
  bool key_clause();
  void add_column(std::optional<std::string> change, bool exists_condition);

  std::vector<KeyPart> key_parts();
  void index_statement();
  bool table_option();
  void order_by();

  ColumnDef column_def(std::string column);
  void type(ColumnDef& def);
  bool attribute(ColumnDef& def);
  Default default_value();
  std::optional<Literal> literal();
  bool is_json_check(std::string_view column);

  std::string_view sql_;
  const AlterContext& context_;
  std::vector<SqlToken> tokens_;
  std::size_t at_ = 0;
  Alteration out_;
};

const Collation* find_collation(const AlterContext& context, std::uint32_t id) {
  const auto at = std::find_if(context.collations.begin(), context.collations.end(),
                               [id](const Collation& each) { return each.id == id; });
  return at == context.collations.end() ? nullptr : &*at;
}

bool AlterParser::text_is_foreign(const SqlToken& t) const {
  const bool ascii = std::all_of(t.text.begin(), t.text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return false;
  // Text that a client sends in a set of its own is logged as it came.
  for (const std::uint16_t id : {context_.client_collation, context_.connection_collation}) {
    const Collation* collation = find_collation(context_, id);
    if (collation == nullptr || !collation->charset.starts_with("utf8")) return true;
  }
  return false;
}

void AlterParser::skip_parentheses() {
  int depth = 0;
  do {
    if (at_symbol('(')) ++depth;
    if (at_symbol(')')) --depth;
    if (token().kind == SqlToken::Kind::end) lost();
    advance();
  } while (depth > 0);
}

void AlterParser::skip_clause() {
  while (!at_end() && !at_symbol(',') && !at_symbol(')')) {
    if (at_symbol('(')) {
      skip_parentheses();
    } else {
      advance();
    }
  }
}

Alteration AlterParser::parse() {
  if (accept_all("SET STATEMENT")) {
    // MariaDB: variables for one statement.
    while (!at_end() && !at("FOR")) {
      if (at_any({"SQL_MODE", "TIME_ZONE", "TIMESTAMP", "OLD_MODE", "CHARACTER_SET_COLLATIONS",
                  "EXPLICIT_DEFAULTS_FOR_TIMESTAMP", "CHARACTER_SET_CLIENT",
                  "CHARACTER_SET_CONNECTION", "COLLATION_CONNECTION"})) {
        refuse("it changes {} for itself", to_lower(token().text));
      }
      advance();
    }
    expect("FOR");
  }
  if (accept("CREATE")) {
    if (accept("OR")) expect("REPLACE");
    index_statement();
    return std::move(out_);
  }
  if (accept("DROP")) {
    accept("ONLINE");
    accept("OFFLINE");
    expect("INDEX");
    const bool exists_condition = if_exists();
    out_.dropped_indexes.push_back({name(), "", exists_condition});
    return std::move(out_);
  }
  expect("ALTER");
  while (accept("ONLINE") || accept("OFFLINE") || accept("IGNORE")) {
  }
  expect("TABLE");
  if_exists();
  table_name();
  if (accept("WAIT")) advance();
  accept("NOWAIT");
  while (!at_end()) {
    clause();
    if (at_end()) break;
    // Options may follow each other without a comma.
    accept_symbol(',');
  }
  return std::move(out_);
}

Alteration AlterParser::parse_create() {
  expect("CREATE");
  if (accept("OR")) expect("REPLACE");
  expect("TABLE");
  if_not_exists();
  table_name();
  const bool in_parentheses = at_symbol('(') && at("LIKE", 1);
  if (in_parentheses) advance();
  if (accept("LIKE")) {
    out_.like = table_name();
    return std::move(out_);
  }
  expect_symbol('(');
  do {
    if (at_any({"PERIOD", "SYSTEM"})) refuse("weir does not read its periods");
    if (!key_clause()) add_column({}, false);
  } while (accept_symbol(','));
  expect_symbol(')');
  while (!at_end()) {
    // How rows are stored; nothing about columns follows.
    if (at("PARTITION")) break;
    if (at_any({"AS", "SELECT", "IGNORE", "REPLACE", "WITH"})) {
      refuse("it makes a table of a query, or one with versions");
    }
    if (!table_option()) lost();
    accept_symbol(',');
  }
  return std::move(out_);
}

void AlterParser::index_statement() {
  NewKey key;
  accept("ONLINE");
  accept("OFFLINE");
  if (accept("UNIQUE")) key.kind = Index::Kind::unique;
  if (accept("FULLTEXT")) key.kind = Index::Kind::fulltext;
  if (accept("SPATIAL")) key.kind = Index::Kind::spatial;
  if (accept("VECTOR")) key.kind = Index::Kind::expression;
  expect("INDEX");
  key.if_not_exists = if_not_exists();
  key.name = name();
  while (!at_end() && !at("ON")) advance();
  expect("ON");
  table_name();
  key.parts = key_parts();
  out_.keys.push_back(std::move(key));
}

void AlterParser::clause() {
  if (accept("ADD")) return add();
  if (accept("DROP")) return drop();
  if (accept("ALTER")) return alter();
  if (accept("RENAME")) return rename();
  if (at("CHANGE") || at("MODIFY")) {
    const bool is_change = at("CHANGE");
    advance();
    accept("COLUMN");
    const bool exists_condition = if_exists();
    std::string column = column_name();
    // MODIFY names the column once.
    if (!is_change) --at_;
    return add_column(std::move(column), exists_condition);
  }
  if (accept_all("CONVERT TO")) {
    out_.convert = true;
    if (!accept("CHARSET") && !accept_all("CHARACTER SET")) lost();
    if (at("DEFAULT")) refuse("it takes the character set of the database, which no event tells");
    out_.charset = charset_name();
    if (accept("COLLATE")) out_.collation = charset_name();
    return;
  }
  if (accept_all("ORDER BY")) return order_by();
  if (accept("FORCE")) return;
  if (accept_all("ENABLE KEYS") || accept_all("DISABLE KEYS")) return;
  if (accept_all("WITH VALIDATION") || accept_all("WITHOUT VALIDATION")) return;
  if (at_any({"PARTITION", "REMOVE", "COALESCE", "REORGANIZE", "ANALYZE", "CHECK", "OPTIMIZE",
              "REBUILD", "REPAIR", "TRUNCATE", "EXCHANGE", "DISCARD", "IMPORT", "UPGRADE",
              "SECONDARY_LOAD", "SECONDARY_UNLOAD"})) {
    // How rows are stored; nothing may follow.
    while (!at_end()) advance();
    return;
  }
  if (!table_option()) lost();
}

void AlterParser::order_by() {
  do {
    column_name();
    while (at("ASC") || at("DESC")) advance();
    const bool ends = at_symbol(',') && std::any_of(kClauseWords.begin(), kClauseWords.end(),
                                                    [this](auto word) { return at(word, 1); });
    if (ends) return;
  } while (accept_symbol(','));
}

bool AlterParser::table_option() {
  if (token().kind != SqlToken::Kind::word) return false;
  const bool is_default = accept("DEFAULT");
  if (accept("CHARSET") || accept_all("CHARACTER SET")) {
    accept_symbol('=');
    if (at("DEFAULT")) refuse("it takes the character set of the database, which no event tells");
    out_.charset = charset_name();
    return true;
  }
  if (accept("COLLATE")) {
    accept_symbol('=');
    if (at("DEFAULT")) refuse("it takes the collation of the database, which no event tells");
    out_.collation = charset_name();
    return true;
  }
  if (is_default) lost();
  if (accept("COMMENT")) {
    accept_symbol('=');
    out_.comment = string();
    return true;
  }
  if (accept("ENGINE") || accept("TYPE")) {
    accept_symbol('=');
    out_.engine = token().text;
    advance();
    return true;
  }
  if (accept_all("DATA DIRECTORY") || accept_all("INDEX DIRECTORY")) {
    skip_value();
    return true;
  }
  if (accept_all("STORAGE DISK") || accept_all("STORAGE MEMORY")) return true;
  const bool is_known = std::any_of(kIgnoredOptions.begin(), kIgnoredOptions.end(),
                                    [this](std::string_view word) { return at(word); });
  if (!is_known && !at_symbol('=', 1)) return false;
  advance();
  skip_value();
  return true;
}

void AlterParser::add() {
  if (at("PARTITION")) {
    while (!at_end()) advance();
    return;
  }
  if (at("SYSTEM") && at("VERSIONING", 1)) {
    refuse("system versioning puts columns into the change log that no catalogue shows");
  }
  if (accept_all("PERIOD FOR")) {
    if (at("SYSTEM_TIME")) refuse("system versioning is not known to weir");
    if_not_exists();
    name();
    expect_symbol('(');
    out_.not_null.push_back(column_name());
    expect_symbol(',');
    out_.not_null.push_back(column_name());
    expect_symbol(')');
    return;
  }
  if (key_clause()) return;
  accept("COLUMN");
  const bool exists_condition = if_not_exists();
  if (!accept_symbol('(')) return add_column({}, exists_condition);
  do {
    if (!key_clause()) add_column({}, exists_condition);
  } while (accept_symbol(','));
  expect_symbol(')');
}

/// The definition of an index, a key or a constraint, if one begins here.
bool AlterParser::key_clause() {
  NewKey key;
  std::string constraint;
  if (at_any({"CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "INDEX", "KEY"})) {
    // Reserved words: no column is called so without quotes.
  } else if (at_any({"FULLTEXT", "SPATIAL", "VECTOR"})) {
    const bool is_vector_key = at("VECTOR") && (at("INDEX", 1) || at("KEY", 1));
    if (at("VECTOR") && !is_vector_key) return false;
  } else {
    return false;
  }
  if (accept("CONSTRAINT")) {
    key.if_not_exists = if_not_exists();
    if (!at_any({"PRIMARY", "UNIQUE", "FOREIGN", "CHECK"})) constraint = name();
  }
  if (accept("CHECK")) {
    // A check of the table says nothing about a column's type, not even json_valid().
    skip_clause();
    return true;
  }
  if (accept("PRIMARY")) {
    expect("KEY");
    key.primary = true;
    key.kind = Index::Kind::unique;
    if (if_not_exists()) key.if_not_exists = true;
  } else if (accept("FOREIGN")) {
    expect("KEY");
    key.foreign = true;
  } else {
    if (accept("UNIQUE")) key.kind = Index::Kind::unique;
    if (accept("FULLTEXT")) key.kind = Index::Kind::fulltext;
    if (accept("SPATIAL")) key.kind = Index::Kind::spatial;
    if (accept("VECTOR")) key.kind = Index::Kind::expression;
    if (!accept("INDEX")) accept("KEY");
  }
  if (if_not_exists()) key.if_not_exists = true;
  std::string given;
  if (!at_symbol('(') && !at_any({"USING", "TYPE"})) given = name();
  if (accept("USING") || accept("TYPE")) advance();
  key.parts = key_parts();
  if (key.primary) {
    key.name = kPrimary;
  } else if (key.foreign) {
    key.name = constraint.empty() ? given : constraint;
  } else {
    key.name = given.empty() ? constraint : given;
  }
  skip_clause();
  out_.keys.push_back(std::move(key));
  return true;
}

std::vector<KeyPart> AlterParser::key_parts() {
  std::vector<KeyPart> parts;
  expect_symbol('(');
  do {
    KeyPart part;
    if (at_symbol('(')) {
      skip_parentheses();
      part.expression = true;
    } else {
      part.column = column_name();
      if (at("WITHOUT")) refuse("an index without overlaps is not known to weir");
      if (accept_symbol('(')) {
        part.prefix = static_cast<std::uint32_t>(number());
        expect_symbol(')');
      }
    }
    if (!accept("ASC")) accept("DESC");
    parts.push_back(std::move(part));
  } while (accept_symbol(','));
  expect_symbol(')');
  return parts;
}

/// MariaDB: whether "(json_valid(column))" comes.
bool AlterParser::is_json_check(std::string_view column) {
  std::size_t i = 0;
  while (at_symbol('(', i)) ++i;
  const std::size_t depth = i;
  if (depth == 0 || !at("JSON_VALID", i) || !at_symbol('(', i + 1)) return false;
  if (!equals_ignoring_case(token(i + 2).text, column)) return false;
  for (std::size_t k = 0; k <= depth; ++k) {
    if (!at_symbol(')', i + 3 + k)) return false;
  }
  return true;
}

void AlterParser::add_column(std::optional<std::string> change, bool exists_condition) {
  NewColumn column;
  column.if_exists = change.has_value() && exists_condition;
  column.if_not_exists = !change && exists_condition;
  column.change = std::move(change);
  column.def = column_def(column_name());
  if (accept("FIRST")) {
    column.place.kind = Place::Kind::first;
  } else if (accept("AFTER")) {
    column.place = {Place::Kind::after, column_name()};
  }
  out_.columns.push_back(std::move(column));
}

void AlterParser::drop() {
  if (at("PARTITION")) {
    while (!at_end()) advance();
    return;
  }
  if (at("SYSTEM") && at("VERSIONING", 1)) {
    refuse("system versioning puts columns into the change log that no catalogue shows");
  }
  if (accept_all("PERIOD FOR")) {
    if (at("SYSTEM_TIME")) refuse("system versioning is not known to weir");
    if_exists();
    name();
    return;
  }
  if (accept_all("PRIMARY KEY")) {
    out_.dropped_indexes.push_back({std::string(kPrimary), "", false});
    return;
  }
  if (accept_all("FOREIGN KEY")) {
    if_exists();
    name();
    return;
  }
  if (accept("CHECK") || accept("CONSTRAINT")) {
    const bool exists_condition = if_exists();
    out_.dropped_constraints.push_back({name(), "", exists_condition});
    return;
  }
  if (accept("INDEX") || accept("KEY")) {
    const bool exists_condition = if_exists();
    out_.dropped_indexes.push_back({name(), "", exists_condition});
    return;
  }
  accept("COLUMN");
  const bool exists_condition = if_exists();
  out_.dropped_columns.push_back({column_name(), "", exists_condition});
  if (!accept("RESTRICT")) accept("CASCADE");
}

void AlterParser::alter() {
  if (at_any({"INDEX", "KEY", "CHECK", "CONSTRAINT"})) {
    // Whether it is used or enforced.
    skip_clause();
    return;
  }
  accept("COLUMN");
  ColumnChange change;
  change.if_exists = if_exists();
  change.column = column_name();
  if (accept_all("DROP DEFAULT")) {
    change.value.emplace();
  } else if (accept_all("SET VISIBLE")) {
    change.invisible = false;
  } else if (accept_all("SET INVISIBLE")) {
    change.invisible = true;
  } else {
    expect("SET");
    expect("DEFAULT");
    change.value = default_value();
  }
  out_.changes.push_back(std::move(change));
}

void AlterParser::rename() {
  if (at_any({"INDEX", "KEY", "COLUMN"})) {
    const bool is_column = at("COLUMN");
    advance();
    const bool exists_condition = if_exists();
    std::string from = column_name();
    expect("TO");
    (is_column ? out_.renamed_columns : out_.renamed_indexes)
        .push_back({std::move(from), column_name(), exists_condition});
    return;
  }
  if (!accept("TO") && !accept("AS")) accept_symbol('=');
  out_.new_name = table_name();
}

// ---------------------------------------------------------------------------------------------
// Columns

ColumnDef AlterParser::column_def(std::string column) {
  ColumnDef def;

  def.name = std::move(column);
  if ((context_.sql_mode & kOracle) != 0 && context_.is_mariadb) {
    refuse("sql_mode ORACLE gives types other meanings");
  }
  type(def);
  while (!at_end() && !at_symbol(',') && !at_symbol(')') && !at("FIRST") && !at("AFTER")) {
    if (!attribute(def)) lost();
  }
  return def;
}

void AlterParser::type(ColumnDef& def) {
  const TypeName* found = nullptr;
  std::size_t words = 0;
  for (const TypeName& row : kTypeNames) {
    const std::vector<std::string> parts = split(row.words, ' ');
    if (parts.size() <= words) continue;
    bool fits = true;
    for (std::size_t i = 0; i < parts.size(); ++i) fits = fits && at(parts[i], i);
    if (!fits) continue;
    found = &row;
    words = parts.size();
  }
  if (found == nullptr) {
    refuse("weir does not know the type {} of column {}", token().text, def.name);
  }
  at_ += words;
  def.data_type = found->data_type;
  def.national = found->national;
  if (def.data_type == "serial") {
    out_.keys.push_back({Index::Kind::unique, false, false, false, "", {{def.name, 0, false}}});
  }
  if (!at_symbol('(')) return;
  advance();
  if (def.data_type == "enum" || def.data_type == "set") {
    do {
      def.labels.push_back(string());
    } while (accept_symbol(','));
  } else if (token().kind == SqlToken::Kind::number &&
             token().text.find('.') != std::string::npos) {
    lost();
  } else {
    def.length = number();
    if (accept_symbol(',')) def.decimals = number();
  }
  expect_symbol(')');
}

bool AlterParser::attribute(ColumnDef& def) {
  if (accept("UNSIGNED")) {
    def.is_unsigned = true;
  } else if (accept("SIGNED")) {
    def.is_unsigned = false;
  } else if (accept("ZEROFILL")) {
    def.zerofill = true;
    def.is_unsigned = true;
  } else if (accept("CHARSET") || accept_all("CHARACTER SET") || accept_all("CHAR SET")) {
    def.charset = charset_name();
  } else if (accept("ASCII")) {
    def.charset = "latin1";
  } else if (accept("UNICODE")) {
    def.charset = "ucs2";
  } else if (accept("BYTE")) {
    def.byte = true;
  } else if (accept("BINARY")) {
    def.binary_collation = true;
  } else if (accept("COLLATE")) {
    accept_symbol('=');
    def.collation = charset_name();
  } else if (accept_all("NOT NULL")) {
    def.null = false;
  } else if (accept("NULL")) {
    def.null = true;
  } else if (accept_all("NOT SECONDARY")) {
  } else if (accept("DEFAULT")) {
    def.value = default_value();
  } else if (accept_all("SERIAL DEFAULT VALUE")) {
    def.null = false;
    def.auto_increment = true;
    out_.keys.push_back({Index::Kind::unique, false, false, false, "", {{def.name, 0, false}}});
  } else if (accept_all("ON UPDATE")) {
    def.on_update = true;
    advance();
    if (at_symbol('(')) skip_parentheses();
  } else if (accept("AUTO_INCREMENT")) {
    def.auto_increment = true;
  } else if (accept("UNIQUE")) {
    accept("KEY");
    out_.keys.push_back({Index::Kind::unique, false, false, false, "", {{def.name, 0, false}}});
  } else if (accept("PRIMARY") || at("KEY")) {
    expect("KEY");
    out_.keys.push_back(
        {Index::Kind::unique, true, false, false, std::string(kPrimary), {{def.name, 0, false}}});
  } else if (accept("COMMENT")) {
    accept_symbol('=');
    def.comment = string();
  } else if (at("GENERATED") || at("AS")) {
    if (accept("GENERATED")) expect("ALWAYS");
    expect("AS");
    if (at("ROW")) refuse("system versioning is not known to weir");
    def.generated = true;
    skip_parentheses();
    if (!accept("VIRTUAL") && !accept("STORED")) accept("PERSISTENT");
  } else if (accept("INVISIBLE")) {
    def.invisible = true;
  } else if (accept("VISIBLE")) {
    def.invisible = false;
  } else if (at("CONSTRAINT") || at("CHECK")) {
    if (accept("CONSTRAINT") && !at("CHECK")) name();
    expect("CHECK");
    if (is_json_check(def.name)) def.json_check = true;
    skip_parentheses();
    accept("NOT");
    accept("ENFORCED");
  } else if (accept("REFERENCES")) {
    table_name();
    if (at_symbol('(')) skip_parentheses();
    if (accept("MATCH")) advance();
    while (accept_all("ON DELETE") || accept_all("ON UPDATE")) {
      if (!accept_all("SET NULL") && !accept_all("SET DEFAULT") && !accept_all("NO ACTION")) {
        advance();
      }
    }
    // Before, the servers read the clause and forgot it.
    const bool makes_key = context_.server_version >= (context_.is_mariadb ? 100500U : 90000U);
    if (makes_key) {
      out_.keys.push_back({Index::Kind::ordinary, false, true, false, "", {{def.name, 0, false}}});
    }
  } else if (accept("COMPRESSED")) {
    def.compressed = true;
    if (accept_symbol('=')) advance();
  } else if (accept_all("WITHOUT SYSTEM VERSIONING") || accept_all("WITH SYSTEM VERSIONING")) {
  } else if (accept("COLUMN_FORMAT") || accept("STORAGE") || accept("SRID")) {
    advance();
  } else if (token().kind == SqlToken::Kind::word && at_symbol('=', 1)) {
    advance();  // attributes of engines
    skip_value();
  } else if (accept("ENGINE_ATTRIBUTE") || accept("SECONDARY_ENGINE_ATTRIBUTE")) {
    advance();
  } else {
    return false;
  }
  return true;
}

Default AlterParser::default_value() {
  Default out;
  const std::size_t begin = token().begin;
  if (accept("NULL")) {
    out.kind = Default::Kind::null;
    return out;
  }
  const bool calls = at_symbol('(', 1);
  if (at_any({"CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"}) || (at("NOW") && calls)) {
    advance();
    if (accept_symbol('(') && !accept_symbol(')')) {
      out.digits = number();
      expect_symbol(')');
    }
    out.kind = Default::Kind::now;
    return out;
  }
  if (at_symbol('(')) {
    // MariaDB folds a constant in parentheses, MySQL keeps it as an expression.
    const std::size_t open = at_;
    advance();
    std::optional<Literal> constant = context_.is_mariadb ? literal() : std::nullopt;
    if (constant && accept_symbol(')')) {
      out.kind = Default::Kind::literal;
      out.literal = std::move(*constant);
      return out;
    }
    at_ = open;
    skip_parentheses();
  } else if (std::optional<Literal> constant = literal()) {
    out.kind = Default::Kind::literal;
    out.literal = std::move(*constant);
    return out;
  } else if (accept_all("NEXT VALUE FOR")) {
    table_name();
  } else if (token().kind == SqlToken::Kind::word || token().kind == SqlToken::Kind::name) {
    column_name();
    if (at_symbol('(')) skip_parentheses();
  } else {
    lost();
  }
  out.kind = Default::Kind::expression;
  out.text = sql_.substr(begin, tokens_[at_ - 1].end - begin);
  return out;
}

std::optional<std::string> hex_bytes(std::string_view digits) {
  std::string out;
  std::string even(digits);
  if (even.size() % 2 != 0) even.insert(0, "0");
  for (std::size_t i = 0; i < even.size(); i += 2) {
    unsigned byte = 0;
    const char* const end = even.data() + i + 2;
    if (std::from_chars(even.data() + i, end, byte, 16).ptr != end) return {};
    out += static_cast<char>(byte);
  }
  return out;
}

std::optional<std::string> bit_bytes(std::string_view digits) {
  std::string out((digits.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const char c = digits[digits.size() - 1 - i];
    if (c != '0' && c != '1') return {};
    char& byte = out[out.size() - 1 - i / 8];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | (c - '0') << (i % 8));
  }
  return out;
}

/// A constant, if one is here.
std::optional<Literal> AlterParser::literal() {
  using Kind = SqlToken::Kind;
  if (accept("TRUE")) return Literal{Literal::Kind::number, "1", false};
  if (accept("FALSE")) return Literal{Literal::Kind::number, "0", false};
  const auto strings = [this](bool foreign) {
    Literal out;
    out.foreign = foreign;
    while (token().kind == Kind::string) {
      if (text_is_foreign(token())) out.foreign = true;
      out.text += token().text;
      advance();
    }
    return out;
  };
  if (token().kind == Kind::string) return strings(false);
  if (token().kind == Kind::word) {
    const std::string& word = token().text;
    if (word.size() > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'b')) {
      const std::string_view digits = std::string_view(word).substr(2);
      auto bytes = word[1] == 'x' ? hex_bytes(digits) : bit_bytes(digits);
      if (!bytes) return {};
      advance();
      return Literal{Literal::Kind::bytes, std::move(*bytes), false};
    }
    if (word[0] == '_' && !at_symbol('(', 1)) {
      // The bytes that follow are text in the set that the word names.
      const bool is_utf8 = to_lower(word).starts_with("_utf8");
      const std::size_t begin = at_;
      advance();
      std::optional<Literal> out = literal();
      if (!out || out->kind == Literal::Kind::number) {
        at_ = begin;
        return {};
      }
      out->kind = Literal::Kind::string;
      if (!is_utf8) out->foreign = true;
      return out;
    }
    if (token(1).kind != Kind::string) return {};
    if (token(1).begin == token().end && at_any({"X", "B"})) {
      auto bytes = at("X") ? hex_bytes(token(1).text) : bit_bytes(token(1).text);
      if (!bytes) return {};
      advance();
      advance();
      return Literal{Literal::Kind::bytes, std::move(*bytes), false};
    }
    if (at_any({"DATE", "TIME", "TIMESTAMP"}) || (at("N") && token(1).begin == token().end)) {
      advance();
      return strings(false);
    }
    return {};
  }
  const std::size_t begin = at_;
  std::string text;
  if (at_symbol('-') || at_symbol('+')) {
    if (at_symbol('-')) text = "-";
    advance();
  }
  if (accept_symbol('.')) text += "0.";
  if (token().kind != Kind::number) {
    at_ = begin;
    return {};
  }
  text += token().text;
  advance();
  return Literal{Literal::Kind::number, std::move(text), false};
}

// ---------------------------------------------------------------------------------------------

/// A column while the statement is applied to it.
struct WorkColumn {
  Column column;
  std::uint32_t before = ColumnOrigin::kNew;
  std::optional<std::string> fill;
  std::string fill_unknown;
};

struct WorkIndex {
  Index index;  ///< its parts are not kept up
  std::vector<const WorkColumn*> columns;
  std::vector<std::uint32_t> prefixes;
  bool was_key = false;  ///< it is behind Table::key
};

/// Applies a statement to a definition, in the order in which the servers do it.
class Alterer {
 public:
  Alterer(const Table& before, const AlterContext& context, Alteration what)
      : before_(before), context_(context), what_(std::move(what)) {}

  Altered apply();

 private:
  using Columns = std::vector<std::unique_ptr<WorkColumn>>;

  void table_options();
  void place_columns();
  void convert_charset(WorkColumn& column) const;
  void change_column(const ColumnChange& change);
  void drop_constraints();
  void keep_indexes();
  void add_keys();
  std::string free_name(std::string_view wanted) const;
  bool is_covered(const NewKey& key, const std::vector<const WorkColumn*>& columns) const;
  void finish(Table& table, std::vector<ColumnOrigin>& origins) const;

  WorkColumn* find_column(std::string_view name) const;
  std::unique_ptr<WorkColumn> make_column(const ColumnDef& def, const Column* old) const;
  Column define(ColumnDef def) const;
  void set_charset(const ColumnDef& def, Column& column) const;
  std::string native(ColumnDef& def, NativeType& from) const;
  void resolve_timestamp(ColumnDef& def) const;
  void set_default(Column& column, const Default& value) const;
  void set_fill(WorkColumn& work, const ColumnDef& def) const;
  LiteralRules rules(const TypeSettings& types) const;
  TypeSettings kept_dates() const;

  std::string canonical_charset(std::string_view name) const;
  std::string default_collation(const std::string& charset) const;
  void resolve_charset(std::string& charset, std::string& collation) const;
  const Collation& collation_of(std::string_view name, std::string_view charset) const;
  static bool has_charset(const Column& column);

  const Table& before_;
  const AlterContext& context_;
  Alteration what_;

  std::string charset_;    ///< of the table, afterwards
  std::string collation_;  ///< likewise
  std::string engine_;
  Columns old_;  ///< by place in before_.columns; null where it was dropped
  std::vector<const WorkColumn*> now_of_;  ///< what became of the columns that were there
  Columns columns_;
  std::vector<WorkIndex> indexes_;
  bool values_change_ = false;
};

bool same(std::string_view a, std::string_view b) { return equals_ignoring_case(a, b); }

template <class List, class Get>
auto find_named(List& list, std::string_view name, Get get) {
  return std::find_if(list.begin(), list.end(),
                      [&](const auto& each) { return same(get(each), name); });
}

bool Alterer::has_charset(const Column& column) { return !column.charset.empty(); }

std::string Alterer::canonical_charset(std::string_view name) const {
  const auto known = [this](std::string_view wanted) {
    return std::any_of(context_.collations.begin(), context_.collations.end(),
                       [&](const Collation& each) { return each.charset == wanted; });
  };
  std::string wanted(name);
  if (wanted == "utf8" && known("utf8mb3")) {
    wanted = context_.utf8_is_utf8mb3 ? "utf8mb3" : "utf8mb4";
  }
  if (wanted == "utf8mb3" && !known("utf8mb3")) wanted = "utf8";
  if (!known(wanted)) refuse("weir does not know the character set {}", name);
  return wanted;
}

std::string Alterer::default_collation(const std::string& charset) const {
  if (charset == "utf8mb4" && context_.utf8mb4_collation != 0) {
    const Collation* collation = find_collation(context_, context_.utf8mb4_collation);
    if (collation == nullptr) refuse("weir does not know the default collation of utf8mb4");
    return collation->name;
  }
  const auto at = std::find_if(
      context_.collations.begin(), context_.collations.end(),
      [&](const Collation& each) { return each.charset == charset && each.is_default; });
  if (at == context_.collations.end()) {
    refuse("weir does not know the default collation of {}", charset);
  }
  for (const auto& [own, other] : context_.charset_collations) {
    const Collation* from = find_collation(context_, own);
    if (from == nullptr || from->charset != charset) continue;
    const Collation* to = find_collation(context_, other);
    if (to == nullptr) refuse("weir does not know the default collation of {}", charset);
    return to->name;
  }
  return at->name;
}

const Collation& Alterer::collation_of(std::string_view name, std::string_view charset) const {
  const auto find = [this](std::string_view wanted) {
    return std::find_if(context_.collations.begin(), context_.collations.end(),
                        [&](const Collation& each) { return each.name == wanted; });
  };
  auto at = find(name);
  // MariaDB's collations for several sets, and the name that utf8mb3 had.
  if (at == context_.collations.end() && !charset.empty()) {
    at = find(fmt::format("{}_{}", charset, name));
  }
  if (at == context_.collations.end() && name.starts_with("utf8_")) {
    at = find(fmt::format("utf8mb3_{}", name.substr(5)));
  }
  if (at == context_.collations.end()) refuse("weir does not know the collation {}", name);
  return *at;
}

/// Completes what a clause says; nothing said stays nothing.
void Alterer::resolve_charset(std::string& charset, std::string& collation) const {
  if (!charset.empty()) charset = canonical_charset(charset);
  if (!collation.empty()) {
    const Collation& found =
        collation_of(collation, charset.empty() ? std::string_view(charset_) : charset);
    collation = found.name;
    charset = found.charset;
  } else if (!charset.empty()) {
    collation = default_collation(charset);
  }
}

TypeSettings Alterer::kept_dates() const {
  TypeSettings types = context_.types;
  types.zero_dates.kind = ZeroDatePolicy::Kind::keep;
  return types;
}

LiteralRules Alterer::rules(const TypeSettings& types) const {
  const bool rounds = context_.is_mariadb ? (context_.sql_mode & kTimeRoundFractional) != 0
                                          : (context_.sql_mode & kTimeTruncateFractional) == 0;
  return {types, rounds, context_.utc_offset};
}

WorkColumn* Alterer::find_column(std::string_view name) const {
  const auto at = find_named(
      columns_, name, [](const auto& each) -> const std::string& { return each->column.name; });
  return at == columns_.end() ? nullptr : at->get();
}

void Alterer::table_options() {
  charset_ = before_.charset;
  collation_ = before_.collation;
  engine_ = before_.engine;
  if (!what_.charset.empty() || !what_.collation.empty()) {
    std::string charset = what_.charset;
    std::string collation = what_.collation;
    resolve_charset(charset, collation);
    charset_ = std::move(charset);
    collation_ = std::move(collation);
  }
  if (what_.engine) {
    const std::string wanted = same(*what_.engine, "HEAP") ? "MEMORY" : *what_.engine;
    const auto engine = std::find_if(kEngines.begin(), kEngines.end(),
                                     [&](std::string_view each) { return same(each, wanted); });
    if (engine == kEngines.end()) refuse("weir does not know the engine {}", *what_.engine);
    engine_ = *engine;
  }
}

/// The name of a text or blob type for so many bytes.
std::string sized_type(std::uint64_t bytes, std::string_view word) {
  const std::string_view size = bytes < 256          ? "tiny"
                                : bytes < 65'536     ? ""
                                : bytes < 16'777'216 ? "medium"
                                                     : "long";
  return fmt::format("{}{}", size, word);
}

std::uint64_t type_bytes(std::string_view data_type) {
  return data_type.starts_with("tiny")     ? 255
         : data_type.starts_with("medium") ? 16'777'215
         : data_type.starts_with("long")   ? 4'294'967'295
                                           : 65'535;
}

std::string_view data_type_of(const ColumnType& type) {
  return std::string_view(type.native).substr(0, type.native.find_first_of(" ("));
}

/// Under the character set `binary`, text is bytes.
std::string binary_type(std::string_view data_type) {
  if (data_type == "char") return "binary";
  if (data_type == "varchar") return "varbinary";
  std::string out(data_type);
  if (data_type.ends_with("text")) out.replace(out.size() - 4, 4, "blob");
  return out;
}

/// Width in front of UNSIGNED and ZEROFILL: MariaDB shows it always, MySQL since 8.0.19 only where
/// it still means something.
bool shows_widths(const AlterContext& context) {
  return context.is_mariadb || context.server_version < 80019;
}

std::string Alterer::native(ColumnDef& def, NativeType& from) const {
  std::string& type = def.data_type;
  const auto signs = [&def] {
    return fmt::format("{}{}", def.is_unsigned ? " unsigned" : "", def.zerofill ? " zerofill" : "");
  };
  const auto width =
      std::find_if(kIntegerWidths.begin(), kIntegerWidths.end(),
                   [&type](const IntegerWidth& each) { return each.data_type == type; });
  if (width != kIntegerWidths.end()) {
    const std::uint64_t usual = def.is_unsigned ? width->without : width->with_sign;
    const std::uint64_t digits = def.length.value_or(usual);
    const bool is_flag = type == "tinyint" && digits == 1 && !def.is_unsigned;
    if (!shows_widths(context_) && !def.zerofill && !is_flag) return type + signs();
    return fmt::format("{}({}){}", type, digits, signs());
  }
  const auto sized = [&](std::uint64_t size) { return fmt::format("{}({})", type, size); };
  if (type == "decimal") {
    const std::uint64_t digits = def.length.value_or(0);
    from.precision = static_cast<std::uint16_t>(digits == 0 ? 10 : digits);
    from.scale = static_cast<std::uint16_t>(def.decimals.value_or(0));
    return fmt::format("decimal({},{}){}", from.precision, from.scale, signs());
  }
  if (type == "float" || type == "double") {
    if (def.length && !def.decimals) {
      if (type == "float" && *def.length > 24) type = "double";
      def.length.reset();
    }
    if (!def.length) return type + signs();
    return fmt::format("{}({},{}){}", type, *def.length, *def.decimals, signs());
  }
  if (type == "bit") {
    from.precision = static_cast<std::uint16_t>(std::max<std::uint64_t>(def.length.value_or(1), 1));
    return sized(from.precision);
  }
  if (type == "year") {
    if (!shows_widths(context_)) return type;
    const bool is_short = context_.is_mariadb && def.length == std::uint64_t{2};
    return is_short ? "year(2)" : "year(4)";
  }
  if (type == "time" || type == "datetime" || type == "timestamp") {
    from.second_digits = static_cast<std::uint16_t>(def.length.value_or(0));
    return from.second_digits == 0 ? type : sized(from.second_digits);
  }
  if (type == "char" || type == "varchar" || type == "binary" || type == "varbinary") {
    from.characters = def.length.value_or(1);
    from.octets = from.characters;
    const std::uint64_t bytes = from.charset.empty() ? 1 : max_character_bytes(from.charset);
    if (from.characters * bytes > kMaxBytes) {
      refuse("column {} is too long for its type, and the server chose another", def.name);
    }
    return sized(from.characters) + (def.compressed ? " /*M!100301 COMPRESSED*/" : "");
  }
  if (type.ends_with("text") || type.ends_with("blob")) {
    if (def.length && *def.length > 0 && (type == "text" || type == "blob")) {
      const std::uint64_t bytes = type == "blob" ? 1 : max_character_bytes(from.charset);
      type = sized_type(*def.length * bytes, type);
    }
    return type + (def.compressed ? " /*M!100301 COMPRESSED*/" : "");
  }
  if (type == "enum" || type == "set") {
    std::string labels;
    for (std::string label : def.labels) {
      label.erase(label.find_last_not_of(' ') + 1);
      if (!labels.empty()) labels += ',';
      labels += '\'';
      for (const char c : label) {
        switch (c) {
          case '\'':
            labels += "''";
            break;
          case '\\':
            labels += "\\\\";
            break;
          case '\n':
            labels += "\\n";
            break;
          case '\r':
            labels += "\\r";
            break;
          case '\0':
            labels += "\\0";
            break;
          default:
            labels += c;
        }
      }
      labels += '\'';
    }
    return fmt::format("{}({})", type, labels);
  }
  if (type == "vector") {
    constexpr std::uint64_t kUsualDimensions = 2048;
    return sized(def.length.value_or(kUsualDimensions));
  }
  if (type == "geometrycollection" && !context_.is_mariadb && context_.server_version >= 80000) {
    type = "geomcollection";
  }
  return type;
}

void Alterer::set_charset(const ColumnDef& def, Column& column) const {
  std::string charset = def.charset;
  std::string collation = def.collation;
  if (def.national) charset = canonical_charset("utf8mb3");
  if (def.data_type == "json") {
    if (charset.empty() && collation.empty()) {
      charset = "utf8mb4";
      collation = "utf8mb4_bin";
    }
  }
  resolve_charset(charset, collation);
  if (charset.empty()) {
    if (charset_.empty()) refuse("the character set of the table is not known");
    charset = charset_;
    collation = collation_;
  } else if (what_.convert) {
    refuse("it converts the table and gives column {} a character set of its own", def.name);
  }
  if (def.binary_collation) collation = collation_of(charset + "_bin", charset).name;
  column.charset = std::move(charset);
  column.collation = std::move(collation);
}

/// Without explicit_defaults_for_timestamp, what a TIMESTAMP column does not say means more than
/// nothing.
void Alterer::resolve_timestamp(ColumnDef& def) const {
  if (def.data_type == "timestamp" && context_.is_mariadb && (context_.sql_mode & kMaxDb) != 0) {
    refuse("sql_mode MAXDB gives TIMESTAMP another meaning");
  }
  if (def.data_type != "timestamp" || def.generated || context_.explicit_timestamps == true) return;
  if (def.null == true) return;
  const bool has_default = def.value.kind != Default::Kind::none;
  if (has_default && def.null == false) return;
  if (has_default && context_.explicit_timestamps == false) {
    def.null = false;
    return;
  }
  refuse("what column {} leaves out depends on explicit_defaults_for_timestamp, which is {}",
         def.name, context_.explicit_timestamps ? "off" : "not told");
}

Column Alterer::define(ColumnDef def) const {
  Column column;
  column.name = def.name;
  column.comment = def.comment;
  column.generated = def.generated;
  column.invisible = def.invisible;

  if (def.data_type == "serial") {
    def.data_type = "bigint";
    def.is_unsigned = true;
    def.auto_increment = true;
    def.null = false;
  } else if (def.data_type == "bool") {
    def.data_type = "tinyint";
    def.length = 1;
  } else if (def.data_type == "real") {
    def.data_type = (context_.sql_mode & kRealAsFloat) != 0 ? "float" : "double";
  }
  resolve_timestamp(def);
  if (def.byte) def.charset = "binary";

  NativeType from;
  const std::string& type = def.data_type;
  const bool maria_json = type == "json" && context_.is_mariadb;
  const bool is_text = type == "char" || type == "varchar" || type == "enum" || type == "set" ||
                       type.ends_with("text") || maria_json;
  if (is_text) {
    set_charset(def, column);
    if (maria_json) {
      def.data_type = "longtext";
      def.json_check = true;
    }
    const bool has_labels = type == "enum" || type == "set";
    if (column.charset == "binary" && !has_labels) def.data_type = binary_type(def.data_type);
    // MariaDB shows it for labels.
    if (column.charset == "binary" && (!has_labels || !context_.is_mariadb)) {
      column.charset.clear();
      column.collation.clear();
    }
  }
  from.charset = column.charset;
  from.column_type = native(def, from);
  from.data_type = def.data_type;
  from.is_mariadb = context_.is_mariadb;
  from.json_check = def.json_check;
  from.tinyint1_as_boolean = context_.types.tinyint1_as_boolean;
  column.type = column_type(from);
  // By way of the spelling, labels would lose what it cannot show.
  if (!def.labels.empty()) {
    for (std::string& label : def.labels) label.erase(label.find_last_not_of(' ') + 1);
    column.type.members = def.labels;
  }
  column.auto_increment = def.auto_increment;
  if (def.auto_increment && def.null == true) {
    refuse("column {} is to be NULL and to count", def.name);
  }
  column.nullable = def.null.value_or(!def.auto_increment);
  set_default(column, def.value);
  return column;
}

void Alterer::set_default(Column& column, const Default& value) const {
  column.default_value.reset();
  if (value.kind != Default::Kind::literal || column.generated) return;
  const TypeSettings types = kept_dates();
  NeutralValue neutral = literal_value(column, value.literal, rules(types));
  if (neutral.text) {
    column.default_value = reliable_default(column, std::move(*neutral.text));
  }
}

/// What the rows that are there get in a new column.
void Alterer::set_fill(WorkColumn& work, const ColumnDef& def) const {
  const Column& column = work.column;
  const auto take = [&work](NeutralValue value) {
    work.fill = std::move(value.text);
    work.fill_unknown = std::move(value.unknown);
  };
  if (column.generated) {
    work.fill_unknown = "it is generated from an expression";
    return;
  }
  if (column.auto_increment) {
    work.fill_unknown = "the server numbered the rows that were there";
    return;
  }
  switch (def.value.kind) {
    case Default::Kind::literal:
      take(literal_value(column, def.value.literal, rules(context_.types)));
      return;
    case Default::Kind::expression:
      work.fill_unknown = fmt::format("its default is an expression: {}", def.value.text);
      return;
    case Default::Kind::now: {
      const bool is_utc = column.type.kind == TypeKind::timestamp;
      if (!is_utc && !context_.utc_offset) {
        work.fill_unknown =
            "its default is the time in the session's time zone, which the log does not tell";
        return;
      }
      if (column.type.precision > 0 &&
          (!context_.time_micros || def.value.digits != column.type.precision)) {
        work.fill_unknown = "the log does not tell the time of the statement to the digit";
        return;
      }
      using namespace std::chrono;
      const auto whole =
          floor<seconds>(context_.time + (is_utc ? seconds(0) : *context_.utc_offset));
      std::string text = shift_datetime("1970-01-01 00:00:00", whole.time_since_epoch());
      if (column.type.kind == TypeKind::date) {
        text.resize(text.find(' '));
      } else if (column.type.kind == TypeKind::time) {
        text.erase(0, text.find(' ') + 1);
      } else if (column.type.kind != TypeKind::datetime && !is_utc) {
        work.fill_unknown = "its default is the time in a type of another kind";
        return;
      }
      if (column.type.precision > 0) {
        const auto micros = (context_.time - floor<seconds>(context_.time)).count();
        text += "." + fmt::format("{:06}", micros).substr(0, column.type.precision);
      }
      work.fill = std::move(text);
      return;
    }
    case Default::Kind::none:
    case Default::Kind::null:
      break;
  }
  if (!column.nullable) take(implicit_value(column, rules(context_.types), context_.is_mariadb));
}

std::unique_ptr<WorkColumn> Alterer::make_column(const ColumnDef& def, const Column* old) const {
  auto work = std::make_unique<WorkColumn>();
  work->column = define(def);
  if (old != nullptr) work->column.left_out = old->left_out;
  return work;
}

/// CONVERT TO: a column keeps room for as many characters as it had.
void Alterer::convert_charset(WorkColumn& work) const {
  Column& column = work.column;
  if (!has_charset(column) || column.charset == "binary") return;
  const std::uint32_t from = max_character_bytes(column.charset);
  const std::uint32_t to = max_character_bytes(charset_);
  if (from == 0 || to == 0) refuse("weir does not know the size of characters in {}", charset_);
  ColumnDef def;
  def.name = column.name;
  def.data_type = data_type_of(column.type);
  def.labels = column.type.members;
  def.compressed = column.type.native.find("COMPRESSED") != std::string::npos;
  def.json_check = column.type.kind == TypeKind::json;
  NativeType native_type;
  native_type.charset = charset_;
  if (def.data_type.ends_with("text")) {
    if (column.charset != charset_ && def.data_type != "longtext") {
      def.data_type = sized_type(type_bytes(def.data_type) / from * to, "text");
    }
  } else if (def.labels.empty()) {
    def.length = column.type.length;
    if (column.type.length * to > kMaxBytes && def.data_type == "varchar") {
      def.data_type = sized_type(column.type.length * to, "text");
      def.length.reset();
    }
  }
  column.charset = charset_;
  column.collation = collation_;
  if (charset_ == "binary" && (def.labels.empty() || !context_.is_mariadb)) {
    if (def.labels.empty()) def.data_type = binary_type(def.data_type);
    column.charset.clear();
    column.collation.clear();
    def.json_check = false;
    native_type.charset.clear();
  }
  native_type.column_type = native(def, native_type);
  native_type.data_type = def.data_type;
  native_type.is_mariadb = context_.is_mariadb;
  native_type.json_check = def.json_check;
  std::vector<std::string> members = std::move(column.type.members);
  column.type = column_type(native_type);
  column.type.members = std::move(members);
  if (column.type.kind == TypeKind::bytes) column.default_value.reset();
}

void Alterer::change_column(const ColumnChange& change) {
  const auto at = find_named(old_, change.column, [](const auto& each) -> std::string_view {
    return each == nullptr ? std::string_view() : std::string_view(each->column.name);
  });
  if (at == old_.end()) {
    if (change.if_exists) return;
    refuse("it changes column {}, which the known definition lacks", change.column);
  }
  Column& column = (*at)->column;
  if (change.invisible) column.invisible = *change.invisible;
  if (change.value) set_default(column, *change.value);
}

void Alterer::place_columns() {
  for (std::size_t i = 0; i < before_.columns.size(); ++i) {
    auto work = std::make_unique<WorkColumn>();
    work->column = before_.columns[i];
    work->before = static_cast<std::uint32_t>(i);
    old_.push_back(std::move(work));
  }
  now_of_.assign(old_.size(), nullptr);
  const auto find_old = [this](std::string_view name) {
    const auto at = find_named(before_.columns, name,
                               [](const Column& each) -> const std::string& { return each.name; });
    return static_cast<std::size_t>(at - before_.columns.begin());
  };
  const auto absent = [this](std::size_t place, const Named& what) {
    if (place < old_.size()) return false;
    if (!what.if_exists) {
      refuse("it names column {}, which the known definition lacks", what.from);
    }
    return true;
  };

  for (const ColumnChange& change : what_.changes) change_column(change);
  for (const Named& drop : what_.dropped_columns) {
    const std::size_t place = find_old(drop.from);
    if (!absent(place, drop)) old_[place].reset();
  }
  for (const Named& rename : what_.renamed_columns) {
    const std::size_t place = find_old(rename.from);
    if (absent(place, rename)) continue;
    if (old_[place] == nullptr) refuse("it drops and renames column {}", rename.from);
    old_[place]->column.name = rename.to;
  }

  // First the columns that stay where they are, then those that move or are new, one by one.
  struct Pending {
    const NewColumn* what;
    std::unique_ptr<WorkColumn> work;
  };
  std::vector<Pending> pending;
  for (const NewColumn& each : what_.columns) {
    const Column* old = nullptr;
    std::size_t place = old_.size();
    if (each.change) {
      place = find_old(*each.change);
      if (absent(place, {*each.change, "", each.if_exists})) continue;
      if (old_[place] == nullptr) refuse("it drops and changes column {}", *each.change);
      old = &before_.columns[place];
    } else if (each.if_not_exists) {
      const bool is_there =
          find_old(each.def.name) < old_.size() ||
          std::any_of(pending.begin(), pending.end(), [&](const Pending& other) {
            return !other.what->change && same(other.what->def.name, each.def.name);
          });
      if (is_there) {
        std::erase_if(what_.keys, [&](const NewKey& key) {
          return key.parts.size() == 1 && key.name.empty() &&
                 same(key.parts[0].column, each.def.name);
        });
        continue;
      }
    }
    auto work = make_column(each.def, old);
    if (old == nullptr) {
      set_fill(*work, each.def);
    } else if (work->column.generated) {
      // What the expression was is not known, so neither is whether it is still the same.
      work->fill_unknown = "it is generated from an expression";
      values_change_ = true;
    } else {
      work->before = static_cast<std::uint32_t>(place);
    }
    if (old != nullptr) {
      now_of_[place] = work.get();
      if (each.place.kind == Place::Kind::none) {
        old_[place] = std::move(work);
        continue;
      }
      old_[place].reset();
    }
    pending.push_back({&each, std::move(work)});
  }
  for (std::size_t i = 0; i < old_.size(); ++i) {
    if (old_[i] == nullptr) continue;
    now_of_[i] = old_[i].get();
    columns_.push_back(std::move(old_[i]));
  }
  for (Pending& each : pending) {
    auto at = columns_.end();
    if (each.what->place.kind == Place::Kind::first) {
      at = columns_.begin();
    } else if (each.what->place.kind == Place::Kind::after) {
      at = find_named(columns_, each.what->place.column,
                      [](const auto& other) -> const std::string& { return other->column.name; });
      if (at == columns_.end()) {
        refuse("it puts a column after {}, which the known definition lacks",
               each.what->place.column);
      }
      ++at;
    }
    columns_.insert(at, std::move(each.work));
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (same(columns_[i]->column.name, columns_[k]->column.name)) {
        refuse("the known definition has a column {} already", columns_[i]->column.name);
      }
    }
  }
  if (what_.convert) {
    for (const auto& work : columns_) convert_charset(*work);
  }
  for (const std::string& name : what_.not_null) {
    WorkColumn* column = find_column(name);
    if (column == nullptr) refuse("its period has a column {} that is not known", name);
    column->column.nullable = false;
  }
}

/// A constraint that is no unique index says nothing that a definition holds.
void Alterer::drop_constraints() {
  for (const Named& drop : what_.dropped_constraints) {
    const auto index =
        find_named(before_.indexes, drop.from,
                   [](const Index& each) -> const std::string& { return each.name; });
    const bool is_unique = (before_.key_is_primary && same(drop.from, kPrimary)) ||
                           (index != before_.indexes.end() && index->kind == Index::Kind::unique);
    if (is_unique) what_.dropped_indexes.push_back(drop);
  }
}

/// The length in characters that a prefix is measured against; 0 = none.
std::uint64_t prefix_limit(const Column& column) {
  const std::string_view type = data_type_of(column.type);
  if (type.ends_with("text") || type.ends_with("blob")) return 0;
  return column.type.length;
}

bool takes_prefix(const Column& column) {
  return column.type.kind == TypeKind::text || column.type.kind == TypeKind::bytes ||
         column.type.kind == TypeKind::json;
}

void Alterer::keep_indexes() {
  std::vector<Index> indexes = before_.indexes;
  if (before_.key_is_primary) {
    Index primary{std::string(kPrimary), Index::Kind::unique, {}};
    for (const std::uint32_t column : before_.key) primary.parts.push_back({column, 0});
    indexes.insert(indexes.begin(), std::move(primary));
  }
  std::vector<bool> dropped(what_.dropped_indexes.size(), false);
  std::vector<bool> renamed(what_.renamed_indexes.size(), false);
  for (Index& index : indexes) {
    // A primary key with a prefix has this name in Table::indexes.
    if (same(index.name, kPrimary)) index.name = kPrimary;
    WorkIndex work;
    work.was_key =
        index.name == before_.key_name || (before_.key_is_primary && index.name == kPrimary);
    const auto drop = find_named(what_.dropped_indexes, index.name,
                                 [](const Named& each) -> const std::string& { return each.from; });
    if (drop != what_.dropped_indexes.end()) {
      dropped[static_cast<std::size_t>(drop - what_.dropped_indexes.begin())] = true;
      continue;
    }
    const auto rename =
        find_named(what_.renamed_indexes, index.name,
                   [](const Named& each) -> const std::string& { return each.from; });
    if (rename != what_.renamed_indexes.end()) {
      renamed[static_cast<std::size_t>(rename - what_.renamed_indexes.begin())] = true;
      index.name = rename->to;
    }
    for (const IndexPart& part : index.parts) {
      const WorkColumn* now = now_of_[part.column];
      if (now == nullptr) continue;
      std::uint32_t prefix = part.prefix;
      const std::uint64_t limit = prefix_limit(now->column);
      if (prefix > 0 && (!takes_prefix(now->column) || (limit > 0 && prefix >= limit))) prefix = 0;
      work.columns.push_back(now);
      work.prefixes.push_back(prefix);
      if (index.name == kPrimary) find_column(now->column.name)->column.nullable = false;
    }
    if (work.columns.size() != index.parts.size()) {
      work.was_key = false;
      // An index over expressions goes with its columns only if the statement says so.
      if (work.columns.empty()) continue;
    }
    work.index.name = std::move(index.name);
    work.index.kind = index.kind;
    indexes_.push_back(std::move(work));
  }
  const auto check = [](const std::vector<Named>& wanted, const std::vector<bool>& done) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (!done[i] && !wanted[i].if_exists) {
        refuse("it names index {}, which the known definition lacks", wanted[i].from);
      }
    }
  };
  check(what_.dropped_indexes, dropped);
  check(what_.renamed_indexes, renamed);
}

/// The name that servers give: the wanted one, or the first free one with a number.
std::string Alterer::free_name(std::string_view wanted) const {
  const auto taken = [this](std::string_view name) {
    return find_named(indexes_, name, [](const WorkIndex& each) -> const std::string& {
             return each.index.name;
           }) != indexes_.end();
  };
  if (!taken(wanted) && !same(wanted, kPrimary)) return std::string(wanted);
  for (unsigned i = 2; i < 100; ++i) {
    std::string name = fmt::format("{}_{}", wanted, i);
    if (!taken(name)) return name;
  }
  refuse("it adds an index for which no name is left");
}

/// Whether an index that is there, or that the statement makes, begins with the columns of a
/// foreign key.
bool Alterer::is_covered(const NewKey& key, const std::vector<const WorkColumn*>& columns) const {
  const auto serves = [](Index::Kind kind) {
    return kind == Index::Kind::ordinary || kind == Index::Kind::unique;
  };
  for (const WorkIndex& index : indexes_) {
    const bool fits =
        serves(index.index.kind) && index.columns.size() >= columns.size() &&
        std::equal(columns.begin(), columns.end(), index.columns.begin()) &&
        std::all_of(index.prefixes.begin(),
                    index.prefixes.begin() + static_cast<std::ptrdiff_t>(columns.size()),
                    [](std::uint32_t prefix) { return prefix == 0; });
    if (fits) return true;
  }
  for (const NewKey& other : what_.keys) {
    const bool longer = !other.foreign || (&other != &key && other.parts.size() > key.parts.size());
    if (!longer || !serves(other.kind) || other.parts.size() < key.parts.size()) continue;
    const bool fits = std::equal(key.parts.begin(), key.parts.end(), other.parts.begin(),
                                 [](const KeyPart& a, const KeyPart& b) {
                                   return same(a.column, b.column) && b.prefix == 0;
                                 });
    if (fits) return true;
  }
  return false;
}

void Alterer::add_keys() {
  for (const NewKey& key : what_.keys) {
    WorkIndex work;
    work.index.kind = key.kind;
    std::string first;
    for (const KeyPart& part : key.parts) {
      if (part.expression) {
        work.index.kind = Index::Kind::expression;
        if (first.empty()) first = "functional_index";
        continue;
      }
      WorkColumn* column = find_column(part.column);
      if (column == nullptr) {
        refuse("it puts column {} into an index, which the known definition lacks", part.column);
      }
      if (first.empty()) first = column->column.name;
      std::uint32_t prefix = part.prefix;
      const std::uint64_t limit = prefix_limit(column->column);
      const bool whole = key.kind == Index::Kind::fulltext || key.kind == Index::Kind::spatial ||
                         (limit > 0 && prefix >= limit);
      work.columns.push_back(column);
      work.prefixes.push_back(whole ? 0 : prefix);
      if (key.primary) column->column.nullable = false;
    }
    if (key.foreign && is_covered(key, work.columns)) continue;
    const std::string& name = key.name.empty() ? first : key.name;
    if (key.name.empty() && !key.if_not_exists) {
      work.index.name = free_name(name);
    } else {
      const auto twin = find_named(indexes_, name, [](const WorkIndex& each) -> const std::string& {
        return each.index.name;
      });
      if (twin != indexes_.end()) {
        if (key.if_not_exists) continue;
        refuse("the known definition has an index {} already", name);
      }
      work.index.name = name;
    }
    indexes_.push_back(std::move(work));
  }
}

void Alterer::finish(Table& table, std::vector<ColumnOrigin>& origins) const {
  table.columns.clear();
  for (const auto& work : columns_) {
    table.columns.push_back(work->column);
    origins.push_back({work->before, work->fill, work->fill_unknown});
  }
  const auto place_of = [this](const WorkColumn* wanted) {
    const auto at = std::find_if(columns_.begin(), columns_.end(),
                                 [wanted](const auto& each) { return each.get() == wanted; });
    return static_cast<std::uint32_t>(at - columns_.begin());
  };
  table.indexes.clear();
  table.key.clear();
  table.key_is_primary = false;
  table.key_name.clear();
  std::string kept;
  for (const WorkIndex& work : indexes_) {
    Index index = work.index;
    for (std::size_t i = 0; i < work.columns.size(); ++i) {
      index.parts.push_back({place_of(work.columns[i]), work.prefixes[i]});
    }
    if (work.was_key && identifies_rows(table, index)) kept = index.name;
    table.indexes.push_back(std::move(index));
  }
  choose_key(table);
  if (kept.empty() || kept == table.key_name) return;
  const bool was_primary = std::exchange(table.key_is_primary, false);
  if (was_primary) {
    Index primary{std::string(kPrimary), Index::Kind::unique, {}};
    for (const std::uint32_t column : table.key) primary.parts.push_back({column, 0});
    table.indexes.push_back(std::move(primary));
    std::sort(table.indexes.begin(), table.indexes.end(), index_before);
  }
  const auto index = find_named(table.indexes, kept,
                                [](const Index& each) -> const std::string& { return each.name; });
  table.key.clear();
  for (const IndexPart& part : index->parts) table.key.push_back(part.column);
  table.key_name = kept;
}

Altered Alterer::apply() {
  table_options();
  place_columns();
  drop_constraints();
  keep_indexes();
  add_keys();

  Altered out;
  Table table = before_;
  // They were made for the table as it was.
  table.shadows.clear();
  table.charset = charset_;
  table.collation = collation_;
  table.engine = engine_;
  if (what_.comment) table.comment = *what_.comment;
  if (what_.new_name) table.name = *what_.new_name;
  finish(table, out.origins);
  if (table.columns.empty()) refuse("it leaves no column");
  out.unchanged = !values_change_ && same_definition(before_, table);
  out.table = std::make_shared<const Table>(std::move(table));
  return out;
}

/// Like names, whatever their case.
std::vector<ColumnOrigin> origins_by_name(const Table& table, const Table& earlier,
                                          std::vector<ColumnOrigin> origins) {
  origins.resize(table.columns.size());
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto at =
        find_named(earlier.columns, table.columns[i].name,
                   [](const Column& column) -> const std::string& { return column.name; });
    if (at == earlier.columns.end()) continue;
    origins[i] = {static_cast<std::uint32_t>(at - earlier.columns.begin()), {}, {}};
  }
  return origins;
}

}  // namespace

Altered create_table(const TableName& name, const Table& like, std::string_view sql,
                     const AlterContext& context) {
  Altered out;
  try {
    Alteration what = AlterParser(sql, context).parse_create();
    Table table;
    if (what.like) {
      if (*what.like != like.name) refuse("it is like {}, another table", what.like->text());
      table = like;
      table.shadows.clear();
    } else {
      Altered created = Alterer(Table(), context, std::move(what)).apply();
      table = *created.table;
      out.origins = std::move(created.origins);
    }
    table.name = name;
    out.origins = origins_by_name(table, like, std::move(out.origins));
    out.table = std::make_shared<const Table>(std::move(table));
  } catch (const Unreadable& error) {
    out.unreadable = error.why;
  } catch (const Error& error) {
    out.unreadable = error.what();
  }
  return out;
}

Altered alter_table(const Table& before, std::string_view sql, const AlterContext& context) {
  Altered out;
  try {
    return Alterer(before, context, AlterParser(sql, context).parse()).apply();
  } catch (const Unreadable& error) {
    out.unreadable = error.why;
  } catch (const Error& error) {
    out.unreadable = error.what();
  }
  return out;
}

}  // namespace weir::mysql
