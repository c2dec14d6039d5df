// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <sys/types.h>

#include "support/mysql_server.h"
#include "support/temp_dir.h"
#include "support/temp_postgres.h"

namespace weir::test {

/// One task in a folder of its own, with a state folder of its own, driven through the binaries of
/// this build as an operator would. The destructor ends what still runs of it.
///
/// The servers may live shorter than this object, which only remembers where they are. One thread.
class TaskRun {
 public:
  struct Options {
    std::string name = "shop";
    /// What follows [source] and [target] in the task file.
    std::string rest = "[[table]]\nmatch = \"*.*\"\n";
    std::string source_rest = {};  ///< more lines of [source]
    std::string target_rest = {};  ///< more lines of [target]
  };

  /// How a command of weir ended.
  struct Result {
    int code = -1;  ///< as a shell tells it: 128 + signal
    std::string out;
    std::string err;

    nlohmann::json json() const;  ///< of `out`; include <nlohmann/json.hpp>
    std::string text() const;     ///< all of it, for INFO
  };

  TaskRun(const MySqlServer& source, const TempPostgres& target, const Options& options);
  TaskRun(const MySqlServer& source, const TempPostgres& target)
      : TaskRun(source, target, Options{}) {}
  /// `source` and `target` are the whole sections, for any pair of kinds.
  TaskRun(const std::string& source, const std::string& target, const Options& options);
  /// `target` is the whole section, for kinds that are no PostgreSQL.
  TaskRun(const MySqlServer& source, const std::string& target, const Options& options);
  TaskRun(const MySqlServer& source, const MySqlServer& target, const Options& options);
  /// From the database `dw` of one server into that of another, over TCP.
  TaskRun(const TempPostgres& source, const TempPostgres& target, const Options& options);
  TaskRun(const TempPostgres& source, const MySqlServer& target, const Options& options);
  ~TaskRun();
  TaskRun(const TaskRun&) = delete;
  TaskRun& operator=(const TaskRun&) = delete;

  const std::string& name() const { return name_; }
  std::string file() const { return dir_ / (name_ + ".toml"); }
  std::string state_dir() const { return dir_ / "state"; }
  /// A password file of the source or the target, for task files of one's own.
  std::string source_password_file() const { return dir_ / "source.pw"; }
  std::string target_password_file() const { return dir_ / "target.pw"; }
  /// Writes the task file anew with another part behind [source] and [target].
  void rewrite(std::string_view rest);
  /// What supervisor and worker have logged.
  std::string log() const;

  /// Any command, `weir` and --state-dir come by themselves: run({"preflight", task.file()}).
  /// Throws std::runtime_error if it does not end within `limit`.
  Result run(std::vector<std::string> words, std::chrono::milliseconds limit = kPatience) const;
  /// `weir sync start FILE`, with `--wait GOAL` unless the goal is empty.
  Result start(std::string_view goal = "caught-up") const;
  Result stop() const;
  /// `weir sync status --json`; throws if that fails.
  nlohmann::json status() const;

  /// Asks until `condition` holds. False after `bound`. Throws std::runtime_error, with the task's
  /// error and the end of its log, if the task ends before.
  bool await(const std::function<bool()>& condition, std::chrono::milliseconds bound = kPatience);

  /// The process; -1 if there is none now.
  pid_t supervisor() const { return process("run"); }
  pid_t worker() const { return process("worker"); }
  /// Waits until there is a worker, and kills it by its pid, which it returns.
  pid_t kill_worker(int signal = 9) const;
  pid_t kill_supervisor(int signal = 9) const;

  static constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(2);

 private:
  void begin(const MySqlServer& source, const std::string& target, const Options& options);
  pid_t process(std::string_view verb) const;
  pid_t kill(std::string_view verb, int signal) const;

  std::string name_;
  std::string head_;
  TempDir dir_;
};

}  // namespace weir::test
