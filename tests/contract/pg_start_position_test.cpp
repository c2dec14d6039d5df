// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "model/task.h"
#include "source/postgres/offset.h"
#include "source/postgres/source.h"
#include "source/postgres/start.h"
#include "support/eventually.h"
#include "support/slow_standby.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using weir::pgsource::Lsn;
using weir::pgsource::PgSource;

namespace {

// As in start_position_test.cpp: writers add 1 to a row each; the reader takes a place, then sums
// the rows over another connection. A sum below the number of commits that the log has before the
// place is a row that a task would lose for ever.
constexpr int kWriters = 16;
constexpr int kReads = 4000;
/// One read in so many is followed by one of the control.
constexpr int kControlEvery = 4;

weir::Task task(const TempPostgres& server) {
  weir::Task out;
  out.name = "probe";
  out.source.kind = "postgres";
  out.source.socket = server.socket_dir();
  out.source.port = server.port();
  out.source.user = "weir";
  out.source.database = "dw";
  return out;
}

/// What the log is counted by: a slot of its own, older than the writers.
void make_rows(TempPostgres& server) {
  server.sql("ALTER ROLE weir REPLICATION");
  PgSession owner = server.session();
  owner.sql("CREATE SCHEMA probe");
  owner.sql("CREATE TABLE probe.c (w int PRIMARY KEY, n int NOT NULL)");
  owner.sql("INSERT INTO probe.c SELECT i, 0 FROM generate_series(0, " +
            std::to_string(kWriters - 1) + ") AS i");
  owner.sql("CREATE PUBLICATION probe FOR TABLE probe.c");
  owner.sql("SELECT pg_create_logical_replication_slot('probe', 'pgoutput')");
}

/// Where the commits of the log begin, in order.
std::vector<Lsn> commits(PgSession& session) {
  std::vector<Lsn> out;
  for (const auto& row : session.query(
           "SELECT encode(substring(data FROM 3 FOR 8), 'hex') FROM "
           "pg_logical_slot_peek_binary_changes('probe', NULL, NULL, 'proto_version', '1', "
           "'publication_names', 'probe') WHERE get_byte(data, 0) = ascii('C')")) {
    out.push_back({std::stoull(row.at(0), nullptr, 16)});
  }
  return out;
}

class Writers {
 public:
  explicit Writers(const TempPostgres& server) {
    for (int i = 0; i < kWriters; ++i) {
      threads_.emplace_back([this, &server, i] {
        try {
          PgSession session = server.session();
          const std::string add = "UPDATE probe.c SET n = n + 1 WHERE w = " + std::to_string(i);
          while (!stop_) session.sql(add);
        } catch (const std::exception& e) {
          const std::lock_guard lock(mutex_);
          error_ = e.what();
        }
      });
    }
  }
  ~Writers() { stop(); }
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  /// What went wrong; "" if nothing did.
  std::string stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    return error_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::string error_;
  std::vector<std::thread> threads_;
};

struct Read {
  Lsn place;
  std::uint64_t seen = 0;
  bool control = false;
};

struct Outcome {
  int missed = 0;
  int control_missed = 0;
  std::size_t commits = 0;
};

Outcome probe(TempPostgres& server, int reads) {
  PgSource source(task(server));
  PgSession reader = server.session();
  const auto visible = [&] { return std::stoull(reader.value("SELECT sum(n) FROM probe.c")); };
  std::vector<Read> done;
  {
    Writers writers(server);
    for (int i = 0; i < reads; ++i) {
      const Lsn place = Lsn::parse(source.start_offset().text);
      done.push_back({place, visible(), false});
      if (i % kControlEvery != 0) continue;
      const Lsn plain = Lsn::parse(reader.value("SELECT pg_current_wal_flush_lsn()"));
      done.push_back({plain, visible(), true});
    }
    const std::string error = writers.stop();
    if (!error.empty()) throw std::runtime_error("a writer failed: " + error);
  }
  const std::vector<Lsn> log = commits(reader);
  Outcome out;
  out.commits = log.size();
  for (const Read& read : done) {
    const auto before = static_cast<std::uint64_t>(
        std::lower_bound(log.begin(), log.end(), read.place) - log.begin());
    if (read.seen >= before) continue;
    ++(read.control ? out.control_missed : out.missed);
  }
  return out;
}

void check(TempPostgres& server) {
  make_rows(server);
  const Outcome outcome = probe(server, kReads);
  WARN(outcome.commits << " commits; a plain place missed some in " << outcome.control_missed
                       << " of " << kReads / kControlEvery << " reads");
  CHECK(outcome.missed == 0);
  // Else this was an easier test than it says.
  CHECK(outcome.control_missed > 0);
  CHECK(outcome.commits > static_cast<std::size_t>(kReads));
}

}  // namespace

