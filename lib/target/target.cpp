// SPDX-License-Identifier: Apache-2.0
#include "target/target.h"

namespace weir {

std::string begin_anew(const Target& target, const std::string& task) {
  return "to begin anew, empty or drop the target tables, run on the target: " +
         target.forget_statement(task) +
         "; then in weir's state folder: sqlite3 weir.db \"DELETE FROM task_offset WHERE task = '" +
         task + "'\"; then: weir sync start " + task;
}

}  // namespace weir
