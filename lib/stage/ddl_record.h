// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>

#include "base/time.h"
#include "model/change.h"
#include "model/offset.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "stage/context.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir {

/// Keeps what becomes of the statements that change tables of a task (StateStore::ddl).
///
/// A statement is kept before anything is done about it: the target's commit may be the last thing
/// that this process lives to see. For one thread; recover() may be called by another one.
class DdlRecord {
 public:
  explicit DdlRecord(const StageContext& context);

  /// Statements on these tables that were begun, and which the target's offset has reached, are
  /// carried out, though a worker did not live to say so; any other one will be met again. Those
  /// that waited, and which the offset or a copy has passed, wait no more.
  void recover(std::span<const TablePlan> plans, const Offset& offset);

  /// Runs `carry_out` for a statement on `table` whose place is `offset`, and keeps what it tells
  /// by judged() and done(), or what it throws. Nothing is kept if it does neither.
  void settle(const SchemaChange& change, const TableName& table, const Offset& offset,
              const std::function<void()>& carry_out);
  /// What the statement is, where that is known better than from its words.
  void is_of(SchemaChange::Kind kind) { row_.kind = to_string(kind); }
  /// What is to be done, before it is.
  void judged(DdlAction action);
  /// The same for one that does several things, or nothing that a policy is about.
  void judged(const std::map<SchemaChange::Kind, DdlAction>& actions);
  /// What was carried out on the target, and what it cannot do.
  void done(const AlterResult& result);

  /// A TRUNCATE stands among the rows of the transaction that ends at `offset`, and is carried out
  /// with those: recover() says when.
  void truncates(const TablePlan& plan, Time time, const Offset& offset);

 private:
  void judged(DdlRow::Outcome outcome, const std::string& policy);
  DdlRow row_of(const std::string& kind, const TableName& table, const Offset& offset) const;

  const StageContext& context_;
  const std::string root_;
  const std::string lane_;  ///< "" = the main one
  DdlRow row_;              ///< of the statement that is being settled
  DdlRow::Outcome judgement_ = DdlRow::Outcome::applied;  ///< if nothing goes wrong
  bool is_judged_ = false;
  Clock::time_point judged_at_{};
};

}  // namespace weir
