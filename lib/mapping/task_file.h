// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/task.h"

namespace weir {

/// Reads the text of a task file. `file_name` is what messages call it, and paths in it that do not
/// begin with a slash are taken from its folder. Throws Error(configuration), which tells every
/// problem there is, one line each in why(): "FILE:LINE:COL: found; expected; did you mean ...".
/// The id is `task-file.invalid`, or `task-file.password` if a password stands in the file itself.
Task parse_task(std::string_view toml, const std::string& file_name);

/// Likewise from a file; Task::file becomes its absolute path. Throws also `task-file.unreadable`.
Task read_task(const std::string& path);

/// The text alone. Throws Error(configuration, "task-file.unreadable").
std::string read_task_text(const std::string& path);

/// What a key of the task file takes.
enum class KeyType : std::uint8_t {
  task_name,
  kind,
  host,
  text,
  path,
  variable,  ///< the name of an environment variable
  slot,      ///< the name of a replication slot
  integer,
  choice,
  duration,
  rate,
  date_policy,
  deletes,
  pattern,
  pattern_list,
  text_list,
  key_columns,  ///< a text_list, or "all-columns"
  text_map,
  column_templates,
  table_template,
  table_name,
  regex,
  secret,
  section,  ///< keys of its own: the SectionRow "table.columns" for `columns` in "table"
};

/// One key of the task file: what the parser checks, weir.toml(5) describes and `weir init` writes.
struct KeyRow {
  std::string_view section;  ///< SectionRow::name
  std::string_view name;
  KeyType type;
  bool required;
  std::string_view default_value;  ///< as TOML; "" if there is none
  std::string_view example;        ///< as TOML; never ""
  std::string_view choices;        ///< of a choice, joined with ", "
  /// The range of an integer, of a duration in milliseconds, of the length of a list.
  std::int64_t min;
  std::int64_t max;
  std::string_view meaning;  ///< one sentence, no full stop
};

/// A part of the task file.
struct SectionRow {
  enum class Form : std::uint8_t { top, table, array, inline_table };
  std::string_view name;   ///< "", "source", "table.columns"
  std::string_view title;  ///< for people: "[source]", "[[table]]", "columns"
  Form form;
  bool required;
  std::string_view meaning;  ///< one sentence, no full stop
};

/// Every key, in the order of the sections and, within one, of the manual.
std::span<const KeyRow> task_file_keys();
std::span<const SectionRow> task_file_sections();

/// Whether [source] or [target] of this kind takes the key: a kind that is a file takes others than
/// a server.
bool takes_key(std::string_view section, std::string_view kind, std::string_view name);

/// "an integer from 1 to 64", "one of off, require, verify-ca, verify-full": for messages and
/// pages.
std::string allowed_values(const KeyRow& row);

}  // namespace weir
