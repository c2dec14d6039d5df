// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "base/time.h"

namespace weir {

/// What the answers to a trivial question tell of a server and the way to it.
struct ServerClock {
  std::chrono::duration<double> ahead{0};       ///< its clock, compared with this machine's
  std::chrono::duration<double> error{0};       ///< that comparison may be wrong by as much
  std::chrono::duration<double> round_trip{0};  ///< the shortest one
};

/// Asks some times; `ask` comes back with the server's time.
template <class Ask>
ServerClock read_clock(Ask&& ask) {
  constexpr int kQuestions = 5;
  ServerClock out;
  for (int i = 0; i < kQuestions; ++i) {
    const Time asked = now();
    const Clock::time_point begin = Clock::now();
    const Time server = ask();
    const std::chrono::duration<double> took = Clock::now() - begin;
    // The shortest way there and back leaves the least room for doubt.
    if (i > 0 && took >= out.round_trip) continue;
    out.round_trip = took;
    out.error = took / 2;
    out.ahead = std::chrono::duration<double>(server - asked) - took / 2;
  }
  return out;
}

}  // namespace weir
