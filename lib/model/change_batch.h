// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/time.h"
#include "model/cell.h"
#include "model/offset.h"
#include "model/table_plan.h"

namespace weir {

/// Bytes that live as long as a batch: allocation is a pointer bump, release is at once.
/// Not for use from two threads at the same time.
class Arena {
 public:
  /// `size` bytes, unaligned, valid until clear().
  char* allocate(std::size_t size) {
    if (size > left_) grow(size);
    char* out = next_;
    next_ += size;
    left_ -= size;
    used_ += size;
    return out;
  }
  /// Bytes handed out since the last clear().
  std::size_t used() const { return used_; }
  /// Forgets everything; keeps one block for reuse.
  void clear();

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 20;
  void grow(std::size_t size);

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t first_size_ = 0;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::size_t used_ = 0;
};

/// One row inside a batch: for each cell a 32-bit length in host order, then the bytes.
struct PackedRow {
  static constexpr std::uint32_t kNull = 0xffffffff;
  static constexpr std::uint32_t kAbsent = 0xfffffffe;

  const char* data = nullptr;

  /// The cell at `at`, and moves `at` to the next one.
  static Cell take(const char*& at) {
    std::uint32_t size;
    std::memcpy(&size, at, sizeof size);
    at += sizeof size;
    if (size == kNull) return Cell::null();
    if (size == kAbsent) return Cell::absent();
    const char* bytes = at;
    at += size;
    return {bytes, size};
  }
};

/// key_text() of a row that has a cell for each planned column.
std::string key_text(const TablePlan& plan, const PackedRow& row);

/// The final operations on one table in a batch: at most one per key, so their order does not
/// matter as long as the table is emptied first, if it is, moves go before removes, and removes
/// before the rest.
///
/// A table without a key (TablePlan::key is empty) has removes and upserts only: whole rows, as
/// often as they are to be removed or inserted. In a remove the cells of added columns are NULL,
/// except the one of `deletes` = soft in a row that is to be marked: it has the time. The others of
/// such a table really go, for an update put another row in their place.
struct TableChanges {
  /// A row whose key changed while columns stayed behind that the log does not carry.
  struct Move {
    PackedRow from;  ///< the cells of TablePlan::key as they were
    PackedRow row;   ///< the cells of TablePlan::columns; absent ones stay as they are
  };

  std::uint32_t table = 0;  ///< TablePlan::id
  bool truncated = false;   ///< all rows go that were there before, whatever TablePlan::deletes
  std::vector<Move> moves;  ///< in log order, to be applied one by one; rare
  std::vector<PackedRow> removes;  ///< the cells of TablePlan::key; without a key, of `columns`
  std::vector<PackedRow> upserts;  ///< the cells of TablePlan::columns, none absent
  /// The cells of TablePlan::columns of rows that the target has: absent ones stay as they are.
  std::vector<PackedRow> patches;
};

/// Whole source transactions, compacted, on their way to a target. A transaction too large for
/// one batch comes in several; all but the last have `ends_transaction` unset, and the target
/// keeps its own transaction open between them.
struct ChangeBatch {
  std::vector<TableChanges> tables;  ///< only tables with changes
  bool ends_transaction = true;
  Offset offset;        ///< after the last transaction; set if ends_transaction
  Time first_commit{};  ///< source commit time of the oldest transaction
  Time last_commit{};
  std::uint64_t transactions = 0;
  std::uint64_t row_events = 0;  ///< before compaction
  std::uint64_t bytes = 0;       ///< arena bytes
  /// If set: the target is consistent from here on at the earliest (Recovered::full_end), which it
  /// has to remember with the offset.
  Offset full_end;
  Time heartbeat{};  ///< newest beat at or before `offset` (ChangeSink); epoch if none
};

}  // namespace weir
