// SPDX-License-Identifier: Apache-2.0
#include "model/facts.h"

namespace weir {

Error facts_format(std::string_view why) {
  return Error(ExitCode::configuration, "facts.format", "these are not the facts of a preflight",
               std::string(why),
               "gather them with this version of weir: weir preflight TASK --facts-out FILE");
}

Finding facts_lack(const TableName& table) {
  Finding finding;
  finding.id = "facts.no-table";
  finding.severity = Severity::unknown;
  finding.what = "the facts say nothing about " + table.text();
  finding.why =
      "the rules of the task took other tables, or sent them elsewhere, when the facts "
      "were gathered";
  finding.fix = "gather them again: weir preflight TASK --facts-out FILE";
  finding.table = table.text();
  return finding;
}

}  // namespace weir
