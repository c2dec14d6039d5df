// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace weir;

namespace {

const Time kTime{std::chrono::seconds(1767323045)};  // 2026-01-02T03:04:05Z

std::string text_line(LogEvent event, bool journal = false) {
  event.time = kTime;
  return log_line(event, LogFormat::text, journal);
}

/// Collects lines for the life of a test, and leaves the log as it was before.
class Collector {
 public:
  explicit Collector(LogLevel level) {
    set_up_log({.level = level, .format = LogFormat::text, .sink = [this](std::string_view line) {
                  lines.emplace_back(line);
                }});
  }
  ~Collector() {
    set_log_task("");
    set_log_stage("");
    set_up_log({});
  }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("a log line names time, level, task, stage and id", "[log]") {
  CHECK(text_line({.level = LogLevel::warn,
                   .task = "orders",
                   .stage = "incremental",
                   .id = "mysql.retention",
                   .text = "2h left"}) ==
        "2026-01-02T03:04:05Z WARN  task=orders stage=incremental mysql.retention: 2h left\n");
  CHECK(text_line({.level = LogLevel::error, .id = "x", .text = "gone"}) ==
        "2026-01-02T03:04:05Z ERROR x: gone\n");
}

TEST_CASE("a log line for the journal has a priority instead of a time", "[log]") {
  CHECK(text_line({.level = LogLevel::warn, .id = "x", .text = "t"}, true) == "<4>x: t\n");
  CHECK(text_line({.level = LogLevel::error, .id = "x", .text = "t"}, true) == "<3>x: t\n");
  CHECK(text_line({.level = LogLevel::info, .task = "a", .id = "x", .text = "t"}, true) ==
        "<6>task=a x: t\n");
}

TEST_CASE("no text can end a log line or drive a terminal", "[log]") {
  CHECK(text_line({.id = "x", .text = "one\ntwo\x1b[2J\tthree\n"}) ==
        "2026-01-02T03:04:05Z INFO  x: one; two [2J three\n");
}

TEST_CASE("a JSON log line is JSON whatever the text holds", "[log]") {
  const auto line = [](std::string_view text) {
    return log_line({kTime, LogLevel::info, "shop", "", "x", text}, LogFormat::json, true);
  };
  const std::string head =
      R"({"time":"2026-01-02T03:04:05Z","level":"info","task":"shop","id":"x","text":")";
  CHECK(line("plain") == head + "plain\"}\n");
  CHECK(line("a\"b\\c\nd\x01") == head + R"(a\"b\\c\nd\u0001)" + "\"}\n");
  CHECK(line("\xc3\xa9\xf0\x9f\x90\x98") == head + "\xc3\xa9\xf0\x9f\x90\x98\"}\n");
  // Latin-1, an overlong form, half a surrogate pair, beyond the last code point, cut short.
  CHECK(line("\xe9!") == head + "\xef\xbf\xbd!\"}\n");
  for (const char* bad : {"\xc0\xaf", "\xc3"}) {
    INFO(bad);
    const std::string text = line(bad);
    CHECK(text.find(bad) == std::string::npos);
    CHECK(text.find("\xef\xbf\xbd") != std::string::npos);
  }
  CHECK(line("\xed\xa0\x80").find('\xed') == std::string::npos);
  CHECK(line("\xf4\x90\x80\x80").find('\xf4') == std::string::npos);
}

TEST_CASE("the log passes on what its level lets through, with the context of the time", "[log]") {
  Collector log(LogLevel::info);
  log_debug("a", "hidden");
  log_info("b", "shown");
  set_log_task("shop");
  set_log_stage("full");
  log_error("c", "shown");
  CHECK_FALSE(log_enabled(LogLevel::debug));
  CHECK(log_enabled(LogLevel::info));
  REQUIRE(log.lines.size() == 2);
  CHECK(log.lines[0].find(" INFO  b: shown\n") != std::string::npos);
  CHECK(log.lines[1].find(" ERROR task=shop stage=full c: shown\n") != std::string::npos);
}

TEST_CASE("threads write whole lines", "[log]") {
  Collector log(LogLevel::info);
  constexpr int kThreads = 4;
  constexpr int kEach = 250;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (int n = 0; n < kEach; ++n) log_info("t", "a line of some length");
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(log.lines.size() == kThreads * kEach);
  for (const std::string& line : log.lines) {
    CHECK(line.substr(line.find("t: ")) == "t: a line of some length\n");
  }
}

TEST_CASE("the journal is known by the device and inode that systemd names", "[log]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  struct stat status {};
  REQUIRE(::fstat(ends[1], &status) == 0);
  const std::string name = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);

  ::unsetenv("JOURNAL_STREAM");
  CHECK_FALSE(is_journal(ends[1]));
  ::setenv("JOURNAL_STREAM", name.c_str(), 1);
  CHECK(is_journal(ends[1]));
  ::setenv("JOURNAL_STREAM", (name + "0").c_str(), 1);
  CHECK_FALSE(is_journal(ends[1]));
  ::unsetenv("JOURNAL_STREAM");
  ::close(ends[0]);
  ::close(ends[1]);
}
