// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir {

/// The ids of sessions with servers and of SQLite files, on either side of a task.
std::span<const CatalogueRow> client_catalogue();

}  // namespace weir
