// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/catalogue.h"

namespace weir::pgsource {

/// The ids of this kind of source: those of its table of checks first.
std::vector<CatalogueRow> catalogue();

}  // namespace weir::pgsource
