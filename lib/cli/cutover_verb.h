// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"

namespace weir::cli {

/// What `weir cutover` does.
ExitCode cutover(Session& session, const Backends& backends);

}  // namespace weir::cli
