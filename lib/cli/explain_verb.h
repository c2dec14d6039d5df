// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/exit_code.h"
#include "cli/catalogue.h"
#include "cli/session.h"

namespace weir::cli {

/// What `weir explain` does. Throws Error(usage, "usage.unknown-id") with the nearest ids.
ExitCode explain(Session& session, KindCatalogue kinds);

}  // namespace weir::cli
