// SPDX-License-Identifier: Apache-2.0
#include "target/target.h"

#include <utility>

#include <fmt/format.h>

namespace weir {
namespace {

std::string forget_and_start(const std::string& task) {
  return fmt::format(
      "sqlite3 weir.db \"DELETE FROM task_offset WHERE task = '{0}'\" && weir sync start {0}",
      task);
}

}  // namespace

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

Error offset_moved(const std::string& task, const Offset& from) {
  return Error(
      ExitCode::state_conflict, "offset.moved",
      fmt::format("the offset of task {} is no longer {}", task, from.text),
      "somebody else moved it, or ran the task, meanwhile",
      fmt::format("nothing was changed; look at weir offset show {}, then plan anew", task));
}

std::string begin_anew(const Target& target, const std::string& task) {
  return "to begin anew, empty or drop the target tables, run on the target: " +
         target.forget_statement(task) + "; then in weir's state folder: " + forget_and_start(task);
}

void add_begin_anew(const Target& target, const std::string& task, Finding& finding) {
  if (!finding.gap) return;
  std::string commands;
  if (const std::string& first = finding.gap->before_anew; !first.empty()) {
    commands += "# SQL on the source: " + first + '\n';
  }
  commands += "# SQL on the target: " + target.forget_statement(task) + '\n';
  commands += "# in weir's state folder:\n" + forget_and_start(task);
  finding.ways.push_back(
      {"nothing is lost or doubled, and every table is copied once more: empty or drop the target "
       "tables first",
       std::move(commands)});
}

}  // namespace weir
