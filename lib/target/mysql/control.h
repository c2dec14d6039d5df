// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/mysql.h"
#include "model/table_plan.h"
#include "target/mysql/types.h"
#include "target/target.h"

namespace weir::mysqltarget {

/// weir's own tables on the target, in the database that target.control_schema names (weir by
/// default): weir_task, weir_table and weir_range. What is in them wins over the local state file.
class Control {
 public:
  explicit Control(std::string schema) : schema_(std::move(schema)) {}

  const std::string& schema() const { return schema_; }
  std::string task_table() const { return mysql_identifier(schema_) + ".weir_task"; }
  std::string table_table() const { return mysql_identifier(schema_) + ".weir_table"; }
  std::string range_table() const { return mysql_identifier(schema_) + ".weir_range"; }

  /// Creates database and tables where they are missing.
  void create(MysqlConnection& connection) const;
  bool exists(MysqlConnection& connection) const;
  std::optional<Recovered> recover(MysqlConnection& connection, const std::string& task) const;

  /// What target.h says of these. Parts of the caller's transaction; each waits for the last commit
  /// of who applies the tasks.
  void split_tables(MysqlConnection& connection, const std::string& from, const std::string& to,
                    std::span<const TableName> tables) const;
  void join_tables(MysqlConnection& connection, const std::string& from,
                   const std::string& to) const;
  void forget(MysqlConnection& connection, const std::string& task,
              std::span<const TableName> tables) const;
  /// Whether join_tables() has something to do. Throws as it does.
  bool may_join(MysqlConnection& connection, const std::string& from, const std::string& to) const;

  /// From now on the task applies to `kept`, into which the copy of `plan` was merged.
  void keep_merged(MysqlConnection& connection, const std::string& task, const TablePlan& plan,
                   const TableName& kept) const;

  /// Drops what copies beside this table have left.
  void drop_beside(MysqlConnection& connection, const TableName& table) const;

  /// Tables of a lane that were copied beside others take their names. Commits, so it comes before
  /// join_tables(); drop_swapped() follows it. Between the two swap_back() undoes it.
  std::vector<TableName> swap_tables(MysqlConnection& connection, const std::string& task) const;
  void drop_swapped(MysqlConnection& connection, std::span<const TableName> tables) const;
  void swap_back(MysqlConnection& connection, const TableName& beside) const;

  /// The condition that finds a table's row in weir_table and weir_range.
  std::string table_condition(const MysqlConnection& connection, const std::string& task,
                              const TableName& source) const;

  /// The statements behind create().
  std::vector<std::string> definitions() const;

  /// Names of GET_LOCK(), which knows 64 characters and one space of names for a whole server: the
  /// task's applier holds the one, whoever builds a table's indexes the other.
  std::string applier_lock(const std::string& task) const;
  std::string build_lock(const TableName& target) const;

 private:
  LaneOffsets lock_tasks(MysqlConnection& connection, const std::string& from,
                         const std::string& to) const;

  std::string schema_;
};

/// `db`.`table` of a name.
std::string qualified(const TableName& name);

struct WrittenColumn;

/// An ENUM's error value is no value that a strict server takes. A statement with such rows stands
/// between these two, and is told by its warnings whether they were all it was lenient about.
extern const std::string kLenient;
extern const std::string kStrict;

/// How many cells of a row are error values.
std::size_t error_values(const std::vector<WrittenColumn>& columns, Row cells);

/// Sets what every session of the target needs beside what the client sets: strict, without
/// surprises for zeros, keys and dates.
void prepare_session(MysqlConnection& connection);

/// "weir@%", as current_user() says it, as it stands in a statement: 'weir'@'%'.
std::string account_sql(const std::string& account);

/// What the server can do. Asks it.
Dialect dialect_of(MysqlConnection& connection);

/// The columns of a table on the target by their lowercase names; empty if there is no such table.
std::map<std::string, ExistingColumn> existing_columns(MysqlConnection& connection,
                                                       const TableName& table);

/// How each planned column is written, from what the target's catalogue says of it.
struct WrittenColumn {
  std::string name;  ///< in backticks
  Encoding encoding = Encoding::text;
  bool convert = false;  ///< LOAD DATA: needs_conversion()
  /// An ENUM without an empty label, so that the empty text is its error value.
  bool has_error_value = false;
  std::string type;  ///< the target's word for it: "json"
};
/// Throws Error(refused, "mysql-target.column-missing").
std::vector<WrittenColumn> written_columns(MysqlConnection& connection, const TablePlan& plan);

/// A server's message without the value it quotes, and the place of the row in its statement that
/// it names, from 1; 0 if it names none.
struct RowMessage {
  std::string text;
  std::uint64_t row = 0;
};
RowMessage read_message(std::string_view message);

}  // namespace weir::mysqltarget
