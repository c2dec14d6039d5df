// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "client/mysql.h"
#include "model/task.h"
#include "source/mysql/offset.h"
#include "source/mysql/source.h"
#include "source/mysql/start.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"

using namespace weir::test;
using weir::mysql::GtidSet;
using weir::mysql::LogPosition;

namespace {

// Source::start_offset() promises a bound of visibility: every transaction at or before it is seen
// by every read that begins later. Writers add 1 to a row each; the reader takes a position, then
// sums the rows over another connection. A sum below the number of transactions up to the position
// is a row that a task would lose for ever.
constexpr int kWriters = 16;
constexpr int kReads = 4000;
/// One read in so many is followed by one of the control.
constexpr int kControlEvery = 4;

std::uint64_t number(std::string_view text) {
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    throw std::runtime_error("not a number: " + std::string(text));
  }
  return out;
}

/// Transactions in a set of one server: "0-1-57", or "uuid:1-5:7".
std::uint64_t transactions(const GtidSet& set) {
  std::string text = set.text();
  if (text.empty()) return 0;
  if (text.find(':') == std::string::npos) return number(text.substr(text.rfind('-') + 1));
  std::uint64_t count = 0;
  std::size_t at = text.find(':');
  while (at != std::string::npos) {
    const std::size_t end = text.find(':', at + 1);
    const std::string part =
        text.substr(at + 1, end == std::string::npos ? std::string::npos : end - at - 1);
    const std::size_t dash = part.find('-');
    const std::uint64_t first = number(part.substr(0, dash));
    const std::uint64_t last = dash == std::string::npos ? first : number(part.substr(dash + 1));
    count += last - first + 1;
    at = end;
  }
  return count;
}

weir::Endpoint endpoint(const MySqlServer& server, const std::string& user) {
  weir::Endpoint out;
  out.kind = "mysql";
  out.socket = server.socket();
  out.user = user;
  return out;
}

weir::Task task(const MySqlServer& server, const std::string& user) {
  weir::Task out;
  out.name = "probe";
  out.source = endpoint(server, user);
  return out;
}

void make_rows(MySqlServer& server) {
  server.sql("CREATE DATABASE probe; CREATE TABLE probe.c (w INT PRIMARY KEY, n INT NOT NULL)");
  for (int i = 0; i < kWriters; ++i) {
    server.sql("INSERT INTO probe.c VALUES (" + std::to_string(i) + ", 0)");
  }
}

std::uint64_t visible(MySqlSession& session) {
  return number(session.value("SELECT sum(n) FROM probe.c"));
}

