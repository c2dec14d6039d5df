// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir::postgres {

/// The ids of this kind of target.
std::span<const CatalogueRow> catalogue();

}  // namespace weir::postgres
