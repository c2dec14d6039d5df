// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contract/release.h"
#include "model/task.h"
#include "support/any_session.h"

namespace weir::test {

/// A table that the suite makes, and the statements that fill it.
struct ContractTable {
  std::string name;
  std::string create;
  std::string fill;
};

/// One implementation of Source on a server of its own, and what the suite has to know of it. The
/// server is one for the whole suite, so each section has a schema and a task of its own.
class SourceEnd {
 public:
  virtual ~SourceEnd() = default;

  /// How version() begins.
  virtual std::string product() const = 0;
  virtual weir::Task task(const std::string& name) const = 0;
  /// A task on another server of the same kind and release.
  virtual weir::Task elsewhere(const std::string& name) = 0;
  virtual std::unique_ptr<AnySession> session() const = 0;
  virtual void restart() = 0;
  /// Has the server throw away its log up to now, as far as `task` needs it.
  virtual void lose_log(const weir::Task& task) = 0;
  /// Takes away what prepare() made.
  virtual void release(const weir::Task& task) = 0;

  /// A text column that takes `a` and `A` for one value, and statements that it needs beforehand.
  virtual std::string folding_text(const std::string& schema) = 0;
  /// Tables (id int, k TYPE primary key), one for each type that a key may have.
  virtual std::vector<ContractTable> key_tables(const std::string& schema) = 0;
  /// Tables (id int primary key, ...) with a column of every type, filled at their extremes.
  virtual std::vector<ContractTable> type_tables(const std::string& schema) = 0;
};

/// The end of that release; a server that an earlier call started for another one is stopped.
SourceEnd& source_end(Release release);

}  // namespace weir::test
