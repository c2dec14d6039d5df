// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/exit_code.h"

namespace weir {

struct StopSignals::Mask {
  sigset_t set;
};

StopSignals::StopSignals() : before_(std::make_unique<Mask>()) {
  sigset_t stops;
  sigemptyset(&stops);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&stops, number);
  pthread_sigmask(SIG_BLOCK, &stops, &before_->set);
  fd_.reset(signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) {
    const int number = errno;
    pthread_sigmask(SIG_SETMASK, &before_->set, nullptr);
    throw Error(ExitCode::failed, "supervisor.signals", "cannot wait for signals",
                std::strerror(number), "raise the limit on open files of this user");
  }
}

StopSignals::~StopSignals() { pthread_sigmask(SIG_SETMASK, &before_->set, nullptr); }

int StopSignals::take() {
  signalfd_siginfo info{};
  if (read(fd(), &info, sizeof info) != sizeof info) return 0;
  return static_cast<int>(info.ssi_signo);
}

Supervisor::Supervisor(const Engine::Submission& submission, const Engine::Observer& observer,
                       const SupervisorTiming& timing, TaskLock& lock, LockHolder holder)
    : submission_(submission),
      observer_(observer),
      timing_(timing),
      lock_(lock),
      holder_(std::move(holder)),
      policy_({submission.failover_limit, submission.failover_window, timing.first_delay,
               timing.last_delay, timing.good_life}) {}

int Supervisor::run() {
  manager_.started(getpid());
  for (bool failover = false;; failover = true) {
    start_worker(failover);
    while (worker_runs()) wait(Clock::time_point::max());
    if (stops_ > 0) return stopped_with();

    look_at_progress();
    const auto delay = policy_.after(end_, connected_, started_, Clock::now());
    observe([&] {
      if (observer_.worker_ended) observer_.worker_ended(end_.status(), delay);
    });
    if (!delay) {
      manager_.stopping();
      if (start_error_) throw *start_error_;
      return end_.signal != 0 ? static_cast<int>(ExitCode::failed) : end_.code;
    }
    const Clock::time_point next = Clock::now() + *delay;
    next_tick_ = Clock::now();
    while (stops_ == 0 && Clock::now() < next) wait(next);
    if (stops_ > 0) return static_cast<int>(ExitCode::ok);
  }
}

void Supervisor::start_worker(bool failover) {
  ProcessOptions options;
  options.argv = submission_.worker;
  options.without_env.assign(std::begin(ServiceManager::kVariables),
                             std::end(ServiceManager::kVariables));
  options.keep = lock_.fd();
  options.own_group = true;
  options.death_signal = SIGTERM;
  // Before it has a say of its own: what it says of itself counts from then on.
  observe([&] {
    if (observer_.worker_starts) observer_.worker_starts(failover);
  });
  started_ = Clock::now();
  start_error_.reset();
  try {
    worker_ = std::make_unique<Process>(options);
  } catch (const Error& error) {
    // Later it may be a package that is being upgraded, or a full process table: worth a new try.
    if (!failover) throw;
    start_error_ = error;
    end_ = {static_cast<int>(ExitCode::failed), 0};
    return;
  }
  next_tick_ = started_;
  holder_.worker = ProcessMark::of(worker_->pid());
  observe([&] { lock_.describe(holder_); });
}

bool Supervisor::worker_runs() {
  if (!worker_) return false;
  const auto end = worker_->wait(std::chrono::milliseconds(0));
  if (!end) return true;
  end_ = *end;
  worker_.reset();
  return false;
}

int Supervisor::stopped_with() const {
  if (stops_ > 1) {
    return static_cast<int>(stop_signal_ == SIGINT ? ExitCode::interrupted : ExitCode::terminated);
  }
  // A worker that was stopped before it could listen dies of the signal, and has lost nothing.
  const int status = end_.status();
  if (status == static_cast<int>(ExitCode::interrupted) ||
      status == static_cast<int>(ExitCode::terminated)) {
    return static_cast<int>(ExitCode::ok);
  }
  return end_.signal != 0 ? static_cast<int>(ExitCode::failed) : end_.code;
}

void Supervisor::wait(Clock::time_point until) {
  Clock::time_point wake = std::min(until, next_tick_);
  const auto watchdog = manager_.watchdog_interval();
  if (watchdog) wake = std::min(wake, next_watchdog_);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(wake - Clock::now()).count();
  pollfd entries[] = {{signals_.fd(), POLLIN, 0}, {worker_ ? worker_->fd() : -1, POLLIN, 0}};
  poll(entries, std::size(entries), static_cast<int>(std::max<std::int64_t>(left, 0)));

  take_signals();
  const Clock::time_point now = Clock::now();
  if (watchdog && now >= next_watchdog_) {
    manager_.watchdog();
    next_watchdog_ = now + *watchdog;
  }
  if (now >= next_tick_) {
    next_tick_ = now + timing_.tick;
    trouble_.clear();
    look_at_progress();
    if (ready_ && !told_ready_) told_ready_ = manager_.ready();
    manager_.status(status(until));
  }
}

void Supervisor::take_signals() {
  while (const int number = signals_.take()) {
    stop_signal_ = number;
    if (++stops_ == 1) {
      manager_.stopping();
      if (worker_) worker_->signal(number == SIGINT ? SIGINT : SIGTERM);
    } else if (worker_) {
      worker_->kill_group();
    }
  }
}

void Supervisor::look_at_progress() {
  observe([&] {
    if (!ready_ && observer_.is_ready) ready_ = observer_.is_ready();
    connected_ = connected_ || ready_;
    if (!connected_ && observer_.has_connected) connected_ = observer_.has_connected();
  });
}

std::string Supervisor::status(Clock::time_point next_worker) {
  std::string text;
  if (!worker_) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(next_worker - Clock::now());
    text = fmt::format("the worker ended with {} {}; next one in {} s",
                       end_.signal != 0 ? "signal" : "exit code",
                       end_.signal != 0 ? end_.signal : end_.code, left.count());
  } else if (observer_.status_line) {
    observe([&] { text = observer_.status_line(); });
  }
  if (!trouble_.empty()) text += fmt::format(" ({})", trouble_);
  return text;
}

template <class Call>
void Supervisor::observe(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    trouble_ = error.what();
  }
}

}  // namespace weir
