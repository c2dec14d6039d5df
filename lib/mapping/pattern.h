// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "model/table.h"
#include "model/task.h"

namespace weir {

/// A Pattern made ready to match. Case counts, and the whole name must match.
///
/// Glob: `*` is any run of characters, `?` one character (not byte), `[a-z]` one of a set, `[!a-z]`
/// one outside it; `[*]` stands for a plain `*`. A dot outside brackets divides the part for the
/// schema from the part for the table, and neither part can match across it: "shop.*" takes every
/// table of shop, "a.b" too, and none of shop2. Where a glob has several dots each may be the
/// divider, so "a.b.c" takes table "b.c" of "a" and table "c" of "a.b". A glob without a dot is
/// held against the whole "schema.table": "*" takes every table there is.
///
/// Regex: ECMAScript over the whole "schema.table", by bytes; groups 1 to 9 can be used in targets.
class TablePattern {
 public:
  /// Throws Error(configuration, "task-file.pattern"); the summary says what is wrong with the
  /// text.
  explicit TablePattern(const Pattern& pattern);
  TablePattern(TablePattern&&) noexcept;
  TablePattern& operator=(TablePattern&&) noexcept;
  ~TablePattern();

  bool matches(const TableName& name) const;

  /// Likewise; `groups` takes what the groups matched, from {1} on.
  bool matches(const TableName& name, std::vector<std::string>& groups) const;

  /// How many groups a regex has, at most 9; none for a glob.
  std::size_t group_count() const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace weir
