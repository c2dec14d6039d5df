// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/index.h"

#include <algorithm>

#include <fmt/format.h>

#include "target/postgres/loader.h"
#include "target/postgres/types.h"

namespace weir::postgres {
namespace {

constexpr std::size_t kMaxIdentifier = 63;
constexpr std::uint64_t kMaxIndexedCharacters = 600;  // four bytes each stay below a B-tree's 2704

/// The index's columns as SQL; `whole` if none had to be cut. Empty if a column has no B-tree
/// order.
struct IndexColumns {
  std::string sql;
  bool whole = true;
  std::string reason;
};

IndexColumns index_columns(const TablePlan& plan, const Index& index, bool same_product) {
  IndexColumns out;
  for (const IndexPart& part : index.parts) {
    const auto planned =
        std::find_if(plan.columns.begin(), plan.columns.end(),
                     [&](const PlannedColumn& c) { return c.source == part.column; });
    if (planned == plan.columns.end()) {
      out.reason = fmt::format("column {} is not copied", plan.source.columns[part.column].name);
      return out;
    }
    const TypeKind kind = planned->type.kind;
    const std::string name = pg_identifier(planned->name);
    const bool ordered = same_product || (kind != TypeKind::json && kind != TypeKind::geometry &&
                                          kind != TypeKind::vector);
    if (!ordered) {
      out.reason = fmt::format("column {} has a type without a B-tree order", planned->name);
      return out;
    }
    std::uint64_t prefix = part.prefix;
    const bool is_long = kind == TypeKind::text || kind == TypeKind::bytes;
    const bool unlimited =
        planned->type.length == 0 || planned->type.length > kMaxIndexedCharacters;
    if (!same_product && is_long && unlimited && (prefix == 0 || prefix > kMaxIndexedCharacters)) {
      prefix = kMaxIndexedCharacters;
    }
    if (!out.sql.empty()) out.sql += ", ";
    if (prefix == 0) {
      out.sql += name;
    } else {
      out.whole = false;
      out.sql += kind == TypeKind::bytes ? fmt::format("substring({} FROM 1 FOR {})", name, prefix)
                                         : fmt::format("left({}, {})", name, prefix);
    }
  }
  return out;
}

}  // namespace

std::string index_name(const TableName& target, const std::string& index) {
  std::string name = target.table + "_" + index;
  if (name.size() <= kMaxIdentifier) return name;
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  std::size_t cut = kMaxIdentifier - 9;
  while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xc0) == 0x80) --cut;
  return fmt::format("{}_{:08x}", name.substr(0, cut), hash);
}

BuiltIndex build_index(PgConnection& connection, const TablePlan& plan, const Index& index,
                       bool same_product) {
  const auto not_built = [&](std::string_view reason) {
    return BuiltIndex{
        "", "",
        fmt::format("index {} of {} was not built: {}", index.name, plan.target.text(), reason)};
  };
  if (index.kind != Index::Kind::ordinary && index.kind != Index::Kind::unique) {
    return not_built(same_product ? "weir builds plain B-tree indexes on columns only"
                                  : "PostgreSQL has no such kind of index");
  }
  const IndexColumns columns = index_columns(plan, index, same_product);
  if (!columns.reason.empty()) return not_built(columns.reason);
  const std::string name = pg_identifier(index_name(plan.target, index.name));
  if (connection.scalar("SELECT to_regclass($1)",
                        {pg_identifier(plan.target.schema) + "." + name})) {
    return {};
  }
  const bool unique = index.kind == Index::Kind::unique && columns.whole;
  // Deferred: a batch may pass through states that the source never showed; its end is checked.
  const std::string sql =
      unique ? fmt::format(
                   "ALTER TABLE {} ADD CONSTRAINT {} UNIQUE ({}) DEFERRABLE INITIALLY DEFERRED",
                   qualified(plan.target), name, columns.sql)
             : fmt::format("CREATE INDEX {} ON {} ({})", name, qualified(plan.target), columns.sql);
  connection.execute("SAVEPOINT weir_index");
  try {
    connection.execute(sql);
  } catch (const Error& error) {
    if (error.code() != ExitCode::failed || error.id() == "postgres.disk-full") throw;
    connection.execute("ROLLBACK TO SAVEPOINT weir_index");
    BuiltIndex out = not_built(error.why());
    if (unique) out.refused = sql;
    return out;
  }
  connection.execute("RELEASE SAVEPOINT weir_index");
  return {sql, "", ""};
}

}  // namespace weir::postgres
