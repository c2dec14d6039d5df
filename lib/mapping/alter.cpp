// SPDX-License-Identifier: Apache-2.0
#include "mapping/alter.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace weir {
namespace {

bool is_integer(TypeKind kind) {
  switch (kind) {
    case TypeKind::int8:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::uint32:
    case TypeKind::uint64:
    case TypeKind::year:
      return true;
    default:
      return false;
  }
}

bool is_text(TypeKind kind) {
  return kind == TypeKind::text || kind == TypeKind::enumeration || kind == TypeKind::set;
}

/// BINARY(n) is padded to its length, and another length pads anew.
bool is_padded(const ColumnType& type) { return type.native.starts_with("binary("); }

bool lost_label(const ColumnType& from, const ColumnType& to) {
  return std::any_of(from.members.begin(), from.members.end(), [&](const std::string& label) {
    return std::find(to.members.begin(), to.members.end(), label) == to.members.end();
  });
}

using ByPlace = std::map<std::uint32_t, const PlannedColumn*>;

/// What an index holds, its columns with numbers that `place` gives. Two of them are one index if
/// these are the same, whatever its name.
struct IndexShape {
  Index::Kind kind = Index::Kind::ordinary;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> parts;

  bool operator==(const IndexShape&) const = default;
};

template <class Place>
IndexShape shape_of(const Index& index, Place place) {
  IndexShape out{index.kind, {}};
  for (const IndexPart& part : index.parts) out.parts.emplace_back(place(part.column), part.prefix);
  return out;
}

/// The target has the key anyway.
bool is_key(const TablePlan& plan, const Index& index) {
  return plan.key_is_primary && index.name == plan.source.key_name;
}

/// The planned columns by their place in the source table.
ByPlace by_place(const TablePlan& plan) {
  ByPlace out;
  for (const PlannedColumn& column : plan.columns) {
    if (!column.added()) out.emplace(column.source, &column);
  }
  return out;
}

class Planner {
 public:
  Planner(const TablePlan& before, const TablePlan& after, std::span<const ColumnOrigin> origins)
      : origins_(origins), old_(by_place(before)) {
    out_.before = before;
    out_.after = after;
  }

  TableAlter run() {
    find_drops();
    find_renames();
    for (std::uint32_t i = 0; i < out_.after.columns.size(); ++i) compare(i);
    std::move(later_.begin(), later_.end(), std::back_inserter(out_.steps));
    out_.key_changed = key_changed();
    out_.comment_changed = out_.before.source.comment != out_.after.source.comment;
    compare_indexes();
    return std::move(out_);
  }

 private:
  /// The column of the earlier plan that a column of the later one was; null if there was none.
  const PlannedColumn* earlier(const PlannedColumn& column) const {
    if (column.added()) return nullptr;
    const auto at = old_.find(origins_[column.source].before);
    return at == old_.end() ? nullptr : at->second;
  }

  ColumnAlter& step(ColumnAlter::Kind kind, const std::string& name, std::uint32_t column) {
    ColumnAlter step;
    step.kind = kind;
    step.name = name;
    step.column = column;
    std::vector<ColumnAlter>& steps =
        kind == ColumnAlter::Kind::add || kind == ColumnAlter::Kind::set_not_null ? later_
                                                                                  : out_.steps;
    steps.push_back(std::move(step));
    return steps.back();
  }

  void find_drops() {
    std::set<const PlannedColumn*> kept;
    for (const PlannedColumn& column : out_.after.columns) kept.insert(earlier(column));
    for (const PlannedColumn& column : out_.before.columns) {
      if (!column.added() && !kept.contains(old_.at(column.source))) {
        step(ColumnAlter::Kind::drop, column.name, 0);
      }
    }
  }

  /// A name may be free only once its column has got another one; a ring of names needs a name in
  /// between.
  void find_renames() {
    std::map<std::string, std::uint32_t> pending;  // name as it is -> place in `after`
    for (std::uint32_t i = 0; i < out_.after.columns.size(); ++i) {
      const PlannedColumn* was = earlier(out_.after.columns[i]);
      if (was != nullptr && was->name != out_.after.columns[i].name) pending.emplace(was->name, i);
    }
    while (!pending.empty()) {
      auto next = std::find_if(pending.begin(), pending.end(), [&](const auto& rename) {
        return !pending.contains(out_.after.columns[rename.second].name);
      });
      if (next == pending.end()) {
        next = pending.begin();
        const std::uint32_t column = next->second;
        const std::string between = fmt::format("weir_rename_{}", column);
        step(ColumnAlter::Kind::rename, next->first, column).rename_to = between;
        pending.erase(next);
        pending.emplace(between, column);
        continue;
      }
      step(ColumnAlter::Kind::rename, next->first, next->second).rename_to =
          out_.after.columns[next->second].name;
      pending.erase(next);
    }
  }

