// SPDX-License-Identifier: Apache-2.0
#include "cli/signals.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

namespace weir::cli {
namespace {

// A signal handler can reach nothing but globals.
std::atomic<int> g_number = 0;
std::atomic<int> g_fd = -1;
struct sigaction g_before_int;
struct sigaction g_before_term;
static_assert(std::atomic<int>::is_always_lock_free);

void set_default(int number) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(number, &action, nullptr);
}

void note_first(int number) {
  const int saved_errno = errno;
  set_default(SIGINT);
  set_default(SIGTERM);
  g_number = number;
  const std::uint64_t one = 1;
  // Cannot fail in a way that matters: the counter is far from full.
  [[maybe_unused]] const ssize_t written = ::write(g_fd, &one, sizeof(one));
  errno = saved_errno;
}

void do_nothing(int) {}

}  // namespace

StopSignal::StopSignal() {
  if (g_fd >= 0) throw bug("a second stop signal was set up");
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    throw Error(ExitCode::failed, "system.eventfd", "cannot make an event descriptor",
                std::strerror(errno), "raise the limit of open files (ulimit -n)");
  }
  g_number = 0;
  g_fd = fd;
  struct sigaction action {};
  action.sa_handler = note_first;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, nullptr, &g_before_int);
  if (g_before_int.sa_handler != SIG_IGN) ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, &g_before_term);
}

StopSignal::~StopSignal() {
  ::sigaction(SIGINT, &g_before_int, nullptr);
  ::sigaction(SIGTERM, &g_before_term, nullptr);
  ::close(g_fd.exchange(-1));
}

int StopSignal::number() const { return g_number; }
int StopSignal::fd() const { return g_fd; }

void survive_closed_pipes() {
  struct sigaction action {};
  action.sa_handler = do_nothing;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGPIPE, &action, nullptr);
}

void end_by_signal(int number) {
  set_default(number);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, number);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(number);
  ::_exit(128 + number);
}

}  // namespace weir::cli
