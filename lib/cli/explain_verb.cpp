// SPDX-License-Identifier: Apache-2.0
#include "cli/explain_verb.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/output.h"

namespace weir::cli {
namespace {

constexpr std::size_t kWidth = 79;
constexpr std::size_t kColumn = 8;
constexpr std::size_t kIdColumn = 35;

/// The id in `error[mysql.lost]`, which is what people copy; else the word itself.
std::string_view bare_id(std::string_view word) {
  const std::size_t open = word.find('[');
  const std::size_t close = word.find(']', open + 1);
  if (open == std::string_view::npos || close == std::string_view::npos) return word;
  return word.substr(open + 1, close - open - 1);
}

std::string one_row(const Terminal& terminal, std::string_view title, const CatalogueRow& row) {
  std::string out =
      wrap("", fmt::format("{}: {}", terminal.paint(Stream::out, Style::bold, row.id), row.what), 0,
           kWidth);
  const auto part = [&out](std::string_view label, std::string_view text) {
    out += wrap(fmt::format("  {:<{}}", fmt::format("{}:", label), kColumn - 2), text, kColumn,
                kWidth);
  };
  part("kind", fmt::format("{}, {}; {}{}{}", to_string(row.kind), to_string(row.severity), title,
                           row.group == CheckGroup::none ? "" : "; ", to_string(row.group)));
  part("why", row.why);
  part("fix", row.fix);
  std::string_view label = "see";
  for (const std::string_view see : see_also(row)) {
    if (label.empty()) {
      out += fmt::format("{:{}}{}\n", "", kColumn, see);
    } else {
      part(label, see);
    }
    label = {};
  }
  return out;
}

std::string all_rows(const Terminal& terminal, std::span<const CatalogueSection> catalogue) {
  std::string out;
  for (const CatalogueSection& section : catalogue) {
    out += fmt::format("{}{}\n", out.empty() ? "" : "\n",
                       terminal.paint(Stream::out, Style::bold, section.title));
    for (const CatalogueRow& row : section.rows) {
      out += wrap(fmt::format("  {:<{}}", row.id, kIdColumn - 2), row.what, kIdColumn, kWidth);
    }
  }
  return out;
}

}  // namespace

ExitCode explain(Session& session, KindCatalogue kinds) {
  const std::vector<CatalogueSection> catalogue = whole_catalogue(kinds);
  if (session.argument().empty()) {
    if (!session.json()) session.print(all_rows(session.terminal(), catalogue));
    Json ids = Json::array();
    for (const CatalogueSection& section : catalogue) {
      for (const CatalogueRow& row : section.rows) ids.push_back(to_json(section, row));
    }
    return session.answer(ExitCode::ok, {{"ids", std::move(ids)}});
  }
  const std::string_view id = bare_id(session.argument());
  for (const CatalogueSection& section : catalogue) {
    const CatalogueRow* const row = find_row({&section, 1}, id);
    if (row == nullptr) continue;
    if (!session.json()) session.print(one_row(session.terminal(), section.title, *row));
    return session.answer(ExitCode::ok, to_json(section, *row));
  }
  const std::vector<std::string_view> near = near_ids(catalogue, id);
  throw usage_error("explain", "usage.unknown-id", fmt::format("there is no id '{}'", id),
                    "every id that this version prints is in its catalogue",
                    near.empty() ? std::string("weir explain lists them all")
                                 : fmt::format("did you mean {}", fmt::join(near, ", ")));
}

}  // namespace weir::cli
