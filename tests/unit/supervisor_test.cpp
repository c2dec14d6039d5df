// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "engine/embedded/embedded_engine.h"
#include "engine/embedded/lock.h"
#include "engine/embedded/notify.h"
#include "engine/embedded/restart_policy.h"
#include "support/eventually.h"
#include "support/temp_dir.h"

using namespace weir;
using namespace std::chrono_literals;
using weir::test::eventually;
using weir::test::read_file;
using weir::test::TempDir;

namespace {

constexpr auto kNever = std::nullopt;

EmbeddedTiming quick() {
  EmbeddedTiming timing;
  timing.supervisor.tick = 10ms;
  timing.supervisor.first_delay = 5ms;
  timing.supervisor.last_delay = 40ms;
  return timing;
}

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

Engine::Submission task_with(const std::string& script) {
  Engine::Submission submission;
  submission.task = "shop";
  submission.worker = shell(script);
  return submission;
}

/// What an observer was told, as text: "started", "failover", "ended 9 -" or "ended 1 5".
struct Told {
  std::vector<std::string> calls;
  bool ready = false;
  bool connected = false;

  Engine::Observer observer() {
    Engine::Observer out;
    out.worker_starts = [this](bool failover) {
      calls.push_back(failover ? "failover" : "started");
    };
    out.worker_ended = [this](int code, std::optional<std::chrono::milliseconds> delay) {
      calls.push_back("ended " + std::to_string(code) + " " +
                      (delay ? std::to_string(delay->count()) : "-"));
    };
    out.status_line = [] { return std::string("working"); };
    out.is_ready = [this] { return ready; };
    out.has_connected = [this] { return connected; };
    return out;
  }
};

using Calls = std::vector<std::string>;

/// A supervisor in a process of its own, killed with this object (its worker follows).
class Supervised {
 public:
  Supervised(const std::string& folder, const Engine::Submission& submission, Told told = {},
             const EmbeddedTiming& timing = quick())
      : pid_(fork()) {
    if (pid_ != 0) return;
    int code = 99;
    try {
      code = EmbeddedEngine(folder, timing).run(submission, told.observer());
    } catch (const Error& error) {
      code = static_cast<int>(error.code());
    } catch (...) {
      code = 98;
    }
    _exit(code);
  }
  ~Supervised() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Supervised(const Supervised&) = delete;
  Supervised& operator=(const Supervised&) = delete;

  int pid() const { return pid_; }
  void signal(int number) const { kill(pid_, number); }
  /// The exit code, 128 + signal, or -1 if it does not end.
  int wait() {
    int status = 0;
    if (!eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int pid_;
};

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

/// The service manager's end of the notify socket.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& address)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address.copy(name.sun_path, sizeof name.sun_path - 1);
    if (name.sun_path[0] == '@') name.sun_path[0] = '\0';
    REQUIRE(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&name),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size())) == 0);
  }

  /// Everything that came so far, one line each.
  const Calls& lines() {
    char buffer[4096];
    for (;;) {
      const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got < 0) return lines_;
      std::istringstream text(std::string(buffer, static_cast<std::size_t>(got)));
      for (std::string line; std::getline(text, line);) lines_.push_back(line);
    }
  }
  std::ptrdiff_t count(const std::string& line) {
    const Calls& all = lines();
    return std::count(all.begin(), all.end(), line);
  }

 private:
  UniqueFd fd_;
  Calls lines_;
};

std::string error_id(const std::function<void()>& call, ExitCode* code = nullptr,
                     std::string* why = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (code != nullptr) *code = error.code();
    if (why != nullptr) *why = error.why();
    return error.id();
  }
  return {};
}

std::size_t lines_of(const std::string& path) {
  const std::string text = read_file(path);
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

bool gone(int pid) { return !ProcessMark::of(pid).alive(); }

/// The pid in a file that a script wrote with `echo $$ > file`; 0 if it is not there yet.
int pid_in(const std::string& path) { return std::atoi(read_file(path).c_str()); }

/// A shell command that lasts as long as the folder, so that a failing test leaves nothing running.
std::string while_exists(const std::string& folder) {
  return "while test -d " + folder + "; do sleep 0.02; done";
}

/// A worker that says that it runs and ends well on the first TERM.
std::string polite(const std::string& folder) {
  return "trap 'echo term >> " + folder + "/log; exit 0' TERM; echo $$ > " + folder + "/pid; " +
         while_exists(folder);
}

ProcessEnd exited(ExitCode code) { return {static_cast<int>(code), 0}; }

}  // namespace

