// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "client/pq.h"
#include "model/task.h"
#include "source/postgres/pgoutput.h"
#include "source/source.h"

namespace weir::pgsource {

/// Writes a task's beats into the log, as transactional messages of the server: they need no table
/// and nothing in the publication, and come back between a Begin and a Commit like a row.
class PgHeartbeat final : public Heartbeat {
 public:
  explicit PgHeartbeat(const Task& task);
  void beat(Time written) override;

 private:
  Endpoint source_;
  std::string slot_;
  std::optional<PgConnection> connection_;
};

/// The content of a beat, which names the slot that it is for.
std::string beat_content(std::string_view slot, Time written);

/// When the beat was written that `message` holds; empty if it is none of this slot's.
std::optional<Time> read_beat(const TextMessage& message, std::string_view slot);

/// Why the role cannot write beats, and the statement that lets it; empty if it can.
struct BeatProblem {
  std::string evidence;
  std::string grant;
};
std::optional<BeatProblem> beat_problem(PgConnection& connection);

}  // namespace weir::pgsource
