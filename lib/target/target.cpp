// SPDX-License-Identifier: Apache-2.0
#include "target/target.h"

#include <fmt/format.h>

namespace weir {

Error refuse_step(const TableAlter& alter, const ColumnAlter& step) {
  const bool adds = step.kind == ColumnAlter::Kind::add;
  const std::string table = alter.after.target.text();
  return Error(
      ExitCode::refused, "ddl.step",
      fmt::format("cannot {} the column {} of {}", adds ? "add" : "convert", step.name, table),
      step.problem,
      adds
          ? fmt::format("add the column {} {} to {} with the values that the source has, then "
                        "start the task; or set this kind of DDL to \"ignore\" under [ddl]",
                        step.name, alter.after.columns[step.column].target_type, table)
          : "set this kind of DDL to \"ignore\" under [ddl] to keep the target column as it is, or "
            "begin the task anew");
}

std::string begin_anew(const Target& target, const std::string& task) {
  return "to begin anew, empty or drop the target tables, run on the target: " +
         target.forget_statement(task) +
         "; then in weir's state folder: sqlite3 weir.db \"DELETE FROM task_offset WHERE task = '" +
         task + "'\"; then: weir sync start " + task;
}

}  // namespace weir
