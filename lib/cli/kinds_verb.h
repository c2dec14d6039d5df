// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"

namespace weir::cli {

/// What `weir kinds` does.
ExitCode kinds(Session& session, const Kinds& kinds);

}  // namespace weir::cli
