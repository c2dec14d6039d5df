// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "model/finding.h"
#include "ops/retention.h"
#include "source/source.h"
#include "store/state_store.h"

namespace weir::ops {

/// Opens a task's source; it gets the task with Endpoint::patience set.
using OpenSource = std::function<std::unique_ptr<Source>(const Task&)>;

/// Asks the source of a running task whether it may be stopped. Nothing if there is no question:
/// the task does not run, is being stopped already, or has no offset yet. What keeps the question
/// from being asked, a broken task file included, is the verdict unknown.
std::optional<RetentionReport> ask_before_stop(const std::string& task,
                                               const std::optional<Seconds>& planned,
                                               const OpenSource& open, StateStore& store,
                                               Engine& engine);

/// The same question once the task has left, for its last offset; `before` if it has no answer.
RetentionReport ask_after_stop(const RetentionReport& before, const OpenSource& open,
                               StateStore& store, Engine& engine);

/// "stop.retention" if the task must not be stopped, with the numbers. A stop without a planned
/// time is not held up by what nobody knows.
std::optional<Finding> stop_refusal(const RetentionReport& report);

/// Keeps in the task's history that it was stopped in spite of `refused`.
void record_waiver(const std::string& task, const Finding& refused, StateStore& store);

}  // namespace weir::ops
