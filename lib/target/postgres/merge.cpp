// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/merge.h"

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "target/merge.h"
#include "target/postgres/loader.h"

namespace weir::postgres {
namespace {

/// The types of a table's columns, without lengths, which a cast would cut to.
std::map<std::string, std::string> types_of(PgConnection& connection, const std::string& table) {
  std::map<std::string, std::string> out;
  const PgResult rows = connection.query(
      "SELECT attname, format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = "
      "to_regclass($1) AND attnum > 0 AND NOT attisdropped",
      {table});
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    out.emplace(rows.text(i, 0), rows.text(i, 1));
  }
  return out;
}

}  // namespace

void merge_rows(PgConnection& connection, const TablePlan& plan, const TableName& kept, Time now) {
  MergeDialect dialect;
  dialect.kept = qualified(kept);
  dialect.copy = qualified(plan.target);
  dialect.name = pg_identifier;
  dialect.overriding = "OVERRIDING SYSTEM VALUE ";
  dialect.now = fmt::format("timestamptz '{}'", to_rfc3339(now, true));
  const std::map<std::string, std::string> types = types_of(connection, dialect.kept);
  for (const PlannedColumn& column : plan.columns) {
    if (!types.contains(column.name)) throw merge_lacks(plan, column.name);
  }
  // As images: not every type has an operator "=", and some call the same what is shown otherwise.
  const auto images = [&](const std::vector<std::string>& columns, const char* compare) {
    std::vector<std::string> here;
    std::vector<std::string> there;
    for (const std::string& column : columns) {
      here.push_back("r." + pg_identifier(column));
      there.push_back(fmt::format("s.{}::{}", pg_identifier(column), types.at(column)));
    }
    return fmt::format("ROW({})::record OPERATOR(pg_catalog.{}) ROW({})::record", join(here, ", "),
                       compare, join(there, ", "));
  };
  std::vector<std::string> key;
  for (const std::uint32_t part : plan.key) {
    key.push_back(plan.columns[part].name);
    dialect.same_key += fmt::format("s.{0} = r.{0} AND ", pg_identifier(key.back()));
  }
  dialect.same_key += images(key, "*=");
  dialect.differ = [&](const std::vector<std::string>& columns) { return images(columns, "*<>"); };
  const MergeSql sql = merge_sql(plan, dialect);
  const auto run = [&](const std::string& statement) {
    if (!statement.empty()) connection.execute(statement);
  };
  try {
    run(fmt::format("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", dialect.kept));
    // The copy is too young for the server to know how large it is.
    run("ANALYZE " + dialect.copy);
    run(sql.remove);
    connection.execute("SAVEPOINT weir_merge");
    try {
      run(sql.update);
      run(sql.insert);
    } catch (const Error& error) {
      if (error.id() != "postgres.row-refused") throw;
      connection.execute("ROLLBACK TO SAVEPOINT weir_merge");
      run(sql.remove_changed);
      run(sql.insert);
    }
  } catch (const Error& error) {
    if (error.id() != "postgres.row-refused" && error.id() != "postgres.query") throw;
    throw merge_refused(plan, error.why());
  }
}

}  // namespace weir::postgres
