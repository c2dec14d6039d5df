// SPDX-License-Identifier: Apache-2.0
#include "ops/init.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "mapping/pattern.h"
#include "mapping/rules.h"
#include "mapping/task_file.h"

namespace weir::ops {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kLongestName = 48;
constexpr std::string_view kOwnSchema = "weir_control";

/// What the source holds, as far as the file tells it.
struct Survey {
  std::string version;
  std::vector<Table> tables;
  std::map<TableName, std::string> left_out;  ///< and why
};

std::string comment(std::string_view text, std::string_view indent = "") {
  const std::string lead = fmt::format("# {}", indent);
  std::string out;
  std::string line = lead;
  for (const std::string& word : split(text, ' ')) {
    if (line.size() > lead.size() && line.size() + 1 + word.size() > kWidth) {
      out.append(line) += '\n';
      line = lead;
    }
    if (line.size() > lead.size()) line += ' ';
    line += word;
  }
  return out + line + '\n';
}

/// The tables whose schema matches one of `globs`; all if there is none.
std::vector<TableName> wanted(std::vector<TableName> names, std::span<const std::string> globs) {
  if (globs.empty()) return names;
  std::vector<TablePattern> patterns;
  for (const std::string& glob : globs) {
    patterns.emplace_back(Pattern{.regex = false, .text = glob + ".*", .place = {}});
  }
  std::erase_if(names, [&](const TableName& name) {
    return std::none_of(patterns.begin(), patterns.end(), [&](const TablePattern& pattern) {
      return pattern.matches({name.schema, "t"});
    });
  });
  return names;
}

Error no_table(std::string what) {
  return Error(ExitCode::not_found, "init.no-table", std::move(what),
               "there is none, or the account may not read it",
               "correct --database or --schema, or grant the account SELECT on the tables");
}

/// A task name made from the name, or the glob, of a schema.
std::string task_name(std::string_view schema) {
  std::string out;
  for (const char c : to_lower(schema)) {
    const bool letter = c >= 'a' && c <= 'z';
    const bool later = (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (letter || (later && !out.empty())) out += c;
  }
  out.resize(std::min(out.size(), kLongestName));
  out.erase(out.find_last_not_of("_-") + 1);
  return out.empty() ? "sync" : out;
}

/// "shop: 12 tables, about 1,234,567 rows, 12.3 MiB".
std::string size_text(const InitFile::Schema& schema) {
  return fmt::format("{}: {} {}, about {} rows, {}", schema.name, schema.tables,
                     schema.tables == 1 ? "table" : "tables", format_count(schema.rows),
                     format_bytes(schema.bytes));
}

/// The schemas that the file gets a rule for. One without a single table that can be taken gets
/// none, because a rule that takes nothing is refused; unless there is no other.
std::vector<InitFile::Schema> schemas_of(const Survey& survey) {
  std::map<std::string, InitFile::Schema> all;
  for (const Table& table : survey.tables) {
    InitFile::Schema& schema = all[table.name.schema];
    schema.name = table.name.schema;
    if (survey.left_out.contains(table.name)) continue;
    ++schema.tables;
    schema.rows += table.estimated_rows;
    schema.bytes += table.estimated_bytes;
  }
  std::vector<InitFile::Schema> out;
  for (const auto& [name, schema] : all) out.push_back(schema);
  const auto is_empty = [](const InitFile::Schema& schema) { return schema.tables == 0; };
  if (!std::all_of(out.begin(), out.end(), is_empty)) std::erase_if(out, is_empty);
  return out;
}

bool is_date(TypeKind kind) {
  return kind == TypeKind::date || kind == TypeKind::datetime || kind == TypeKind::timestamp;
}

/// What [types] should know about the dates that were found.
std::string date_note(const Survey& survey) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> zero;
  std::size_t dates = 0;
  for (const Table& table : survey.tables) {
    for (const Column& column : table.columns) {
      if (!is_date(column.type.kind)) continue;
      ++dates;
      if (column.default_value && column.default_value->starts_with("0000-00-00")) {
        zero.push_back(table.name.text() + "." + column.name);
      }
    }
  }
  if (zero.empty()) {
    if (dates == 0) return "";
    return comment(fmt::format(
        "{} columns hold dates. None has a zero date as its default, but rows may hold one: with "
        "\"refuse\" the first of them stops the task, and names its table and column.",
        dates));
  }
  const std::size_t count = zero.size();
  if (count > kShown) zero.resize(kShown);
  return comment(fmt::format(
      "ATTENTION: {} of {} date columns have a zero date as their default: {}{}. With \"refuse\" "
      "the first row that holds one stops the task; decide for \"null\" or a date before it "
      "starts.",
      count, dates, join(zero, ", "), count > kShown ? ", ..." : ""));
}

/// Writes the keys of the file in the order of the parser's own table.
class Writer {
 public:
  Writer(const InitRequest& request, const Survey& survey) : request_(request), survey_(survey) {}

