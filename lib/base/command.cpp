// SPDX-License-Identifier: Apache-2.0
#include "base/command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"

namespace weir {
namespace {

Error cannot_start(int error) {
  return Error(ExitCode::failed, "command.start", "cannot start a shell command",
               std::strerror(error),
               "check the limits on processes and open files of this account (ulimit -a)");
}

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  void reset() { *this = Fd(); }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read;
  Fd write;

  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw cannot_start(errno);
    read = Fd(ends[0]);
    write = Fd(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
};

struct Actions {
  posix_spawn_file_actions_t value;
  Actions() { posix_spawn_file_actions_init(&value); }
  ~Actions() { posix_spawn_file_actions_destroy(&value); }
};

struct Attributes {
  posix_spawnattr_t value;
  Attributes() { posix_spawnattr_init(&value); }
  ~Attributes() { posix_spawnattr_destroy(&value); }
};

pid_t spawn_shell(const std::string& command, const Pipe& out, const Pipe& err) {
  Actions actions;
  posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions.value, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions.value, err.write.get(), STDERR_FILENO);
  // A library may have opened a socket without CLOEXEC; a stranger must not hold it open.
  posix_spawn_file_actions_addclosefrom_np(&actions.value, STDERR_FILENO + 1);

  // The worker ignores SIGPIPE and may block signals for its own loop: the command starts clean.
  Attributes attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setflags(&attributes.value,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes.value, 0);
  posix_spawnattr_setsigmask(&attributes.value, &none);
  posix_spawnattr_setsigdefault(&attributes.value, &all);

  std::array<std::string, 3> words{"sh", "-c", command};
  std::array<char*, 4> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, "/bin/sh", &actions.value, &attributes.value, argv.data(), environ);
  if (error != 0) throw cannot_start(error);
  return pid;
}

/// By number: the C library's own declaration lacks extern "C" in the release we build on.
Fd open_pidfd(pid_t pid) { return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

/// The shell, until it is collected. No path out of the scope leaves a process or a zombie.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid), end_(open_pidfd(pid)) {
    if (end_.get() < 0) {
      const int error = errno;
      kill_and_wait();
      throw cannot_start(error);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) kill_and_wait();
  }

  int end_fd() const { return end_.get(); }

  void kill_and_wait() {
    kill(-pid_, SIGKILL);
    int status = 0;
    wait(status);
  }

  /// False if the kernel kept no status because SIGCHLD is ignored in this process.
  bool wait(int& status) {
    pid_t got = 0;
    do {
      got = waitpid(pid_, &status, 0);
    } while (got < 0 && errno == EINTR);
    pid_ = 0;
    return got > 0;
  }

 private:
  pid_t pid_;
  Fd end_;
};

/// Takes what is there; closes `from` at the end of the stream.
void drain(Fd& from, std::string& into, bool& cut) {
  std::array<char, 16384> buffer;
  // More than a pipe holds, so nothing that was there is left, but an endless writer is.
  for (int reads = 0; reads < 8 && from.get() >= 0; ++reads) {
    const ssize_t got = read(from.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      from.reset();
      return;
    }
    const std::size_t room = kCommandOutputLimit - into.size();
    const auto size = static_cast<std::size_t>(got);
    cut = cut || size > room;
    into.append(buffer.data(), std::min(size, room));
  }
}

}  // namespace

CommandResult run_command(const std::string& command, std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  Pipe out;
  Pipe err;
  Child child(spawn_shell(command, out, err));
  out.write.reset();
  err.write.reset();

  CommandResult result;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      child.kill_and_wait();
      result.end = CommandResult::End::timed_out;
      return result;
    }
    std::array<pollfd, 3> fds{
        {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {child.end_fd(), POLLIN, 0}}};
    poll(fds.data(), fds.size(), static_cast<int>(std::min<long long>(left, 60'000)));
    // Asked before the pipes are read: what the shell wrote before it ended is then in them.
    const bool ended = fds[2].revents != 0;
    drain(out.read, result.out, result.cut);
    drain(err.read, result.err, result.cut);
    if (!ended) continue;

    int status = 0;
    if (!child.wait(status)) throw bug("the exit status of a shell command was lost");
    const bool signalled = WIFSIGNALED(status);
    result.end = signalled ? CommandResult::End::signalled : CommandResult::End::exited;
    result.status = signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    return result;
  }
}

std::string describe_end(const CommandResult& result) {
  switch (result.end) {
    case CommandResult::End::exited:
      return fmt::format("exit status {}", result.status);
    case CommandResult::End::signalled:
      return fmt::format("signal {}", result.status);
    case CommandResult::End::timed_out:
      return "no end within its time limit";
  }
  return {};
}

}  // namespace weir
