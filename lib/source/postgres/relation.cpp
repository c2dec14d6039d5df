// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/relation.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "base/text.h"
#include "source/postgres/catalog.h"
#include "source/postgres/types.h"
#include "source/postgres/value.h"

namespace weir::pgsource {
namespace {

constexpr std::uint32_t kNone = ColumnMatch::kDropped;
constexpr const char* kOtherOrder =
    "its columns stand in another order: one of them, or the whole table, was dropped and made "
    "again";
constexpr int kEndless = std::numeric_limits<int>::max();

template <class Int>
Int number(std::string_view text) {
  Int out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

/// What tells two types apart as far as a relation message does: it knows no labels.
bool same_type(const ColumnType& a, const ColumnType& b) {
  return a.native == b.native && a.kind == b.kind && a.length == b.length &&
         a.precision == b.precision && a.scale == b.scale;
}

const ColumnType* type_of(const RelationColumn& column, const TypeMap& types) {
  const auto found = types.find({column.type, column.modifier});
  return found == types.end() ? nullptr : &found->second;
}

/// Whether the key that the replica identity names is another one than `known` has. With FULL and
/// NOTHING it names none.
bool other_key(const Table& known, const RelationMessage& relation) {
  if (relation.identity != 'd' && relation.identity != 'i') return false;
  std::vector<std::string> named;
  for (const RelationColumn& column : relation.columns) {
    if (column.identity) named.push_back(column.name);
  }
  if (named.empty()) return false;
  std::vector<std::string> key;
  for (const std::uint32_t part : known.key) key.push_back(known.columns[part].name);
  std::sort(named.begin(), named.end());
  std::sort(key.begin(), key.end());
  return named != key;
}

/// Finds out what each column of the relation was, and hands out the changes.
class Comparison {
 public:
  Comparison(const Table& known, const RelationMessage& relation, const TypeMap& types,
             std::span<const CatalogueColumn> columns)
      : known_(known), relation_(relation), types_(types), columns_(columns) {}

  ColumnMatch match() {
    match_names();
    match_renamed();
    return {became_, ambiguous_};
  }

  std::vector<SchemaChange> run() {
    match();
    if (!ambiguous_.empty()) {
      SchemaChange& change = add(SchemaChange::Kind::change_type, {"columns were changed"});
      change.definition = nullptr;
      change.origins.clear();
      change.unreadable = ambiguous_;
      return std::move(changes_);
    }
    alter();
    drop();
    append();
    return std::move(changes_);
  }

 private:
  void match_names() {
    was_.assign(relation_.columns.size(), kNone);
    became_.assign(known_.columns.size(), kNone);
    for (std::uint32_t i = 0; i < was_.size(); ++i) {
      for (std::uint32_t k = 0; k < became_.size(); ++k) {
        if (known_.columns[k].name == relation_.columns[i].name) pair(k, i);
      }
    }
  }

  void pair(std::uint32_t known, std::uint32_t now) {
    was_[now] = known;
    became_[known] = now;
  }

  /// The number of a column of the relation, 0 if the catalogue no longer has it by that name.
  int number_of(std::uint32_t place) const {
    for (const CatalogueColumn& column : columns_) {
      if (!column.dropped && column.name == relation_.columns[place].name) return column.number;
    }
    return 0;
  }

  /// Columns keep their order, and a new one comes last. So between two that kept their names stand
  /// those that got another one.
  void match_renamed() {
    std::uint32_t known = 0;
    std::uint32_t now = 0;
    int after = 0;
    while (known < became_.size() || now < was_.size()) {
      std::vector<std::uint32_t> left;
      std::vector<std::uint32_t> came;
      for (; known < became_.size() && became_[known] == kNone; ++known) left.push_back(known);
      for (; now < was_.size() && was_[now] == kNone; ++now) came.push_back(now);
      const bool last = now == was_.size();
      const int before = last ? kEndless : number_of(now);
      match_between(left, came, after, before);
      if (!ambiguous_.empty() || last) return;
      after = before;
      // Both are at columns that kept their names. They are the same, for columns keep their order.
      if (known == became_.size() || became_[known] != now) {
        ambiguous_ = kOtherOrder;
        return;
      }
      ++known;
      ++now;
    }
  }

  void match_between(const std::vector<std::uint32_t>& left, const std::vector<std::uint32_t>& came,
                     int after, int before) {
    if (left.empty() && before != kEndless && !came.empty()) {
      ambiguous_ = kOtherOrder;
      return;
    }
    if (left.empty() || came.empty()) return;
    const std::string names =
        fmt::format("whether {} became {}, or was dropped and the other added",
                    known_.columns[left[0]].name, relation_.columns[came[0]].name);
    const bool is_known =
        std::all_of(came.begin(), came.end(), [&](std::uint32_t i) { return number_of(i) != 0; });
    if (before == 0 || !is_known) {
      ambiguous_ = names + ", cannot be told: the catalogue no longer has these columns";
      return;
    }
    if (before != kEndless) {
      // None of these can be new. Which ones were dropped is told if all, or none, were not.
      if (left.size() != came.size()) {
        ambiguous_ = names + ", cannot be told: several columns were changed there";
        return;
      }
      for (std::size_t i = 0; i < left.size(); ++i) pair(left[i], came[i]);
      return;
    }
    const auto dropped_now = static_cast<std::size_t>(
        std::count_if(columns_.begin(), columns_.end(), [&](const CatalogueColumn& column) {
          return column.dropped_now && column.number > after;
        }));
    if (dropped_now == left.size()) return;  // each of them, so what came is new
    const auto is_gone = [&](const CatalogueColumn& column) {
      return column.dropped && column.number > after;
    };
    const auto gone =
        static_cast<std::size_t>(std::count_if(columns_.begin(), columns_.end(), is_gone));
    const std::size_t kept = std::min(left.size(), came.size());
    if (gone == 0) {
      for (std::size_t i = 0; i < kept; ++i) pair(left[i], came[i]);
      return;
    }
    // A column was dropped there, now or long ago. A rename keeps the type; with another type it
    // was dropped, and what came is new.
    const bool alike = std::any_of(left.begin(), left.end(), [&](std::uint32_t k) {
      return std::any_of(came.begin(), came.end(), [&](std::uint32_t i) {
        const ColumnType* type = type_of(relation_.columns[i], types_);
        return type == nullptr || same_type(*type, known_.columns[k].type);
      });
    });
    if (alike || gone < left.size()) {
      ambiguous_ = names + ", cannot be told: columns were dropped there before";
    }
  }

  SchemaChange& add(SchemaChange::Kind kind, const std::vector<std::string>& parts) {
    SchemaChange& change = changes_.emplace_back();
    change.kind = kind;
    change.table = known_.name;
    change.sql = fmt::format("ALTER TABLE {} {}", known_.name.text(), join(parts, ", "));
    return change;
  }

  /// The definition so far, which begins as the known one; `now` counts as what comes out of it.
  void hand_out(SchemaChange& change, Table now, std::vector<ColumnOrigin> origins) {
    change.definition = std::make_shared<const Table>(now);
    change.origins = std::move(origins);
    current_ = std::move(now);
  }

  void alter() {
    current_ = known_;
    Table now = known_;
    SchemaChange::Kind kind = SchemaChange::Kind::rename_column;
    std::vector<std::string> parts;
    std::vector<ColumnOrigin> origins;
    for (std::uint32_t k = 0; k < now.columns.size(); ++k) {
      origins.push_back({k, {}, {}});
      if (became_[k] == kNone) continue;
      Column& column = now.columns[k];
      const RelationColumn& is = relation_.columns[became_[k]];
      if (column.name != is.name) {
        parts.push_back(fmt::format("RENAME COLUMN {} TO {}", column.name, is.name));
        column.name = is.name;
      }
      const ColumnType* type = type_of(is, types_);
      if (type != nullptr && !same_type(*type, column.type)) {
        parts.push_back(fmt::format("ALTER COLUMN {} TYPE {}", column.name, type->native));
        column.type = *type;
        kind = SchemaChange::Kind::change_type;
      }
    }
    if (other_key(now, relation_) && alter_key(now, parts)) kind = SchemaChange::Kind::change_key;
    if (!parts.empty()) {
      hand_out(add(kind, parts), std::move(now), std::move(origins));
    }
  }

  /// The key as the replica identity names it, if its columns are known already.
  bool alter_key(Table& now, std::vector<std::string>& parts) const {
    std::vector<std::uint32_t> key;
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < relation_.columns.size(); ++i) {
      if (!relation_.columns[i].identity) continue;
      if (was_[i] == kNone) return false;  // a part of it is new: append() tells it
      key.push_back(was_[i]);
      names.push_back(relation_.columns[i].name);
    }
    now.key = std::move(key);
    now.key_name.clear();
    now.key_is_primary = relation_.identity == 'd';
    parts.push_back(fmt::format("ADD PRIMARY KEY ({})", join(names, ", ")));
    return true;
  }

  /// `now` keeps what stands at a known place only; `places` has the new place of each, or kNone.
  static void move_parts(Table& now, const std::vector<std::uint32_t>& places) {
    const auto is_lost = [&](std::uint32_t part) { return places[part] == kNone; };
    if (std::any_of(now.key.begin(), now.key.end(), is_lost)) {
      now.key.clear();
      now.key_name.clear();
      now.key_is_primary = false;
    }
    for (std::uint32_t& part : now.key) part = places[part];
    std::erase_if(now.indexes, [&](const Index& index) {
      return std::any_of(index.parts.begin(), index.parts.end(),
                         [&](const IndexPart& part) { return is_lost(part.column); });
    });
    for (Index& index : now.indexes) {
      for (IndexPart& part : index.parts) part.column = places[part.column];
    }
  }

  void drop() {
    Table now = current_;
    now.columns.clear();
    std::vector<std::string> parts;
    std::vector<ColumnOrigin> origins;
    std::vector<std::uint32_t> places(known_.columns.size(), kNone);
    for (std::uint32_t k = 0; k < known_.columns.size(); ++k) {
      if (became_[k] == kNone) {
        parts.push_back("DROP COLUMN " + known_.columns[k].name);
        continue;
      }
      places[k] = static_cast<std::uint32_t>(now.columns.size());
      now.columns.push_back(current_.columns[k]);
      origins.push_back({k, {}, {}});
    }
    if (parts.empty()) return;
    move_parts(now, places);
    hand_out(add(SchemaChange::Kind::drop_column, parts), std::move(now), std::move(origins));
  }

  void append() {
    Table now = current_;
    std::vector<std::string> parts;
    std::vector<ColumnOrigin> origins;
    for (std::uint32_t k = 0; k < now.columns.size(); ++k) origins.push_back({k, {}, {}});
    for (std::uint32_t i = 0; i < relation_.columns.size(); ++i) {
      if (was_[i] != kNone) continue;
      const RelationColumn& is = relation_.columns[i];
      const ColumnType* type = type_of(is, types_);
      if (type == nullptr) {
        SchemaChange& change = add(SchemaChange::Kind::add_column, {"ADD COLUMN " + is.name});
        change.unreadable = fmt::format("the type of its new column {} was dropped since", is.name);
        return;
      }
      parts.push_back(fmt::format("ADD COLUMN {} {}", is.name, type->native));
      Column column;
      column.name = is.name;
      column.type = *type;
      now.columns.push_back(std::move(column));
      origins.push_back(origin_of(is));
    }
    if (parts.empty()) return;
    if (other_key(now, relation_)) {
      now.key.clear();
      for (std::uint32_t i = 0; i < relation_.columns.size(); ++i) {
        if (relation_.columns[i].identity) now.key.push_back(place_of(now, relation_.columns[i]));
      }
      now.key_name.clear();
      now.key_is_primary = relation_.identity == 'd';
    }
    hand_out(add(SchemaChange::Kind::add_column, parts), std::move(now), std::move(origins));
  }

  static std::uint32_t place_of(const Table& table, const RelationColumn& column) {
    const auto at = std::find_if(table.columns.begin(), table.columns.end(),
                                 [&](const Column& c) { return c.name == column.name; });
    return static_cast<std::uint32_t>(at - table.columns.begin());
  }

  ColumnOrigin origin_of(const RelationColumn& is) const {
    const auto found = std::find_if(
        columns_.begin(), columns_.end(),
        [&](const CatalogueColumn& column) { return !column.dropped && column.name == is.name; });
    if (found == columns_.end()) {
      return {ColumnOrigin::kNew, {}, "the catalogue no longer has the column"};
    }
    return {ColumnOrigin::kNew, found->fill, found->fill_unknown};
  }

  const Table& known_;
  const RelationMessage& relation_;
  const TypeMap& types_;
  std::span<const CatalogueColumn> columns_;
  std::vector<std::uint32_t> was_;     ///< by place in the relation: the place in `known`
  std::vector<std::uint32_t> became_;  ///< the reverse
  std::string ambiguous_;
  Table current_;
  std::vector<SchemaChange> changes_;
};

}  // namespace

bool has_types(const RelationMessage& relation, const TypeMap& types) {
  return std::all_of(relation.columns.begin(), relation.columns.end(),
                     [&](const RelationColumn& c) { return type_of(c, types) != nullptr; });
}

void read_types(PgConnection& connection, const RelationMessage& relation, TypeMap& types) {
  std::vector<std::string> ids;
  std::vector<std::string> modifiers;
  for (const RelationColumn& column : relation.columns) {
    if (type_of(column, types) != nullptr) continue;
    ids.push_back(std::to_string(column.type));
    modifiers.push_back(std::to_string(column.modifier));
  }
  if (ids.empty()) return;
  // A domain stands for the type below it, which may be a domain itself.
  const PgResult rows = connection.query(
      "WITH RECURSIVE wanted AS (SELECT DISTINCT id, modifier FROM unnest($1::oid[], $2::int[]) AS "
      "w(id, modifier)), domain(id, base, modifier) AS (SELECT oid, typbasetype, typtypmod FROM "
      "pg_type WHERE typtype = 'd' UNION ALL SELECT d.id, t.typbasetype, t.typtypmod FROM domain d "
      "JOIN pg_type t ON t.oid = d.base WHERE t.typtype = 'd'), resolved AS (SELECT d.id, d.base, "
      "d.modifier FROM domain d JOIN pg_type t ON t.oid = d.base WHERE t.typtype <> 'd') "
      "SELECT w.id, w.modifier, t.typname, t.typtype, t.typcategory = 'A' AND t.typelem <> 0, "
      "coalesce(r.modifier, w.modifier), format_type(t.oid, coalesce(r.modifier, w.modifier)), "
      "t.oid FROM wanted w LEFT JOIN resolved r ON r.id = w.id JOIN pg_type t ON t.oid = "
      "coalesce(r.base, w.id)",
      {fmt::format("{{{}}}", join(ids, ",")), fmt::format("{{{}}}", join(modifiers, ","))});
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    NativeType from;
    from.typname = rows.text(i, 2);
    from.typtype = rows.text(i, 3).front();
    from.is_array = rows.text(i, 4) == "t";
    from.modifier = number<int>(rows.text(i, 5));
    from.shown = rows.text(i, 6);
    if (from.typtype == 'e') {
      const PgResult labels = connection.query(
          "SELECT enumlabel FROM pg_enum WHERE enumtypid = $1::oid ORDER BY enumsortorder",
          {rows.text(i, 7)});
      for (std::size_t l = 0; l < labels.rows(); ++l) from.labels.emplace_back(labels.text(l, 0));
    }
    types[{number<std::uint32_t>(rows.text(i, 0)), number<std::int32_t>(rows.text(i, 1))}] =
        column_type(from);
  }
}