  std::string run() {
    for (const SectionRow& section : task_file_sections()) {
      switch (section.form) {
        case SectionRow::Form::top:
          write_keys(section.name);
          break;
        case SectionRow::Form::table:
          out_ += fmt::format("\n# {}\n", std::string(kWidth - 2, '-'));
          out_ += comment(fmt::format("{}: {}", section.title, section.meaning)) + "\n";
          out_ += fmt::format("{}\n", section.title);
          if (section.name == "types") out_ += date_note(survey_);
          write_keys(section.name);
          break;
        case SectionRow::Form::array:
          out_ += fmt::format("\n# {}\n", std::string(kWidth - 2, '-'));
          out_ += comment(fmt::format("{}: {}", section.title, section.meaning));
          write_keys(section.name);
          write_rules();
          break;
        case SectionRow::Form::inline_table:
          break;  // told with the key that it is the value of
      }
    }
    return std::move(out_);
  }

 private:
  std::string kind_of(std::string_view section) const {
    const auto kind = request_.values.find(fmt::format("{}.kind", section));
    return kind == request_.values.end() ? "" : kind->second.substr(1, kind->second.size() - 2);
  }

  /// Whether the parser wants this key though the request does not know it.
  bool is_open(const KeyRow& row) const {
    if (row.section == "target" && row.name == "database") return request_.target_in_database;
    if (row.required || row.name == "path") return true;
    // Of host and socket each server needs one.
    return row.name == "host" && !request_.values.contains(fmt::format("{}.socket", row.section));
  }

  void write_keys(std::string_view section) {
    const bool is_rule = section == "table";
    const std::string kind = kind_of(section);
    const bool is_file = !kind.empty() && takes_key(section, kind, "path");
    for (const KeyRow& row : task_file_keys()) {
      if (row.section != section) continue;
      const bool taken = takes_key(section, kind, row.name);
      // Of a file, keys of a server would only mislead.
      if (is_file && !taken) continue;
      out_ += "\n" + comment(fmt::format("{}: {}.", row.name, row.meaning));
      if (row.type != KeyType::section) {
        out_ += comment(fmt::format("Takes {}{}.", allowed_values(row),
                                    row.default_value.empty()
                                        ? std::string()
                                        : fmt::format("; default {}", row.default_value)));
      }
      write_inner_keys(row);
      const auto value = request_.values.find(fmt::format("{}.{}", section, row.name));
      const bool active = !is_rule && taken;
      if (active && value != request_.values.end()) {
        out_ += fmt::format("{} = {}\n", row.name, value->second);
      } else if (active && is_open(row)) {
        out_ += fmt::format("{} = {}  # CHANGE THIS: an example, for it was not given\n", row.name,
                            row.example);
      } else {
        out_ += fmt::format("#{} = {}\n", row.name,
                            row.default_value.empty() ? row.example : row.default_value);
      }
    }
  }

  /// The keys of an inline table, below the key whose value it is.
  void write_inner_keys(const KeyRow& outer) {
    const std::string section = outer.type == KeyType::secret    ? "password"
                                : outer.type == KeyType::pattern ? "match"
                                : outer.type == KeyType::section
                                    ? fmt::format("{}.{}", outer.section, outer.name)
                                    : "";
    for (const KeyRow& row : task_file_keys()) {
      if (section.empty() || row.section != section) continue;
      out_ += comment(fmt::format("{{ {} = {} }}: {}.", row.name, row.example, row.meaning), "  ");
    }
  }

  void write_rules() {
    for (const InitFile::Schema& schema : schemas_of(survey_)) {
      out_ += "\n" + comment(size_text(schema)) + "[[table]]\n";
      out_ += fmt::format("match = {}\n", toml_text(glob_of(schema.name) + ".*"));
      const std::vector<const TableName*> excluded =
          schema.tables == 0 ? std::vector<const TableName*>() : left_out_of(schema.name);
      if (!excluded.empty()) {
        out_ += "exclude = [\n";
        for (const TableName* name : excluded) {
          out_ += fmt::format("  {},  # {}\n",
                              toml_text(glob_of(name->schema) + "." + glob_of(name->table)),
                              one_line(survey_.left_out.at(*name)));
        }
        out_ += "]\n";
      }
      out_ += "target = \"{schema}.{table}\"\n";
    }
    if (survey_.tables.empty()) out_ += "\n[[table]]\nmatch = \"*\"\n";
    if (survey_.left_out.empty()) return;
    for (const auto& [name, why] : survey_.left_out) {
      if (has_rule(name.schema)) continue;
      out_ += "\n" + comment(fmt::format("No rule takes {}: {}", name.text(), one_line(why)));
    }
    const TableName& first = survey_.left_out.begin()->first;
    out_ += "\n" + comment(
                       "A table that is left out above can have a rule of its own. One without a "
                       "key needs the columns that identify a row, or \"all-columns\", which costs "
                       "more; see weir.toml(5):");
    out_ += fmt::format("#[[table]]\n#match = {}\n#key = [\"id\"]  # or key = \"all-columns\"\n",
                        toml_text(glob_of(first.schema) + "." + glob_of(first.table)));
  }

  bool has_rule(const std::string& schema) const {
    const auto schemas = schemas_of(survey_);
    return std::any_of(schemas.begin(), schemas.end(),
                       [&](const InitFile::Schema& s) { return s.name == schema; });
  }

