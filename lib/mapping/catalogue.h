// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir {

/// The ids of task files and of the mapping rules in them.
std::span<const CatalogueRow> mapping_catalogue();

}  // namespace weir