// --- the policy ------------------------------------------------------------------------------

TEST_CASE("restarts wait longer each time, up to a minute", "[engine][policy]") {
  RestartPolicy policy({.failovers = 100});
  Clock::time_point at{};
  std::vector<std::int64_t> seconds;
  for (int i = 0; i < 9; ++i) {
    const auto delay = policy.after(exited(ExitCode::failed), true, at, at + 1s);
    REQUIRE(delay);
    seconds.push_back(delay->count() / 1000);
    at += 1s + *delay;
  }
  CHECK(seconds == std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 60, 60, 60});

  // A worker that lived long enough has mended what was broken.
  CHECK(policy.after(exited(ExitCode::failed), true, at, at + 5min) == 1s);
  at += 5min;
  CHECK(policy.after(exited(ExitCode::failed), true, at, at + 4min) == 2s);
}

TEST_CASE("failovers are counted within the window", "[engine][policy]") {
  RestartPolicy policy({.failovers = 3, .window = 30min});
  const Clock::time_point start{};
  for (const auto minute : {0min, 10min, 20min}) {
    CHECK(policy.after({0, SIGSEGV}, true, start, start + minute));
  }
  // The first one leaves the window just now.
  CHECK(policy.after(exited(ExitCode::bug), true, start, start + 30min));
  CHECK(policy.after(exited(ExitCode::bug), true, start, start + 39min) == kNever);
  CHECK(RestartPolicy({.failovers = 0}).after({0, SIGKILL}, true, start, start) == kNever);
}

TEST_CASE("what a restart cannot mend is not restarted", "[engine][policy]") {
  for (const ExitCodeRow& row : exit_codes()) {
    RestartPolicy policy({});
    const bool restarted = policy.after(exited(row.code), true, {}, {}).has_value();
    INFO(row.name);
    CHECK(restarted == (row.restart && row.code != ExitCode::ok));
  }
  RestartPolicy policy({});
  CHECK(policy.after({42, 0}, true, {}, {}));       // unknown codes mean failure
  CHECK(policy.after({0, SIGTERM}, true, {}, {}));  // a signal is no exit code
}

TEST_CASE("a lost server is waited for, a server never reached is not", "[engine][policy]") {
  for (const ExitCode code : {ExitCode::source_unreachable, ExitCode::target_unreachable}) {
    RestartPolicy policy({.failovers = 1});
    CHECK(policy.after(exited(code), false, {}, {}) == kNever);
    for (int i = 0; i < 100; ++i) REQUIRE(policy.after(exited(code), true, {}, {}));
    CHECK(policy.after(exited(code), true, {}, {}) == 60s);
    // The outage has not used up what is there for crashes.
    CHECK(policy.after(exited(ExitCode::failed), true, {}, {}));
    CHECK(policy.after(exited(ExitCode::failed), true, {}, {}) == kNever);
  }
}

// --- the supervisor --------------------------------------------------------------------------

TEST_CASE("a worker that is done ends the task", "[engine]") {
  TempDir dir;
  Told told;
  EmbeddedEngine engine(dir / "run", quick());
  CHECK(engine.run(task_with("exit 0"), told.observer()) == 0);
  CHECK(told.calls == Calls{"started", "ended 0 -"});
  CHECK_FALSE(engine.status("shop").running);
}

