// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/slot_stream.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "source/postgres/pgoutput.h"

namespace weir::pgsource {
namespace {

using std::chrono::milliseconds;

/// How often the server hears from us; it drops WAL as often, and stops when it is told to.
constexpr milliseconds kReport{1000};
constexpr milliseconds kShortestReport{100};
/// TLS may hold back what the socket no longer shows, for so long at most.
constexpr milliseconds kLookUnderTls{50};
/// A server needs a while to notice that the session of a killed worker is gone.
constexpr milliseconds kSlotPatience{15'000};
constexpr milliseconds kSlotLook{100};

/// A part of the server's own words, which has no field of its own in an Error.
bool has_state(const Error& error, std::string_view state) {
  return error.why().find(fmt::format("(SQLSTATE {})", state)) != std::string::npos;
}

/// The server sends everybody's messages then, or none.
bool wants_messages(const Task& task) {
  return task.source.ddl_triggers || task.source.heartbeat.count() > 0;
}

std::string start_command(const PgConnection& connection, const Task& task, Lsn from) {
  // From release 14 on the server need not keep a large transaction until it commits.
  const bool streams = connection.server_version_number() >= 140000;
  return fmt::format(
      "START_REPLICATION SLOT {} LOGICAL {} (proto_version '{}', {}{}publication_names "
      "{})",
      pg_identifier(slot_name(task)), from.text(), streams ? 2 : 1,
      streams ? "streaming 'on', " : "", wants_messages(task) ? "messages 'true', " : "",
      connection.quote(pg_identifier(publication_name(task))));
}

}  // namespace

SlotStream::SlotStream(const Task& task, Lsn from)
    : wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      connection_(task.source, PgConnection::Role::source, PgConnection::Mode::replication),
      received_(from),
      durable_(from) {
  try {
    // The server ends a session that it has not heard of for this long; 0 = never.
    const PgResult timeout = connection_.command(
        "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'");
    const std::string_view text = timeout.rows() == 0 ? "" : timeout.text(0, 0);
    std::int64_t millis = 0;
    std::from_chars(text.data(), text.data() + text.size(), millis);
    interval_ =
        millis == 0 ? kReport : std::clamp(milliseconds(millis / 4), kShortestReport, kReport);
    encrypted_ = connection_.is_encrypted();
    start(task, from);
    keeping_ = std::thread([this] { keep_alive(); });
  } catch (...) {
    close(wake_fd_);
    throw;
  }
}

SlotStream::~SlotStream() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  keeping_.join();
  close(wake_fd_);
}

void SlotStream::start(const Task& task, Lsn from) {
  const std::string slot = slot_name(task);
  const Clock::time_point begin = Clock::now();
  while (true) {
    try {
      connection_.stream_begin(start_command(connection_, task, from));
      return;
    } catch (const Error& error) {
      if (has_state(error, "42704")) {
        throw Error(ExitCode::refused, "postgres.slot-missing",
                    fmt::format("the source has no replication slot {}", slot), error.why(),
                    "a dropped slot takes its place in the log along: changes since then cannot be "
                    "read any more, and the task must be started anew with empty target tables");
      }
      if (has_state(error, "55000")) {
        throw Error(ExitCode::refused, "postgres.slot-lost",
                    fmt::format("the slot {} can no longer be read from", slot), error.why(),
                    "if the server removed WAL that the slot needed, drop the slot, raise "
                    "max_slot_wal_keep_size, and start the task anew with empty target tables");
      }
      if (!has_state(error, "55006")) throw;
      if (Clock::now() - begin >= kSlotPatience) {
        throw Error(ExitCode::source_unreachable, "postgres.slot-in-use",
                    fmt::format("another session reads from the slot {}", slot), error.why(),
                    "pg_stat_replication shows who; stop it there, or give the task a slot of its "
                    "own with source.slot");
      }
    }
    pollfd woken{wake_fd_, POLLIN, 0};
    ::poll(&woken, 1, static_cast<int>(kSlotLook.count()));
  }
}

void SlotStream::keep_alive() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    // A request that finds earlier words unsent is met by those: the server is not reading.
    connection_.stream_put(status_update(received_, durable_, now(), true));
    answer_ = false;
    changed_.wait_for(lock, interval_, [this] { return closing_ || answer_; });
  }
  // The server may stop, and drop WAL, up to here without waiting for the task to come back.
  connection_.stream_put(status_update(received_, durable_, now(), false));
}

ChangeReader::Wait SlotStream::wait(milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      try {
        if (next_.empty() && !error_) next_ = connection_.stream_take();
        if (next_.empty() && !error_) {
          connection_.stream_fill();
          next_ = connection_.stream_take();
        }
      } catch (...) {
        error_ = std::current_exception();
      }
      if (!next_.empty() || error_) return ChangeReader::Wait::ready;
    }
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    const milliseconds slice = encrypted_ ? std::min(left, kLookUnderTls) : left;
    pollfd fds[] = {{connection_.socket(), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    const int ready = ::poll(fds, 2, static_cast<int>(std::max(slice, milliseconds(0)).count()));
    if (ready > 0 && (fds[1].revents & POLLIN) != 0) {
      std::uint64_t count = 0;
      while (read(wake_fd_, &count, sizeof count) < 0 && errno == EINTR) {
      }
      return ChangeReader::Wait::woken;
    }
    if (ready <= 0 && left <= slice) return ChangeReader::Wait::timed_out;
  }
}

PgMessage SlotStream::take() {
  const std::lock_guard lock(mutex_);
  if (next_.empty() && error_) std::rethrow_exception(error_);
  if (next_.empty()) return connection_.stream_take();
  return std::move(next_);
}

void SlotStream::wake() {
  const std::uint64_t one = 1;
  while (write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void SlotStream::received(Lsn place) {
  const std::lock_guard lock(mutex_);
  received_ = std::max(received_, place);
}

void SlotStream::answer() {
  const std::lock_guard lock(mutex_);
  answer_ = true;
  changed_.notify_all();
}

void SlotStream::confirm(Lsn place) {
  const std::lock_guard lock(mutex_);
  durable_ = std::max(durable_, place);
  received_ = std::max(received_, place);
}

}  // namespace weir::pgsource
