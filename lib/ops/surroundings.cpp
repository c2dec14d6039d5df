// SPDX-License-Identifier: Apache-2.0
// What is checked of a task beyond its servers' own words: their clocks, the way to them, this
// machine, and what the rules leave to the future.
#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "ops/preflight.h"

namespace weir::ops {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr Seconds kMuchSkew{30};
/// Below it nobody notices: both servers are near.
constexpr Seconds kLongRoundTrip{0.005};
/// The state file grows by samples, and its write-ahead log must find room.
constexpr std::uint64_t kLittleSpace = std::uint64_t{256} << 20;

Finding finding(const char* id, Severity severity, std::string what, std::string why,
                std::string fix, std::string evidence) {
  Finding out;
  out.id = id;
  out.severity = severity;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  out.evidence = std::move(evidence);
  return out;
}

/// Empty where the folder is unknown, or is on a file system that is none.
std::optional<std::uint64_t> free_bytes(const std::string& folder) {
  std::filesystem::path place = folder;
  std::error_code ignored;
  // One that does not exist yet is made in the nearest that does.
  while (!place.empty() && place.has_relative_path() && !std::filesystem::exists(place, ignored)) {
    place = place.parent_path();
  }
  struct statvfs space {};
  if (place.empty() || statvfs(place.c_str(), &space) != 0 || space.f_blocks == 0) return {};
  return std::uint64_t{space.f_bavail} * space.f_frsize;
}

void judge_clock(const char* server, const std::optional<ServerClock>& clock,
                 std::vector<Finding>& out) {
  if (!clock || Seconds(std::chrono::abs(clock->ahead)) - clock->error <= kMuchSkew) return;
  out.push_back(finding(
      "task.clock-skew", Severity::warning,
      fmt::format("the clock of the {} and this machine's differ", server),
      "lag is the age of a commit by the source's clock, so what status and alerts tell is wrong "
      "by as much",
      "timedatectl set-ntp true on the machine whose clock is wrong, or chronyc makestep",
      fmt::format("{} {} by {}, wanted {} at most", server,
                  clock->ahead.count() > 0 ? "ahead" : "behind",
                  format_duration(std::chrono::abs(clock->ahead)), format_duration(kMuchSkew))));
}

void judge_round_trips(const Surroundings& facts, std::vector<Finding>& out) {
  std::string evidence;
  bool is_long = false;
  for (const auto& [server, clock] :
       {std::pair{"source", &facts.source}, std::pair{"target", &facts.target}}) {
    if (!*clock) continue;
    evidence += fmt::format("{}{} {}", evidence.empty() ? "" : ", ", server,
                            format_duration((*clock)->round_trip));
    is_long = is_long || (*clock)->round_trip > kLongRoundTrip;
  }
  if (!is_long) return;
  out.push_back(finding(
      "task.round-trip", Severity::info, "a server is some way off",
      "each chunk and each transaction costs some round trips, the target's most of all",
      "run weir near the target; a larger full.chunk_rows and incremental.flush_interval make "
      "fewer of them",
      evidence));
}

bool is_open(const Pattern& pattern) {
  return pattern.regex || pattern.text.find_first_of("*?[") != std::string::npos;
}

void judge_rules(const Task& task, std::vector<Finding>& out) {
  std::vector<std::string> open;
  std::size_t closed = 0;
  for (std::size_t i = 0; i < task.tables.size(); ++i) {
    const Pattern& match = task.tables[i].match;
    if (is_open(match)) {
      open.push_back(
          fmt::format("rule {} ({}\"{}\")", i + 1, match.regex ? "regex " : "", match.text));
    } else {
      ++closed;
    }
  }
  if (open.empty()) return;
  out.push_back(finding(
      "task.later-tables", Severity::info, "tables that are made later may join the task",
      "a rule with a pattern takes them with the task's next start, and copies them then; a rule "
      "with a name takes that table alone",
      "name the tables one by one in [[table]] rules if only these are meant",
      fmt::format("{}; {} with a name", join(open, ", "),
                  closed == 0   ? std::string("no rule")
                  : closed == 1 ? std::string("1 rule")
                                : fmt::format("{} rules", closed))));
}

}  // namespace

Surroundings gather_surroundings(Source& source, Target& target, const std::string& state_folder) {
  Surroundings out;
  out.source = source.clock();
  out.target = target.clock();
  out.state_folder = state_folder;
  out.state_free = free_bytes(state_folder);
  return out;
}

std::vector<Finding> judge_surroundings(const Task& task, const Surroundings& facts) {
  std::vector<Finding> out;
  judge_clock("source", facts.source, out);
  judge_clock("target", facts.target, out);
  if (facts.state_free && *facts.state_free < kLittleSpace) {
    out.push_back(
        finding("task.state-space", Severity::warning,
                "the file system of weir's state folder is nearly full",
                "offsets are kept on the target, but without its state file a task "
                "cannot be started, watched or restarted",
                fmt::format("free space in {}, or name another folder with --state-dir",
                            facts.state_folder),
                fmt::format("{}: {} free, wanted {}", facts.state_folder,
                            format_bytes(*facts.state_free), format_bytes(kLittleSpace))));
  }
  judge_round_trips(facts, out);
  judge_rules(task, out);
  return out;
}

}  // namespace weir::ops
