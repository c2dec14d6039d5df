// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/table.h"
#include "model/task.h"
#include "source/source.h"
#include "target/target.h"

namespace weir::ops {

/// What a new task file is to say.
struct InitRequest {
  /// The keys that are known, as TOML: "source.host" -> "\"db1\""; the task's own name is ".name".
  std::map<std::string, std::string> values;
  /// Globs over the names of schemas; empty = all.
  std::vector<std::string> databases;
  /// What the task's name is made from if it has none; "" = the first of `databases`, or what is
  /// found.
  std::string name_from;
  bool target_in_database = false;  ///< the kind of target needs [target] database
};

/// A new task file, and what it was made from.
struct InitFile {
  struct Schema {
    std::string name;
    std::size_t tables = 0;  ///< that the file selects
    std::uint64_t rows = 0;  ///< of those; the server's estimate, as bytes is
    std::uint64_t bytes = 0;
  };
  struct LeftOut {
    TableName name;
    std::string why;
  };

  std::string text;
  Task task;  ///< what the text says
  std::string source_version;
  std::vector<Schema> schemas;
  std::vector<LeftOut> left_out;  ///< tables that no rule can take as they are
};

/// `text` as a TOML string, quotes included.
std::string toml_text(std::string_view text);
/// A glob that matches this name alone.
std::string glob_of(std::string_view name);

/// The task that `request` makes before the source is asked: enough to open source and target with.
/// Throws Error(usage, "init.value") for a value that cannot stand in a task file.
Task draft_task(const InitRequest& request);

/// Reads the source's catalogue and writes down every key of a task file, with a rule for each
/// schema that `request` asks for. Asks the target nothing. Throws Error(not_found,
/// "init.no-table").
InitFile make_task_file(const InitRequest& request, Source& source, const Target& target);

/// Throws Error(refused, "init.exists") if there is such a file.
void refuse_existing(const std::string& path);

/// Writes a file that must not exist, for this user alone (0600). Throws Error(refused,
/// "init.exists") and Error(failed, "init.write"), and leaves no half a file behind.
void write_new_file(const std::string& path, std::string_view text);

}  // namespace weir::ops
