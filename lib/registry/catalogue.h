// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/catalogue.h"

namespace weir {

/// The ids of every kind of source, target and engine, and those of choosing among them.
std::vector<CatalogueSection> kind_catalogue();

}  // namespace weir
