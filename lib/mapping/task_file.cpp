// SPDX-License-Identifier: Apache-2.0
#include "mapping/task_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "mapping/ddl.h"
#include "mapping/pattern.h"
#include "mapping/rules.h"

namespace weir {
namespace {

constexpr std::size_t kLongestFile = std::size_t{4} << 20;
constexpr std::size_t kLongestName = 48;
constexpr std::chrono::milliseconds kShortestBeat{100};
constexpr std::size_t kLongestSlot = 63;

using Form = SectionRow::Form;

constexpr auto kSections = std::to_array<SectionRow>({
    {"", "the file's top level", Form::top, true, "what the task is called"},
    {"source", "[source]", Form::table, true, "the server whose changes are followed"},
    {"target", "[target]", Form::table, true,
     "the server that is kept in sync, or the file: kind sqlite takes kind and path alone"},
    {"password", "password", Form::inline_table, false,
     "where a password is read from; exactly one of its keys is given"},
    {"table", "[[table]]", Form::array, true,
     "a mapping rule; rules are tried in order and the first that matches a table takes it"},
    {"match", "match", Form::inline_table, false, "the second form of a pattern"},
    {"table.columns", "columns", Form::inline_table, false,
     "what becomes of single columns; all others keep name and type"},
    {"types", "[types]", Form::table, false, "values and types that need a decision"},
    {"full", "[full]", Form::table, false, "how the rows that are already there are copied"},
    {"incremental", "[incremental]", Form::table, false, "how changes are followed"},
    {"ddl", "[ddl]", Form::table, false,
     "what is done when the source changes a definition, by kind of change, at its exact place "
     "among the rows. apply carries it out on the target; ignore and alert leave the target as it "
     "is; stop-table stops the table before the statement until weir ddl resolve says how to go "
     "on, while the others go on; stop-task stops all of them. Where one statement does several "
     "things, the strictest stop of them counts for all; else each goes by its own key"},
    {"dirty", "[dirty]", Form::table, false,
     "what becomes of rows that the target refuses; this version stops the task, and preflight "
     "refuses quarantine"},
    {"failover", "[failover]", Form::table, false,
     "how often the worker is started again before the task is given up"},
    {"retention", "[retention]", Form::table, false,
     "how long the source keeps its change log, where the server itself cannot say it"},
});

constexpr std::string_view kTls = "off, require, verify-ca, verify-full";
constexpr std::string_view kDdl = "apply, ignore, alert, stop-table, stop-task";

constexpr auto kKeys = std::to_array<KeyRow>({
    {"", "name", KeyType::task_name, true, "", "\"shop\"", "", 0, 0,
     "the name of the task, under which every verb knows it"},

    {"source", "kind", KeyType::kind, true, "", "\"mysql\"", "", 0, 0,
     "the kind of server: mysql, which stands for MariaDB too, or postgres"},
    {"source", "host", KeyType::host, false, "", "\"db1.internal\"", "", 0, 0,
     "host name or address; host or socket is needed"},
    {"source", "port", KeyType::integer, false, "", "3306", "", 1, 65535,
     "TCP port; the kind's usual port if it is not given"},
    {"source", "socket", KeyType::path, false, "", "\"/run/mysqld/mysqld.sock\"", "", 0, 0,
     "socket file of the server, or the folder of it for PostgreSQL; instead of host"},
    {"source", "user", KeyType::text, true, "", "\"weir\"", "", 0, 0, "account on the server"},
    {"source", "database", KeyType::text, false, "", "\"shop\"", "", 0, 0,
     "database to connect to, where the kind has one for each connection; PostgreSQL needs it"},
    {"source", "password", KeyType::secret, false, "", "{ file = \"/etc/weir/shop.pw\" }", "", 0, 0,
     "where the password is read from; none if the account needs none"},
    {"source", "tls", KeyType::choice, false, "\"off\"", "\"verify-full\"", kTls, 0, 0,
     "whether the connection is encrypted, and how much of the server's certificate is checked"},
    {"source", "tls_ca", KeyType::path, false, "", "\"/etc/weir/ca.pem\"", "", 0, 0,
     "certificates that sign the server's; the system's own if it is not given"},
    {"source", "server_id", KeyType::integer, false, "0", "4711", "", 0, 4294967295,
     "replica id shown to a MySQL server, unique among its replicas; 0 takes one from the task's "
     "name"},
    {"source", "heartbeat", KeyType::duration, false, "\"0s\"", "\"10s\"", "", 0, 3'600'000,
     "how often the task writes a beat of its own on the source, to measure the way to the target "
     "end to end: a row in heartbeat_table, on a PostgreSQL server a message in its log; at least "
     "100ms, and \"0s\" never writes"},
    {"source", "heartbeat_table", KeyType::table_name, false, "\"weir.weir_heartbeat\"",
     "\"weir.weir_heartbeat\"", "", 0, 0,
     "the table that heartbeats are written to, one row for each task, and that no rule takes; it "
     "is made if it is not there and the account may, and never on a PostgreSQL server"},
    {"source", "slot", KeyType::slot, false, "", "\"weir_shop\"", "", 0, 0,
     "replication slot of the task on a PostgreSQL server, for this task alone; \"weir_\" and the "
     "task's name if it is not given"},
    {"source", "publication", KeyType::text, false, "", "\"weir_shop\"", "", 0, 0,
     "publication of the task on a PostgreSQL server; named as the slot would be if it is not "
     "given"},
    {"source", "ddl_capture", KeyType::choice, false, "\"rows\"", "\"triggers\"", "rows, triggers",
     0, 0,
     "how changes of definition are seen on a PostgreSQL server: by the rows that follow them, or "
     "by event triggers that a superuser installs there"},

    {"target", "kind", KeyType::kind, true, "", "\"postgres\"", "", 0, 0,
     "what to write to: postgres, mysql, which stands for MariaDB too, or sqlite"},
    {"target", "path", KeyType::path, false, "", "\"shop.db\"", "", 0, 0,
     "the file of a kind that is one; created if it is missing. SQLite has no schemas: only the "
     "table's part of a rule's `target` counts, and tables of several source schemas that would "
     "get one name are refused"},
    {"target", "host", KeyType::host, false, "", "\"dw.internal\"", "", 0, 0,
     "host name or address; host or socket is needed"},
    {"target", "port", KeyType::integer, false, "", "5432", "", 1, 65535,
     "TCP port; the kind's usual port if it is not given"},
    {"target", "socket", KeyType::path, false, "", "\"/run/postgresql\"", "", 0, 0,
     "folder of the PostgreSQL server's socket, or MySQL's socket file; instead of host"},
    {"target", "user", KeyType::text, true, "", "\"weir\"", "", 0, 0, "account on the server"},
    {"target", "database", KeyType::text, true, "", "\"dw\"", "", 0, 0,
     "database to connect to; kind mysql needs none"},
    {"target", "password", KeyType::secret, false, "", "{ file = \"/etc/weir/dw.pw\" }", "", 0, 0,
     "where the password is read from; none if the account needs none"},
    {"target", "tls", KeyType::choice, false, "\"off\"", "\"verify-full\"", kTls, 0, 0,
     "whether the connection is encrypted, and how much of the server's certificate is checked"},
    {"target", "tls_ca", KeyType::path, false, "", "\"/etc/weir/ca.pem\"", "", 0, 0,
     "certificates that sign the server's; the system's own if it is not given"},
    {"target", "control_schema", KeyType::text, false, "\"weir\"", "\"weir\"", "", 0, 0,
     "schema, or database of a MySQL, that holds the task's own tables: offset, progress, "
     "identity"},

    {"password", "file", KeyType::path, false, "", "\"/etc/weir/shop.pw\"", "", 0, 0,
     "a file that is ours with mode 0600, or root's with 0640; a line end after the password is "
     "cut"},
    {"password", "env", KeyType::variable, false, "", "\"SHOP_PASSWORD\"", "", 0, 0,
     "an environment variable; the weakest form, meant for containers"},
    {"password", "command", KeyType::text, false, "", "\"pass show weir/shop\"", "", 0, 0,
     "a shell command that prints the password and ends within 10 seconds"},

    {"table", "match", KeyType::pattern, true, "", "\"shop.*\"", "", 0, 0,
     "the source tables it takes: a glob over schema.table, or a regex"},
    {"table", "exclude", KeyType::pattern_list, false, "[]", "[\"shop.tmp_*\"]", "", 0, 10000,
     "tables it does not take; a later rule may"},
    {"table", "target", KeyType::table_template, false, "\"{schema}.{table}\"", "\"shop.{table}\"",
     "", 0, 0,
     "the target table: schema, dot, table, with {source} (the task's name), {database} and "
     "{schema} (both the source's schema), {table} and the groups {1} to {9} of a regex"},
    {"table", "key", KeyType::key_columns, false, "", "[\"id\"]", "", 1, 64,
     "source columns that identify a row, for a table without a primary or unique key; with "
     "\"all-columns\" the rows of such a table are told apart by all their columns"},
    {"table", "columns", KeyType::section, false, "", "{ drop = [\"notes\"] }", "", 0, 0,
     "what becomes of single columns"},
    {"table", "add_columns", KeyType::column_templates, false, "",
     "{ _source = \"{database}.{table}\" }", "", 0, 0,
     "columns the target has beyond the source's, in this order, with their values: {source}, "
     "{database}, {schema}, {table}, {execute_time}; exactly \"{execute_time}\" is a timestamp, "
     "anything else is text"},
    {"table", "deletes", KeyType::deletes, false, "\"apply\"", "\"soft:deleted_at\"", "", 0, 0,
     "what becomes of a DELETE; soft keeps the row and writes the time into that column"},
    {"table", "existing", KeyType::choice, false, "\"refuse\"", "\"append\"",
     "refuse, append, truncate, replace", 0, 0,
     "what becomes of rows that the target table holds before the task starts; with append, a row "
     "of "
     "the source that has the key of one of them stops the task"},
    {"table", "ddl", KeyType::section, false, "", "{ drop_column = \"apply\" }", "", 0, 0,
     "keys of [ddl] that are other ones for the tables of this rule; [table.ddl] behind the rule "
     "is "
     "the same"},

    {"match", "regex", KeyType::regex, false, "", "'shop_(\\d+)\\.(.*)'", "", 0, 0,
     "an ECMAScript regex that matches the whole of schema.table"},

    {"table.columns", "drop", KeyType::text_list, false, "[]", "[\"notes\"]", "", 0, 10000,
     "source columns that the target does not get"},
    {"table.columns", "rename", KeyType::text_map, false, "", "{ mail = \"email\" }", "", 0, 0,
     "new names, by source column"},
    {"table.columns", "type", KeyType::text_map, false, "", "{ balance = \"numeric(20,4)\" }", "",
     0, 0, "types as the target spells them, by source column or added column"},

    {"types", "zero_dates", KeyType::date_policy, false, "\"refuse\"", "\"null\"", "", 0, 0,
     "what becomes of dates such as 0000-00-00 that the target cannot hold; a MySQL target can, "
     "and "
     "\"keep\" leaves them as they are"},
    {"types", "tinyint1", KeyType::choice, false, "\"integer\"", "\"boolean\"", "integer, boolean",
     0, 0, "what MySQL's tinyint(1) is on the target"},

    {"full", "connections", KeyType::integer, false, "4", "4", "", 1, 64,
     "connections to each server that copy at the same time; on the target one more builds "
     "indexes"},
    {"full", "chunk_rows", KeyType::integer, false, "100000", "100000", "", 1, 10'000'000,
     "rows that are read and committed at once"},
    {"full", "rate_limit", KeyType::rate, false, "\"0\"", "\"20 MB/s\"", "", 0, 0,
     "the most that is read over all connections; 0 is no limit"},

    {"incremental", "flush_interval", KeyType::duration, false, "\"200ms\"", "\"200ms\"", "", 0,
     60'000, "the longest that a committed change waits while more keeps coming"},

    {"ddl", "create_table", KeyType::choice, false, "\"alert\"", "\"stop-task\"", kDdl, 0, 0,
     "a table appears that a rule takes; with \"apply\" it joins the task at once, with its rows, "
     "and with \"stop-table\" it waits until weir ddl resolve says so"},
    {"ddl", "drop_table", KeyType::choice, false, "\"stop-table\"", "\"alert\"", kDdl, 0, 0,
     "a table of the task is dropped"},
    {"ddl", "rename_table", KeyType::choice, false, "\"stop-table\"", "\"alert\"", kDdl, 0, 0,
     "a table of the task gets another name"},
    {"ddl", "truncate_table", KeyType::choice, false, "\"apply\"", "\"apply\"", kDdl, 0, 0,
     "a table of the task is emptied"},
    {"ddl", "add_column", KeyType::choice, false, "\"apply\"", "\"alert\"", kDdl, 0, 0,
     "a column is added; it is filled as the source filled it"},
    {"ddl", "drop_column", KeyType::choice, false, "\"stop-table\"", "\"apply\"", kDdl, 0, 0,
     "a column is dropped"},
    {"ddl", "rename_column", KeyType::choice, false, "\"stop-table\"", "\"apply\"", kDdl, 0, 0,
     "a column gets another name, which cannot be ignored"},
    {"ddl", "change_type", KeyType::choice, false, "\"stop-table\"", "\"apply\"", kDdl, 0, 0,
     "a column gets another type, character set or collation, may be NULL or may not, or counts by "
     "itself"},
    {"ddl", "change_key", KeyType::choice, false, "\"stop-table\"", "\"apply\"", kDdl, 0, 0,
     "the key that tells rows apart is another one"},
    {"ddl", "default", KeyType::choice, false, "\"ignore\"", "\"apply\"", kDdl, 0, 0,
     "a column that is there gets another default; the log of a PostgreSQL shows none of these "
     "three"},
    {"ddl", "comment", KeyType::choice, false, "\"ignore\"", "\"apply\"", kDdl, 0, 0,
     "a table or a column gets another comment; SQLite keeps none"},
    {"ddl", "index", KeyType::choice, false, "\"ignore\"", "\"apply\"", kDdl, 0, 0,
     "an index is added, dropped or renamed; what a target cannot have is left out and told, but a "
     "unique index that its rows contradict stops the table"},
    {"ddl", "alter_column", KeyType::choice, false, "", "\"apply\"", kDdl, 0, 0,
     "stands for rename_column, change_type and change_key where they are not said themselves"},
    {"ddl", "other", KeyType::choice, false, "\"ignore\"", "\"alert\"", kDdl, 0, 0,
     "anything else: engine, options, places of columns, partitions that move no rows; and "
     "default, comment and index where they are not said themselves"},

    {"dirty", "policy", KeyType::choice, false, "\"stop-table\"", "\"stop-task\"",
     "stop-table, stop-task, quarantine", 0, 0,
     "whether such a row suspends its table while the others go on (the last one that goes stops "
     "the "
     "task), stops the task, or is kept aside for later"},
    {"dirty", "table_limit", KeyType::integer, false, "100", "100", "", 1, 1'000'000'000,
     "rows of one table that may be kept aside before it stops"},
    {"dirty", "task_limit", KeyType::integer, false, "1000", "1000", "", 1, 1'000'000'000,
     "rows of all tables that may be kept aside before the task stops"},

    {"failover", "limit", KeyType::integer, false, "3", "3", "", 0, 1000,
     "failovers within the window after which the task is failed; 0 never starts it again"},
    {"failover", "window", KeyType::duration, false, "\"30m\"", "\"30m\"", "", 1'000, 604'800'000,
     "the span over which failovers are counted"},

    {"retention", "window", KeyType::duration, false, "\"0s\"", "\"24h\"", "", 0, 31'536'000'000,
     "how long the source keeps its log, for a managed service whose setting no SQL shows; it "
     "stands in for the server's own settings, and \"0s\" goes by those"},
});

const SectionRow& section_row(std::string_view name) {
  const auto found = std::find_if(kSections.begin(), kSections.end(),
                                  [name](const SectionRow& row) { return row.name == name; });
  if (found == kSections.end()) throw bug(fmt::format("no section \"{}\"", name));
  return *found;
}

const KeyRow& key_row(std::string_view section, std::string_view name) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(), [&](const KeyRow& row) {
    return row.section == section && row.name == name;
  });
  if (found == kKeys.end()) throw bug(fmt::format("no key \"{}\" in \"{}\"", name, section));
  return *found;
}

/// A kind of source or target that is a file, not a server, and the keys that it takes: all of them
/// needed. Any other kind takes all keys but `path`.
struct FileKind {
  std::string_view section;
  std::string_view kind;
  std::array<std::string_view, 2> keys;
};

constexpr auto kFileKinds = std::to_array<FileKind>({{"target", "sqlite", {"kind", "path"}}});

/// A session of MySQL is not one with a single database.
bool is_optional_for(const KeyRow& key, const toml::table& table) {
  const toml::node* kind = table.get("kind");
  return key.section == "target" && key.name == "database" && kind != nullptr &&
         kind->is_string() && kind->as_string()->get() == "mysql";
}

const FileKind* file_kind(std::string_view section, std::string_view kind) {
  const auto found = std::find_if(kFileKinds.begin(), kFileKinds.end(), [&](const FileKind& row) {
    return row.section == section && row.kind == kind;
  });
  return found == kFileKinds.end() ? nullptr : &*found;
}

const FileKind* file_kind(std::string_view section, const toml::table& table) {
  const toml::node* kind = table.get("kind");
  if (kind == nullptr || !kind->is_string()) return nullptr;
  return file_kind(section, kind->as_string()->get());
}

bool takes(const FileKind* file, std::string_view section, std::string_view name) {
  if (file == nullptr) return name != "path" || (section != "source" && section != "target");
  return std::find(file->keys.begin(), file->keys.end(), name) != file->keys.end();
}

std::vector<std::string_view> choices_of(const KeyRow& row) {
  std::vector<std::string_view> choices;
  for (std::string_view left = row.choices; !left.empty();) {
    const std::size_t end = std::min(left.find(", "), left.size());
    choices.push_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 2, left.size()));
  }
  return choices;
}