TEST_CASE("PostgreSQL 15: nothing at or before a start position is invisible",
          "[contract][server][pgsource]") {
  TempPostgres server({.durable = true});
  check(server);
}

TEST_CASE("PostgreSQL 18: nothing at or before a start position is invisible",
          "[contract][server][pgsource][bootstrap]") {
  TempPostgres server({.release = TempPostgres::Release::v18, .durable = true});
  check(server);
}

TEST_CASE("PostgreSQL: nor while a synchronous standby takes its time",
          "[contract][server][pgsource]") {
  TempPostgres server({.durable = true});
  make_rows(server);
  SlowStandby standby(server, std::chrono::milliseconds(4));
  const Outcome outcome = probe(server, kReads);
  WARN(outcome.commits << " commits; a plain place missed some in " << outcome.control_missed
                       << " of " << kReads / kControlEvery << " reads");
  CHECK(outcome.missed == 0);
  // How many more depends on how long the primary's own disk takes.
  CHECK(outcome.control_missed > 0);
}

TEST_CASE("a start position waits for who may have committed, and for nobody else",
          "[contract][server][pgsource]") {
  TempPostgres server;
  make_rows(server);
  const auto within = std::chrono::seconds(20);
  const auto at_once = std::chrono::milliseconds(300);
  weir::PgConnection plain(task(server).source, weir::PgConnection::Role::source);

  PgSession writer = server.session();
  writer.sql("BEGIN");
  writer.sql("UPDATE probe.c SET n = 1 WHERE w = 0");
  CHECK_NOTHROW(weir::pgsource::take_start_position(plain, within));
  // A publication that came later than this transaction's rows needs its end.
  try {
    weir::pgsource::wait_for_transactions(plain, weir::pgsource::WaitFor::all, at_once);
    FAIL("it did not wait");
  } catch (const weir::Error& error) {
    CHECK(error.id() == "postgres.start-wait");
    CHECK_THAT(error.why(), Catch::Contains("transaction ") && Catch::Contains("role weir"));
  }

  // The same of a role whose activity cannot be seen: it might be committing.
  PgSession other = server.session("postgres");
  other.sql("BEGIN");
  other.sql("UPDATE probe.c SET n = 1 WHERE w = 1");
  CHECK_THROWS_AS(weir::pgsource::take_start_position(plain, at_once), weir::Error);
  server.sql("GRANT pg_monitor TO weir");
  weir::PgConnection monitor(task(server).source, weir::PgConnection::Role::source);
  CHECK_NOTHROW(weir::pgsource::take_start_position(monitor, within));
  other.sql("ROLLBACK");
  writer.sql("COMMIT");
  CHECK_NOTHROW(
      weir::pgsource::wait_for_transactions(monitor, weir::pgsource::WaitFor::all, within));
}

TEST_CASE("the end of the log is after all that can be seen, and is reached by an idle server",
          "[contract][server][pgsource]") {
  TempPostgres server({.settings = {"wal_writer_delay=10s"}});
  make_rows(server);
  PgSource source(task(server));
  PgSession writer = server.session();
  // Visible, and for ten seconds in memory only.
  writer.sql("SET synchronous_commit = off; UPDATE probe.c SET n = 7 WHERE w = 0");
  const Lsn inserted = Lsn::parse(writer.value("SELECT pg_current_wal_insert_lsn()"));
  const Lsn end = Lsn::parse(source.log_end().text);
  CHECK(end >= inserted);
  CHECK(Lsn::parse(writer.value("SELECT pg_current_wal_flush_lsn()")) >= end);
}
