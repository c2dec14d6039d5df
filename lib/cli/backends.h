// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/kind.h"
#include "model/task.h"
#include "source/source.h"
#include "target/target.h"

namespace weir::cli {

/// How a verb gets at sources, targets and the engine: the registry, handed in by the app, so that
/// this layer names no concrete kind.
struct Backends {
  std::unique_ptr<Source> (*open_source)(const Task& task);
  std::unique_ptr<Target> (*open_target)(const Task& task);
  std::unique_ptr<Engine> (*open_engine)(const std::string& state_folder);
};

/// How a verb gets at what is known of the kinds themselves.
struct Kinds {
  std::vector<KindFacts> (*sources)();
  std::vector<KindFacts> (*targets)();
};

}  // namespace weir::cli