std::string duration_text(std::int64_t millis) {
  struct Unit {
    std::string_view name;
    std::int64_t millis;
  };
  constexpr auto kUnits = std::to_array<Unit>(
      {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}});
  const auto unit = std::find_if(kUnits.begin(), kUnits.end() - 1, [millis](const Unit& row) {
    return millis != 0 && millis % row.millis == 0;
  });
  return fmt::format("{}{}", millis / unit->millis, unit->name);
}

FilePlace place_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

FilePlace place_of(const toml::node& node) { return place_of(node.source()); }

/// A text from the file for a message: printable, and short enough for one line.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string out = "\"";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (text.size() > kLongest ? "...\"" : "\"");
}

std::string found_value(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "the text " + in_quotes(node.as_string()->get());
    case toml::node_type::integer:
      return fmt::format("the integer {}", node.as_integer()->get());
    case toml::node_type::boolean:
      return node.as_boolean()->get() ? "true" : "false";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

/// The problems of one file, until all are known.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  void add(FilePlace place, std::string found, std::string expected, std::string_view near = {}) {
    std::string line = std::move(found) + "; expected " + std::move(expected);
    if (!near.empty()) line += fmt::format("; did you mean {}?", in_quotes(near));
    problems_.emplace_back(place, std::move(line));
  }

  void add_password(FilePlace place, std::string_view section) {
    password_ = true;
    add(place, fmt::format("a password stands in the file itself, in [{}]", section),
        allowed_values(key_row(section, "password")));
  }

  void throw_if_any() {
    if (problems_.empty()) return;
    std::stable_sort(problems_.begin(), problems_.end(), [](const auto& a, const auto& b) {
      return std::pair(a.first.line, a.first.column) < std::pair(b.first.line, b.first.column);
    });
    std::vector<std::string> lines;
    for (const auto& [place, text] : problems_) {
      lines.push_back(place.line == 0
                          ? fmt::format("{}: {}", file_, text)
                          : fmt::format("{}:{}:{}: {}", file_, place.line, place.column, text));
    }
    const std::string what = fmt::format("task file {} has {} {}", file_, lines.size(),
                                         lines.size() == 1 ? "problem" : "problems");
    if (password_) {
      throw Error(ExitCode::configuration, "task-file.password", what, join(lines, "\n"),
                  "change that password, for others may have read it, and write "
                  "password = { file = \"PATH\" }, password = { env = \"NAME\" } or "
                  "password = { command = \"COMMAND\" }");
    }
    throw Error(ExitCode::configuration, "task-file.invalid", what, join(lines, "\n"),
                "correct these places; weir.toml(5) describes every key");
  }

 private:
  std::string file_;
  std::vector<std::pair<FilePlace, std::string>> problems_;
  bool password_ = false;
};

