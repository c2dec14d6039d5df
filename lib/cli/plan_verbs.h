// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"

namespace weir::cli {

ExitCode config_list(Session& session, const Backends& backends);
ExitCode config_show(Session& session, const Backends& backends);
ExitCode config_diff(Session& session, const Backends& backends);

/// What an edited task file would do to its task.
ExitCode plan(Session& session, const Backends& backends);
/// Does it.
ExitCode apply(Session& session, const Backends& backends);
/// Plans and does the way back to an earlier revision, its file included.
ExitCode rollback(Session& session, const Backends& backends);

}  // namespace weir::cli
