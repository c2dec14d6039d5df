// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/process.h"
#include "model/task.h"
#include "ops/sync.h"
#include "store/state_store.h"

namespace weir::ops {

/// What a revision says. A file that an older weir took on may be refused by this one.
Task task_of(const RevisionRow& revision);

/// The newest revision of a task, which it runs by; empty before its first start.
std::optional<RevisionRow> newest_revision(const std::string& task, StateStore& store);

/// Keeps the file as a new revision if its text is another one than the newest revision's. Returns
/// the number of the newest.
std::uint32_t keep_revision(const TaskFile& file, const std::string& reason, StateStore& store);

/// Adds rules to the end of what the task runs by, whatever its file says by now. Nothing to do
/// before its first start.
void append_revision(const std::string& task, const std::string& rules, const std::string& reason,
                     StateStore& store);

struct RunningTask {
  Task task;
  std::uint32_t revision = 0;  ///< that it is made from; 0 = from the file
};
/// The task that `argument` means, by its newest revision: not by its file, which somebody may be
/// editing. By the file if there is no revision.
RunningTask running_task(const std::string& argument, StateStore& store);

/// Held by whoever changes what a task runs by, or which tables it has. Throws
/// Error(state_conflict, "change.busy") while another process holds it.
class ChangeLock {
 public:
  ChangeLock(const std::string& state_folder, const std::string& task);

 private:
  UniqueFd file_;  ///< locked for as long as it is open
};

}  // namespace weir::ops
