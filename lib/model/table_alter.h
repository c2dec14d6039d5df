// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/table_plan.h"

namespace weir {

/// One thing that is to change on a target table.
struct ColumnAlter {
  enum class Kind : std::uint8_t {
    rename,
    drop,
    add,
    retype,
    drop_not_null,
    set_not_null,
    set_default,  ///< to that of the source column, or to none
    set_comment,  ///< likewise
  };
  Kind kind = Kind::add;
  std::string name;                 ///< on the target, before this step
  std::uint32_t column = 0;         ///< place in TableAlter::after.columns; not for `drop`
  std::string rename_to;            ///< rename: not always the final name
  std::optional<std::string> fill;  ///< add: what the rows that are there get; empty = NULL
  /// Why this step cannot be taken the way the source took it; "" if it can. A target that shows
  /// the outcome already passes over the step, any other one refuses it.
  std::string problem;
};

/// One index that is to change on a target table. None of them stands behind the key that the
/// target table has anyway.
struct IndexAlter {
  enum class Kind : std::uint8_t { drop, rename, add };
  Kind kind = Kind::add;
  std::uint32_t before = 0;  ///< place in TableAlter::before.source.indexes; not for `add`
  std::uint32_t after = 0;   ///< place in TableAlter::after.source.indexes; not for `drop`
};

/// What a change of the source's definition means for the target table: the outcome of the mapping
/// rules applied before and after it. If nothing is to be changed, only the definition is to be
/// remembered, under the name of `after.source`; if `after.target` is another one too, the target
/// table gets it.
struct TableAlter {
  TablePlan before;
  TablePlan after;
  std::vector<ColumnAlter> steps = {};   ///< in the order in which they can be taken
  std::vector<IndexAlter> indexes = {};  ///< first those that go, then the others
  bool key_changed = false;              ///< the key columns are others, or in another order
  bool comment_changed = false;          ///< of the table
  bool drops = false;                    ///< the target table goes; nothing else is to be done

  bool renames() const { return before.target != after.target; }
  /// Whether something is to be changed besides the name.
  bool alters() const {
    return !steps.empty() || !indexes.empty() || key_changed || comment_changed;
  }
};

}  // namespace weir
