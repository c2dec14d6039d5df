// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "store/state_store.h"

namespace weir::ops {

/// The newest `limit` statements since `since`, oldest first.
std::vector<DdlRow> ddl_rows(const std::string& task, std::size_t limit, Time since, bool only_open,
                             StateStore& store);

/// One of them. Throws Error(not_found, "ddl.unknown").
DdlRow find_ddl(const std::string& task, std::uint32_t number, StateStore& store);

/// What somebody who looks at a statement is to do about it; "nothing" if that is so.
std::string advice(const std::string& task, const DdlRow& row, StateStore& store);

/// What is to become of a table that waits.
enum class Resolution : std::uint8_t {
  apply,    ///< weir carries the statement out
  applied,  ///< somebody has, and weir checks that
  skip,     ///< the target stays as it is
  reload,   ///< the table is copied anew
  retry,    ///< it is tried again as it is: what was in the way is not any more
};
std::string_view to_string(Resolution resolution);

struct ResolveRequest {
  std::optional<std::uint32_t> number;  ///< of a statement, or ...
  std::string table;                    ///< ... "schema.table"
  Resolution how = Resolution::apply;
  std::string reload_mode;  ///< truncate, merge, swap; "" unless `how` is reload
};

/// What resolving would do.
struct ResolvePlan {
  std::optional<DdlRow> row;  ///< the statement that the table waits at, if one is
  LaneRow lane;               ///< as it is to be; number 0 if `already`
  std::string table;
  std::string resolution;  ///< "apply", "reload: merge", ...
  std::string effect;      ///< what becomes of the table's rows, one sentence
  std::string loss;        ///< what has to be agreed to; "" if nothing is lost
  std::string already;     ///< who resolved it so, and when; "" if nobody has
};

/// Changes nothing. Throws Error(not_found): "ddl.unknown", "ddl.table-unknown"; Error(refused):
/// "ddl.not-stopped" if nothing waits, "ddl.task-stopped" for a statement that stopped the task as
/// a whole, "ddl.no-way" if this does not help; Error(state_conflict, "ddl.conflict") if somebody
/// is at it, or has said something else.
ResolvePlan plan_resolve(const std::string& task, const ResolveRequest& request, StateStore& store);

/// Does it: the worker takes the table up with its next look, or with the next start of the task.
/// Throws Error(state_conflict, "ddl.conflict") if somebody else did meanwhile.
void carry_out(const std::string& task, const ResolvePlan& plan, const std::string& by,
               StateStore& store);

/// How far a lane is that was taken up: empty once it has joined the others. Throws what suspended
/// it again, as Error(refused), or Error(failed, "ddl.given-up").
std::optional<LaneRow> look_at(const std::string& task, std::uint32_t lane, StateStore& store);

}  // namespace weir::ops
