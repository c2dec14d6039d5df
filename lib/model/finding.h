// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace weir {

/// How much a finding matters. `critical` refuses a start; `unknown` means that a missing
/// privilege or an unreachable server hid the fact, and is never shown as ok.
enum class Severity : std::uint8_t { ok, info, warning, unknown, critical };

std::string to_string(Severity severity);

/// What a check is about, in the order in which preflight shows them. `none` is for what is no
/// check.
enum class CheckGroup : std::uint8_t {
  none,
  connection,
  privileges,
  change_log,
  retention,
  tables,
  types,
  mapping,
  target,
  capacity,
};

/// "change log". parse_group() reads "change-log" too; empty for a word that is no group.
std::string_view to_string(CheckGroup group);
std::optional<CheckGroup> parse_group(std::string_view word);
std::span<const CheckGroup> check_groups();
/// What of a source's change log is gone between a task's offset and what can still be read.
struct LogGap {
  std::string from;     ///< the offset
  std::string to;       ///< the oldest place that can still be read; "" if that is not known
  Time from_time{};     ///< the epoch if unknown, here and below
  Time to_time{};       ///< what is older is gone
  std::string missing;  ///< the files, transactions or places that are gone; "" if not known
  /// What has to be run on the source before the task can begin anew; "" if nothing.
  std::string before_anew;
};

/// One way out of a refusal: what it costs, and the command to paste. A way that ends in a copy of
/// the tables costs time and no data.
struct WayOut {
  std::string consequence;  ///< what has to be done by hand first is in it, too
  std::string command;      ///< lines for a shell; SQL is in its comments
};

/// The result of one check. Texts are lowercase, without a full stop, and hold no secret.
struct Finding {
  std::string id;  ///< stable, dotted: "mysql.binlog-row"
  Severity severity = Severity::ok;
  std::string what;                ///< what was found
  std::string why;                 ///< what breaks because of it
  std::string fix;                 ///< what to do, commands included
  std::string evidence;            ///< the fact behind it: "binlog_format = STATEMENT"
  std::string table;               ///< the table it is about, or ""
  std::optional<LogGap> gap = {};  ///< of a task that cannot resume because the log is gone
  std::vector<WayOut> ways = {};   ///< the best one first; empty if `fix` says it all
  /// For a verb that shows findings by group, filled in by it.
  CheckGroup group = CheckGroup::none;
  bool waived = false;  ///< somebody said that the task may run all the same
};

/// "from A (time) to B (time), 2 h 03 m; gone: ..."; "" if nothing is known but where it begins.
std::string gap_text(const LogGap& gap);

/// `fix`, and each way out on lines of its own.
std::string fix_text(const Finding& finding);

/// Whether any finding refuses a start.
bool refuses(const std::vector<Finding>& findings);

/// Error(refused) for a finding, and for the first that refuses of several; call the latter only if
/// refuses() is true.
Error refusal(const Finding& finding);
Error refusal(const std::vector<Finding>& findings);

}  // namespace weir
