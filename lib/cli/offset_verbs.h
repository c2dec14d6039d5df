// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"

namespace weir::cli {

/// `weir offset show`, `history` and `reset`.
ExitCode offset_show(Session& session, const Backends& backends);
ExitCode offset_history(Session& session, const Backends& backends);
ExitCode offset_reset(Session& session, const Backends& backends);

}  // namespace weir::cli
