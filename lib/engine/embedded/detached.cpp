// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded/detached.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/folder.h"

namespace weir {
namespace {

constexpr char kTerminate = 't';

/// The monitor's life: until the program ends, or nobody wants to know any more. Runs in a forked
/// child, where only async-signal-safe calls are allowed.
[[noreturn]] void monitor(int program, int link) noexcept {
  const UniqueFd ended = open_pidfd(program);
  for (;;) {
    pollfd entries[] = {{link, POLLIN, 0}, {ended.get(), POLLIN, 0}};
    if (poll(entries, std::size(entries), -1) < 0) continue;
    if (entries[1].revents != 0) {
      int status = 0;
      waitpid(program, &status, 0);
      const ProcessEnd end =
          WIFEXITED(status) ? ProcessEnd{WEXITSTATUS(status), 0} : ProcessEnd{0, WTERMSIG(status)};
      _exit(send(link, &end, sizeof end, MSG_NOSIGNAL) == sizeof end ? 0 : 1);
    }
    char order = 0;
    if (read(link, &order, 1) != 1) _exit(0);
    if (order == kTerminate) kill(program, SIGTERM);
  }
}

}  // namespace

Detached::Detached(const std::vector<std::string>& argv, const std::string& log_file)
    : log_file_(log_file) {
  make_private_folder(std::filesystem::path(log_file).parent_path().string());
  const UniqueFd log(open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  struct stat found {};
  if (!log || fstat(log.get(), &found) != 0) {
    throw Error(ExitCode::failed, "start.log", "cannot write the log file " + log_file,
                std::strerror(errno), "check the permissions of its folder");
  }
  log_start_ = static_cast<std::size_t>(found.st_size);

  ProcessOptions options;
  options.argv = argv;
  options.output = log.get();
  options.error = log.get();
  options.folder = "/";
  const ChildProgram program(options);
  int report[2];
  int link[2];
  if (pipe2(report, O_CLOEXEC) != 0) throw ChildProgram::error(argv[0], errno);
  const UniqueFd reader(report[0]);
  UniqueFd writer(report[1]);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) != 0) {
    throw ChildProgram::error(argv[0], errno);
  }
  link_.reset(link[0]);
  UniqueFd far(link[1]);

  monitor_ = fork();
  if (monitor_ == 0) {
    setsid();
    const int child = fork();
    if (child == 0) program.run(writer.get());
    if (child < 0) {
      const int number = errno;
      _exit(write(writer.get(), &number, sizeof number) == sizeof number ? 0 : 1);
    }
    // Its own copy would hide the death of the one at our end.
    link_.reset();
    writer.reset();
    monitor(child, far.get());
  }
  if (monitor_ < 0) throw ChildProgram::error(argv[0], errno);
  writer.reset();
  far.reset();
  if (const int number = ChildProgram::read_report(reader.get()); number != 0) {
    link_.reset();
    waitpid(monitor_, nullptr, 0);
    throw ChildProgram::error(argv[0], number);
  }
}

Detached::~Detached() {
  link_.reset();
  waitpid(monitor_, nullptr, 0);
}

bool Detached::owns(int pid) const { return pid > 0 && getsid(pid) == monitor_; }

std::optional<ProcessEnd> Detached::wait(std::chrono::milliseconds limit) {
  if (end_ || !wait_readable(link_.get(), limit)) return end_;
  ProcessEnd end;
  if (read(link_.get(), &end, sizeof end) != sizeof end) {
    throw Error(ExitCode::failed, "process.start", "the monitor of a background process was killed",
                "nobody can tell how the start went", "see weir sync status, and the log file");
  }
  end_ = end;
  return end_;
}

void Detached::terminate() { send(link_.get(), &kTerminate, 1, MSG_NOSIGNAL); }

std::string Detached::log_tail() const {
  constexpr std::size_t kLongest = 2000;
  std::ifstream file(log_file_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(log_start_));
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  while (text.ends_with('\n')) text.pop_back();
  if (text.size() > kLongest) text.erase(0, text.size() - kLongest);
  return text;
}

}  // namespace weir
