// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/finding.h"
#include "model/server_clock.h"
#include "model/table.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "source/source.h"
#include "target/target.h"

namespace weir::ops {

/// What the rules of a task make of a source.
struct Mapping {
  std::vector<TablePlan> plans;
  std::vector<Finding> findings;
  std::vector<TableName> unmatched;  ///< tables that no rule takes
};

/// The tables of a source, as far as the rules of a task need to know them.
struct SourceTables {
  std::vector<TableName> visible;    ///< sorted
  std::vector<Table> definitions;    ///< of those that the rules take
  std::optional<Recovered> history;  ///< definitions that it has count, not those of today
};

/// Reads the source's catalogue. A table that `recovered` knows keeps the definition that fits its
/// offset.
SourceTables read_tables(const Task& task, Source& source,
                         const std::optional<Recovered>& recovered);

/// Applies the rules. Asks the target nothing but whether it has a type of some name.
Mapping map_tables(const Task& task, const SourceTables& tables, const Target& target);

/// Both: what the rules make of the source as it is.
Mapping map_task(const Task& task, Source& source, const Target& target,
                 const std::optional<Recovered>& recovered);

/// What is known of a task beyond its servers' own words.
struct Surroundings {
  std::optional<ServerClock> source;  ///< empty of a kind that has none
  std::optional<ServerClock> target;
  std::string state_folder;                 ///< "" if nobody said which
  std::optional<std::uint64_t> state_free;  ///< bytes of its file system
};

Surroundings gather_surroundings(Source& source, Target& target, const std::string& state_folder);
std::vector<Finding> judge_surroundings(const Task& task, const Surroundings& facts);

/// What both servers say about themselves and the tables of a task: asked once, judged as often as
/// one likes, on any machine. Holds no secret.
struct PreflightFacts {
  std::string task;
  Time taken{};
  std::string source_kind;
  std::string target_kind;
  std::string source_version;
  std::string target_version;
  SourceTables tables;
  std::string source;             ///< Source::gather()
  std::string target;             ///< Target::gather()
  std::optional<Finding> resume;  ///< Source::can_resume(), of a task that the target knows
  Surroundings surroundings;
};

/// From where a task would start: from what the target remembers, or as if it knew nothing.
enum class StartFrom : std::uint8_t { memory, nothing };

/// The task with a limit to how long each answer of its servers may take, for who only asks: a
/// server that hangs is then an Error that says so.
Task with_patience(Task task);

/// Asks both servers. Leaves nothing behind.
PreflightFacts gather_facts(const Task& task, Source& source, Target& target,
                            const std::string& state_folder = "",
                            StartFrom from = StartFrom::memory);

/// One document of JSON, indented, and back. Reading throws Error(configuration, "facts.format").
std::string encode_facts(const PreflightFacts& facts);
PreflightFacts decode_facts(std::string_view text);

/// Everything that can be known before a task starts, or resumes.
struct Preflight {
  Mapping mapping;
  std::vector<Finding> findings;  ///< of mapping, task, source and target, in this order
  std::string source_version;
  std::string target_version;
  std::optional<Recovered> recovered;  ///< empty for a task that is new to the target
  std::vector<std::string> binding;    ///< ids that nobody can waive: nothing would work without
};

/// Judges facts by the task as it is now. `source` and `target` are asked what they know by
/// themselves; nobody connects to a server.
Preflight judge_facts(const Task& task, const PreflightFacts& facts, const Source& source,
                      Target& target);

/// Waives the findings of these ids: they refuse no more. What comes back are ids that were not
/// found. Throws Error(refused, "preflight.not-waivable").
std::vector<std::string> waive(Preflight& checked, std::span<const std::string> ids);

/// Both. Leaves nothing behind.
Preflight preflight(const Task& task, Source& source, Target& target,
                    const std::string& state_folder = "", StartFrom from = StartFrom::memory);

}  // namespace weir::ops
