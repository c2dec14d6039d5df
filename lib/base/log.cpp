// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weir {
namespace {

struct LevelRow {
  std::string_view name;
  std::string_view padded;  ///< one width, so that ids line up
  char priority;            ///< as syslog counts
};

constexpr LevelRow kLevels[] = {
    {"error", "ERROR", '3'}, {"warn", "WARN ", '4'},  {"info", "INFO ", '6'},
    {"debug", "DEBUG", '7'}, {"trace", "TRACE", '7'},
};

const LevelRow& row(LogLevel level) { return kLevels[static_cast<std::size_t>(level)]; }

/// Appends `text` so that it cannot end the line or drive a terminal.
void append_plain(std::string& line, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      line += i + 1 < text.size() ? "; " : "";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += ' ';
    } else {
      line += c;
    }
  }
}

/// The length of the valid UTF-8 sequence at the start of `text`, or 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first < 0xe0   ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool too_large = first == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

void append_json(std::string& line, std::string_view key, std::string_view text) {
  line += line.empty() ? '{' : ',';
  fmt::format_to(std::back_inserter(line), "\"{}\":\"", key);
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", static_cast<unsigned>(c));
    } else if (length == 0) {
      line += "\xef\xbf\xbd";
    } else {
      line += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  line += '"';
}

void write_fully(int fd, std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(fd, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    // A log that nobody reads any more must not stop the work.
    if (written <= 0) return;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

struct State {
  std::mutex mutex;
  std::atomic<LogLevel> level = LogLevel::info;
  LogSettings settings;
  bool journal = is_journal(STDERR_FILENO);
  std::string task;
  std::string stage;
};

State& state() {
  // Never destroyed: threads may log while the process ends.
  static State* const kState = new State;
  return *kState;
}

}  // namespace

std::string log_line(const LogEvent& event, LogFormat format, bool journal) {
  std::string line;
  if (format == LogFormat::json) {
    append_json(line, "time", to_rfc3339(event.time));
    append_json(line, "level", row(event.level).name);
    if (!event.task.empty()) append_json(line, "task", event.task);
    if (!event.stage.empty()) append_json(line, "stage", event.stage);
    append_json(line, "id", event.id);
    append_json(line, "text", event.text);
    line += "}\n";
    return line;
  }
  if (journal) {
    line = {'<', row(event.level).priority, '>'};
  } else {
    line = fmt::format("{} {} ", to_rfc3339(event.time), row(event.level).padded);
  }
  if (!event.task.empty()) line.append("task=").append(event.task) += ' ';
  if (!event.stage.empty()) line.append("stage=").append(event.stage) += ' ';
  line.append(event.id).append(": ");
  append_plain(line, event.text);
  line += '\n';
  return line;
}

bool is_journal(int fd) {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(fd, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

void set_up_log(LogSettings settings) {
  State& shared = state();
  const std::lock_guard lock(shared.mutex);
  shared.level.store(settings.level, std::memory_order_relaxed);
  shared.settings = std::move(settings);
}

bool log_enabled(LogLevel level) { return level <= state().level.load(std::memory_order_relaxed); }

void set_log_task(std::string_view task) {
  State& shared = state();
  const std::lock_guard lock(shared.mutex);
  shared.task = task;
}

void set_log_stage(std::string_view stage) {
  State& shared = state();
  const std::lock_guard lock(shared.mutex);
  shared.stage = stage;
}

void write_log(LogLevel level, std::string_view id, std::string_view text) {
  if (!log_enabled(level)) return;
  State& shared = state();
  const std::lock_guard lock(shared.mutex);
  const std::string line = log_line({now(), level, shared.task, shared.stage, id, text},
                                    shared.settings.format, shared.journal);
  if (shared.settings.sink) {
    shared.settings.sink(line);
  } else {
    write_fully(STDERR_FILENO, line);
  }
}

void log_error(std::string_view id, std::string_view text) { write_log(LogLevel::error, id, text); }
void log_warn(std::string_view id, std::string_view text) { write_log(LogLevel::warn, id, text); }
void log_info(std::string_view id, std::string_view text) { write_log(LogLevel::info, id, text); }
void log_debug(std::string_view id, std::string_view text) { write_log(LogLevel::debug, id, text); }
void log_trace(std::string_view id, std::string_view text) { write_log(LogLevel::trace, id, text); }

}  // namespace weir
