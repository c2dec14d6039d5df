// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

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

/// The result of one check. Texts are lowercase, without a full stop, and hold no secret.
struct Finding {
  std::string id;  ///< stable, dotted: "mysql.binlog-row"
  Severity severity = Severity::ok;
  std::string what;      ///< what was found
  std::string why;       ///< what breaks because of it
  std::string fix;       ///< what to do, commands included
  std::string evidence;  ///< the fact behind it: "binlog_format = STATEMENT"
  std::string table;     ///< the table it is about, or ""
  /// For a verb that shows findings by group, filled in by it.
  CheckGroup group = CheckGroup::none;
  bool waived = false;  ///< somebody said that the task may run all the same
};

/// Whether any finding refuses a start.
bool refuses(const std::vector<Finding>& findings);

/// Error(refused) for a finding, and for the first that refuses of several; call the latter only if
/// refuses() is true.
Error refusal(const Finding& finding);
Error refusal(const std::vector<Finding>& findings);

}  // namespace weir
