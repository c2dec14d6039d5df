// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/online.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace weir::mysql {
namespace {

struct Suffix {
  std::string_view text;
  OnlineRole role;
};

constexpr auto kSuffixes = std::to_array<Suffix>({
    {"_gho", OnlineRole::shadow},
    {"_new", OnlineRole::shadow},
    {"_ghc", OnlineRole::helper},
    {"_ghk", OnlineRole::helper},
    {"_del", OnlineRole::helper},
    {"_old", OnlineRole::helper},
});

constexpr std::size_t kMaxName = 64;  // bytes
/// gh-ost puts the time of its start in front of "_del" where it is told to: 20260131235959.
constexpr std::size_t kTimeDigits = 14;

/// `text` without "_20260131235959" at its end; the same if it has none.
std::string_view without_time(std::string_view text) {
  if (text.size() <= kTimeDigits + 1) return text;
  const std::string_view end = text.substr(text.size() - kTimeDigits - 1);
  const bool is_time = end[0] == '_' && std::all_of(end.begin() + 1, end.end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
  return is_time ? text.substr(0, text.size() - end.size()) : text;
}

/// Whether gh-ost has cut the name of `base` to make room for what it puts around it: the middle of
/// such a name is `cut`.
bool is_cut_middle(std::string_view base, std::string_view cut) {
  return !cut.empty() && base.size() > cut.size() && base.starts_with(cut);
}

/// Whether pt-online-schema-change has cut "__base_new" or the like at its end, which is `rest`
/// behind its underscores.
bool is_cut_end(std::string_view base, std::string_view rest) {
  for (const std::string_view suffix : {"_new", "_old"}) {
    const std::string whole = fmt::format("{}{}", base, suffix);
    if (rest.size() < whole.size() && whole.starts_with(rest)) return true;
  }
  return false;
}

/// A name that was cut tells its table only together with the tables that there are.
std::optional<OnlineTable> cut_name(const TableName& name, std::span<const TableName> tables) {
  const std::string_view text = name.table;
  if (text.size() != kMaxName || !text.starts_with('_')) return std::nullopt;
  const auto find = [&](auto is_base) {
    std::optional<TableName> found;
    for (const TableName& table : tables) {
      if (table.schema != name.schema || !is_base(table.table)) continue;
      // One that two tables could have is nobody's.
      if (found) return std::optional<TableName>();
      found = table;
    }
    return found;
  };
  for (const Suffix& suffix : kSuffixes) {
    if (!text.ends_with(suffix.text)) continue;
    const std::string_view middle = text.substr(1, text.size() - suffix.text.size() - 1);
    const auto base = find([&](std::string_view table) {
      return is_cut_middle(table, middle) || is_cut_middle(table, without_time(middle));
    });
    if (base) return OnlineTable{suffix.role, *base};
  }
  for (std::string_view rest = text.substr(1);; rest.remove_prefix(1)) {
    const auto base = find([&](std::string_view table) { return is_cut_end(table, rest); });
    // Whether it is the new table or the old one is cut off: what is made is the new one.
    if (base) return OnlineTable{OnlineRole::shadow, *base};
    if (!rest.starts_with('_')) return std::nullopt;
  }
}

int integer_rank(TypeKind kind) {
  switch (kind) {
    case TypeKind::int8:
    case TypeKind::uint8:
      return 1;
    case TypeKind::int16:
    case TypeKind::uint16:
      return 2;
    case TypeKind::int32:
    case TypeKind::uint32:
      return 3;
    case TypeKind::int64:
    case TypeKind::uint64:
      return 4;
    default:
      return 0;
  }
}

bool is_unsigned(TypeKind kind) {
  return kind == TypeKind::uint8 || kind == TypeKind::uint16 || kind == TypeKind::uint32 ||
         kind == TypeKind::uint64;
}

/// Whether values that differ before do so afterwards.
bool stays_distinct(const Column& was, const Column& now) {
  if (was.charset != now.charset || was.collation != now.collation) return false;
  if (was.type == now.type) return true;
  if (integer_rank(was.type.kind) > 0) {
    return is_unsigned(was.type.kind) == is_unsigned(now.type.kind) &&
           integer_rank(now.type.kind) >= integer_rank(was.type.kind);
  }
  const bool holds_text = was.type.kind == TypeKind::text || was.type.kind == TypeKind::bytes;
  return holds_text && was.type.kind == now.type.kind && now.type.length >= was.type.length;
}

/// The columns of everything that makes rows unique, with numbers that `place` gives.
template <class Place>
std::vector<std::set<std::uint32_t>> unique_sets(const Table& table, Place place) {
  std::vector<std::set<std::uint32_t>> out;
  if (!table.key.empty()) {
    std::set<std::uint32_t>& key = out.emplace_back();
    for (const std::uint32_t part : table.key) key.insert(place(part));
  }
  for (const Index& index : table.indexes) {
    if (index.kind != Index::Kind::unique) continue;
    std::set<std::uint32_t>& columns = out.emplace_back();
    for (const IndexPart& part : index.parts) columns.insert(place(part.column));
  }
  return out;
}

/// The tools copy rows with INSERT IGNORE: one that contradicts a unique index of the shadow is
/// left out without a word.
std::string lost_rows(const Table& base, const Table& shadow,
                      const std::vector<ColumnOrigin>& origins) {
  const auto origin = [&](std::uint32_t place) { return origins[place].before; };
  const auto before = unique_sets(base, [](std::uint32_t place) { return place; });
  const auto is_covered = [&](const std::set<std::uint32_t>& columns) {
    return std::any_of(before.begin(), before.end(), [&](const std::set<std::uint32_t>& each) {
      return std::includes(columns.begin(), columns.end(), each.begin(), each.end());
    });
  };
  const auto after = unique_sets(shadow, origin);
  if (!std::all_of(after.begin(), after.end(), is_covered)) {
    return "an online schema change leaves out the rows that contradict a new unique index, and "
           "the log does not tell which";
  }
  for (const std::set<std::uint32_t>& columns : after) {
    for (std::uint32_t i = 0; i < shadow.columns.size(); ++i) {
      const std::uint32_t was = origin(i);
      if (was == ColumnOrigin::kNew || !columns.contains(was)) continue;
      if (stays_distinct(base.columns[was], shadow.columns[i])) continue;
      return fmt::format(
          "an online schema change leaves out the rows that a unique index takes for equal, and "
          "the new type of {} may make them so",
          shadow.columns[i].name);
    }
  }
  return "";
}

}  // namespace

std::optional<OnlineName> online_name(const TableName& name) {
  const std::string_view text = name.table;
  if (!text.starts_with('_')) return std::nullopt;
  const auto suffix = std::find_if(kSuffixes.begin(), kSuffixes.end(),
                                   [&](const Suffix& each) { return text.ends_with(each.text); });
  if (suffix == kSuffixes.end()) return std::nullopt;
  OnlineName out;
  out.role = suffix->role;
  std::string_view rest = text.substr(0, text.size() - suffix->text.size());
  // pt-online-schema-change puts more of them in front where a name is taken.
  while (rest.starts_with('_')) {
    rest.remove_prefix(1);
    if (!rest.empty()) out.bases.push_back({name.schema, std::string(rest)});
  }
  if (out.bases.empty()) return std::nullopt;
  if (suffix->text == "_del") {
    const std::vector<TableName> bases = out.bases;
    for (const TableName& base : bases) {
      const std::string_view shorter = without_time(base.table);
      if (shorter != base.table) out.bases.push_back({name.schema, std::string(shorter)});
    }
  }
  return out;
}

std::optional<OnlineTable> online_table(const TableName& name, std::span<const TableName> tables) {
  const auto is_one = [&](const TableName& base) {
    return std::find(tables.begin(), tables.end(), base) != tables.end();
  };
  if (const auto online = online_name(name)) {
    const auto base = std::find_if(online->bases.begin(), online->bases.end(), is_one);
    if (base != online->bases.end()) return OnlineTable{online->role, *base};
  }
  return cut_name(name, tables);
}

void drop_online_tables(std::vector<TableName>& names) {
  const std::vector<TableName> all = names;
  // Between the two steps of a cut-over of gh-ost there is no table, but its log of changes is.
  const auto is_at_work = [&](const TableName& base) {
    return std::ranges::find(all, TableName{base.schema, fmt::format("_{}_ghc", base.table)}) !=
           all.end();
  };
  std::erase_if(names, [&](const TableName& name) {
    // Most names begin otherwise, and there may be many.
    if (!name.table.starts_with('_')) return false;
    if (online_table(name, all)) return true;
    const auto online = online_name(name);
    return online && std::ranges::any_of(online->bases, is_at_work);
  });
}

Shadow create_shadow(const TableName& name, const Table& base, std::string_view sql,
                     const AlterContext& context) {
  Shadow out;
  Altered created = create_table(name, base, sql, context);
  if (created.table == nullptr) {
    out.table.name = name;
    out.problem = std::move(created.unreadable);
    return out;
  }
  out.table = *created.table;
  out.origins = std::move(created.origins);
  return out;
}

void alter_shadow(Shadow& shadow, std::string_view sql, const AlterContext& context) {
  if (!shadow.problem.empty()) return;
  Altered altered = alter_table(shadow.table, sql, context);
  if (altered.unchanged) return;
  if (altered.table == nullptr) {
    shadow.problem = std::move(altered.unreadable);
    return;
  }
  for (std::size_t i = 0; i < altered.origins.size(); ++i) {
    ColumnOrigin& origin = altered.origins[i];
    if (origin.before != ColumnOrigin::kNew) {
      const ColumnOrigin earlier = shadow.origins[origin.before];
      origin = earlier;
      continue;
    }
    // The tool's own INSERT worked it out, and for each row at another time.
    if (origin.fill && !altered.table->columns[i].default_value && origin.fill_unknown.empty()) {
      origin.fill.reset();
      origin.fill_unknown =
          "its values were worked out when an online schema change copied each row";
    }
  }
  shadow.table = *altered.table;
  shadow.origins = std::move(altered.origins);
}

SchemaChange cut_over(const Table& base, const Shadow& shadow, std::string_view sql) {
  SchemaChange out;
  out.kind = SchemaChange::Kind::change_type;
  out.table = base.name;
  out.sql = sql;
  out.unreadable = shadow.problem;
  if (out.unreadable.empty()) {
    for (std::size_t i = 0; i < shadow.origins.size(); ++i) {
      const std::uint32_t was = shadow.origins[i].before;
      const std::string& name = shadow.table.columns[i].name;
      if (was == ColumnOrigin::kNew || equals_ignoring_case(base.columns[was].name, name)) continue;
      out.unreadable = fmt::format(
          "an online schema change renamed column {} to {}, and the log does not tell whether "
          "its values came along",
          base.columns[was].name, name);
    }
  }
  if (out.unreadable.empty()) {
    out.unreadable = lost_rows(base, shadow.table, shadow.origins);
  }
  if (!out.unreadable.empty()) return out;
  Table after = shadow.table;
  after.name = base.name;
  after.estimated_rows = base.estimated_rows;
  after.estimated_bytes = base.estimated_bytes;
  out.definition = std::make_shared<const Table>(std::move(after));
  out.origins = shadow.origins;
  return out;
}

}  // namespace weir::mysql