/// A key that is there, with its row.
struct Found {
  const KeyRow& row;
  const toml::node& node;
  FilePlace place;
};

/// One table of the file, checked for unknown and missing keys, whose values are taken by name.
/// Whatever is wrong goes to the problems and leaves the output alone.
class Section {
 public:
  Section(Problems& problems, const toml::table& table, const SectionRow& row)
      : problems_(problems), table_(table), row_(row), file_(file_kind(row.name, table)) {
    std::vector<std::string_view> names;
    std::vector<std::string> shown;
    for (const KeyRow& key : kKeys) {
      if (key.section == row.name) names.push_back(key.name);
    }
    if (row.form == Form::top) {
      for (const SectionRow& section : kSections) {
        if (section.form == Form::table || section.form == Form::array) {
          names.push_back(section.name);
        }
      }
    }
    for (const std::string_view name : names) shown.emplace_back(name);
    for (const auto& [key, node] : table) {
      if (std::find(names.begin(), names.end(), key.str()) != names.end()) {
        if (!takes(file_, row_.name, key.str())) refuse_for_kind(key);
        continue;
      }
      const std::string_view near = suggest(key.str(), names);
      problems_.add(place_of(key.source()),
                    fmt::format("unknown key {} in {}", in_quotes(key.str()), row.title),
                    "one of " + join(shown, ", "), near);
      misspelt_.push_back(near);
    }
    for (const KeyRow& key : kKeys) {
      const bool needed = file_ == nullptr ? key.required && !is_optional_for(key, table)
                                           : takes(file_, row_.name, key.name);
      if (key.section != row.name || !needed || !lacks(key.name)) continue;
      problems_.add(place(), fmt::format("{} has no key \"{}\"", row.title, key.name),
                    fmt::format("{}, as in {} = {}", allowed_values(key), key.name, key.example));
    }
  }