TEST_CASE("a process that is being killed counts as dead before the kernel is through with it",
          "[engine]") {
  // Giving back its memory takes a while, in which it holds what locks it had.
  constexpr std::size_t kMemory = std::size_t{256} << 20;
  int ready[2];
  REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
  const int pid = fork();
  if (pid == 0) {
    const std::vector<char> memory(kMemory, 'x');
    if (write(ready[1], memory.data(), 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  close(ready[0]);
  close(ready[1]);
  const ProcessMark mark = ProcessMark::of(pid);
  CHECK(mark.alive());
  const auto has_memory = [pid] {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
    return file.peek() != std::ifstream::traits_type::eof();
  };
  kill(pid, SIGKILL);
  while (has_memory()) {
  }
  CHECK_FALSE(mark.alive());
  CHECK(waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE("the end of a task is told while nobody else can have it", "[engine]") {
  TempDir dir;
  EmbeddedEngine engine(dir.path(), quick());
  Told told;
  Engine::Observer observer = told.observer();
  std::optional<int> ended;
  bool held = false;
  observer.ended = [&](int code) {
    ended = code;
    held = engine.status("shop").running;
  };
  CHECK(engine.run(task_with("exit 3"), observer) == 3);
  CHECK(ended == 3);
  CHECK(held);
  CHECK_FALSE(engine.status("shop").running);
}

TEST_CASE("a refusal is returned and not repeated", "[engine]") {
  TempDir dir;
  EmbeddedEngine engine(dir.path(), quick());
  for (const int code : {2, 3, 4, 8, 9}) {
    Told told;
    told.ready = true;
    CHECK(engine.run(task_with("exit " + std::to_string(code)), told.observer()) == code);
    CHECK(told.calls == Calls{"started", "ended " + std::to_string(code) + " -"});
  }
}

TEST_CASE("a crash loop is given up", "[engine]") {
  TempDir dir;
  EmbeddedEngine engine(dir.path(), quick());
  Told told;
  Engine::Submission submission = task_with("echo >> " + dir / "starts; exit 70");
  SECTION("with its exit code") {
    CHECK(engine.run(submission, told.observer()) == 70);
    CHECK(told.calls == Calls{"started", "ended 70 5", "failover", "ended 70 10", "failover",
                              "ended 70 20", "failover", "ended 70 -"});
    CHECK(lines_of(dir / "starts") == 4);
  }
  SECTION("with 1 if it was killed") {
    submission.worker = shell("kill -KILL $$");
    submission.failover_limit = 1;
    CHECK(engine.run(submission, told.observer()) == 1);
    CHECK(told.calls == Calls{"started", "ended 137 5", "failover", "ended 137 -"});
  }
}

TEST_CASE("a crash that does not come back is forgiven", "[engine]") {
  TempDir dir;
  Told told;
  const std::string script = "test -e " + dir / "second && exit 0; touch " + dir / "second; exit 1";
  CHECK(EmbeddedEngine(dir.path(), quick()).run(task_with(script), told.observer()) == 0);
  CHECK(told.calls == Calls{"started", "ended 1 5", "failover", "ended 0 -"});
}

TEST_CASE("an unreachable server ends only a task that never reached it", "[engine]") {
  TempDir dir;
  EmbeddedEngine engine(dir.path(), quick());
  Told told;
  const std::string starts = dir / "starts";
  // Comes back on the tenth start, far beyond the limit of failovers.
  Engine::Submission submission =
      task_with("echo >> " + starts + "; test $(wc -l < " + starts + ") -ge 10 && exit 0; exit 6");
  submission.failover_limit = 1;
  SECTION("never reached") {
    CHECK(engine.run(submission, told.observer()) == 6);
    CHECK(told.calls == Calls{"started", "ended 6 -"});
  }
  SECTION("connected") {
    told.connected = true;
    CHECK(engine.run(submission, told.observer()) == 0);
    CHECK(lines_of(starts) == 10);
  }
  SECTION("ready") {
    told.ready = true;
    CHECK(engine.run(submission, told.observer()) == 0);
    CHECK(lines_of(starts) == 10);
  }
}

TEST_CASE("a program that cannot be started is an error at once", "[engine]") {
  TempDir dir;
  Told told;
  Engine::Submission submission = task_with("");
  submission.worker = {dir / "absent"};
  EmbeddedEngine engine(dir.path(), quick());
  CHECK(error_id([&] { engine.run(submission, told.observer()); }) == "process.start");
  CHECK(told.calls == Calls{"started"});
  told.calls.clear();

  // Later it is a failover like any other, and the error is kept for the end.
  const std::string program = dir.write("once", "#!/bin/sh\nrm \"$0\"\nexit 1\n");
  chmod(program.c_str(), 0700);
  submission.worker = {program};
  CHECK(error_id([&] { engine.run(submission, told.observer()); }) == "process.start");
  CHECK(told.calls == Calls{"started", "ended 1 5", "failover", "ended 1 10", "failover",
                            "ended 1 20", "failover", "ended 1 -"});
}

TEST_CASE("the first stop is told once, and the worker's good end is a good end", "[engine]") {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    TempDir dir;
    const std::string log = dir / "log";
    Supervised supervised(
        dir.path(),
        task_with("trap 'echo term >> " + log + "; exit 0' TERM; trap 'echo int >> " + log +
                  "; exit 0' INT; echo $$ > " + dir / "pid" + "; " + while_exists(dir.path())));
    REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0; }));
    supervised.signal(number);
    CHECK(supervised.wait() == 0);
    CHECK(read_file(log) == (number == SIGINT ? "int\n" : "term\n"));
    CHECK_FALSE(EmbeddedEngine(dir.path()).status("shop").running);
  }
}

TEST_CASE("a worker that fails while it stops is not restarted", "[engine]") {
  TempDir dir;
  Supervised supervised(dir.path(),
                        task_with("trap 'exit 6' TERM; echo $$ > " + dir / "pid" + "; echo >> " +
                                  dir / "starts; " + while_exists(dir.path())));
  REQUIRE(eventually([&] { return lines_of(dir / "starts") == 1; }));
  supervised.signal(SIGTERM);
  CHECK(supervised.wait() == 6);
  CHECK(lines_of(dir / "starts") == 1);
}

TEST_CASE("a second stop kills the worker and all it started", "[engine]") {
  TempDir dir;
  Supervised supervised(
      dir.path(),
      task_with("trap 'echo term >> " + dir / "log" + "' TERM; sh -c 'trap \"\" TERM; echo $$ > " +
                dir / "child" + "; " + while_exists(dir.path()) + "' & echo $$ > " + dir / "pid" +
                "; " + while_exists(dir.path())));
  REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0 && pid_in(dir / "child") > 0; }));
  const int child = pid_in(dir / "child");
  supervised.signal(SIGTERM);
  REQUIRE(eventually([&] { return lines_of(dir / "log") == 1; }));
  supervised.signal(SIGTERM);
  CHECK(supervised.wait() == 143);
  CHECK(eventually([&] { return gone(pid_in(dir / "pid")) && gone(child); }));
  CHECK(lines_of(dir / "log") == 1);
}

