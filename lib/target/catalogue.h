// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir {

/// The ids that several kinds of target share.
std::span<const CatalogueRow> target_catalogue();

}  // namespace weir
