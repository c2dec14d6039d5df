// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <utility>

namespace weir {

Error::Error(ExitCode code, std::string id, std::string what, std::string why, std::string fix)
    : code_(code),
      id_(std::move(id)),
      what_(std::move(what)),
      why_(std::move(why)),
      fix_(std::move(fix)),
      line_(why_.empty() ? what_ : what_ + ": " + why_) {}

Error Error::within(const std::string& context) const {
  return Error(code_, id_, context + ": " + what_, why_, fix_).of_table(table_);
}

Error Error::of_table(const std::string& table) const {
  Error out = *this;
  out.table_ = table;
  return out;
}

Error bug(const std::string& what) {
  return Error(ExitCode::bug, "weir.bug", what, "weir met a state that its code rules out",
               "report it with the log of this task; the offset has not moved past committed rows");
}

}  // namespace weir