  /// Whether this is the file of a kind that is no server.
  bool is_file() const { return file_ != nullptr; }

  Problems& problems() { return problems_; }
  std::string_view title() const { return row_.title; }
  bool has(std::string_view name) const { return table_.contains(name); }

  /// A key that is there under a misspelt name has been told once, which is enough.
  bool lacks(std::string_view name) const {
    return !has(name) && std::find(misspelt_.begin(), misspelt_.end(), name) == misspelt_.end();
  }

  /// The top of a file has no place of its own.
  FilePlace place() const { return row_.form == Form::top ? FilePlace{1, 1} : place_of(table_); }

  std::optional<Found> find(std::string_view name) const {
    const KeyRow& row = key_row(row_.name, name);
    const toml::node* node = table_.get(name);
    if (node == nullptr) return std::nullopt;
    return Found{row, *node, place_of(*node)};
  }

  void wrong(const Found& key, std::string_view near = {}) {
    problems_.add(key.place, fmt::format("{} is {}", key.row.name, found_value(key.node)),
                  allowed_values(key.row), near);
  }

  /// For values that may hold what a message must not show.
  void wrong_unseen(const Found& key) {
    problems_.add(key.place, fmt::format("{} has a wrong value", key.row.name),
                  allowed_values(key.row));
  }

  /// Takes a text that `valid` accepts.
  template <class Valid>
  void text(std::string_view name, std::string& out, Valid&& valid) {
    const auto key = find(name);
    if (!key) return;
    const auto* value = key->node.as_string();
    if (value == nullptr || value->get().empty() || !valid(value->get())) return wrong(*key);
    out = value->get();
  }
  void text(std::string_view name, std::string& out) {
    text(name, out, [](const std::string&) { return true; });
  }

  template <class Int>
  void integer(std::string_view name, Int& out) {
    const auto key = find(name);
    if (!key) return;
    const auto* value = key->node.as_integer();
    if (value == nullptr || value->get() < key->row.min || value->get() > key->row.max) {
      return wrong(*key);
    }
    out = static_cast<Int>(value->get());
  }

  /// The choices stand in the order of the enumerators (false before true).
  template <class Enum>
  void choice(std::string_view name, Enum& out) {
    const auto key = find(name);
    if (!key) return;
    const auto* value = key->node.as_string();
    if (value == nullptr) return wrong(*key);
    const auto choices = choices_of(key->row);
    const auto chosen = std::find(choices.begin(), choices.end(), value->get());
    if (chosen == choices.end()) return wrong(*key, suggest(value->get(), choices));
    out = static_cast<Enum>(chosen - choices.begin());
  }

