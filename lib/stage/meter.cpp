// SPDX-License-Identifier: Apache-2.0
#include "stage/meter.h"

#include <algorithm>

#include <sys/resource.h>

namespace weir {
namespace {

double seconds_since(Time then, Time at) {
  return std::max(0.0, std::chrono::duration<double>(at - then).count());
}

}  // namespace

Sample Meter::sample(Time at) const {
  Sample out;
  out.at = at;
  out.stage = stage;
  out.rows_read = rows_read;
  out.bytes_read = bytes_read;
  out.rows_written = rows_written;
  out.bytes_written = bytes_written;
  out.transactions = transactions;
  out.batches = batches;
  out.reader_wait_s = static_cast<double>(reader_wait_us.load()) / 1e6;
  out.writer_wait_s = static_cast<double>(writer_wait_us.load()) / 1e6;
  out.apply_s = static_cast<double>(apply_us.load()) / 1e6;
  out.commit_s = static_cast<double>(commit_us.load()) / 1e6;
  const Time read = last_read_commit;
  const Time pending = oldest_pending;
  const Time heard = last_heard;
  out.read_lag_s = reader_idle || read == Time{} ? 0 : seconds_since(read, at);
  out.apply_lag_s = pending == Time{} ? out.read_lag_s : seconds_since(pending, at);
  out.heard_age_s = heard == Time{} ? 0 : seconds_since(heard, at);
  out.last_batch_rows = last_batch_rows;
  out.queue_bytes = queue_bytes;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  out.memory_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  if (const Time beat = newest_beat; beat != Time{}) {
    out.heartbeat_age_s = seconds_since(beat, at);
    out.heartbeat_delay_s = static_cast<double>(beat_delay_us.load()) / 1e6;
  }
  out.idle = reader_idle && pending == Time{};
  return out;
}

}  // namespace weir
