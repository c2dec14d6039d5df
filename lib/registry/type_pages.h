// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace weir::registry {

/// What one column type of a source becomes on a target, for weir-types(7).
struct TypeFact {
  std::string native;     ///< "bigint", as the source calls it
  std::string condition;  ///< "unsigned"; "" = none
  std::string neutral;    ///< "uint64"
  std::string target;     ///< "numeric(20,0)"
  std::vector<std::string> notes;
};

/// Every column type of MySQL and MariaDB, with the type that PostgreSQL gets.
std::vector<TypeFact> mysql_to_postgres_types();

/// Every column type of PostgreSQL as a source; `target` is empty.
std::vector<TypeFact> postgres_source_types();

/// Every neutral type, with the type that SQLite gets; `native` is the neutral name.
std::vector<TypeFact> sqlite_types();
/// Every neutral type, with the type that MySQL and MariaDB get from a source of another kind;
/// `native` and `condition` are empty.
std::vector<TypeFact> mysql_target_types();

}  // namespace weir::registry
