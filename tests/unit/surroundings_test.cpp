// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "ops/preflight.h"

using namespace weir;

namespace {

Task task_with(std::vector<std::string> patterns) {
  Task task;
  for (std::string& pattern : patterns) {
    TableRule rule;
    rule.match.text = std::move(pattern);
    task.tables.push_back(std::move(rule));
  }
  return task;
}

ServerClock clock_with(double ahead, double error, double round_trip) {
  ServerClock clock;
  clock.ahead = std::chrono::duration<double>(ahead);
  clock.error = std::chrono::duration<double>(error);
  clock.round_trip = std::chrono::duration<double>(round_trip);
  return clock;
}

/// "id: evidence" of each, after the facts went through JSON.
std::vector<std::string> found(const Task& task, const ops::Surroundings& surroundings) {
  ops::PreflightFacts facts;
  facts.source = facts.target = "{}";
  facts.surroundings = surroundings;
  const ops::PreflightFacts read = ops::decode_facts(ops::encode_facts(facts));
  std::vector<std::string> out;
  for (const Finding& finding : ops::judge_surroundings(task, read.surroundings)) {
    CHECK_FALSE(finding.fix.empty());
    out.push_back(finding.id + ": " + finding.evidence);
  }
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("clocks that agree, a short way and room are no finding", "[surroundings]") {
  const Task task = task_with({"shop.item"});
  ops::Surroundings facts;
  CHECK(found(task, facts).empty());
  facts.source = clock_with(29, 0, 0.001);
  facts.target = clock_with(-35, 6, 0.002);  // the way may explain it
  facts.state_folder = "/var/lib/weir";
  facts.state_free = std::uint64_t{1} << 30;
  CHECK(found(task, facts).empty());
}

TEST_CASE("clocks that differ, a long way and little room are told", "[surroundings]") {
  const Task task = task_with({"shop.item"});
  ops::Surroundings facts;
  facts.source = clock_with(95, 0.1, 0.2);
  facts.target = clock_with(-61, 0.1, 0.001);
  facts.state_folder = "/var/lib/weir";
  facts.state_free = 1000;
  CHECK(found(task, facts) ==
        Texts{"task.clock-skew: source ahead by 1 m 35 s, wanted 30.0 s at most",
              "task.clock-skew: target behind by 1 m 01 s, wanted 30.0 s at most",
              "task.state-space: /var/lib/weir: 1000 B free, wanted 256.0 MiB",
              "task.round-trip: source 200 ms, target 1 ms"});
}

TEST_CASE("rules with a pattern take what comes later", "[surroundings]") {
  const ops::Surroundings facts;
  Task task = task_with({"shop.*", "crm.customer", "a.b"});
  task.tables[2].match.regex = true;
  CHECK(found(task, facts) == Texts{"task.later-tables: rule 1 (\"shop.*\"), rule 3 (regex "
                                    "\"a.b\"); 1 rule with a name"});
}