std::string columns_sql(const std::string& relation) {
  // A partitioned table has no rows; what its old ones show is told by any partition that has some.
  // A table is in the file of its own number until it is written anew for the first time.
  return fmt::format(
      "SELECT a.attnum AS number, a.attname AS name, a.attisdropped AS dropped, a.attnotnull AS "
      "not_null, a.attgenerated <> '' AS generated, a.attidentity <> '' AS identity, "
      "pg_get_expr(d.adbin, d.adrelid) AS expression, m.atthasmissing AS has_missing, "
      "(m.attmissingval::text::text[])[1] AS missing, a.atttypid AS type, a.atttypmod AS modifier, "
      "NOT EXISTS (SELECT FROM (SELECT c.oid UNION ALL SELECT relid FROM pg_partition_tree(c.oid)) "
      "AS f(oid) WHERE pg_relation_filenode(f.oid) <> f.oid) AS never_rewritten FROM pg_class c "
      "JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND "
      "d.adnum = a.attnum LEFT JOIN LATERAL (SELECT p.atthasmissing, CASE WHEN t.typcategory <> "
      "'A' THEN p.attmissingval END AS attmissingval FROM pg_attribute p JOIN pg_type t ON t.oid = "
      "p.atttypid WHERE p.attname = a.attname AND NOT p.attisdropped AND p.attrelid IN (SELECT "
      "c.oid UNION ALL SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) ORDER BY "
      "p.atthasmissing DESC LIMIT 1) m ON true WHERE c.oid = {} AND a.attnum > 0 ORDER BY a.attnum",
      relation);
}

