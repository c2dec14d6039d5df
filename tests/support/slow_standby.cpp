// SPDX-License-Identifier: Apache-2.0
#include "support/slow_standby.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>

#include "support/eventually.h"

namespace weir::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kName = "slow_standby";

std::uint64_t read64(const char* at) {
  std::uint64_t out = 0;
  for (int i = 0; i < 8; ++i) out = out << 8 | static_cast<unsigned char>(at[i]);
  return out;
}

void append64(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

}  // namespace

SlowStandby::SlowStandby(TempPostgres& server, std::chrono::milliseconds delay)
    : server_(server),
      conninfo_(server.conninfo("postgres", "postgres") +
                " replication=true application_name=" + kName) {
  thread_ = std::thread([this, delay] { run(delay); });
  if (!eventually([this] { return streaming_.load(); })) {
    stop_ = true;
    thread_.join();
    throw std::runtime_error("the standby does not stream");
  }
  server_.sql(std::string("ALTER SYSTEM SET synchronous_standby_names = '") + kName + "'");
  server_.sql("SELECT pg_reload_conf()");
  const bool synchronous = eventually([this] {
    return server_.value("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") ==
           "1";
  });
  if (!synchronous) throw std::runtime_error("the standby does not become a synchronous one");
}

SlowStandby::~SlowStandby() {
  // Whoever still waits for an answer is let go by this.
  server_.sql("ALTER SYSTEM RESET synchronous_standby_names");
  server_.sql("SELECT pg_reload_conf()");
  stop_ = true;
  thread_.join();
}

void SlowStandby::run(std::chrono::milliseconds delay) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> handle(PQconnectdb(conninfo_.c_str()),
                                                            &PQfinish);
  PGconn* const c = handle.get();
  const std::unique_ptr<PGresult, decltype(&PQclear)> system(PQexec(c, "IDENTIFY_SYSTEM"),
                                                             &PQclear);
  if (PQntuples(system.get()) != 1) return;
  const std::string start =
      std::string("START_REPLICATION PHYSICAL ") + PQgetvalue(system.get(), 0, 2);
  PQclear(PQexec(c, start.c_str()));
  std::deque<std::pair<Clock::time_point, std::uint64_t>> due;
  while (!stop_) {
    char* data = nullptr;
    const int size = PQgetCopyData(c, &data, 1);
    if (size < 0) return;
    if (size > 0) {
      streaming_ = true;
      const std::uint64_t begin = read64(data + 1);
      const auto body = static_cast<std::uint64_t>(size) - 25;
      const std::uint64_t reached = data[0] == 'w' ? begin + body : begin;
      due.emplace_back(Clock::now() + delay, reached);
      PQfreemem(data);
      continue;
    }
    std::uint64_t answer = 0;
    while (!due.empty() && due.front().first <= Clock::now()) {
      answer = due.front().second;
      due.pop_front();
    }
    if (answer != 0) {
      std::string message = "r";
      for (int i = 0; i < 3; ++i) append64(message, answer);  // written, on disk, applied
      append64(message, 0);
      message += '\0';
      PQputCopyData(c, message.data(), static_cast<int>(message.size()));
      PQflush(c);
    }
    pollfd ready{PQsocket(c), POLLIN, 0};
    poll(&ready, 1, 1);
    PQconsumeInput(c);
  }
}

}  // namespace weir::test
