// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/change.h"
#include "model/table_plan.h"
#include "source/source.h"

namespace weir {

/// Completes rows whose key changed and of which the log does not carry every column, by reading
/// them from the source by their new key.
///
/// Once the target is consistent it has such a row by its old key, with the values that stayed. Not
/// before: its copy may be from after the change, or the row may have been read again, and is then
/// as the source has it now: newer than the log's place, or gone. Either is right in the end,
/// because the changes that made it so are still to come. They end where the log ended after the
/// read, and up to there the keys that were read are no more trusted than the copy is.
///
/// Used on the thread that reads the log.
class Rereader {
 public:
  /// `copied` are the ids of the tables that are not known to be consistent before `full_end`.
  Rereader(Source& source, std::span<const TablePlan> plans, std::set<std::uint32_t> copied,
           Offset full_end);

  /// What is to be applied in place of `change`, whose transaction begins after `place`. Valid
  /// until the next call. Throws what RowReader::read_row() does.
  RowChange complete(const RowChange& change, const Offset& place);

  /// To be called between two transactions, at `place`. An offset after everything that the rows
  /// read since the last call can hold; empty if none was read. The target is not consistent before
  /// it.
  Offset take_end(const Offset& place);

 private:
  using Key = std::pair<std::uint32_t, std::string>;

  void doubt(const TablePlan& plan, Row cells);
  void forget(const Offset& place);
  bool is_copying(const RowChange& change, const Offset& place);
  bool is_doubtful(const RowChange& change, const Offset& place);
  static std::string key_of(const TablePlan& plan, Row cells);
  /// Into cells_; false if there is no such row.
  bool read(const TablePlan& plan, Row after);

  Source& source_;
  std::span<const TablePlan> plans_;
  const std::set<std::uint32_t> copied_;
  Offset full_end_;       ///< empty once it is passed
  bool all_new_ = false;  ///< there are too many new keys: all of copied_ is doubtful instead
  Offset visible_;        ///< the place whose transaction is known to be visible
  std::unique_ptr<RowReader> reader_;
  /// Keys of rows that were read, and up to where they are not to be trusted; empty: not known yet.
  std::map<Key, Offset> doubtful_;
  bool has_new_ = false;
  std::vector<std::optional<std::string>> values_;  ///< of a row that was read
  std::vector<Cell> cells_;
};

}  // namespace weir
