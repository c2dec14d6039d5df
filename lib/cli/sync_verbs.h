// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"

namespace weir::cli {

// What `weir sync ...` does, a function a verb.

ExitCode sync_start(Session& session, const Backends& backends);
ExitCode sync_run(Session& session, const Backends& backends);
ExitCode sync_stop(Session& session, const Backends& backends);
ExitCode sync_status(Session& session, const Backends& backends);
ExitCode sync_list(Session& session, const Backends& backends);
/// The process that sync_run() starts and supervises.
ExitCode sync_worker(Session& session, const Backends& backends);

}  // namespace weir::cli
