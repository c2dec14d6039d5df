// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/table_plan.h"

namespace weir {

/// How one kind of target says what a merge of two of its tables needs. `r` is a row of the table
/// that is kept, `s` one of the copy that lies beside it. Two rows have the same key only if it has
/// the same bytes, whatever a collation takes for the same.
struct MergeDialect {
  std::string kept;  ///< both tables as SQL
  std::string copy;
  std::function<std::string(const std::string&)> name;  ///< quotes the name of a column
  std::string same_key;                                 ///< a condition on `r` and `s`
  /// A condition on these columns of `r` and `s`.
  std::function<std::string(const std::vector<std::string>&)> differ;
  bool joins = false;         ///< MySQL: UPDATE and DELETE name the tables before they join them
  std::string overriding;     ///< between the columns and the rows of an INSERT
  std::string now;            ///< the time of a soft delete, as a literal
  std::string mark_too = "";  ///< ", `t` = `t`" of columns that would change along with a mark
};

/// The statements that make a table hold the rows of its copy, in this order. A row that is there
/// already, with all that came from the source, is not written.
struct MergeSql {
  std::string remove;  ///< rows that the copy lacks go, or are marked; "" = they stay
  std::string update;  ///< "" if there is nothing but the key
  std::string insert;
  /// In place of `update`, where two rows would pass through a state that an index does not allow.
  std::string remove_changed;
};

/// A time as a literal of targets that take it without a zone.
std::string time_literal(Time time);

/// `plan` is the copy's.
MergeSql merge_sql(const TablePlan& plan, const MergeDialect& dialect);

/// Error(refused, "reload.merge").
Error merge_refused(const TablePlan& plan, const std::string& why);
/// The same for a column that the table lacks.
Error merge_lacks(const TablePlan& plan, const std::string& column);

}  // namespace weir
