// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"

namespace weir {
namespace {

/// Puts `fd` in the place of a standard stream, without close-on-exec.
bool place(int fd, int stream) {
  if (fd == stream) return fcntl(fd, F_SETFD, 0) == 0;
  return dup2(fd, stream) == stream;
}

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

ChildProgram::ChildProgram(const ProcessOptions& options)
    : options_(options), parent_(getpid()), null_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  if (!null_) throw error(options.argv.at(0), errno);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string name(text.substr(0, text.find('=')));
    const auto& without = options.without_env;
    if (std::find(without.begin(), without.end(), name) == without.end()) {
      environment_.emplace_back(text);
    }
  }
  for (const std::string& arg : options.argv) argv_.push_back(const_cast<char*>(arg.c_str()));
  argv_.push_back(nullptr);
  for (std::string& entry : environment_) envp_.push_back(entry.data());
  envp_.push_back(nullptr);
}

void ChildProgram::run(int report) const noexcept {
  const auto fail = [report] {
    const int error = errno;
    const ssize_t ignored = write(report, &error, sizeof error);
    _exit(ignored == sizeof error ? 127 : 126);
  };
  if (options_.own_group && setpgid(0, 0) != 0) fail();
  if (options_.death_signal != 0) {
    if (prctl(PR_SET_PDEATHSIG, options_.death_signal) != 0) fail();
    // A parent that died before that call sends nothing any more.
    if (getppid() != parent_) _exit(128 + options_.death_signal);
  }
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  if (!place(options_.input >= 0 ? options_.input : null_.get(), STDIN_FILENO)) fail();
  if (options_.output >= 0 && !place(options_.output, STDOUT_FILENO)) fail();
  if (options_.error >= 0 && !place(options_.error, STDERR_FILENO)) fail();
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (options_.keep >= 0 && fcntl(options_.keep, F_SETFD, 0) != 0) fail();
  if (!options_.folder.empty() && chdir(options_.folder.c_str()) != 0) fail();
  execvpe(argv_[0], argv_.data(), envp_.data());
  fail();
  _exit(126);
}

int ChildProgram::read_report(int reader) {
  int number = 0;
  ssize_t got;
  do {
    got = read(reader, &number, sizeof number);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno;
  // exec closed the other end without a word.
  return got == 0 ? 0 : number;
}

Error ChildProgram::error(const std::string& program, int number) {
  return Error(ExitCode::failed, "process.start", "cannot start " + program, std::strerror(number),
               number == ENOENT || number == EACCES
                   ? "check that it is installed and may be executed by this user"
                   : "check the limits on processes and memory of this user");
}

Process::Process(const ProcessOptions& options) : own_group_(options.own_group) {
  const ChildProgram program(options);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) throw ChildProgram::error(options.argv[0], errno);
  UniqueFd reader(report[0]);
  UniqueFd writer(report[1]);
  pid_ = fork();
  if (pid_ == 0) program.run(writer.get());
  if (pid_ < 0) throw ChildProgram::error(options.argv[0], errno);
  writer.reset();

  if (const int number = ChildProgram::read_report(reader.get()); number != 0) {
    waitpid(pid_, nullptr, 0);
    throw ChildProgram::error(options.argv[0], number);
  }
  pidfd_ = open_pidfd(pid_);
  if (!pidfd_) {
    const int number = errno;
    kill(own_group_ ? -pid_ : pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    throw ChildProgram::error(options.argv[0], number);
  }
}

Process::~Process() {
  if (end_) return;
  kill(own_group_ ? -pid_ : pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) {
  if (!end_) signal_pidfd(pidfd_.get(), number);
}

void Process::kill_group() {
  if (!end_) kill(own_group_ ? -pid_ : pid_, SIGKILL);
}

std::optional<ProcessEnd> Process::wait(std::chrono::milliseconds limit) {
  if (end_ || !wait_readable(fd(), limit)) return end_;
  // Until it is reaped its pid, and so the group's, cannot be anybody else's.
  if (own_group_) kill(-pid_, SIGKILL);
  siginfo_t info{};
  int result;
  do {
    result = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
  } while (result != 0 && errno == EINTR);
  end_ = info.si_code == CLD_EXITED ? ProcessEnd{info.si_status, 0} : ProcessEnd{0, info.si_status};
  return end_;
}

UniqueFd open_pidfd(int pid) { return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

bool signal_pidfd(int pidfd, int number) {
  return syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0;
}

bool wait_readable(int fd, std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{fd, POLLIN, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace weir
