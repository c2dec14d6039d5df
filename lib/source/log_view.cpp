// SPDX-License-Identifier: Apache-2.0
#include "source/log_view.h"

#include "base/error.h"

namespace weir {

std::string_view to_string(LogEntry::Kind kind) {
  switch (kind) {
    case LogEntry::Kind::begin:
      return "begin";
    case LogEntry::Kind::query:
      return "query";
    case LogEntry::Kind::insert:
      return "insert";
    case LogEntry::Kind::update:
      return "update";
    case LogEntry::Kind::remove:
      return "delete";
    case LogEntry::Kind::statement:
      return "statement";
    case LogEntry::Kind::prepare:
      return "prepare";
    case LogEntry::Kind::commit:
      return "commit";
    case LogEntry::Kind::rollback:
      return "rollback";
    case LogEntry::Kind::rotate:
      return "rotate";
  }
  throw bug("a kind of log entry without a name");
}

}  // namespace weir