TEST_CASE("what a crashed worker leaves in its group is cleared away", "[engine]") {
  TempDir dir;
  Told told;
  Engine::Submission submission =
      task_with(while_exists(dir.path()) + " & echo $! > " + dir / "child" + "; exit 4");
  CHECK(EmbeddedEngine(dir.path(), quick()).run(submission, told.observer()) == 4);
  CHECK(eventually([&] { return gone(pid_in(dir / "child")); }));
  CHECK_FALSE(EmbeddedEngine(dir.path()).status("shop").running);
}

TEST_CASE("a stop ends the wait before a restart", "[engine]") {
  TempDir dir;
  EmbeddedTiming timing = quick();
  timing.supervisor.first_delay = 10min;
  timing.supervisor.last_delay = 10min;
  Supervised supervised(dir.path(), task_with("echo >> " + dir / "starts; exit 1"), {}, timing);
  EmbeddedEngine engine(dir.path(), timing);
  // Once its worker is reaped, the supervisor only waits.
  REQUIRE(eventually([&] {
    const auto holder = TaskLock::holder(dir / "shop.lock");
    return holder && holder->worker.pid != 0 && kill(holder->worker.pid, 0) != 0;
  }));
  CHECK(engine.stop("shop", 10s));
  CHECK(supervised.wait() == 0);
  CHECK(lines_of(dir / "starts") == 1);
  CHECK_FALSE(engine.stop("shop", 10s));
}

TEST_CASE("an observer that fails does not end the task", "[engine]") {
  TempDir dir;
  const auto fail = [] { throw Error(ExitCode::failed, "state.io", "the disk is full"); };
  Engine::Observer observer;
  observer.worker_starts = [&](bool) { fail(); };
  observer.worker_ended = [&](int, auto) { fail(); };
  observer.status_line = [&]() -> std::string {
    fail();
    return {};
  };
  observer.is_ready = [&] {
    fail();
    return true;
  };
  const std::string script = "test -e " + dir / "2 && exit 9; touch " + dir / "2; exit 1";
  CHECK(EmbeddedEngine(dir.path(), quick()).run(task_with(script), observer) == 9);
  CHECK(EmbeddedEngine(dir.path(), quick()).run(task_with("exit 0"), {}) == 0);
}

