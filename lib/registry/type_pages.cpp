// SPDX-License-Identifier: Apache-2.0
#include "registry/type_pages.h"

#include <string_view>

#include "model/type.h"
#include "source/mysql/types.h"
#include "source/postgres/types.h"
#include "target/mysql/types.h"
#include "target/postgres/types.h"
#include "target/sqlite/types.h"

namespace weir::registry {

std::vector<TypeFact> mysql_to_postgres_types() {
  std::vector<TypeFact> facts;
  for (const mysql::TypeRow& row : mysql::type_rows()) {
    const postgres::TypeRow& target = postgres::type_row(row.kind);
    TypeFact fact{std::string(row.native),
                  std::string(mysql::to_string(row.condition)),
                  std::string(to_string(row.kind)),
                  std::string(target.target),
                  {}};
    for (const std::string_view note : {row.note, target.note}) {
      if (!note.empty()) fact.notes.emplace_back(note);
    }
    facts.push_back(std::move(fact));
  }
  return facts;
}

std::vector<TypeFact> postgres_source_types() {
  std::vector<TypeFact> facts;
  for (const pgsource::TypeRow& row : pgsource::type_rows()) {
    TypeFact fact{std::string(row.native), {}, std::string(to_string(row.kind)), {}, {}};
    if (!row.note.empty()) fact.notes.emplace_back(row.note);
    facts.push_back(std::move(fact));
  }
  return facts;
}

std::vector<TypeFact> sqlite_types() {
  std::vector<TypeFact> facts;
  for (const sqlite::TypeRow& row : sqlite::type_rows()) {
    const std::string name(to_string(row.kind));
    TypeFact fact{name, {}, name, std::string(row.target), {}};
    if (!row.note.empty()) fact.notes.emplace_back(row.note);
    facts.push_back(std::move(fact));
  }
  return facts;
}

std::vector<TypeFact> mysql_target_types() {
  std::vector<TypeFact> facts;
  for (const mysqltarget::TypeRow& row : mysqltarget::type_rows()) {
    TypeFact fact{{}, {}, std::string(to_string(row.kind)), std::string(row.target), {}};
    if (!row.note.empty()) fact.notes.emplace_back(row.note);
    facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace weir::registry
