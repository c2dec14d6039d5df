// SPDX-License-Identifier: Apache-2.0
#include "stage/reread.h"

#include <algorithm>
#include <utility>

namespace weir {
namespace {

/// Beyond this, whole tables are doubtful.
constexpr std::size_t kMostDoubtful = 10'000;

bool changes_key(const TablePlan& plan, const RowChange& change) {
  return std::any_of(plan.key.begin(), plan.key.end(), [&](std::uint32_t part) {
    const std::uint32_t column = plan.columns[part].source;
    return change.before[column].text() != change.after[column].text();
  });
}

bool is_partial(const TablePlan& plan, Row cells) {
  return std::any_of(plan.columns.begin(), plan.columns.end(), [&](const PlannedColumn& column) {
    return !column.added() && cells[column.source].is_absent();
  });
}

/// Keeps the one row that it is given.
class OneRow final : public RowSink {
 public:
  explicit OneRow(std::vector<std::optional<std::string>>& values) : values_(values) {}
  void row(Row cells) override {
    values_.clear();
    for (const Cell& cell : cells) {
      values_.push_back(cell.is_null() ? std::nullopt : std::optional<std::string>(cell.text()));
    }
  }

 private:
  std::vector<std::optional<std::string>>& values_;
};

}  // namespace

Rereader::Rereader(Source& source, std::span<const TablePlan> plans, std::set<std::uint32_t> copied,
                   Offset full_end)
    : source_(source), plans_(plans), copied_(std::move(copied)), full_end_(std::move(full_end)) {
  if (copied_.empty()) full_end_ = {};
}

std::string Rereader::key_of(const TablePlan& plan, Row cells) {
  KeyCells key;
  for (const std::uint32_t part : plan.key) {
    key.emplace_back(cells[plan.columns[part].source].text());
  }
  return encode_key(key);
}

void Rereader::doubt(const TablePlan& plan, Row cells) {
  has_new_ = true;
  if (doubtful_.size() >= kMostDoubtful) {
    all_new_ = true;
    doubtful_.clear();
  }
  if (!all_new_) doubtful_[{plan.id, key_of(plan, cells)}] = {};
}

bool Rereader::is_copying(const RowChange& change, const Offset& place) {
  if (all_new_ && copied_.contains(change.table)) return true;
  return !full_end_.empty() && copied_.contains(change.table) && !source_.reached(place, full_end_);
}

bool Rereader::is_doubtful(const RowChange& change, const Offset& place) {
  const auto known = doubtful_.find({change.table, key_of(plans_[change.table], change.before)});
  if (known == doubtful_.end()) return false;
  return known->second.empty() || !source_.reached(place, known->second);
}

RowChange Rereader::complete(const RowChange& change, const Offset& place) {
  if (full_end_.empty() && doubtful_.empty() && !all_new_) return change;
  const TablePlan& plan = plans_[change.table];
  const bool concerns = change.op == RowChange::Op::update && changes_key(plan, change) &&
                        is_partial(plan, change.after);
  if (!concerns || !(is_copying(change, place) || is_doubtful(change, place))) return change;
  if (!(visible_ == place)) {
    // The log has a commit before others see its rows: the read must not miss this one.
    source_.start_offset();
    visible_ = place;
  }
  doubt(plan, change.after);
  RowChange out = change;
  if (read(plan, change.after)) {
    out.after = cells_;
  } else {
    out.op = RowChange::Op::remove;
    out.after = {};
  }
  return out;
}

bool Rereader::read(const TablePlan& plan, Row after) {
  KeyCells key;
  for (const std::uint32_t part : plan.key) {
    key.emplace_back(after[plan.columns[part].source].text());
  }
  if (reader_ == nullptr) reader_ = source_.open_rows();
  OneRow sink(values_);
  if (!reader_->read_row(plan, key, sink)) return false;
  cells_.assign(after.begin(), after.end());
  auto value = values_.begin();
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) continue;
    const std::optional<std::string>& read = *value++;
    Cell& cell = cells_[column.source];
    if (cell.is_absent()) cell = read ? Cell(*read) : Cell::null();
  }
  return true;
}

void Rereader::forget(const Offset& place) {
  const auto is_passed = [&](const Offset& until) {
    return !until.empty() && source_.reached(place, until);
  };
  if (is_passed(full_end_)) full_end_ = {};
  std::erase_if(doubtful_, [&](const auto& entry) { return is_passed(entry.second); });
  if (full_end_.empty() && doubtful_.empty() && !all_new_) reader_.reset();
}

Offset Rereader::take_end(const Offset& place) {
  forget(place);
  if (!std::exchange(has_new_, false)) return {};
  Offset end = source_.log_end();
  if (std::exchange(all_new_, false)) full_end_ = end;
  for (auto& [key, until] : doubtful_) {
    if (until.empty()) until = end;
  }
  return end;
}

}  // namespace weir