TEST_CASE("a killed supervisor takes its worker along, and the next one waits for it", "[engine]") {
  TempDir dir;
  // Busy with its last batch until it is let go.
  const std::string script = "trap 'echo term >> " + dir / "log" + "' TERM; echo $$ > " +
                             dir / "pid" + "; until test -e " + dir / "go" + " -o ! -d " +
                             dir.path() + "; do sleep 0.02; done; exit 0";
  Supervised first(dir.path(), task_with(script));
  REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0; }));
  const int worker = pid_in(dir / "pid");
  first.signal(SIGKILL);
  CHECK(first.wait() == 137);
  CHECK(eventually([&] { return read_file(dir / "log") == "term\n"; }));

  // The task is still at work, so nobody else may have it ...
  CHECK(EmbeddedEngine(dir.path()).status("shop").running);
  EmbeddedTiming impatient = quick();
  impatient.orphan_patience = 50ms;
  CHECK(error_id([&] { EmbeddedEngine(dir.path(), impatient).run(task_with("exit 0"), {}); }) ==
        "task.leaving");
  // ... until the old worker has left.
  Supervised second(dir.path(), task_with("echo second >> " + dir / "log"));
  CHECK(read_file(dir / "log") == "term\n");
  dir.write("go", "");
  CHECK(second.wait() == 0);
  CHECK(gone(worker));
  CHECK(read_file(dir / "log") == "term\nsecond\n");
}

TEST_CASE("an orphaned worker can be stopped", "[engine]") {
  TempDir dir;
  Supervised first(dir.path(), task_with("trap 'echo >> " + dir / "log" + "; test $(wc -l < " +
                                         dir / "log" + ") -ge 2 && exit 0' TERM; echo $$ > " +
                                         dir / "pid" + "; " + while_exists(dir.path())));
  REQUIRE(eventually([&] {
    const auto holder = TaskLock::holder(dir / "shop.lock");
    return holder && pid_in(dir / "pid") > 0 && holder->worker.pid == pid_in(dir / "pid");
  }));
  first.signal(SIGKILL);
  CHECK(first.wait() == 137);
  REQUIRE(eventually([&] { return lines_of(dir / "log") == 1; }));
  CHECK(EmbeddedEngine(dir.path()).stop("shop", 10s));
  CHECK(gone(pid_in(dir / "pid")));
}

// --- the lock --------------------------------------------------------------------------------

