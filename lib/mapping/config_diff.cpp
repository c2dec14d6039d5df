// SPDX-License-Identifier: Apache-2.0
#include "mapping/config_diff.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "mapping/task_file.h"

namespace weir {
namespace {

/// A value as the file has it, and in a form that is one for all spellings of one meaning.
struct Value {
  std::string shown;
  std::string meaning;
};

/// The keys of one section that have a value, those of the sections in it too: by section and name.
using Values = std::map<std::pair<std::string, std::string>, Value>;

struct Rule {
  std::string match;  ///< shown
  std::string id;     ///< its meaning, and which of several with that one it is
  Values values;
  std::string text;
};

struct Document {
  Values values;
  std::vector<Rule> rules;
};

std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool is_before(const toml::source_region& a, const toml::source_region& b) {
  return std::pair(a.begin.line, a.begin.column) < std::pair(b.begin.line, b.begin.column);
}

/// The entries of a table as they follow each other in the file.
std::vector<std::pair<std::string, const toml::node*>> entries_of(const toml::table& table) {
  std::vector<std::pair<const toml::key*, const toml::node*>> found;
  for (const auto& [key, node] : table) found.emplace_back(&key, &node);
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return is_before(a.first->source(), b.first->source());
  });
  std::vector<std::pair<std::string, const toml::node*>> out;
  for (const auto& [key, node] : found) out.emplace_back(key->str(), node);
  return out;
}

/// A node on one line.
std::string shown(const toml::node& node) {
  if (const auto* text = node.as_string()) return toml_quoted(text->get());
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  std::vector<std::string> parts;
  if (const auto* list = node.as_array()) {
    for (const toml::node& element : *list) parts.push_back(shown(element));
    return fmt::format("[{}]", join(parts, ", "));
  }
  if (const auto* table = node.as_table()) {
    for (const auto& [key, value] : entries_of(*table)) {
      parts.push_back(fmt::format("{} = {}", key, shown(*value)));
    }
    return parts.empty() ? "{}" : fmt::format("{{ {} }}", join(parts, ", "));
  }
  throw bug("a value of a type that no key of a task file has");
}

std::string path_meaning(const std::string& path, const std::filesystem::path& folder) {
  if (path.starts_with('/') || path.starts_with('@')) {
    return std::filesystem::path(path).lexically_normal();
  }
  return (folder / path).lexically_normal();
}

/// "5000 rows/s" and "0.02 MB/s" in one unit each.
std::string rate_meaning(std::string_view text) {
  constexpr std::string_view kRows = "rows/s";
  if (text.ends_with(kRows)) {
    return fmt::format("{} rows", trim(text.substr(0, text.size() - kRows.size())));
  }
  std::uint64_t bytes = 0;
  if (text.ends_with("/s") && parse_size(text.substr(0, text.size() - 2), bytes) && bytes > 0) {
    return fmt::format("{} bytes", bytes);
  }
  return "0";
}

std::string meaning(const KeyRow& row, const toml::node& node,
                    const std::filesystem::path& folder) {
  const auto* text = node.as_string();
  switch (row.type) {
    case KeyType::duration:
      if (std::chrono::milliseconds span{}; text != nullptr && parse_duration(text->get(), span)) {
        return std::to_string(span.count());
      }
      break;
    case KeyType::rate:
      if (text != nullptr) return rate_meaning(text->get());
      break;
    case KeyType::path:
      if (text != nullptr) return path_meaning(text->get(), folder);
      break;
    case KeyType::secret:
      if (const auto* form = node.as_table()) {
        const auto* file = form->get_as<std::string>("file");
        if (file != nullptr) return "file " + path_meaning(file->get(), folder);
      }
      break;
    case KeyType::pattern_list:
    case KeyType::text_list:
      // They are sets; only the columns of a key follow each other.
      if (const auto* list = node.as_array()) {
        std::vector<std::string> parts;
        for (const toml::node& element : *list) parts.push_back(shown(element));
        std::ranges::sort(parts);
        return join(parts, ", ");
      }
      break;
    case KeyType::text_map:
      if (const auto* map = node.as_table()) {
        std::string out;
        for (const auto& [key, value] : *map) {
          out += fmt::format("{} = {}, ", toml_quoted(key.str()), shown(value));
        }
        return out;
      }
      break;
    default:
      break;
  }
  return shown(node);
}

std::string default_meaning(const KeyRow& row, const std::filesystem::path& folder) {
  if (row.default_value.empty()) return "";
  const toml::table table = toml::parse(fmt::format("it = {}", row.default_value));
  return meaning(row, *table.get("it"), folder);
}

