// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/catalogue.h"
#include "cli/session.h"

namespace weir::cli {

/// What `weir preflight` does; `kinds` is for --list.
ExitCode preflight(Session& session, const Backends& backends, KindCatalogue kinds);

}  // namespace weir::cli
