// SPDX-License-Identifier: Apache-2.0
#include "registry/type_pages.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "base/text.h"
#include "model/type.h"
#include "source/mysql/types.h"
#include "source/postgres/types.h"
#include "target/mysql/types.h"
#include "target/postgres/types.h"
#include "target/sqlite/types.h"

namespace weir::registry {
namespace {

constexpr const char* kTargetLine = "{:<10} {:<28} {:<19} {}\n";

std::string without_end(std::string text) {
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

void add_name(std::string& list, std::string_view name) {
  list += list.empty() ? "" : ", ";
  list += name;
}

/// The note of each type, those of one text together.
void add_note(std::vector<TypeNote>& notes, std::string_view type, std::string_view text) {
  if (text.empty()) return;
  const auto found = std::find_if(notes.begin(), notes.end(),
                                  [text](const TypeNote& note) { return note.text == text; });
  if (found == notes.end()) {
    notes.push_back({std::string(type), std::string(text)});
  } else if (found->types != type && !found->types.ends_with(", " + std::string(type))) {
    add_name(found->types, type);
  }
}

std::string mysql_name(const mysql::TypeRow& row) {
  std::string name(row.native);
  if (row.condition == mysql::TypeCondition::tinyint1_boolean) return name + "(1)";
  if (row.condition == mysql::TypeCondition::is_unsigned) name += " unsigned";
  // Any other condition is in the note of the row.
  return name;
}

std::string line(std::string_view neutral, std::string_view mysql, std::string_view postgres) {
  return without_end(fmt::format("{:<10} {:<26} {}", neutral, mysql, postgres)) + "\n";
}

/// A list in lines that fit into their column.
std::vector<std::string> folded(std::string_view list) {
  constexpr std::size_t kWidth = 26;
  std::vector<std::string> lines(1);
  for (const std::string& name : split(list, ',')) {
    const std::string_view word = trim(name);
    if (!lines.back().empty() && lines.back().size() + word.size() + 3 > kWidth) {
      lines.back() += ',';
      lines.emplace_back();
    }
    lines.back() += lines.back().empty() ? "" : ", ";
    lines.back() += word;
  }
  return lines;
}

template <class Row>
std::string short_type(const Row& row) {
  std::string out;
  expand(row.target, out, [](std::string_view name, std::string& value) {
    value += name == "length" ? 'n' : name.front();
    return true;
  });
  return out + (row.note.empty() ? "" : " +");
}

template <class Rows>
std::vector<TypeNote> target_notes(const Rows& rows) {
  std::vector<TypeNote> notes;
  for (const auto& row : rows) add_note(notes, to_string(row.kind), row.note);
  return notes;
}

template <class Rows>
const auto& row_of(const Rows& rows, TypeKind kind) {
  return *std::find_if(rows.begin(), rows.end(),
                       [kind](const auto& row) { return row.kind == kind; });
}

}  // namespace

std::string source_type_table() {
  std::string out = line("NEUTRAL", "MYSQL, MARIADB", "POSTGRESQL");
  for (const TypeKindRow& kind : type_kinds()) {
    std::string mysql;
    std::string postgres;
    for (const mysql::TypeRow& row : mysql::type_rows()) {
      if (row.kind == kind.kind) add_name(mysql, mysql_name(row));
    }
    for (const pgsource::TypeRow& row : pgsource::type_rows()) {
      if (row.kind == kind.kind) add_name(postgres, row.native);
    }
    const std::vector<std::string> left = folded(mysql.empty() ? "-" : mysql);
    const std::vector<std::string> right = folded(postgres.empty() ? "-" : postgres);
    for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
      out += line(i == 0 ? kind.name : "", i < left.size() ? left[i] : "",
                  i < right.size() ? right[i] : "");
    }
  }
  return out;
}

std::string target_type_table() {
  std::string out = fmt::format(kTargetLine, "NEUTRAL", "POSTGRESQL", "MYSQL, MARIADB", "SQLITE");
  for (const TypeKindRow& kind : type_kinds()) {
    out += fmt::format(kTargetLine, kind.name, short_type(row_of(postgres::type_rows(), kind.kind)),
                       short_type(row_of(mysqltarget::type_rows(), kind.kind)),
                       short_type(row_of(sqlite::type_rows(), kind.kind)));
  }
  return out;
}

std::vector<TypeNote> mysql_source_notes() {
  std::vector<TypeNote> notes;
  for (const mysql::TypeRow& row : mysql::type_rows()) {
    // Its types are many and all alike.
    const bool geometry = row.kind == TypeKind::geometry;
    add_note(notes, geometry ? to_string(row.kind) : mysql_name(row), row.note);
  }
  return notes;
}

std::vector<TypeNote> postgres_source_notes() {
  std::vector<TypeNote> notes;
  for (const pgsource::TypeRow& row : pgsource::type_rows()) add_note(notes, row.native, row.note);
  return notes;
}

std::vector<TypeNote> postgres_target_notes() { return target_notes(postgres::type_rows()); }
std::vector<TypeNote> mysql_target_notes() { return target_notes(mysqltarget::type_rows()); }
std::vector<TypeNote> sqlite_target_notes() { return target_notes(sqlite::type_rows()); }

}  // namespace weir::registry