  void duration(std::string_view name, std::chrono::milliseconds& out) {
    const auto key = find(name);
    if (!key) return;
    const auto* value = key->node.as_string();
    std::chrono::milliseconds span{};
    if (value == nullptr || !parse_duration(value->get(), span) || span.count() < key->row.min ||
        span.count() > key->row.max) {
      return wrong(*key);
    }
    out = span;
  }

  void text_list(std::string_view name, std::vector<std::string>& out) {
    const auto key = find(name);
    if (!key) return;
    const auto* list = key->node.as_array();
    if (list == nullptr) return wrong(*key);
    const auto size = static_cast<std::int64_t>(list->size());
    if (size < key->row.min || size > key->row.max) {
      problems_.add(key->place, fmt::format("{} has {} elements", name, size),
                    fmt::format("{} to {}", key->row.min, key->row.max));
    }
    for (const toml::node& node : *list) {
      const auto* value = node.as_string();
      if (value == nullptr || value->get().empty()) {
        wrong({key->row, node, place_of(node)});
      } else if (std::find(out.begin(), out.end(), value->get()) != out.end()) {
        problems_.add(place_of(node),
                      fmt::format("{} names {} twice", name, in_quotes(value->get())),
                      "each column once");
      } else {
        out.push_back(value->get());
      }
    }
  }

  /// Calls `take` with the key, the value and the value's place, in the order of the file.
  template <class Take>
  void text_map(std::string_view name, Take&& take) {
    const auto key = find(name);
    if (!key) return;
    const auto* map = key->node.as_table();
    if (map == nullptr) return wrong(*key);
    std::vector<std::pair<const toml::key*, const toml::node*>> entries;
    for (const auto& [entry, node] : *map) entries.emplace_back(&entry, &node);
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      const FilePlace x = place_of(a.first->source());
      const FilePlace y = place_of(b.first->source());
      return std::pair(x.line, x.column) < std::pair(y.line, y.column);
    });
    for (const auto& [entry, node] : entries) {
      const auto* value = node->as_string();
      if (value == nullptr || value->get().empty() || entry->str().empty()) {
        wrong({key->row, *node, place_of(*node)});
      } else {
        take(std::string(entry->str()), value->get(), place_of(*node));
      }
    }
  }

 private:
  void refuse_for_kind(const toml::key& key) {
    if (file_ == nullptr) {
      problems_.add(place_of(key.source()),
                    fmt::format("{} is a server and has the key \"path\"", row_.title),
                    "a kind that is a file, as in kind = \"sqlite\"; or host or socket");
      return;
    }
    std::vector<std::string> shown(file_->keys.begin(), file_->keys.end());
    problems_.add(
        place_of(key.source()),
        fmt::format("kind = \"{}\" is a file and takes no key \"{}\"", file_->kind, key.str()),
        join(shown, " and ") + " alone");
  }

  Problems& problems_;
  const toml::table& table_;
  const SectionRow& row_;
  const FileKind* file_;
  std::vector<std::string_view> misspelt_;
};

bool in(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

bool is_task_name(const std::string& text) {
  return text.size() <= kLongestName && is_lower(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || in(c, "_-"); });
}

bool is_kind(const std::string& text) {
  return is_lower(text[0]) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_lower(c) || is_digit(c) || c == '-';
         });
}

bool is_host(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const bool beyond_ascii = static_cast<unsigned char>(c) >= 0x80;
    return is_letter(c) || is_digit(c) || in(c, ".-_:%") || beyond_ascii;
  });
}

bool is_variable(const std::string& text) {
  return !is_digit(text[0]) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '_';
  });
}

bool is_slot(const std::string& text) {
  return text.size() <= kLongestSlot && std::all_of(text.begin(), text.end(), [](char c) {
           return is_lower(c) || is_digit(c) || c == '_';
         });
}

bool is_date(std::string_view text) {
  if (text.size() != 10) return false;
  try {
    parse_rfc3339(std::string(text) + "T00:00:00Z");
    return !text.starts_with("0000");
  } catch (const Error&) {
    return false;
  }
}

/// "0", "5000 rows/s", "20 MB/s".
bool parse_rate(std::string_view text, FullSettings& out) {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  if (text != "0") {
    if (!text.ends_with("/s")) return false;
    text.remove_suffix(2);
    if (text.ends_with("rows")) {
      text.remove_suffix(4);
      text = trim(text);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rows);
      if (error != std::errc{} || end != text.data() + text.size()) return false;
    } else if (text.empty() || is_digit(text.back()) || !parse_size(text, bytes)) {
      return false;
    }
  }
  out.rate_rows = rows;
  out.rate_bytes = bytes;
  return true;
}

/// Names that are no placeholder: those that `known` lacks, and groups beyond `groups`.
void check_template(Problems& problems, FilePlace place, std::string_view key,
                    std::string_view text, std::span<const std::string_view> known,
                    std::optional<std::size_t> groups) {
  std::string unused;
  const std::string unknown = expand(text, unused, [&](std::string_view name, std::string&) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return true;
    if (name.size() != 1 || name[0] < '1' || name[0] > '9') return false;
    return !groups || static_cast<std::size_t>(name[0] - '0') <= *groups;
  });
  if (unknown.empty()) return;
  std::vector<std::string> names;
  for (const std::string_view name : known) names.push_back(fmt::format("{{{}}}", name));
  for (std::size_t i = 1; i <= groups.value_or(0); ++i) names.push_back(fmt::format("{{{}}}", i));
  problems.add(place,
               fmt::format("{} has the placeholder {} that is not known", key, in_quotes(unknown)),
               "one of " + join(names, ", "), suggest(unknown, known));
}

constexpr auto kTableNames =
    std::to_array<std::string_view>({"source", "database", "schema", "table"});
constexpr auto kValueNames =
    std::to_array<std::string_view>({"source", "database", "schema", "table", "execute_time"});

/// The folder that relative paths start from, and the file's other context.
struct Context {
  Problems& problems;
  std::filesystem::path folder;
};

void read_path(const Context& context, Section& section, std::string_view name, std::string& out) {
  section.text(name, out, [](const std::string& text) { return text[0] != '~'; });
  // An abstract socket of Linux is no path.
  if (!out.empty() && out[0] != '/' && out[0] != '@') {
    out = (context.folder / out).lexically_normal().string();
  }
}

