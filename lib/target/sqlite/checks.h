// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/finding.h"
#include "model/table_plan.h"
#include "target/sqlite/schema.h"
#include "target/sqlite/writer.h"
#include "target/target.h"

namespace weir::sqlite {

/// What the file and its place say about themselves: read once, judged by pure rules.
struct Facts {
  struct TableFacts {
    const TablePlan* plan = nullptr;
    TableName source;
    TableName target;
    bool started = false;  ///< the task has this table already
    bool exists = false;
    bool has_rows = false;
    bool has_key = false;
    ExistingTable table;
  };
  std::string path;
  std::string folder;
  bool folder_exists = false;
  bool folder_writable = false;
  FileState file = FileState::missing;
  bool file_writable = false;
  std::string open_error;  ///< why the file could not be looked into; "" if it could
  std::string lock_error;  ///< why nothing could be written now; "" if it could
  bool network = false;    ///< on a network file system
  std::uint64_t free_bytes = 0;
  std::uint64_t wanted_bytes = 0;  ///< of the tables that are still to be copied, on the source
  bool is_new = false;             ///< the file does not know the task
  std::vector<TableFacts> tables;
};

Facts gather(const Task& task, FileState file, std::span<const TablePlan> plans,
             const std::optional<Recovered>& recovered);

/// Facts as JSON, without a secret, and back. decode_facts() throws what read_facts() does.
std::string encode_facts(const Facts& facts);
Facts decode_facts(std::string_view text);

std::vector<Finding> judge(const Facts& facts);

}  // namespace weir::sqlite
