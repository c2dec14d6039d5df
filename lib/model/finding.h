// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace weir {

/// How much a finding matters. `critical` refuses a start; `unknown` means that a missing
/// privilege or an unreachable server hid the fact, and is never shown as ok.
enum class Severity : std::uint8_t { ok, info, warning, unknown, critical };

std::string to_string(Severity severity);

/// The result of one check. Texts are lowercase, without a full stop, and hold no secret.
struct Finding {
  std::string id;  ///< stable, dotted: "mysql.binlog-row"
  Severity severity = Severity::ok;
  std::string what;      ///< what was found
  std::string why;       ///< what breaks because of it
  std::string fix;       ///< what to do, commands included
  std::string evidence;  ///< the fact behind it: "binlog_format = STATEMENT"
  std::string table;     ///< the table it is about, or ""
};

/// Whether any finding refuses a start.
bool refuses(const std::vector<Finding>& findings);

/// Error(refused) for a finding, and for the first that refuses of several; call the latter only if
/// refuses() is true.
Error refusal(const Finding& finding);
Error refusal(const std::vector<Finding>& findings);

}  // namespace weir
