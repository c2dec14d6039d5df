// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir {

/// The ids of starting, holding and stopping a task on this machine.
std::span<const CatalogueRow> engine_catalogue();

}  // namespace weir
