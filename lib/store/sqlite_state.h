// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "store/state_store.h"

namespace weir {

/// The state in `folder`/weir.db. See open_state.
///
/// A read-only state opens the file anew for each call and touches nothing: while a write-ahead
/// log is there it reads beside its writer, alive or dead, and otherwise without locks, and again
/// if a writer came meanwhile. A file that appears later is found.
std::unique_ptr<StateStore> open_sqlite_state(const std::string& folder, bool read_only);

}  // namespace weir
