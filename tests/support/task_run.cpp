// SPDX-License-Identifier: Apache-2.0
#include "support/task_run.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child_process.h"
#include "support/eventually.h"

namespace fs = std::filesystem;

namespace weir::test {

namespace {

constexpr std::chrono::milliseconds kStopLimit = std::chrono::seconds(30);

/// A value of TOML; paths, names and passwords of the tests hold no control characters.
std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

template <class Server>
std::string section(const std::string& name, const std::string& kind, const Server& server,
                    const std::string& password_file, const std::string& rest) {
  std::string text =
      '[' + name + "]\nkind = " + toml_text(kind) + "\nhost = " + toml_text(server.host()) +
      "\nport = " + std::to_string(server.port()) + "\nuser = " + toml_text(server.user()) +
      "\npassword = { file = " + toml_text(password_file) + " }\n" + rest;
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

void write_secret(const TempDir& dir, const std::string& name, const std::string& secret) {
  fs::permissions(dir.write(name, secret), fs::perms::owner_read | fs::perms::owner_write);
}

std::string tail(const std::string& text) {
  constexpr std::size_t kLongest = 4000;
  return text.size() > kLongest ? text.substr(text.size() - kLongest) : text;
}

/// The words of a process's command line; empty if there is no such process.
std::vector<std::string> command_line(const fs::path& folder) {
  const std::string text = read_file(folder / "cmdline");
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

}  // namespace

nlohmann::json TaskRun::Result::json() const { return nlohmann::json::parse(out); }

std::string TaskRun::Result::text() const {
  return "exit code " + std::to_string(code) + "\nstdout:\n" + out + "\nstderr:\n" + err;
}

TaskRun::TaskRun(const MySqlServer& source, const TempPostgres& target, const Options& options)
    : name_(options.name) {
  write_secret(dir_, "target.pw", target.password());
  begin(source,
        section("target", "postgres", target, target_password_file(),
                "database = " + toml_text(target.database()) + '\n' + options.target_rest),
        options);
}

TaskRun::TaskRun(const std::string& source, const std::string& target, const Options& options)
    : name_(options.name),
      head_("name = " + toml_text(name_) + "\n\n" + source + options.source_rest + '\n' + target +
            options.target_rest + '\n') {
  rewrite(options.rest);
}

TaskRun::TaskRun(const MySqlServer& source, const std::string& target, const Options& options)
    : name_(options.name) {
  begin(source, target + options.target_rest, options);
}

void TaskRun::begin(const MySqlServer& source, const std::string& target, const Options& options) {
  write_secret(dir_, "source.pw", source.password());
  head_ = "name = " + toml_text(name_) + "\n\n" +
          section("source", "mysql", source, source_password_file(), options.source_rest) + '\n' +
          target + '\n';
  rewrite(options.rest);
}

TaskRun::TaskRun(const MySqlServer& source, const MySqlServer& target, const Options& options)
    : name_(options.name) {
  write_secret(dir_, "source.pw", source.password());
  write_secret(dir_, "target.pw", target.password());
  head_ = "name = " + toml_text(name_) + "\n\n" +
          section("source", "mysql", source, source_password_file(), options.source_rest) + '\n' +
          section("target", "mysql", target, target_password_file(), options.target_rest) + '\n';
  rewrite(options.rest);
}

TaskRun::TaskRun(const TempPostgres& source, const TempPostgres& target, const Options& options)
    : name_(options.name) {
  write_secret(dir_, "source.pw", source.password());
  write_secret(dir_, "target.pw", target.password());
  const auto database = [](const TempPostgres& server) {
    return "database = " + toml_text(server.database()) + '\n';
  };
  head_ = "name = " + toml_text(name_) + "\n\n" +
          section("source", "postgres", source, source_password_file(),
                  database(source) + options.source_rest) +
          '\n' +
          section("target", "postgres", target, target_password_file(),
                  database(target) + options.target_rest) +
          '\n';
  rewrite(options.rest);
}

TaskRun::TaskRun(const TempPostgres& source, const MySqlServer& target, const Options& options)
    : name_(options.name) {
  write_secret(dir_, "source.pw", source.password());
  write_secret(dir_, "target.pw", target.password());
  head_ = "name = " + toml_text(name_) + "\n\n" +
          section("source", "postgres", source, source_password_file(),
                  "database = " + toml_text(source.database()) + '\n' + options.source_rest) +
          '\n' + section("target", "mysql", target, target_password_file(), options.target_rest) +
          '\n';
  rewrite(options.rest);
}

TaskRun::~TaskRun() {
  // As an operator would, so that a worker in the middle of a batch is not cut short for nothing;
  // whatever becomes of that, nothing of the task may outlive the test.
  try {
    if (supervisor() > 0) run({"sync", "stop", name_, "--timeout", "10s"}, kStopLimit);
  } catch (const std::exception&) {
  }
  for (const char* verb : {"run", "worker"}) {
    eventually([&] {
      const pid_t pid = process(verb);
      if (pid > 0) ::kill(pid, SIGKILL);
      return pid < 0;
    });
  }
}

void TaskRun::rewrite(std::string_view rest) {
  dir_.write(name_ + ".toml", head_ + std::string(rest));
}

std::string TaskRun::log() const { return read_file(state_dir() + "/log/" + name_ + ".log"); }

namespace {

/// Recorded facts under tests/facts come from runs with WEIR_KEEP_FACTS=FOLDER: each preflight
/// keeps its facts there, and its task file.
void keep_facts(std::vector<std::string>& words, const std::string& task_file) {
  const char* const folder = std::getenv("WEIR_KEEP_FACTS");
  if (folder == nullptr || words.empty() || words.front() != "preflight") return;
  for (const std::string& word : words) {
    if (word.starts_with("--facts") || word == "--mapping-only" || word == "--list") return;
  }
  static std::atomic<int> runs{0};
  const std::string name =
      std::string(folder) + "/" + std::to_string(getpid()) + "-" + std::to_string(++runs);
  if (!std::filesystem::exists(task_file)) return;
  std::filesystem::copy_file(task_file, name + ".toml");
  words.insert(words.end(), {"--facts-out", name + ".json"});
}

}  // namespace

TaskRun::Result TaskRun::run(std::vector<std::string> words,
                             std::chrono::milliseconds limit) const {
  const TempDir scratch;
  const std::string out = scratch / "out";
  const std::string err = scratch / "err";
  // A child has one file for all that it says; the shell keeps the two apart.
  std::vector<std::string> argv = {"/bin/sh", "-c", "exec \"$@\" 2>\"$0\"", err,
                                   WEIR_BIN_DIR "/weir"};
  keep_facts(words, file());
  const auto options = std::find(words.begin(), words.end(), "--");
  words.insert(options, {"--state-dir", state_dir()});
  argv.insert(argv.end(), words.begin(), words.end());
  ChildProcess child({.argv = argv, .output = out, .input = {}});
  const std::optional<int> status = child.wait(limit);
  Result result{-1, read_file(out), read_file(err)};
  if (!status) {
    std::string command;
    for (const std::string& word : words) command += ' ' + word;
    throw std::runtime_error("weir" + command + " did not end in time\n" + result.text() +
                             "\nlog:\n" + tail(log()));
  }
  result.code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  return result;
}

TaskRun::Result TaskRun::start(std::string_view goal) const {
  std::vector<std::string> words = {"sync", "start", file()};
  if (!goal.empty()) words.insert(words.end(), {"--wait", std::string(goal)});
  return run(std::move(words));
}

TaskRun::Result TaskRun::stop() const { return run({"sync", "stop", name_}); }

nlohmann::json TaskRun::status() const {
  const Result result = run({"sync", "status", name_, "--json"});
  // 1 says that the task has failed, and the answer tells how.
  if (result.code != 0 && result.code != 1) throw std::runtime_error(result.text());
  return result.json();
}

bool TaskRun::await(const std::function<bool()>& condition, std::chrono::milliseconds bound) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kLook{2};
  Clock::time_point next_look = Clock::now() + kLook;
  return eventually(
      [&] {
        if (condition()) return true;
        if (Clock::now() < next_look) return false;
        next_look = Clock::now() + kLook;
        if (supervisor() > 0) return false;
        if (condition()) return true;
        throw std::runtime_error("task " + name_ + " ended:\n" + status().dump(2) + "\nlog:\n" +
                                 tail(log()));
      },
      bound);
}

pid_t TaskRun::kill_worker(int signal) const { return kill("worker", signal); }

pid_t TaskRun::kill_supervisor(int signal) const { return kill("run", signal); }

pid_t TaskRun::kill(std::string_view verb, int signal) const {
  pid_t pid = -1;
  if (!eventually([&] { return (pid = process(verb)) > 0; })) {
    throw std::runtime_error("task " + name_ + " has no " + std::string(verb) + " process:\n" +
                             tail(log()));
  }
  ::kill(pid, signal);
  return pid;
}

pid_t TaskRun::process(std::string_view verb) const {
  // Its command line names our own task file, so no other process can be meant.
  const std::string own_file = file();
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string number = entry.path().filename();
    pid_t pid = -1;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), pid);
    if (read.ec != std::errc() || read.ptr != number.data() + number.size()) continue;
    const std::vector<std::string> words = command_line(entry.path());
    if (words.size() > 2 && words[1] == verb && words.back() == own_file) return pid;
  }
  return -1;
}

}  // namespace weir::test
