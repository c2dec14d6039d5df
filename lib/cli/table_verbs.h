// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"

namespace weir::cli {

/// What `weir add-table`, `weir remove-table` and `weir reload-table` do.
ExitCode add_table(Session& session, const Backends& backends);
ExitCode remove_table(Session& session, const Backends& backends);
ExitCode reload_table(Session& session, const Backends& backends);

}  // namespace weir::cli