void read_password(const Context& context, Section& endpoint, std::string_view section,
                   SecretRef& out) {
  const auto key = endpoint.find("password");
  if (!key) return;
  const toml::table* table = key->node.as_table();
  if (table == nullptr) return context.problems.add_password(key->place, section);

  Section forms(context.problems, *table, section_row("password"));
  std::size_t given = 0;
  const auto take = [&](std::string_view name, SecretRef::Kind kind) {
    const auto form = forms.find(name);
    if (!form) return;
    ++given;
    out.kind = kind;
    const auto* value = form->node.as_string();
    if (value == nullptr || value->get().empty()) return forms.wrong_unseen(*form);
    if (kind == SecretRef::Kind::env && !is_variable(value->get())) {
      return forms.wrong_unseen(*form);
    }
    if (kind == SecretRef::Kind::file) {
      read_path(context, forms, name, out.value);
    } else {
      out.value = value->get();
    }
  };
  take("file", SecretRef::Kind::file);
  take("env", SecretRef::Kind::env);
  take("command", SecretRef::Kind::command);
  if (given != 1) {
    context.problems.add(key->place, fmt::format("password has {} of its keys", given),
                         allowed_values(key->row));
  }
}

void read_heartbeat(Section& section, Endpoint& out) {
  section.duration("heartbeat", out.heartbeat);
  if (out.heartbeat.count() > 0 && out.heartbeat < kShortestBeat) {
    section.problems().add(section.find("heartbeat")->place,
                           "heartbeat is shorter than a tenth of a second",
                           "a duration from 100ms to 1h, or \"0s\" for none");
  }
  std::string table;
  section.text("heartbeat_table", table, [](const std::string& text) {
    const std::size_t dot = text.find('.');
    return dot != std::string::npos && dot > 0 && dot + 1 < text.size() &&
           text.find('.', dot + 1) == std::string::npos;
  });
  if (const std::size_t dot = table.find('.'); dot != std::string::npos) {
    out.heartbeat_table = {table.substr(0, dot), table.substr(dot + 1)};
  }
}

void read_endpoint(const Context& context, Section section, Endpoint& out) {
  const std::string_view name = section.title().substr(1, section.title().size() - 2);
  out.place = section.place();
  section.text("kind", out.kind, is_kind);
  if (section.is_file()) return read_path(context, section, "path", out.path);
  if (const auto key = section.find("host")) {
    // It may be a URL with a password in it, so a wrong one is not shown.
    const auto* value = key->node.as_string();
    if (value == nullptr || value->get().empty() || !is_host(value->get())) {
      section.wrong_unseen(*key);
    } else {
      out.host = value->get();
    }
  }
  section.integer("port", out.port);
  read_path(context, section, "socket", out.socket);
  section.text("user", out.user);
  section.text("database", out.database);
  read_password(context, section, name, out.password);
  section.choice("tls", out.tls);
  read_path(context, section, "tls_ca", out.tls_ca);
  if (name == "source") {
    section.integer("server_id", out.server_id);
    read_heartbeat(section, out);
    section.text("slot", out.slot, is_slot);
    section.text("publication", out.publication);
    section.choice("ddl_capture", out.ddl_triggers);
  }
  if (name == "target") section.text("control_schema", out.control_schema);

  // A session of MySQL needs none; the source's key is optional for its sake.
  if (name == "source" && out.kind == "postgres" && section.lacks("database")) {
    context.problems.add(section.place(), "[source] has no key \"database\"",
                         "a text: a PostgreSQL session has one database");
  }
  const bool host = !section.lacks("host");
  const bool socket = !section.lacks("socket");
  if (host == socket) {
    context.problems.add(section.place(),
                         fmt::format("[{}] has {} host {} socket", name, host ? "both" : "neither",
                                     host ? "and" : "nor"),
                         "one of them");
  }
}

/// Reads one pattern and tries it out; empty if it is wrong.
std::optional<TablePattern> read_pattern(Section& rule, const Found& key, Pattern& out) {
  out.place = key.place;
  if (const auto* text = key.node.as_string()) {
    out.text = text->get();
  } else if (const auto* table = key.node.as_table()) {
    Section form(rule.problems(), *table, section_row("match"));
    const auto regex = form.find("regex");
    if (!regex) {
      // Another key in its place has been told as unknown.
      if (table->empty()) rule.wrong(key);
      return std::nullopt;
    }
    if (!regex->node.is_string()) {
      form.wrong(*regex);
      return std::nullopt;
    }
    out.regex = true;
    out.place = regex->place;
    out.text = regex->node.as_string()->get();
  } else {
    rule.wrong(key);
    return std::nullopt;
  }
  try {
    return TablePattern(out);
  } catch (const Error& error) {
    const bool bare = !out.regex && !out.text.empty() && out.text.find('[') == std::string::npos;
    rule.problems().add(out.place, error.summary(), allowed_values(key.row),
                        bare ? out.text + ".*" : "");
    return std::nullopt;
  }
}

void read_deletes(Section& rule, DeletePolicy& out) {
  const auto key = rule.find("deletes");
  if (!key) return;
  constexpr auto kForms = std::to_array<std::string_view>({"apply", "ignore", "soft:COLUMN"});
  constexpr std::string_view kSoft = "soft:";
  const auto* value = key->node.as_string();
  if (value == nullptr) return rule.wrong(*key);
  const std::string& text = value->get();
  if (text == "apply") {
    out.kind = DeletePolicy::Kind::apply;
  } else if (text == "ignore") {
    out.kind = DeletePolicy::Kind::ignore;
  } else if (text.starts_with(kSoft) && text.size() > kSoft.size()) {
    out = {DeletePolicy::Kind::soft, text.substr(kSoft.size())};
  } else {
    rule.wrong(*key, text.starts_with("soft") ? kForms[2] : suggest(text, kForms));
  }
}

