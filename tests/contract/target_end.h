// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "contract/release.h"
#include "model/task.h"
#include "support/mysql_server.h"

namespace weir::test {

/// One implementation of Target on a server or in a folder of its own, one for the whole suite, and
/// an onlooker's session there, which is independent of weir's own client.
class TargetEnd {
 public:
  virtual ~TargetEnd() = default;

  /// How version() begins.
  virtual std::string product() const = 0;
  /// A task whose target is this one. Its source is of a kind that no target keeps the types of.
  virtual weir::Task task(const std::string& name) const = 0;
  /// A task whose target has nothing of weir's, and whether it still has nothing.
  virtual weir::Task untouched_task() const = 0;
  virtual bool is_untouched() = 0;

  virtual std::string table(const std::string& name) const = 0;
  /// The control table with a row for each task.
  virtual std::string tasks() const { return "weir.weir_task"; }
  virtual void sql(const std::string& text) = 0;
  virtual Rows query(const std::string& text) = 0;
  /// An expression that gives the bytes of a text in hexadecimal.
  virtual std::string hex(const std::string& column) const = 0;
  /// Ends the sessions that weir has there, as an administrator would. False if it has none.
  virtual bool end_sessions() = 0;
  /// Whether unique indexes of the source are unique here too.
  virtual bool keeps_unique() const { return true; }
};

/// The end of that release; a server that an earlier call started for another one is stopped.
TargetEnd& target_end(Release release);

}  // namespace weir::test
