// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir {

/// The ids of weir's own state.
std::span<const CatalogueRow> store_catalogue();

}  // namespace weir
