// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/catalogue.h"

namespace weir::ops {

/// The ids of registering, checking and watching tasks, and of `weir init`.
std::span<const CatalogueRow> task_catalogue();
/// Those of changing which tables a task has.
std::span<const CatalogueRow> lane_catalogue();
/// Those of `weir cutover`.
std::span<const CatalogueRow> cutover_catalogue();
/// Those of `weir offset`.
std::span<const CatalogueRow> offset_catalogue();
/// Those of `weir checklist`.
std::span<const CatalogueRow> checklist_catalogue();
/// Those of `weir check-retention`.
std::span<const CatalogueRow> retention_catalogue();

}  // namespace weir::ops
