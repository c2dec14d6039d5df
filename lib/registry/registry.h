// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "model/kind.h"
#include "model/task.h"
#include "source/log_view.h"
#include "source/source.h"
#include "target/target.h"

namespace weir {

/// A kind of source, by the name that [source] kind gives it.
struct SourceKind : KindFacts {
  std::unique_ptr<Source> (*open)(const Task& task);
  /// For `weir log show`: the task's source, and files of its change log. `is_log` tells a file by
  /// how it begins. Null where there is no such thing.
  std::unique_ptr<LogReader> (*open_log)(const Task& task, const LogRequest& request);
  std::unique_ptr<LogReader> (*open_log_file)(const std::string& path, const LogRequest& request);
  bool (*is_log)(std::string_view head);
};

/// A kind of target.
struct TargetKind : KindFacts {
  std::unique_ptr<Target> (*open)(const Task& task);
};

/// The only list of what weir can read from and write to. A new one is one new row.
std::span<const SourceKind> source_kinds();
std::span<const TargetKind> target_kinds();
/// What is known of each of them, in the same order.
std::vector<KindFacts> source_facts();
std::vector<KindFacts> target_facts();

/// Throw Error(configuration, "registry.source-kind") or "registry.target-kind" for a name without
/// a row.
std::unique_ptr<Source> open_source(const Task& task);
std::unique_ptr<Target> open_target(const Task& task);

/// The change log of the task's source, to look at. Throws as open_source() does, and
/// Error(unsupported, "log.kind").
std::unique_ptr<LogReader> open_log(const Task& task, const LogRequest& request);
/// A file of a change log; null if no kind of source writes such files. Throws
/// Error(failed, "log.file") if it cannot be read.
std::unique_ptr<LogReader> open_log_file(const std::string& path, const LogRequest& request);

/// The engine that runs tasks on this machine, with its locks below `state_folder`.
std::unique_ptr<Engine> open_engine(const std::string& state_folder);

}  // namespace weir
