// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"

namespace weir::cli {

/// `weir ddl list`, `show` and `resolve`.
ExitCode ddl_list(Session& session, const Backends& backends);
ExitCode ddl_show(Session& session, const Backends& backends);
ExitCode ddl_resolve(Session& session, const Backends& backends);

}  // namespace weir::cli
