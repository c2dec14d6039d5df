// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "model/catalogue.h"

namespace weir::cli {

/// How a verb gets at the ids of concrete kinds: the registry's, handed in by the app.
using KindCatalogue = std::vector<CatalogueSection> (*)();

/// Every id that weir can print: those of each layer that this one sees, and those of the kinds.
/// An id is in it once.
std::vector<CatalogueSection> whole_catalogue(KindCatalogue kinds);

/// The commands and pages to go on with.
std::vector<std::string_view> see_also(const CatalogueRow& row);

/// A row as JSON documents show it: id, kind, severity, group, area, what, why, fix, see.
nlohmann::ordered_json to_json(const CatalogueSection& section, const CatalogueRow& row);

}  // namespace weir::cli