CatalogueColumn catalogue_column(ColumnFacts facts, const TypeMap& types) {
  CatalogueColumn out;
  out.number = facts.number;
  out.name = std::move(facts.name);
  out.dropped = facts.dropped;
  out.generated = facts.generated;
  out.not_null = facts.not_null;
  out.type = facts.type;
  out.modifier = facts.modifier;
  if (facts.has_missing && facts.missing) {
    const auto type = types.find({facts.type, facts.modifier});
    out.fill = std::move(facts.missing);
    if (type != types.end()) out.fill = neutral_text(type->second, std::move(*out.fill));
  } else if (facts.has_missing) {
    out.fill_unknown = "its default is an array, which the catalogue does not tell apart";
  } else if (facts.generated || facts.identity) {
    out.fill_unknown = "each row got a value of its own";
  } else if (facts.never_rewritten) {
    // Nothing was worked out row by row, so the old rows are NULL until they are written to.
  } else if (!facts.expression.empty()) {
    out.fill_unknown =
        fmt::format("the default {} was worked out for each row, or the table was rewritten since",
                    facts.expression);
  } else if (facts.not_null) {
    out.fill_unknown = "it is NOT NULL and has no default: its rows got values in between";
  }
  return out;
}

std::vector<CatalogueColumn> read_columns(PgConnection& connection, std::uint32_t relation,
                                          const TypeMap& types) {
  const PgResult rows = connection.query(columns_sql("$1::oid"), {std::to_string(relation)});
  std::vector<CatalogueColumn> out;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto flag = [&](std::size_t column) { return rows.text(i, column) == "t"; };
    ColumnFacts facts;
    facts.number = number<int>(rows.text(i, 0));
    facts.name = rows.text(i, 1);
    facts.dropped = flag(2);
    facts.not_null = flag(3);
    facts.generated = flag(4);
    facts.identity = flag(5);
    facts.expression = rows.text(i, 6);
    facts.has_missing = flag(7);
    if (!rows.is_null(i, 8)) facts.missing = std::string(rows.text(i, 8));
    facts.type = number<std::uint32_t>(rows.text(i, 9));
    facts.modifier = number<std::int32_t>(rows.text(i, 10));
    facts.never_rewritten = flag(11);
    out.push_back(catalogue_column(std::move(facts), types));
  }
  return out;
}

bool fits(const Table& known, const RelationMessage& relation, const TypeMap& types) {
  if (known.columns.size() != relation.columns.size() || other_key(known, relation)) return false;
  return std::equal(known.columns.begin(), known.columns.end(), relation.columns.begin(),
                    [&](const Column& column, const RelationColumn& is) {
                      const ColumnType* type = type_of(is, types);
                      return column.name == is.name &&
                             (type == nullptr || same_type(*type, column.type));
                    });
}

ColumnMatch match_columns(const RelationMessage& before, const RelationMessage& after,
                          const TypeMap& types, std::span<const CatalogueColumn> columns) {
  Table known;
  for (const RelationColumn& from : before.columns) {
    Column& column = known.columns.emplace_back();
    column.name = from.name;
    if (const ColumnType* type = type_of(from, types)) column.type = *type;
  }
  return Comparison(known, after, types, columns).match();
}

std::vector<SchemaChange> compare_relation(const Table& known, const RelationMessage& relation,
                                           const TypeMap& types,
                                           std::span<const CatalogueColumn> columns) {
  if (fits(known, relation, types)) return {};
  return Comparison(known, relation, types, columns).run();
}

}  // namespace weir::pgsource
