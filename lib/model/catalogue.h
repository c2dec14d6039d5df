// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/finding.h"

namespace weir {

/// What prints an id: a check its finding, a verb or a task the error that ends it, a task the
/// events that it logs and keeps in its history. An id that is found before a start and met
/// later too is a check.
enum class IdKind : std::uint8_t { check, error, event };

std::string_view to_string(IdKind kind);

/// What one id means. Texts are lowercase, without a full stop, and stand for every place that
/// prints the id; the printed one knows the names and numbers.
struct CatalogueRow {
  std::string_view id;
  IdKind kind = IdKind::error;
  Severity severity = Severity::critical;  ///< the usual one, where a check has several
  std::string_view what;                   ///< what it says
  std::string_view why;                    ///< why it matters
  std::string_view fix;                    ///< what to do
  std::string_view see = {};               ///< commands and pages, with "; " between
  CheckGroup group = CheckGroup::none;
};

/// The ids of one part of weir: each part keeps its rows beside the code that prints them.
struct CatalogueSection {
  std::string_view title;  ///< "MySQL and MariaDB sources"
  std::vector<CatalogueRow> rows;
};

/// The row of `id`, or null.
const CatalogueRow* find_row(std::span<const CatalogueSection> catalogue, std::string_view id);

/// Ids that somebody who typed `word` may have meant, the likeliest first, five at most: its last
/// part under another first one, a typo, the ids that begin with it or contain it.
std::vector<std::string_view> near_ids(std::span<const CatalogueSection> catalogue,
                                       std::string_view word);

/// The ids of base and model.
std::span<const CatalogueRow> model_catalogue();

}  // namespace weir