/// Sessions that add 1 to a row each, as fast as the server commits.
class Writers {
 public:
  explicit Writers(const MySqlServer& server) {
    for (int i = 0; i < kWriters; ++i) {
      threads_.emplace_back([this, &server, i] {
        try {
          MySqlSession session = server.session();
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

/// Where the log of a server ends now, for whoever does not care what is visible.
LogPosition log_end(MySqlSession& session) {
  const bool mariadb = session.value("SELECT version()").find("MariaDB") != std::string::npos;
  const auto row = session.query(mariadb ? "SHOW MASTER STATUS" : "SHOW BINARY LOG STATUS").at(0);
  LogPosition out;
  out.file = row.at(0);
  out.position = number(row.at(1));
  return out;
}

/// How many transactions of the writers a position includes.
using Counter = std::function<std::uint64_t(const LogPosition&)>;

Counter count_gtids(const LogPosition& before_writers) {
  const std::uint64_t base = transactions(before_writers.gtids);
  return [base](const LogPosition& position) {
    if (!position.by_gtid()) throw std::runtime_error("no GTIDs in " + position.text());
    return transactions(position.gtids) - base;
  };
}

/// The writers' transactions are all of one size in the log, so that a position counts them.
Counter count_bytes(MySqlSession& session) {
  const LogPosition first = log_end(session);
  session.sql("UPDATE probe.c SET n = n + 1 WHERE w = 0");
  const LogPosition base = log_end(session);
  const std::uint64_t size = base.position - first.position;
  session.sql("UPDATE probe.c SET n = n + 1 WHERE w = 1");
  if (log_end(session).position != base.position + size) {
    throw std::runtime_error("two like transactions differ in size");
  }
  return [base, size](const LogPosition& position) {
    const std::uint64_t bytes = position.position - base.position;
    if (position.file != base.file || bytes % size != 0) {
      throw std::runtime_error(position.text() + " is not between two transactions");
    }
    // The first of the two above.
    return bytes / size + 1;
  };
}

struct Outcome {
  int missed = 0;          ///< reads that did not see all up to weir's position
  int control_missed = 0;  ///< the same for the control's
  std::uint64_t most_missed = 0;
};

/// Reads under load. `take` is the way under test, `control` one that must fail.
Outcome probe(const MySqlServer& server, int reads, const std::function<LogPosition()>& take,
              const Counter& count, const std::function<LogPosition()>& control,
              const Counter& count_control) {
  MySqlSession reader = server.session();
  Outcome out;
  Writers writers(server);
  for (int i = 0; i < reads; ++i) {
    const std::uint64_t logged = count(take());
    const std::uint64_t seen = visible(reader);
    if (seen < logged) {
      ++out.missed;
      out.most_missed = std::max(out.most_missed, logged - seen);
    }
    if (i % kControlEvery != 0) continue;
    const std::uint64_t control_logged = count_control(control());
    out.control_missed += visible(reader) < control_logged ? 1 : 0;
  }
  const std::string error = writers.stop();
  if (!error.empty()) throw std::runtime_error("a writer failed: " + error);
  return out;
}

void check(const Outcome& outcome, int reads) {
  INFO(reads << " reads, " << outcome.missed << " missed up to " << outcome.most_missed
             << " transactions; the control missed in " << outcome.control_missed << " of "
             << reads / kControlEvery);
  REQUIRE(outcome.missed == 0);
  // Else nothing was to be seen in this run, whatever the way.
  REQUIRE(outcome.control_missed > 0);
}

void check_mariadb(const TempMariaDb::Options& options) {
  TempMariaDb server(options);
  make_rows(server);
  weir::mysql::MysqlSource source(task(server, "root"));
  const auto take = [&] { return LogPosition::parse(source.start_offset().text); };
  const Counter count = count_gtids(take());
  MySqlSession other = server.session();
  const auto control = [&] {
    LogPosition out;
    out.gtids = GtidSet::parse(other.value("SELECT @@gtid_binlog_pos"));
    return out;
  };
  check(probe(server, kReads, take, count, control, count), kReads);
  // The log went on in new files meanwhile.
  CHECK(server.query("SHOW BINARY LOGS").size() > 2);
}

/// Snapshots of the table under load: each shows exactly the transactions at or before its place.
/// `now` tells a place that is not the snapshot's, and must be seen to be wrong.
void check_exact(const MySqlServer& server, const std::string& account, int reads,
                 const Counter& count, const std::function<LogPosition()>& now,
                 const Counter& count_now) {
  weir::MysqlConnection connection(endpoint(server, account), weir::MysqlConnection::Role::source);
  Writers writers(server);
  int lacking = 0;
  int ahead = 0;
  int control = 0;
  for (int i = 0; i < reads; ++i) {
    const LogPosition place =
        weir::mysql::begin_exact_snapshot(connection, endpoint(server, account), {"probe", "c"});
    control += count_now(now()) != count(place) ? 1 : 0;
    const std::uint64_t seen = number(connection.scalar("SELECT sum(n) FROM probe.c").value_or(""));
    lacking += seen < count(place) ? 1 : 0;
    ahead += seen > count(place) ? 1 : 0;
  }
  connection.execute("ROLLBACK");
  CHECK(writers.stop() == "");
  INFO(reads << " snapshots, " << lacking << " lack transactions, " << ahead << " are ahead");
  CHECK(lacking == 0);
  CHECK(ahead == 0);
  // Else nothing was written meanwhile.
  CHECK(control > 0);
}

/// Times that a server has executed FLUSH TABLES WITH READ LOCK or another FLUSH.
std::uint64_t flushes(MySqlServer& server) {
  return number(server.query("SHOW GLOBAL STATUS LIKE 'Com_flush'").at(0).at(1));
}

}  // namespace

TEST_CASE("MariaDB's start position bounds what later reads see", "[contract][server]") {
  // Small files, because the server looks a position up by reading its file from the beginning.
  check_mariadb({.durable = true, .args = {"--max-binlog-size=64K"}});
}

TEST_CASE("MariaDB 11.8's start position bounds what later reads see",
          "[contract][server][bootstrap]") {
  check_mariadb(
      {.release = TempMariaDb::Release::v11_8, .durable = true, .args = {"--max-binlog-size=64K"}});
}

TEST_CASE("MySQL's executed GTID set bounds what later reads see",
          "[contract][server][bootstrap]") {
  TempMySql server({.durable = true});
  make_rows(server);
  weir::mysql::MysqlSource source(task(server, "root"));
  const auto take = [&] { return LogPosition::parse(source.start_offset().text); };
  MySqlSession other = server.session();
  const Counter count_control = count_bytes(other);
  const LogPosition now = take();
  REQUIRE(now.gtids.flavor() == weir::mysql::Gtid::Flavor::mysql);
  const std::uint64_t before = transactions(now.gtids) - visible(other);
  const Counter count = [before](const LogPosition& position) {
    return transactions(position.gtids) - before;
  };
  check(probe(
            server, kReads, take, count, [&] { return log_end(other); }, count_control),
        kReads);
}

TEST_CASE("MySQL's log_status without GTIDs bounds what later reads see",
          "[contract][server][bootstrap]") {
  TempMySql server({.gtid = false, .durable = true});
  make_rows(server);
  weir::mysql::MysqlSource source(task(server, "root"));
  const auto take = [&] { return LogPosition::parse(source.start_offset().text); };
  MySqlSession other = server.session();
  const Counter count = count_bytes(other);
  const std::uint64_t flushes_before = flushes(server);
  check(probe(
            server, kReads, take, count, [&] { return log_end(other); }, count),
        kReads);
  // It was this way and not the read lock.
  CHECK(flushes(server) == flushes_before);
}

TEST_CASE("MySQL's read lock without GTIDs bounds what later reads see",
          "[contract][server][bootstrap]") {
  TempMySql server({.gtid = false, .durable = true});
  make_rows(server);
  server.sql(
      "CREATE USER locker@localhost IDENTIFIED BY '';"
      "GRANT RELOAD, REPLICATION CLIENT, SELECT ON *.* TO locker@localhost");
  CHECK_THROWS_AS(
      weir::MysqlConnection(endpoint(server, "locker"), weir::MysqlConnection::Role::source)
          .query("SELECT local FROM performance_schema.log_status"),
      weir::Error);
  weir::mysql::MysqlSource source(task(server, "locker"));
  const auto take = [&] { return LogPosition::parse(source.start_offset().text); };
  MySqlSession other = server.session();
  const Counter count = count_bytes(other);
  const std::uint64_t flushes_before = flushes(server);
  // Fewer, because each of them stops all writers and waits for their commits.
  constexpr int kLocks = 1000;
  check(probe(
            server, kLocks, take, count, [&] { return log_end(other); }, count),
        kLocks);
  CHECK(flushes(server) >= flushes_before + kLocks);
}

TEST_CASE("a read lock that others keep from weir is given up and leaves nothing behind",
          "[contract][server][bootstrap]") {
  TempMySql server({.gtid = false});
  make_rows(server);
  server.sql(
      "CREATE USER locker@localhost IDENTIFIED BY '';"
      "GRANT RELOAD, REPLICATION CLIENT, SELECT ON *.* TO locker@localhost");
  MySqlSession holder = server.session();
  holder.sql("LOCK TABLES probe.c WRITE");
  weir::MysqlConnection connection(endpoint(server, "locker"), weir::MysqlConnection::Role::source);
  const auto refused_as = [&]() -> std::string {
    try {
      weir::mysql::take_start_position(connection);
      return "nothing";
    } catch (const weir::Error& error) {
      return error.id();
    }
  };
  CHECK(refused_as() == "mysql.start-method");
  holder.sql("UNLOCK TABLES");
  MySqlSession writer = server.session();
  writer.sql("SET lock_wait_timeout = 5; UPDATE probe.c SET n = 1 WHERE w = 1");
  CHECK(refused_as() == "nothing");
  writer.sql("UPDATE probe.c SET n = 2 WHERE w = 1");
  CHECK(visible(writer) == 2);
}

TEST_CASE("an account that may take no safe start position is told so",
          "[contract][server][bootstrap]") {
  TempMySql server({.gtid = false});
  server.sql(
      "CREATE USER plain@localhost IDENTIFIED BY '';"
      "GRANT REPLICATION CLIENT, REPLICATION SLAVE, SELECT ON *.* TO plain@localhost");
  weir::MysqlConnection plain(endpoint(server, "plain"), weir::MysqlConnection::Role::source);
  CHECK_THAT(weir::mysql::start_method_missing(plain), Catch::Contains("BACKUP_ADMIN"));
  CHECK_THROWS_AS(weir::mysql::take_start_position(plain), weir::Error);

  server.sql("GRANT RELOAD ON *.* TO plain@localhost");
  weir::MysqlConnection locker(endpoint(server, "plain"), weir::MysqlConnection::Role::source);
  CHECK(weir::mysql::start_method_missing(locker).empty());
  CHECK_FALSE(weir::mysql::take_start_position(locker).file.empty());
}

TEST_CASE("MariaDB's exact snapshot shows all up to its place and nothing more",
          "[contract][server][nokey]") {
  TempMariaDb server({.durable = true, .args = {"--max-binlog-size=16K"}});
  make_rows(server);
  weir::MysqlConnection connection(endpoint(server, "root"), weir::MysqlConnection::Role::source);
  const Counter count = count_gtids(weir::mysql::take_start_position(connection));
  MySqlSession other = server.session();
  const auto now = [&] {
    LogPosition out;
    out.gtids = GtidSet::parse(other.value("SELECT @@gtid_binlog_pos"));
    return out;
  };
  check_exact(server, "root", 2000, count, now, count);
  CHECK(server.query("SHOW BINARY LOGS").size() > 10);
}

TEST_CASE("MySQL's exact snapshot shows all up to its place and nothing more",
          "[contract][server][bootstrap][nokey]") {
  const bool gtid = GENERATE(true, false);
  TempMySql server({.gtid = gtid, .durable = true});
  make_rows(server);
  server.sql(
      "CREATE USER locker@localhost IDENTIFIED BY '';"
      "GRANT LOCK TABLES, REPLICATION CLIENT, SELECT ON *.* TO locker@localhost");
  MySqlSession other = server.session();
  const Counter bytes = count_bytes(other);
  Counter count = bytes;
  if (gtid) {
    weir::MysqlConnection connection(endpoint(server, "root"), weir::MysqlConnection::Role::source);
    const std::uint64_t before =
        transactions(weir::mysql::take_start_position(connection).gtids) - visible(other);
    count = [before, bytes](const LogPosition& place) {
      const std::uint64_t by_gtid = transactions(place.gtids) - before;
      if (by_gtid != bytes(place)) throw std::runtime_error("set and file are two places");
      return by_gtid;
    };
  }
  // Few, because each waits for a moment without writers, which never comes, and then makes one.
  check_exact(
      server, "locker", 10, count, [&] { return log_end(other); }, bytes);
}