  void compare(std::uint32_t place) {
    const PlannedColumn& column = out_.after.columns[place];
    if (column.added()) return;
    const PlannedColumn* was = earlier(column);
    if (was == nullptr) {
      ColumnAlter& add = step(ColumnAlter::Kind::add, column.name, place);
      const ColumnOrigin& origin = origins_[column.source];
      if (origin.before != ColumnOrigin::kNew) {
        add.problem = "its earlier values were not copied";
      } else {
        add.fill = origin.fill;
        add.problem = origin.fill_unknown;
      }
      return;
    }
    if (was->target_type != column.target_type) {
      ColumnAlter& retype = step(ColumnAlter::Kind::retype, column.name, place);
      if (!converts_alike(was->type, column.type)) {
        retype.problem = fmt::format("the target may not convert {} to {} the way the source did",
                                     was->type.native, column.type.native);
      }
    } else if (is_padded(column.type) && was->type.length != column.type.length) {
      step(ColumnAlter::Kind::retype, column.name, place).problem =
          fmt::format("the source pads the values of {} anew", column.type.native);
    }
    if (was->nullable != column.nullable) {
      step(column.nullable ? ColumnAlter::Kind::drop_not_null : ColumnAlter::Kind::set_not_null,
           column.name, place);
    }
    const Column& then = out_.before.source.columns[was->source];
    const Column& now = out_.after.source.columns[column.source];
    if (then.default_value != now.default_value) {
      step(ColumnAlter::Kind::set_default, column.name, place);
    }
    if (then.comment != now.comment) step(ColumnAlter::Kind::set_comment, column.name, place);
  }

  /// An index is told by its name, and one that got another name by its columns.
  void compare_indexes() {
    const std::vector<Index>& before = out_.before.source.indexes;
    const std::vector<Index>& after = out_.after.source.indexes;
    const auto old_shape = [&](const Index& index) {
      return shape_of(index, [](std::uint32_t place) { return place; });
    };
    const auto new_shape = [&](const Index& index) {
      // A new column has a number that no earlier one has.
      return shape_of(index, [&](std::uint32_t place) {
        return origins_[place].before == ColumnOrigin::kNew
                   ? static_cast<std::uint32_t>(out_.before.source.columns.size()) + place
                   : origins_[place].before;
      });
    };
    const auto named = [](const std::vector<Index>& list, const std::string& name) {
      return std::find_if(list.begin(), list.end(),
                          [&](const Index& each) { return each.name == name; });
    };
    std::vector<IndexAlter> others;
    std::set<std::uint32_t> kept;  // places in `after`
    for (std::uint32_t i = 0; i < before.size(); ++i) {
      if (is_key(out_.before, before[i])) continue;
      const IndexShape shape = old_shape(before[i]);
      const auto same = named(after, before[i].name);
      if (same != after.end() && !is_key(out_.after, *same) && new_shape(*same) == shape) {
        kept.insert(static_cast<std::uint32_t>(same - after.begin()));
        continue;
      }
      std::uint32_t k = 0;
      while (k < after.size() &&
             (same != after.end() || kept.contains(k) || is_key(out_.after, after[k]) ||
              named(before, after[k].name) != before.end() || new_shape(after[k]) != shape)) {
        ++k;
      }
      if (k == after.size()) {
        out_.indexes.push_back({IndexAlter::Kind::drop, i, 0});
        continue;
      }
      others.push_back({IndexAlter::Kind::rename, i, k});
      kept.insert(k);
    }
    for (std::uint32_t k = 0; k < after.size(); ++k) {
      if (kept.contains(k) || is_key(out_.after, after[k])) continue;
      others.push_back({IndexAlter::Kind::add, 0, k});
    }
    out_.indexes.insert(out_.indexes.end(), others.begin(), others.end());
  }

  bool key_changed() const {
    const auto& before = out_.before;
    const auto& after = out_.after;
    if (before.key.size() != after.key.size()) return true;
    for (std::size_t i = 0; i < after.key.size(); ++i) {
      const PlannedColumn& was = before.columns[before.key[i]];
      if (earlier(after.columns[after.key[i]]) != old_.at(was.source)) return true;
    }
    return false;
  }

  std::span<const ColumnOrigin> origins_;
  TableAlter out_;
  ByPlace old_;
  std::vector<ColumnAlter> later_;  ///< steps that follow all others
};

}  // namespace

bool converts_alike(const ColumnType& from, const ColumnType& to) {
  using enum TypeKind;
  if (is_text(from.kind) && is_text(to.kind)) return to.kind == text || !lost_label(from, to);
  if (is_integer(from.kind)) return is_integer(to.kind) || to.kind == decimal || to.kind == text;
  if (from.kind == decimal) return is_integer(to.kind) || to.kind == decimal || to.kind == text;
  if (from.kind == float32) return to.kind == float32 || to.kind == float64;
  if (from.kind == date) return to.kind == date || to.kind == datetime;
  if (from.kind != to.kind) return false;
  switch (from.kind) {
    case bits:
    case vector:
      return from.length == to.length;
    case bytes:
      return !is_padded(to) || from.length == to.length;
    case time:
    case datetime:
    case timestamp:
      return to.precision >= from.precision;
    default:
      return true;
  }
}

TableAlter plan_alter(const TablePlan& before, const TablePlan& after,
                      std::span<const ColumnOrigin> origins) {
  return Planner(before, after, origins).run();
}

}  // namespace weir
