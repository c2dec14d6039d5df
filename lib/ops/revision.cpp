// SPDX-License-Identifier: Apache-2.0
#include "ops/revision.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/time.h"
#include "base/user.h"
#include "mapping/task_file.h"
#include "store/lane_task.h"

namespace weir::ops {

Task task_of(const RevisionRow& revision) {
  try {
    return parse_task(revision.text, revision.file);
  } catch (const Error& error) {
    throw error.within(fmt::format("revision {} of {}", revision.number, revision.task));
  }
}

std::optional<RevisionRow> newest_revision(const std::string& task, StateStore& store) {
  std::vector<RevisionRow> rows = store.revisions(task, 1);
  if (rows.empty()) return std::nullopt;
  return std::move(rows.back());
}

std::uint32_t keep_revision(const TaskFile& file, const std::string& reason, StateStore& store) {
  RevisionRow row;
  row.task = file.task.name;
  row.digest = sha256(file.text);
  const auto newest = newest_revision(row.task, store);
  if (newest && newest->digest == row.digest && newest->file == file.task.file) {
    return newest->number;
  }
  row.at = now();
  row.who = user_name();
  row.reason = reason;
  row.file = file.task.file;
  row.text = file.text;
  return store.add_revision(row);
}

void append_revision(const std::string& task, const std::string& rules, const std::string& reason,
                     StateStore& store) {
  std::optional<RevisionRow> row = newest_revision(task, store);
  if (!row || rules.empty()) return;
  ++row->number;
  row->at = now();
  row->who = user_name();
  row->reason = reason;
  if (!row->text.ends_with('\n')) row->text += '\n';
  row->text += rules;
  row->digest = sha256(row->text);
  store.add_revision(*row);
}

RunningTask running_task(const std::string& argument, StateStore& store) {
  // The file may be gone by now, so that it cannot be asked for the task's name.
  const std::vector<TaskRow> tasks = store.tasks();
  const auto row = std::ranges::find(tasks, argument, &TaskRow::file);
  const std::string name = row == tasks.end() ? find_task_name(argument, store) : row->name;
  const auto revision = newest_revision(name, store);
  if (!revision) return {find_task(argument, store), 0};
  const std::vector<LaneRow> lanes = store.lanes(name);
  return {main_lane(task_of(*revision), lanes), revision->number};
}

ChangeLock::ChangeLock(const std::string& state_folder, const std::string& task) {
  const std::string path = fmt::format("{}/{}.change", state_folder, task);
  file_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file_) {
    throw Error(ExitCode::failed, "state.io", "cannot create " + path, std::strerror(errno),
                "run as the owner of the state folder, or give --state-dir");
  }
  if (flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return;
  throw Error(ExitCode::state_conflict, "change.busy",
              fmt::format("task {} is being changed by another command", task),
              "two changes at once would each be made for a task that the other one changes",
              "wait until that one has ended, and repeat it");
}

}  // namespace weir::ops
