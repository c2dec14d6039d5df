// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir {

/// The ids that several kinds of source share.
std::span<const CatalogueRow> source_catalogue();

}  // namespace weir