void read_columns(Section& rule, TableRule& out) {
  const auto key = rule.find("columns");
  if (!key) return;
  const auto* table = key->node.as_table();
  if (table == nullptr) return rule.wrong(*key);
  Section columns(rule.problems(), *table, section_row("table.columns"));
  columns.text_list("drop", out.drop);
  const auto read = [&](std::string_view name, std::map<std::string, std::string>& into) {
    columns.text_map(name, [&](std::string column, std::string value, FilePlace place) {
      if (std::find(out.drop.begin(), out.drop.end(), column) != out.drop.end()) {
        rule.problems().add(
            place, fmt::format("{} names {}, which drop takes away", name, in_quotes(column)),
            "a column that is kept");
      }
      into.emplace(std::move(column), std::move(value));
    });
  };
  read("rename", out.rename);
  read("type", out.retype);
}

/// `key`: an array of columns, or the one text that stands for all of them.
void read_key(Section& rule, TableRule& out) {
  static constexpr std::array<std::string_view, 1> kForms = {"all-columns"};
  const auto key = rule.find("key");
  if (!key) return;
  const auto* text = key->node.as_string();
  if (text == nullptr) return rule.text_list("key", out.key);
  if (text->get() != kForms[0]) return rule.wrong(*key, suggest(text->get(), kForms));
  out.key_all_columns = true;
}

/// `out` is what counts where nothing is said.
void read_ddl(Section section, DdlSettings& out) {
  section.choice("alter_column", out.change_type);
  if (section.has("alter_column")) out.rename_column = out.change_key = out.change_type;
  section.choice("other", out.other);
  if (section.has("other")) out.default_value = out.comment = out.index = out.other;
  for (const DdlKind& kind : ddl_kinds()) {
    if (kind.kind != SchemaChange::Kind::other) section.choice(kind.key, out.*kind.setting);
  }
}

TableRule read_rule(Section rule, const DdlSettings& ddl) {
  TableRule out;
  out.place = rule.place();
  std::optional<TablePattern> match;
  if (const auto key = rule.find("match")) match = read_pattern(rule, *key, out.match);

  if (const auto key = rule.find("exclude")) {
    const auto* list = key->node.as_array();
    if (list == nullptr) rule.wrong(*key);
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
      const toml::node& node = *list->get(i);
      Pattern pattern;
      if (read_pattern(rule, {key->row, node, place_of(node)}, pattern)) {
        out.exclude.push_back(std::move(pattern));
      }
    }
  }

  rule.text("target", out.target, [](const std::string& text) {
    const std::size_t divider = target_divider(text);
    return divider != std::string::npos && divider > 0 && divider + 1 < text.size();
  });
  if (const auto key = rule.find("target"); key && match && key->node.is_string()) {
    check_template(rule.problems(), key->place, "target", out.target, kTableNames,
                   match->group_count());
  }

  read_key(rule, out);
  read_columns(rule, out);
  rule.text_map("add_columns", [&](std::string column, std::string value, FilePlace place) {
    check_template(rule.problems(), place, column, value, kValueNames, 0);
    out.add_columns.emplace_back(std::move(column), std::move(value));
  });
  read_deletes(rule, out.deletes);
  rule.choice("existing", out.existing);
  if (const auto key = rule.find("ddl")) {
    const auto* table = key->node.as_table();
    if (table == nullptr) {
      rule.wrong(*key);
    } else {
      SectionRow row = section_row("ddl");
      row.title = "[table.ddl]";
      read_ddl(Section(rule.problems(), *table, row), out.ddl.emplace(ddl));
    }
  }
  return out;
}

bool same(const Pattern& a, const Pattern& b) { return a.regex == b.regex && a.text == b.text; }

/// The rule before `rule` that takes all that its pattern matches.
const TableRule* taken_by(const std::vector<TableRule>& rules, const TableRule& rule) {
  // An empty pattern was wrong and has been told.
  if (rule.match.text.empty()) return nullptr;
  const auto found = std::find_if(rules.begin(), rules.end(), [&rule](const TableRule& earlier) {
    // What an earlier rule excludes may be meant for this one, unless it excludes the same.
    return same(earlier.match, rule.match) &&
           (earlier.exclude.empty() || std::equal(earlier.exclude.begin(), earlier.exclude.end(),
                                                  rule.exclude.begin(), rule.exclude.end(), same));
  });
  return found == rules.end() ? nullptr : &*found;
}

void read_rules(Problems& problems, const toml::node& node, const DdlSettings& ddl,
                std::vector<TableRule>& out) {
  const auto* rules = node.as_array();
  if (rules == nullptr) {
    return problems.add(place_of(node), "table is " + found_value(node),
                        "rules that each begin with [[table]], in two brackets");
  }
  for (const toml::node& element : *rules) {
    const auto* table = element.as_table();
    if (table == nullptr) {
      problems.add(place_of(element), "table has " + found_value(element),
                   "rules that each begin with [[table]]");
      continue;
    }
    TableRule rule = read_rule(Section(problems, *table, section_row("table")), ddl);
    if (const TableRule* earlier = taken_by(out, rule)) {
      problems.add(rule.match.place,
                   fmt::format("match {} is the same as in the rule at line {}, which takes all",
                               in_quotes(rule.match.text), earlier->place.line),
                   "another pattern, or one rule for both");
    }
    out.push_back(std::move(rule));
  }
}

void read_types(Section section, TypeSettings& out) {
  section.choice("tinyint1", out.tinyint1_as_boolean);
  std::string text;
  section.text("zero_dates", text, [](const std::string& value) {
    return value == "refuse" || value == "null" || value == "keep" || is_date(value);
  });
  if (text == "null") out.zero_dates.kind = ZeroDatePolicy::Kind::null;
  if (text == "keep") out.zero_dates.kind = ZeroDatePolicy::Kind::keep;
  if (is_date(text)) out.zero_dates = {ZeroDatePolicy::Kind::date, text};
}

void read_full(Section section, FullSettings& out) {
  section.integer("connections", out.connections);
  section.integer("chunk_rows", out.chunk_rows);
  std::string unused;
  section.text("rate_limit", unused,
               [&out](const std::string& text) { return parse_rate(text, out); });
}

void read_dirty(Section section, DirtySettings& out) {
  section.choice("policy", out.policy);
  section.integer("table_limit", out.table_limit);
  section.integer("task_limit", out.task_limit);
}

void read_failover(Section section, FailoverSettings& out) {
  section.integer("limit", out.limit);
  section.duration("window", out.window);
}

