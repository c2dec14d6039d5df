// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace weir::cli {

/// Turns the first SIGINT or SIGTERM into a request that a verb can poll; a second one ends the
/// process as it would without this object. A SIGINT that the parent had ignored stays ignored.
///
/// One at a time, made and destroyed on the main thread; the rest may be called from any thread.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const { return number() != 0; }
  int number() const;  ///< SIGINT, SIGTERM, or 0 for none yet

  /// Becomes readable with the first signal and stays so; never read from it.
  int fd() const;
};

/// Makes a write to a closed pipe fail instead of ending the process. Unlike an ignored SIGPIPE
/// this is not inherited by programs that weir starts.
void survive_closed_pipes();

/// Ends the process by `number`, so that the parent sees what happened.
[[noreturn]] void end_by_signal(int number);

}  // namespace weir::cli