TEST_CASE("a task runs once, and its status says where", "[engine][lock]") {
  TempDir dir;
  EmbeddedEngine engine(dir / "run", quick());
  CHECK_FALSE(engine.status("shop").running);
  CHECK_FALSE(std::filesystem::exists(dir / "run"));  // asking creates nothing

  const Time before = std::chrono::floor<std::chrono::seconds>(now());
  Supervised supervised(dir / "run", task_with(polite(dir.path())));
  REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0; }));
  const Engine::Status status = engine.status("shop");
  CHECK(status.running);
  CHECK(status.supervisor_pid == supervised.pid());
  CHECK(status.host == host_name());
  CHECK(status.since >= before);

  ExitCode code = ExitCode::ok;
  std::string why;
  CHECK(error_id([&] { engine.run(task_with("exit 0"), {}); }, &code, &why) == "task.running");
  CHECK(code == ExitCode::state_conflict);
  CHECK_THAT(why, Catch::Contains(std::to_string(supervised.pid())));
  CHECK_FALSE(engine.submit("shop", shell("exit 0"), dir / "log"));
  CHECK_FALSE(engine.status("other").running);

  struct stat found {};
  REQUIRE(stat((dir / "run/shop.lock").c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
  REQUIRE(stat((dir / "run").c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0700);

  CHECK(engine.stop("shop", 10s));
  CHECK(supervised.wait() == 0);
  CHECK_FALSE(engine.status("shop").running);
}

TEST_CASE("asking for the status never gets in the way of a start", "[engine][lock]") {
  TempDir dir;
  const std::string path = dir / "shop.lock";
  std::atomic<bool> done{false};
  std::thread asker([&] {
    while (!done) TaskLock::holder(path);
  });
  int taken = 0;
  for (int i = 0; i < 500; ++i) taken += TaskLock::acquire(path).has_value() ? 1 : 0;
  done = true;
  asker.join();
  CHECK(taken == 500);
}

TEST_CASE("a lock file describes its holder whole or not at all", "[engine][lock]") {
  TempDir dir;
  const std::string path = dir / "shop.lock";
  auto lock = TaskLock::acquire(path);
  REQUIRE(lock);
  CHECK_FALSE(TaskLock::acquire(path));
  CHECK(TaskLock::holder(path)->supervisor.pid == 0);

  LockHolder self{ProcessMark::of(getpid()), {}, host_name(), now(), ""};
  for (const std::size_t size : {std::size_t{5000}, std::size_t{3}}) {
    self.command = "weir\nsupervisor=1 1" + std::string(size, 'x');
    lock->describe(self);
    const auto holder = TaskLock::holder(path);
    REQUIRE(holder);
    CHECK(holder->supervisor.pid == getpid());
    CHECK(holder->supervisor.alive());
    CHECK(holder->worker.pid == 0);
    CHECK(holder->host == host_name());
    CHECK(holder->since == std::chrono::floor<std::chrono::seconds>(self.since));
    CHECK_THAT(holder->command, Catch::StartsWith("weir supervisor=1 1xxx"));
  }
  CHECK(read_file(path).size() < 400);

  // What a longer text before left behind, seen between two calls of the writer, is not read.
  const std::string whole = read_file(path);
  dir.write("shop.lock", whole + "supervisor=1 1\nend\n");
  CHECK(TaskLock::holder(path)->supervisor.pid == getpid());
  dir.write("shop.lock", whole.substr(0, whole.size() - 2));
  CHECK(TaskLock::holder(path)->supervisor.pid == 0);

  // The text of a holder that is gone says nothing about the one that came after.
  self.supervisor.start += 1;
  lock->describe(self);
  CHECK_FALSE(TaskLock::holder(path)->supervisor.alive());
  const Engine::Status status = EmbeddedEngine(dir.path()).status("shop");
  CHECK(status.running);
  CHECK(status.supervisor_pid == 0);
  CHECK(error_id([&] { EmbeddedEngine(dir.path()).stop("shop", 20ms); }) == "stop.timeout");
  lock.reset();
  CHECK_FALSE(TaskLock::holder(path));
}

TEST_CASE("a task of another host is left alone", "[engine][lock]") {
  TempDir dir;
  auto lock = TaskLock::acquire(dir / "shop.lock");
  REQUIRE(lock);
  lock->describe({{getpid(), 1}, {}, "elsewhere.example", now(), "weir"});
  EmbeddedEngine engine(dir.path(), quick());
  CHECK(error_id([&] { engine.stop("shop", 1s); }) == "stop.other-host");
  CHECK(error_id([&] { engine.run(task_with("exit 0"), {}); }) == "task.running");
  CHECK_FALSE(engine.submit("shop", shell("exit 0"), dir / "log"));
}

TEST_CASE("a stop that takes too long says so, and the next one ends it", "[engine]") {
  TempDir dir;
  Supervised supervised(
      dir.path(), task_with("trap 'echo >> " + dir / "log" + "' TERM; echo $$ > " + dir / "pid" +
                            "; " + while_exists(dir.path())));
  REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0; }));
  EmbeddedEngine engine(dir.path(), quick());
  ExitCode code = ExitCode::ok;
  CHECK(error_id([&] { engine.stop("shop", 50ms); }, &code) == "stop.timeout");
  CHECK(code == ExitCode::timed_out);
  REQUIRE(eventually([&] { return lines_of(dir / "log") == 1; }));
  CHECK(engine.stop("shop", 10s));
  CHECK(supervised.wait() == 143);
}

// --- in the background -----------------------------------------------------------------------

namespace {

/// A command that becomes a supervisor: this very program, run with a hidden test case.
std::vector<std::string> supervisor_command(const std::string& folder) {
  return {"/usr/bin/env", "WEIR_TEST_FOLDER=" + folder,
          std::filesystem::read_symlink("/proc/self/exe").string(), "supervisor for submit"};
}

}  // namespace

TEST_CASE("supervisor for submit", "[.]") {
  const char* folder = getenv("WEIR_TEST_FOLDER");
  REQUIRE(folder != nullptr);
  const std::string dir = folder;
  const std::string script = "readlink /proc/self/cwd /proc/$PPID/fd/0 > " + dir +
                             "/where; ls /proc/$PPID/fd > " + dir +
                             "/fds; cut -d' ' -f7 /proc/$PPID/stat > " + dir +
                             "/terminal; echo from the worker; " + polite(dir);
  CHECK(EmbeddedEngine(dir, quick()).run(task_with(script), {}) == 0);
}

