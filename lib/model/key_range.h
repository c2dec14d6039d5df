// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/offset.h"

namespace weir {

/// The key of one row: the neutral cells of the key columns, in key order. Only the source may
/// order two of them (collations); here they are compared for equality alone.
using KeyCells = std::vector<std::string>;

/// A part of one table for the full stage: keys greater than `after`, up to and including `upto`.
/// An empty bound is open. `whole` says that the table cannot be read in key order and is one
/// chunk.
struct KeyRange {
  std::uint32_t number = 0;  ///< its place in the table's list of ranges
  KeyCells after;
  KeyCells upto;
  bool whole = false;
};

/// How far a range has come. Chunks follow one another: the next starts after `reached`.
struct RangeProgress {
  KeyRange range;
  KeyCells reached;  ///< key of the last row that is durable on the target
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  bool done = false;
  Offset snapshot;  ///< of a table without a key: TablePlan::since, known once it is done
};

/// One line of printable ASCII and back; equal cells give equal text.
std::string encode_key(const KeyCells& key);
KeyCells decode_key(std::string_view text);

}  // namespace weir
