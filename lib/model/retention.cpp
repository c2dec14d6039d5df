// SPDX-License-Identifier: Apache-2.0
#include "model/retention.h"

#include <utility>

#include "base/text.h"

namespace weir {

void RetentionFacts::compare_clocks(Time server, Time asked, Time told) {
  server_now = server;
  clock_ahead = server - (asked + (told - asked) / 2);
  clock_error = (told - asked) / 2;
}

bool RetentionFacts::add_configured_limit(const Task& task, Time since) {
  if (task.retention.window.count() <= 0) return false;
  RetentionLimit limit;
  limit.name = "configured-window";
  limit.value = format_duration(task.retention.window);
  limit.age = std::chrono::duration_cast<std::chrono::seconds>(task.retention.window);
  limit.since = since;
  policy.push_back({"[retention] window", limit.value});
  limits.push_back(std::move(limit));
  return true;
}

}  // namespace weir