TEST_CASE("submit returns once the task is held, and the task outlives its starter", "[engine]") {
  TempDir dir;
  EmbeddedEngine engine(dir.path(), quick());
  // Must not reach the supervisor.
  const UniqueFd secret(open("/dev/null", O_RDONLY));
  REQUIRE(fcntl(secret.get(), F_DUPFD, 77) == 77);
  const UniqueFd leaked(77);

  REQUIRE(engine.submit("shop", supervisor_command(dir.path()), dir / "log/shop.log"));
  const Engine::Status status = engine.status("shop");
  CHECK(status.running);
  CHECK(status.supervisor_pid != getpid());
  CHECK_FALSE(engine.submit("shop", supervisor_command(dir.path()), dir / "log/shop.log"));
  REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0; }));

  CHECK(read_file(dir / "where") == "/\n/dev/null\n");
  CHECK_THAT(read_file(dir / "fds"), !Catch::Contains("77"));
  CHECK(read_file(dir / "terminal") == "0\n");  // none
  CHECK(getsid(status.supervisor_pid) != getsid(0));
  CHECK(getsid(status.supervisor_pid) != status.supervisor_pid);
  CHECK_THAT(read_file(dir / "log/shop.log"), Catch::Contains("from the worker"));
  // The monitor is gone, and we are not the parent of anything.
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);

  CHECK(engine.stop("shop", 20s));
  CHECK_FALSE(engine.status("shop").running);
  CHECK(gone(pid_in(dir / "pid")));
}

TEST_CASE("a start that fails early is reported with its code and its words", "[engine]") {
  TempDir dir;
  EmbeddedEngine engine(dir.path(), quick());
  const std::string log = dir.write("log", "old words\n");
  ExitCode code = ExitCode::ok;
  std::string why;
  const auto submit = [&](const std::string& script) {
    return error_id([&] { engine.submit("shop", shell(script), log); }, &code, &why);
  };
  CHECK(submit("echo 'error: no such key' >&2; exit 3") == "start.failed");
  CHECK(code == ExitCode::configuration);
  CHECK(why == "error: no such key");
  CHECK_THAT(read_file(log), Catch::StartsWith("old words\n"));
  CHECK(submit("exit 99") == "start.failed");
  CHECK(code == ExitCode::failed);
  CHECK(submit("kill -SEGV $$") == "start.failed");
  CHECK(code == ExitCode::failed);
  CHECK(error_id([&] { engine.submit("shop", {dir / "absent"}, log); }) == "process.start");
  CHECK(error_id([&] { engine.submit("shop", shell(""), dir / "log/x/y"); }) == "folder.create");
  CHECK(engine.submit("shop", shell("exit 0"), log));
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("a supervisor that never takes its task is ended", "[engine]") {
  TempDir dir;
  EmbeddedTiming timing = quick();
  timing.submit_patience = 300ms;
  EmbeddedEngine engine(dir.path(), timing);
  const std::string script = "echo $$ > " + dir / "pid" + "; exec sleep 600";
  CHECK(error_id([&] { engine.submit("shop", shell(script), dir / "log"); }) == "start.timeout");
  CHECK(eventually([&] { return pid_in(dir / "pid") > 0 && gone(pid_in(dir / "pid")); }));
}

// --- the service manager ---------------------------------------------------------------------

TEST_CASE("the service manager hears what it has to", "[engine][notify]") {
  TempDir dir;
  const bool abstract = GENERATE(false, true);
  const std::string address = abstract ? "@weir-test-" + std::to_string(getpid()) : dir / "notify";
  NotifySocket socket(address);
  const Variable variable("NOTIFY_SOCKET", address);
  const Variable watchdog("WATCHDOG_USEC", "40000");
  Told told;
  SECTION("from start to stop") {
    told.ready = true;
    Supervised supervised(dir.path(), task_with("env > " + dir / "env; " + polite(dir.path())),
                          told);
    const std::string pid = std::to_string(supervised.pid());
    CHECK(eventually([&] { return socket.count("MAINPID=" + pid) == 1; }));
    CHECK(eventually([&] { return socket.count("WATCHDOG=1") >= 5; }));
    CHECK(eventually([&] { return socket.count("READY=1") == 1; }));
    CHECK(eventually([&] { return socket.count("STATUS=working") == 1; }));
    REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0; }));
    CHECK_THAT(read_file(dir / "env"), !Catch::Contains("NOTIFY_SOCKET"));
    CHECK_THAT(read_file(dir / "env"), !Catch::Contains("WATCHDOG"));
    CHECK(socket.count("STOPPING=1") == 0);
    supervised.signal(SIGTERM);
    CHECK(supervised.wait() == 0);
    CHECK(socket.count("STOPPING=1") == 1);
    CHECK(socket.count("READY=1") == 1);
  }
  SECTION("while waiting, too") {
    EmbeddedTiming timing = quick();
    timing.supervisor.first_delay = 10min;
    timing.supervisor.last_delay = 10min;
    Supervised supervised(dir.path(), task_with("exit 7"), told, timing);
    const auto waiting = [&] {
      const Calls& lines = socket.lines();
      return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
        return line.starts_with("STATUS=the worker ended with exit code 7; next one in ");
      });
    };
    REQUIRE(eventually(waiting));
    const auto before = socket.count("WATCHDOG=1");
    CHECK(eventually([&] { return socket.count("WATCHDOG=1") >= before + 3; }));
    CHECK(socket.count("READY=1") == 0);
  }
}

