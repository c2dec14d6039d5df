// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace weir {

enum class LogLevel : std::uint8_t { error, warn, info, debug, trace };
enum class LogFormat : std::uint8_t { text, json };

/// One event, before it is put into a line.
struct LogEvent {
  Time time{};
  LogLevel level = LogLevel::info;
  std::string_view task = {};   ///< "" = none
  std::string_view stage = {};  ///< "" = none
  std::string_view id = {};     ///< stable, dotted: "mysql.retention"
  std::string_view text = {};
};

/// The line of an event, with its newline. A text of several lines becomes one line. With
/// `journal` the text form has a `<4>` priority instead of time and level.
std::string log_line(const LogEvent& event, LogFormat format, bool journal);

/// Whether `fd` leads to the systemd journal, as JOURNAL_STREAM tells.
bool is_journal(int fd);

/// How the process's log behaves.
struct LogSettings {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  /// Takes each line, newline included; standard error if empty. Called by one thread at a time.
  std::function<void(std::string_view line)> sink;
};

// The process's log: one event a line, written in one piece, to standard error. Set up once, at
// the start of a process; all of these may then be called from any thread. No row data below
// LogLevel::trace, and no secret at any level.

/// Replaces the settings; task and stage stay.
void set_up_log(LogSettings settings);
bool log_enabled(LogLevel level);

/// What each later event is about; "" clears it.
void set_log_task(std::string_view task);
void set_log_stage(std::string_view stage);

void write_log(LogLevel level, std::string_view id, std::string_view text);
void log_error(std::string_view id, std::string_view text);
void log_warn(std::string_view id, std::string_view text);
void log_info(std::string_view id, std::string_view text);
void log_debug(std::string_view id, std::string_view text);
void log_trace(std::string_view id, std::string_view text);

}  // namespace weir