/// Adds what `table` says about each key of `section`; a key that says nothing has its default.
void add_values(const toml::table* table, std::string_view section,
                const std::filesystem::path& folder, Values& out) {
  for (const KeyRow& row : task_file_keys()) {
    if (row.section != section) continue;
    const toml::node* node = table == nullptr ? nullptr : table->get(row.name);
    if (row.type == KeyType::section) {
      add_values(node == nullptr ? nullptr : node->as_table(),
                 fmt::format("{}.{}", section, row.name), folder, out);
      continue;
    }
    Value value;
    if (node != nullptr) {
      value = {shown(*node), meaning(row, *node, folder)};
    } else {
      value = {std::string(row.default_value), default_meaning(row, folder)};
    }
    out.emplace(std::pair(std::string(section), std::string(row.name)), std::move(value));
  }
}

Document read(const ConfigText& config) {
  const toml::table file = toml::parse(config.text);
  const std::filesystem::path folder = std::filesystem::path(config.file).parent_path();
  Document out;
  for (const SectionRow& section : task_file_sections()) {
    if (section.form == SectionRow::Form::top) {
      add_values(&file, section.name, folder, out.values);
    } else if (section.form == SectionRow::Form::table) {
      const toml::node* node = file.get(section.name);
      add_values(node == nullptr ? nullptr : node->as_table(), section.name, folder, out.values);
    }
  }
  const auto* rules = file.get_as<toml::array>("table");
  std::map<std::string, int> same;
  for (std::size_t i = 0; rules != nullptr && i < rules->size(); ++i) {
    const auto* table = rules->get(i)->as_table();
    Rule rule;
    add_values(table, "table", folder, rule.values);
    const Value& match = rule.values.at({"table", "match"});
    rule.match = match.shown;
    rule.id = fmt::format("{} {}", match.meaning, ++same[match.meaning]);
    std::vector<std::string> parts;
    for (const auto& [key, node] : entries_of(*table)) {
      parts.push_back(fmt::format("{} = {}", key, shown(*node)));
    }
    rule.text = join(parts, ", ");
    out.rules.push_back(std::move(rule));
  }
  return out;
}

void compare(const Values& before, const Values& after, const std::string& rule,
             std::vector<ConfigChange>& out) {
  for (const KeyRow& row : task_file_keys()) {
    const auto key = std::pair(std::string(row.section), std::string(row.name));
    const auto old_value = before.find(key);
    const auto new_value = after.find(key);
    if (old_value == before.end() || new_value == after.end()) continue;
    if (old_value->second.meaning == new_value->second.meaning) continue;
    ConfigChange change;
    change.section = key.first;
    change.name = key.second;
    change.rule = rule;
    change.before = old_value->second.shown;
    change.after = new_value->second.shown;
    out.push_back(std::move(change));
  }
}

const Rule* find(const std::vector<Rule>& rules, const std::string& id) {
  const auto found = std::ranges::find(rules, id, &Rule::id);
  return found == rules.end() ? nullptr : &*found;
}

/// The matches of the rules that `other` has too, in their order.
std::vector<std::string> order_of(const std::vector<Rule>& rules, const std::vector<Rule>& other,
                                  std::string Rule::*field) {
  std::vector<std::string> out;
  for (const Rule& rule : rules) {
    if (find(other, rule.id) != nullptr) out.push_back(rule.*field);
  }
  return out;
}

}  // namespace

std::string to_string(ConfigChange::Kind kind) {
  switch (kind) {
    case ConfigChange::Kind::changed:
      return "changed";
    case ConfigChange::Kind::added:
      return "added";
    case ConfigChange::Kind::removed:
      return "removed";
    case ConfigChange::Kind::moved:
      return "moved";
  }
  return "";
}

std::string ConfigChange::title() const {
  if (kind == Kind::moved) return "order of the table rules";
  if (rule.empty()) return section.empty() ? name : fmt::format("{}.{}", section, name);
  if (name.empty()) return fmt::format("table {}", rule);
  constexpr std::string_view kTable = "table.";
  const std::string inner =
      section.starts_with(kTable) ? section.substr(kTable.size()) + "." + name : name;
  return fmt::format("table {}: {}", rule, inner);
}

std::vector<ConfigChange> diff_config(const ConfigText& before, const ConfigText& after) {
  const Document a = read(before);
  const Document b = read(after);
  std::vector<ConfigChange> out;
  compare(a.values, b.values, "", out);
  for (const Rule& rule : a.rules) {
    if (find(b.rules, rule.id) == nullptr) {
      out.push_back({ConfigChange::Kind::removed, "table", "", rule.match, rule.text, ""});
    }
  }
  for (const Rule& rule : b.rules) {
    const Rule* old = find(a.rules, rule.id);
    if (old == nullptr) {
      out.push_back({ConfigChange::Kind::added, "table", "", rule.match, "", rule.text});
    } else {
      compare(old->values, rule.values, rule.match, out);
    }
  }
  if (order_of(a.rules, b.rules, &Rule::id) != order_of(b.rules, a.rules, &Rule::id)) {
    out.push_back({ConfigChange::Kind::moved, "table", "", "",
                   join(order_of(a.rules, b.rules, &Rule::match), ", "),
                   join(order_of(b.rules, a.rules, &Rule::match), ", ")});
  }
  return out;
}

}  // namespace weir
