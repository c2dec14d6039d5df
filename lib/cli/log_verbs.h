// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/exit_code.h"
#include "cli/session.h"
#include "model/task.h"
#include "source/log_view.h"
#include "source/source.h"

namespace weir::cli {

/// How `weir log` gets at change logs: the registry, handed in by the app.
struct LogBackends {
  std::unique_ptr<Source> (*open_source)(const Task& task);
  std::unique_ptr<LogReader> (*open_log)(const Task& task, const LogRequest& request);
  /// Null if it is no file of a change log.
  std::unique_ptr<LogReader> (*open_log_file)(const std::string& path, const LogRequest& request);
};

ExitCode log_show(Session& session, const LogBackends& backends);

/// One value of a row: a number where JSON can hold it exactly, else text; bytes as "0x00ff". Not
/// for absent cells.
Json log_value(const LogColumn& column, const Cell& cell);

}  // namespace weir::cli
