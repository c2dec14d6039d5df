// SPDX-License-Identifier: Apache-2.0
#include "stage/heartbeat.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"

namespace weir {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

microseconds span(double seconds) {
  return duration_cast<microseconds>(std::chrono::duration<double>(seconds));
}

}  // namespace

void record_beat(Meter& meter, Time written, Time at) {
  meter.beat_delay_us =
      static_cast<std::uint64_t>(std::max(at - written, Time::duration(0)).count());
  meter.newest_beat = written;
}

void recall_beat(const StageContext& context) {
  if (context.task.source.heartbeat.count() == 0) return;
  const std::vector<Sample> samples = context.store.samples(context.task.name, 1);
  if (samples.empty() || !samples.back().heartbeat_age_s) return;
  const Sample& last = samples.back();
  const Time written = last.at - span(*last.heartbeat_age_s);
  record_beat(context.meter, written, written + span(last.heartbeat_delay_s.value_or(0)));
}

HeartbeatWriter::HeartbeatWriter(const StageContext& context, bool resumed)
    : context_(context), table_(context.task.source.heartbeat_table.text()) {
  if (!resumed) context.meter.newest_beat = Time{};
  if (context.task.source.heartbeat.count() == 0) return;
  heartbeat_ = context.source.open_heartbeat();
  if (heartbeat_ == nullptr) {
    tell("warning", "heartbeat.unsupported",
         fmt::format("a source of kind {} has no heartbeat; the age of the target is not measured",
                     context.task.source.kind));
    return;
  }
  thread_ = std::thread([this] { run(); });
}

HeartbeatWriter::~HeartbeatWriter() {
  done_.request();
  if (thread_.joinable()) thread_.join();
}

void HeartbeatWriter::run() {
  bool failing = false;
  do {
    try {
      heartbeat_->beat(now());
      if (failing) tell("info", "heartbeat.beats", "the heartbeat beats again");
      failing = false;
    } catch (const Error& error) {
      if (!failing) {
        tell("warning", "heartbeat.failed",
             fmt::format("no heartbeat can be written ({}); the task goes on without, and weir "
                         "preflight tells what to do",
                         error.what()));
      }
      failing = true;
    }
  } while (!done_.wait_for(context_.task.source.heartbeat));
}

void HeartbeatWriter::tell(const char* level, const char* id, const std::string& text) const {
  try {
    context_.event(level, id, table_, text);
  } catch (const Error&) {
    log_warn(id, table_ + ": " + text);
  }
}

}  // namespace weir
