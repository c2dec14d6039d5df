// SPDX-License-Identifier: Apache-2.0
#include "store/state_store.h"

#include <cstdlib>
#include <filesystem>

#include <pwd.h>
#include <unistd.h>

#include "base/error.h"
#include "store/sqlite_state.h"

namespace weir {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

std::string chosen_folder(const std::string& folder) {
  if (!folder.empty()) return folder;
  if (std::string own = variable("WEIR_STATE_DIR"); !own.empty()) return own;
  // systemd passes a list; the first folder is the unit's main one.
  const std::string service = variable("STATE_DIRECTORY");
  if (!service.empty()) return service.substr(0, service.find(':'));
  // The XDG rules say that a relative path is to be ignored.
  if (const std::string xdg = variable("XDG_STATE_HOME"); xdg.starts_with('/'))
    return xdg + "/weir";
  std::string home = variable("HOME");
  if (home.empty()) {
    if (const passwd* user = getpwuid(geteuid())) home = user->pw_dir;
  }
  if (home.empty()) {
    throw Error(ExitCode::configuration, "state.folder", "no folder to keep the state in",
                "neither HOME nor a state folder is set", "give --state-dir or set WEIR_STATE_DIR");
  }
  return home + "/.local/state/weir";
}

}  // namespace

std::string to_string(Stage stage) {
  switch (stage) {
    case Stage::schema:
      return "schema";
    case Stage::full:
      return "full";
    case Stage::incremental:
      return "incremental";
  }
  return "unknown";
}

std::string to_string(StageState state) {
  switch (state) {
    case StageState::waiting:
      return "waiting";
    case StageState::running:
      return "running";
    case StageState::done:
      return "done";
    case StageState::failed:
      return "failed";
  }
  return "unknown";
}

std::string to_string(TaskState state) {
  switch (state) {
    case TaskState::stopped:
      return "stopped";
    case TaskState::starting:
      return "starting";
    case TaskState::running:
      return "running";
    case TaskState::stopping:
      return "stopping";
    case TaskState::failed:
      return "failed";
    case TaskState::refused:
      return "refused";
  }
  return "unknown";
}

std::string to_string(OffsetRow::Reason reason) {
  switch (reason) {
    case OffsetRow::Reason::start:
      return "start";
    case OffsetRow::Reason::sample:
      return "sample";
    case OffsetRow::Reason::stop:
      return "stop";
    case OffsetRow::Reason::reset:
      return "reset";
  }
  return "unknown";
}

std::string to_string(LaneRow::Purpose purpose) {
  switch (purpose) {
    case LaneRow::Purpose::add:
      return "add";
    case LaneRow::Purpose::reload:
      return "reload";
    case LaneRow::Purpose::suspend:
      return "suspend";
    case LaneRow::Purpose::remove:
      return "remove";
  }
  return "unknown";
}

std::string to_string(LaneRow::State state) {
  switch (state) {
    case LaneRow::State::leaving:
      return "leaving";
    case LaneRow::State::planned:
      return "planned";
    case LaneRow::State::running:
      return "running";
    case LaneRow::State::suspended:
      return "suspended";
    case LaneRow::State::removed:
      return "removed";
    case LaneRow::State::cancelling:
      return "cancelling";
    case LaneRow::State::ended:
      return "ended";
  }
  return "unknown";
}

std::string to_string(DdlRow::Outcome outcome) {
  switch (outcome) {
    case DdlRow::Outcome::begun:
      return "begun";
    case DdlRow::Outcome::applied:
      return "applied";
    case DdlRow::Outcome::ignored:
      return "ignored";
    case DdlRow::Outcome::alerted:
      return "alerted";
    case DdlRow::Outcome::stopped_table:
      return "stopped-table";
    case DdlRow::Outcome::stopped_task:
      return "stopped-task";
    case DdlRow::Outcome::failed:
      return "failed";
    case DdlRow::Outcome::resolved:
      return "resolved";
  }
  return "unknown";
}

std::string state_folder(const std::string& folder) {
  // A supervisor works in "/": a relative path would mean another place there.
  return std::filesystem::absolute(chosen_folder(folder)).lexically_normal().string();
}

std::unique_ptr<StateStore> open_state(const std::string& folder, bool read_only) {
  return open_sqlite_state(folder, read_only);
}

}  // namespace weir