TEST_CASE("the watchdog of another process is not ours", "[engine][notify]") {
  TempDir dir;
  NotifySocket socket(dir / "notify");
  CHECK_FALSE(ServiceManager().watchdog_interval());
  CHECK_FALSE(ServiceManager().ready());
  const Variable variable("NOTIFY_SOCKET", dir / "notify");
  CHECK_FALSE(ServiceManager().watchdog_interval());
  const Variable watchdog("WATCHDOG_USEC", "60000000");
  CHECK(ServiceManager().watchdog_interval() == 30s);
  {
    const Variable pid("WATCHDOG_PID", std::to_string(getpid()));
    CHECK(ServiceManager().watchdog_interval() == 30s);
  }
  const Variable pid("WATCHDOG_PID", "1");
  CHECK_FALSE(ServiceManager().watchdog_interval());
  ServiceManager manager;
  manager.status("one\ntwo");
  manager.status("one\ntwo");
  manager.status("three");
  CHECK(socket.lines() == Calls{"STATUS=one two", "STATUS=three"});
}

// --- processes -------------------------------------------------------------------------------

TEST_CASE("a process is killed and reaped with its object", "[process]") {
  TempDir dir;
  ProcessOptions options;
  options.argv = shell("echo $$ > " + dir / "pid; sleep 600 & wait");
  options.own_group = true;
  {
    const Process process(options);
    REQUIRE(eventually([&] { return pid_in(dir / "pid") > 0; }));
  }
  CHECK(gone(pid_in(dir / "pid")));
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("a process starts with what it was given and nothing else", "[process]") {
  TempDir dir;
  const Variable kept("WEIR_PROCESS_KEPT", "1");
  const Variable dropped("WEIR_PROCESS_DROPPED", "1");
  const UniqueFd out(open((dir / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const UniqueFd in(open(dir.write("in", "input\n").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd leak(open("/dev/null", O_RDONLY));
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  ProcessOptions options;
  options.argv =
      shell("cat; env | grep WEIR_PROCESS; ls /proc/self/fd; pwd; grep SigBlk /proc/self/status");
  options.without_env = {"WEIR_PROCESS_DROPPED"};
  options.input = in.get();
  options.output = out.get();
  options.error = out.get();
  options.folder = "/usr";
  Process process(options);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  const auto end = process.wait(20s);
  REQUIRE(end);
  CHECK(end->status() == 0);
  // 3 is the folder that ls reads.
  CHECK(read_file(dir / "out") ==
        "input\nWEIR_PROCESS_KEPT=1\n0\n1\n2\n3\n/usr\nSigBlk:\t0000000000000000\n");
  CHECK(process.wait(0ms)->code == 0);  // the answer stays
}

TEST_CASE("a task that is held does not run, and who starts it waits", "[engine]") {
  TempDir dir;
  EmbeddedEngine engine(dir.path(), quick());
  auto hold = engine.hold("shop");
  CHECK_FALSE(engine.status("shop").running);
  CHECK_FALSE(engine.stop("shop", 20ms));
  CHECK_NOTHROW(engine.hold("crm"));
  const std::string marker = dir / "ran";
  Told told;
  auto run = std::async(std::launch::async, [&] {
    Engine::Submission submission = task_with("touch " + marker);
    return EmbeddedEngine(dir.path(), quick()).run(submission, told.observer());
  });
  CHECK(run.wait_for(300ms) == std::future_status::timeout);
  CHECK_FALSE(std::filesystem::exists(marker));
  hold.reset();
  CHECK(run.get() == 0);
  CHECK(std::filesystem::exists(marker));

  // Who holds it for longer than anybody waits is named; a task that runs cannot be held.
  hold = engine.hold("shop");
  EmbeddedTiming timing = quick();
  timing.orphan_patience = 50ms;
  CHECK(error_id([&] { EmbeddedEngine(dir.path(), timing).hold("shop"); }) == "task.held");
}