toml::table parse_toml(std::string_view text, const std::string& file_name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const FilePlace place = place_of(error.source());
    std::size_t begin = 0;
    for (std::uint32_t line = 1; line < place.line && begin < text.size(); ++line) {
      begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
    }
    const std::string line = to_lower(text.substr(begin, text.find('\n', begin) - begin));

    std::string_view why = error.description();
    if (constexpr std::string_view kPrefix = "Error while "; why.starts_with(kPrefix)) {
      why.remove_prefix(kPrefix.size());
    }
    std::string expected = "TOML; text stands in quotes";
    // The reason may quote the value, and that may be a password.
    if (line.find("pass") == std::string::npos) expected += fmt::format(" ({})", why);
    Problems problems(file_name);
    problems.add(place, "no valid TOML", expected);
    problems.throw_if_any();
    throw bug("a problem of a task file was lost");
  }
}

Task parse_from(std::string_view text, const std::string& shown_name,
                const std::filesystem::path& path) {
  const toml::table file = parse_toml(text, shown_name);
  Problems problems(shown_name);
  const Context context{problems, path.parent_path()};

  Task task;
  task.file = path.string();
  Section top(problems, file, section_row(""));
  top.text("name", task.name, is_task_name);
  // Before the rules, which say what is otherwise.
  if (const toml::table* ddl = file["ddl"].as_table()) {
    read_ddl(Section(problems, *ddl, section_row("ddl")), task.ddl);
  }
  for (const SectionRow& row : kSections) {
    if (row.form != Form::table && row.form != Form::array) continue;
    const toml::node* node = file.get(row.name);
    if (node == nullptr) {
      if (row.required && top.lacks(row.name)) {
        problems.add(top.place(), fmt::format("there is no {}", row.title),
                     std::string(row.meaning));
      }
      continue;
    }
    if (row.form == Form::array) {
      read_rules(problems, *node, task.ddl, task.tables);
      if (node->is_array() && node->as_array()->empty()) {
        problems.add(place_of(*node), "table has no rules", "at least one [[table]]");
      }
      continue;
    }
    const toml::table* table = node->as_table();
    if (table == nullptr) {
      problems.add(place_of(*node), fmt::format("{} is {}", row.name, found_value(*node)),
                   fmt::format("a table that begins with {}", row.title));
      continue;
    }
    if (row.name == "ddl") continue;
    Section section(problems, *table, row);
    if (row.name == "source") {
      read_endpoint(context, section, task.source);
    } else if (row.name == "target") {
      read_endpoint(context, section, task.target);
    } else if (row.name == "types") {
      read_types(section, task.types);
    } else if (row.name == "full") {
      read_full(section, task.full);
    } else if (row.name == "incremental") {
      section.duration("flush_interval", task.incremental.flush_interval);
    } else if (row.name == "dirty") {
      read_dirty(section, task.dirty);
    } else if (row.name == "failover") {
      read_failover(section, task.failover);
    } else if (row.name == "retention") {
      section.duration("window", task.retention.window);
    }
  }
  problems.throw_if_any();
  return task;
}

}  // namespace

Task parse_task(std::string_view toml, const std::string& file_name) {
  return parse_from(toml, file_name, file_name);
}

std::string read_task_text(const std::string& path) {
  const auto unreadable = [&path](const std::string& why) {
    return Error(ExitCode::configuration, "task-file.unreadable",
                 fmt::format("cannot read task file {}", path), why,
                 "check the path, and that the account that runs weir may read it");
  };
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "re"));
  if (!file) throw unreadable(std::strerror(errno));
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    errno = 0;
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    text.append(buffer.data(), got);
    if (std::ferror(file.get()) != 0) throw unreadable(std::strerror(errno));
    if (text.size() > kLongestFile) {
      throw unreadable(fmt::format("it is larger than {}", format_bytes(kLongestFile)));
    }
    if (got < buffer.size()) break;
  }
  return text;
}

Task read_task(const std::string& path) {
  return parse_from(read_task_text(path), path, std::filesystem::absolute(path).lexically_normal());
}

std::span<const KeyRow> task_file_keys() { return kKeys; }

std::span<const SectionRow> task_file_sections() { return kSections; }

bool takes_key(std::string_view section, std::string_view kind, std::string_view name) {
  return takes(file_kind(section, kind), section, name);
}

std::string allowed_values(const KeyRow& row) {
  switch (row.type) {
    case KeyType::task_name:
      return fmt::format("1 to {} of a-z, 0-9, _ and -, a letter first", kLongestName);
    case KeyType::kind:
      return "a kind in lowercase";
    case KeyType::host:
      return "a host name or address alone, without port, account or URL";
    case KeyType::text:
      return "a text";
    case KeyType::path:
      return "a path, absolute or from the task file's folder";
    case KeyType::variable:
      return "the name of an environment variable";
    case KeyType::slot:
      return fmt::format("1 to {} of a-z, 0-9 and _", kLongestSlot);
    case KeyType::integer:
      return fmt::format("an integer from {} to {}", row.min, row.max);
    case KeyType::choice:
      return fmt::format("one of {}", row.choices);
    case KeyType::duration:
      return fmt::format("a duration from {} to {}, as in {}", duration_text(row.min),
                         duration_text(row.max), row.example);
    case KeyType::rate:
      return "\"0\", or a rate as in \"5000 rows/s\" or \"20 MB/s\"";
    case KeyType::date_policy:
      return "\"refuse\", \"null\", \"keep\" or a date \"YYYY-MM-DD\"";
    case KeyType::deletes:
      return "\"apply\", \"ignore\" or \"soft:COLUMN\"";
    case KeyType::pattern:
      return "a glob as in \"shop.*\", or { regex = \"...\" }, over schema.table";
    case KeyType::pattern_list:
      return "an array of globs and { regex = \"...\" }";
    case KeyType::text_list:
      return "an array of column names";
    case KeyType::key_columns:
      return "an array of column names, or \"all-columns\"";
    case KeyType::text_map:
      return "a table of column names, each with a text";
    case KeyType::column_templates:
      return "a table of column names, each with a template";
    case KeyType::table_template:
      return "a template with exactly one dot, schema before it and table after it";
    case KeyType::table_name:
      return "a table as \"SCHEMA.TABLE\"";
    case KeyType::regex:
      return "an ECMAScript regex";
    case KeyType::secret:
      return "{ file = \"PATH\" }, { env = \"NAME\" } or { command = \"COMMAND\" }";
    case KeyType::section:
      return "a table of keys";
  }
  return {};
}

}  // namespace weir
