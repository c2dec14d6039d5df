// SPDX-License-Identifier: Apache-2.0
#include "target/target.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "model/lane.h"

namespace weir {
namespace {

std::string forget_and_start(const std::string& task) {
  return fmt::format(
      "sqlite3 weir.db \"DELETE FROM task_offset WHERE task = '{0}'\" && weir sync start {0}",
      task);
}

Error unknown_lane(const std::string& name) {
  return Error(
      ExitCode::state_conflict, "lane.unknown", fmt::format("the target does not know {}", name),
      "its row in weir_task was removed, or the target is another one than before",
      fmt::format("restore the target's control tables, or start {} anew with empty target "
                  "tables",
                  root_name(name)));
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
                        "weir ddl resolve TASK NUMBER --applied; or set this kind of DDL to "
                        "\"ignore\" under [ddl]",
                        step.name, alter.after.columns[step.column].target_type, table)
          : "set this kind of DDL to \"ignore\" under [ddl] to keep the target column as it is, or "
            "begin the task anew");
}

Error refuse_statement(const TableAlter& alter, const std::string& sql, const std::string& why) {
  return Error(ExitCode::refused, "ddl.target",
               fmt::format("the target refuses a change of {}", alter.after.target.text()),
               fmt::format("{}: {}", sql, why),
               "mend what stands in the way on the target, then resolve the statement: weir ddl "
               "resolve TASK NUMBER --apply; or set this kind of DDL to \"ignore\" under [ddl] to "
               "leave the target table as it is");
}

Error offset_moved(const std::string& task, const Offset& from) {
  return Error(
      ExitCode::state_conflict, "offset.moved",
      fmt::format("the offset of task {} is no longer {}", task, from.text),
      "somebody else moved it, or ran the task, meanwhile",
      fmt::format("nothing was changed; look at weir offset show {}, then plan anew", task));
}

bool begins_lane(const std::string& from, const std::string& to, const LaneOffsets& offsets) {
  if (!offsets.from && !offsets.to) throw unknown_lane(from);
  // Without `from` nothing is left that could go; a `to` elsewhere is none of its business then.
  if (!offsets.from || !offsets.to || offsets.from == offsets.to) return !offsets.to;
  throw Error(ExitCode::state_conflict, "lane.apart",
              fmt::format("tables of {} cannot go to {}, which is at another place", from, to),
              fmt::format("{} has applied the log up to {}, {} up to {}; what is between would be "
                          "applied twice or not at all",
                          from, *offsets.from, to, *offsets.to),
              "nothing was changed; the tables need a part of the task of their own");
}

bool joins_lane(const std::string& to, const LaneOffsets& offsets) {
  if (!offsets.from) return false;
  if (!offsets.to) throw unknown_lane(to);
  return true;
}

Error table_twice(const std::string& to, const std::string& table) {
  return Error(ExitCode::state_conflict, "lane.table-twice",
               fmt::format("{} has the table {} already", to, table),
               "two parts of one task would each apply its changes",
               fmt::format("nothing was changed; remove the table from the task, or start {} again "
                           "if the task file changed meanwhile",
                           root_name(to)));
}

std::string begin_anew(const Target& target, const std::string& task) {
  return "to begin anew, empty or drop the target tables, run on the target: " +
         target.forget_statement(task) + "; then in weir's state folder: " + forget_and_start(task);
}

std::string forget_rows(const std::string& task, const TableName& table,
                        const std::vector<std::string>& control_tables) {
  std::string out;
  for (const std::string& control : control_tables) {
    out += fmt::format(
        "{}DELETE FROM {} WHERE task = '{}' AND source_schema = '{}' AND source_table = '{}'",
        out.empty() ? "" : "; ", control, task, table.schema, table.table);
  }
  return out;
}

void add_copies(const Target& target, const std::string& task, Finding& finding) {
  if (!finding.gap) return;
  const auto reset = std::ranges::find_if(
      finding.ways, [](const WayOut& way) { return way.command.starts_with("weir offset reset"); });
  if (reset != finding.ways.end()) {
    finding.ways.push_back(
        {"the same, but the tables that matter are copied once more, each by itself, and nothing "
         "stays lost in them: empty such a target table before its SQL",
         fmt::format("{}\n# SQL on the target, for each: {}\nweir sync start {}", reset->command,
                     target.forget_table_statements(task, {"SCHEMA", "TABLE"}), task)});
  }
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
