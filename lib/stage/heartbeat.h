// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "base/time.h"
#include "source/source.h"
#include "stage/context.h"
#include "stage/meter.h"

namespace weir {

/// The target has the beat that was written at `written`, as of `at`.
void record_beat(Meter& meter, Time written, Time at);

/// Takes the last run's newest beat over from its samples, before this run adds any.
void recall_beat(const StageContext& context);

/// Lets the source's heartbeat beat for as long as it lives, on a thread of its own; nothing if the
/// task file asks for none. A beat that fails is told once until one succeeds again, and costs the
/// task nothing else.
class HeartbeatWriter {
 public:
  /// `resumed`: the target goes on from where the last run left it, so that the beat recalled from
  /// there counts.
  HeartbeatWriter(const StageContext& context, bool resumed);
  ~HeartbeatWriter();
  HeartbeatWriter(const HeartbeatWriter&) = delete;
  HeartbeatWriter& operator=(const HeartbeatWriter&) = delete;

 private:
  void run();
  /// Keeps an event; a state file that is busy is no reason to stop beating.
  void tell(const char* level, const char* id, const std::string& text) const;

  const StageContext& context_;
  const std::string table_;
  std::unique_ptr<Heartbeat> heartbeat_;
  StopRequest done_;
  std::thread thread_;
};

}  // namespace weir
