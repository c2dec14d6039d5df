// SPDX-License-Identifier: Apache-2.0
#include "registry/catalogue.h"

#include <array>

#include "engine/embedded/catalogue.h"
#include "source/mysql/catalogue.h"
#include "source/postgres/catalogue.h"
#include "target/mysql/catalogue.h"
#include "target/postgres/catalogue.h"
#include "target/sqlite/catalogue.h"

namespace weir {
namespace {

using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"log.file", error, critical, "a file cannot be read",
     "weir looks at how it begins to tell whether it is a change log",
     "check the path and the permissions", "weir log show FILE"},
    {"log.kind", error, critical, "the log of this kind of source cannot be shown",
     "it has no log that can be looked at without moving in it", "use the server's own tools",
     "weir kinds"},
    {"registry.source-kind", error, critical, "[source] names a kind that weir cannot read from",
     "each kind has its own reader", "say one of the kinds that weir kinds lists",
     "weir kinds; weir.toml(5)"},
    {"registry.target-kind", error, critical, "[target] names a kind that weir cannot write to",
     "each kind has its own writer", "say one of the kinds that weir kinds lists",
     "weir kinds; weir.toml(5)"},
});

std::vector<CatalogueRow> copy(std::span<const CatalogueRow> rows) {
  return {rows.begin(), rows.end()};
}

}  // namespace

std::vector<CatalogueSection> kind_catalogue() {
  return {{"MySQL and MariaDB sources", mysql::catalogue()},
          {"PostgreSQL sources", pgsource::catalogue()},
          {"PostgreSQL targets", copy(postgres::catalogue())},
          {"MySQL and MariaDB targets", copy(mysqltarget::catalogue())},
          {"SQLite targets", copy(sqlite::catalogue())},
          {"kinds of sources and targets", copy(kRows)},
          {"starting and stopping a task", copy(engine_catalogue())}};
}

}  // namespace weir