  std::vector<const TableName*> left_out_of(const std::string& schema) const {
    std::vector<const TableName*> out;
    for (const auto& [name, why] : survey_.left_out) {
      if (name.schema == schema) out.push_back(&name);
    }
    return out;
  }

  static std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return text;
  }

  const InitRequest& request_;
  const Survey& survey_;
  std::string out_;
};

std::string file_text(const InitRequest& request, const Survey& survey) {
  std::string out = comment(
      "A task of weir. weir.toml(5) describes this file, and weir-preflight(1) "
      "tells whether the task can run.");
  if (!survey.version.empty()) {
    out += comment(
        fmt::format("Written by weir init, from {} as its account saw it.", survey.version));
  }
  out += "#\n" + comment(
                     "Every key is here. A line that begins with \"#\" and a key stands for the "
                     "default, or shows an example where there is none.");
  return out + Writer(request, survey).run();
}

NameRules name_rules(const Target& target) {
  NameRules rules;
  rules.max_bytes = target.max_name_bytes();
  rules.refuse = [&target](std::string_view name) { return target.refuse_name(name); };
  rules.fold = [&target](std::string_view name) { return target.fold_name(name); };
  rules.schema = target.only_schema();
  return rules;
}

Error cannot_write(const std::string& path, int number) {
  return Error(ExitCode::failed, "init.write", fmt::format("cannot write {}", path),
               std::strerror(number), "check the path, its permissions and the free space");
}

Error already_exists(const std::string& path) {
  return Error(ExitCode::refused, "init.exists", fmt::format("{} exists", path),
               "a task file that somebody wrote is not overwritten",
               "give --output another name, or move that file away");
}

}  // namespace

std::string glob_of(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '*' || c == '?' || c == '[' || c == '.') {
      out.append("[").append(1, c).append("]");
    } else {
      out += c;
    }
  }
  return out;
}

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append("\\").append(1, c);
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

Task draft_task(const InitRequest& request) {
  InitRequest named = request;
  if (!named.values.contains(".name")) {
    named.values[".name"] =
        toml_text(task_name(!request.name_from.empty()  ? request.name_from
                            : request.databases.empty() ? ""
                                                        : request.databases.front()));
  }
  try {
    Task task = parse_task(file_text(named, {}), "the new file");
    wanted({}, request.databases);
    return task;
  } catch (const Error& error) {
    if (error.code() != ExitCode::configuration) throw;
    throw Error(ExitCode::usage, "init.value", "an option has a value that no task file can hold",
                error.why().empty() ? error.summary() : error.why(),
                "correct the option; see weir init --help");
  }
}

InitFile make_task_file(const InitRequest& request, Source& source, const Target& target) {
  InitFile out;
  Survey survey;
  survey.version = out.source_version = source.version();
  std::vector<TableName> all = source.tables();
  std::erase(all, Endpoint().heartbeat_table);  // no rule takes it
  if (all.empty()) throw no_table("the source account sees no table");
  for (const std::string& glob : request.databases) {
    if (wanted(all, {&glob, 1}).empty()) {
      throw no_table(fmt::format("the source account sees no table in {}", glob));
    }
  }
  const std::vector<TableName> names = wanted(all, request.databases);
  survey.tables = source.describe(names);

  InitRequest filled = request;
  const bool named = filled.values.contains(".name");
  if (!named) filled.values[".name"] = toml_text(task_name(""));
  if (std::any_of(names.begin(), names.end(),
                  [](const TableName& name) { return name.schema == Endpoint().control_schema; })) {
    filled.values["target.control_schema"] = toml_text(kOwnSchema);
  }
  const auto parse = [&] { return parse_task(file_text(filled, survey), "the new file"); };
  // What a rule cannot take as it is would be refused at the start, with all that it can take.
  for (const Finding& finding : map_tables(parse(), survey.tables, name_rules(target)).findings) {
    const auto table = std::find_if(names.begin(), names.end(), [&](const TableName& name) {
      return name.text() == finding.table;
    });
    if (finding.severity == Severity::critical && table != names.end()) {
      survey.left_out.emplace(*table, finding.what);
    }
  }
  out.schemas = schemas_of(survey);
  for (const auto& [name, why] : survey.left_out) out.left_out.push_back({name, why});
  if (!named) {
    filled.values[".name"] =
        toml_text(task_name(!request.name_from.empty()  ? request.name_from
                            : request.databases.empty() ? out.schemas.front().name
                                                        : request.databases.front()));
  }
  out.text = file_text(filled, survey);
  out.task = parse();
  return out;
}

void refuse_existing(const std::string& path) {
  struct stat found {};
  if (lstat(path.c_str(), &found) == 0) throw already_exists(path);
}

void write_new_file(const std::string& path, std::string_view text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) throw errno == EEXIST ? already_exists(path) : cannot_write(path, errno);
  const auto give_up = [&path] {
    const int number = errno;
    unlink(path.c_str());
    throw cannot_write(path, number);
  };
  while (!text.empty()) {
    const ssize_t written = write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) give_up();
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(file.get()) != 0) give_up();
}

}  // namespace weir::ops
