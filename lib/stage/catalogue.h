// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir {

/// The ids of a task at work: what it stops with, and what it tells of itself.
std::span<const CatalogueRow> stage_catalogue();

}  // namespace weir
