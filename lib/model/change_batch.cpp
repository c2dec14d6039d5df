// SPDX-License-Identifier: Apache-2.0
#include "model/change_batch.h"

#include <algorithm>

namespace weir {

std::string key_text(const TablePlan& plan, const PackedRow& row) {
  std::vector<Cell> cells;
  const char* at = row.data;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) cells.push_back(PackedRow::take(at));
  return key_text(plan, cells);
}

void Arena::grow(std::size_t size) {
  const std::size_t block = std::max(size, kBlock);
  blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
  if (blocks_.size() == 1) first_size_ = block;
  next_ = blocks_.back().get();
  left_ = block;
}

void Arena::clear() {
  used_ = 0;
  if (blocks_.empty()) return;
  blocks_.resize(1);
  next_ = blocks_.front().get();
  left_ = first_size_;
}

}  // namespace weir
