// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "model/table_plan.h"
#include "model/task.h"
#include "source/postgres/offset.h"
#include "source/source.h"

namespace weir::pgsource {

/// Follows a server's WAL through the task's slot and publication, with pgoutput, and hands
/// selected changes on. The slot and the publication must be there.
class PgChangeReader final : public ChangeReader {
 public:
  /// Connects and asks for the changes of commits that end after `from`. `plans` must outlive the
  /// reader.
  PgChangeReader(const Task& task, Lsn from, std::span<const TablePlan> plans);
  ~PgChangeReader() override;

  Wait wait(std::chrono::milliseconds limit) override;
  void poll(ChangeSink& sink) override;
  void wake() override;
  Offset offset() const override;
  bool at_end() const override;
  /// Lets the server drop WAL; it is told by a thread of its own, also while wait() and poll() are
  /// busy elsewhere.
  void confirm(const Offset& offset) override;
  std::uint64_t bytes_read() const override;
  Time last_heard() const override;

 private:
  class Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace weir::pgsource
