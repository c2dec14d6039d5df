// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/child_process.h"
#include "support/mysql_server.h"
#include "support/temp_dir.h"

struct pg_conn;

namespace weir::test {

/// One connection to a PostgreSQL server, independent of weir's own client.
/// One thread at a time. Throws std::runtime_error with the server's words.
class PgSession {
 public:
  explicit PgSession(const std::string& conninfo);

  /// Runs one statement, or several with `;` between them, which are then one transaction.
  void sql(std::string_view text);
  /// The rows of one statement.
  Rows query(std::string_view text);
  /// The first field of the first row; throws if there is none.
  std::string value(std::string_view text);

 private:
  struct Closer {
    void operator()(pg_conn* handle) const;
  };
  std::unique_ptr<pg_conn, Closer> handle_;
};

/// A throwaway PostgreSQL in a temporary folder, on a Unix socket and a free port of 127.0.0.1,
/// with logical decoding switched on. The object belongs to one thread; others take a session()
/// each.
///
/// Roles: `postgres` (superuser, password `postgres-pw`) and `weir` (a plain role, password
/// `weir-pw`), which owns the database `dw`. As root the server runs as the user postgres.
class TempPostgres {
 public:
  enum class Release { installed, v17, v18 };  ///< 17 and 18 come from servers.sh: tag [bootstrap]
  enum class Auth { trust, password };         ///< password = scram-sha-256, on the socket too

  struct Options {
    Release release = Release::installed;
    Auth auth = Auth::trust;
    bool durable = false;  ///< a sync for every commit, as in production
    /// Servers are copies with the same system identifier; true makes one with its own.
    bool own_identity = false;
    std::vector<std::string> settings = {};  ///< "wal_level=replica"; the last of two wins
    /// A streaming standby of that server, which is stopped and started for it, of the same release
    /// and with its accounts. It keeps copies of failover slots (17 and 18). The primary knows it
    /// as the slot `standby`.
    TempPostgres* standby_of = nullptr;
  };

  TempPostgres() : TempPostgres(Options{}) {}
  explicit TempPostgres(const Options& options);
  ~TempPostgres();
  TempPostgres(const TempPostgres&) = delete;
  TempPostgres& operator=(const TempPostgres&) = delete;

  const std::string& socket_dir() const { return dir_.path(); }
  std::string host() const { return "127.0.0.1"; }
  std::uint16_t port() const { return port_; }
  std::string database() const { return "dw"; }
  std::string user() const { return "weir"; }
  std::string password() const { return "weir-pw"; }
  std::string data_dir() const { return dir_ / "data"; }
  std::string log_file() const { return dir_ / "log"; }
  pid_t pid() const { return process_ ? process_->pid() : -1; }

  /// As the superuser in database `dw`, over a connection that is made anew after a restart.
  void sql(std::string_view text) { return root().sql(text); }
  Rows query(std::string_view text) { return root().query(text); }
  std::string value(std::string_view text) { return root().value(text); }

  /// For libpq, over the socket.
  std::string conninfo(const std::string& user = "weir", const std::string& database = "dw") const;
  PgSession session(const std::string& user = "weir", const std::string& database = "dw") const;

  /// Stops as `pg_ctl stop -m fast` does; the data stays.
  void stop();
  /// Starts again with the same data, socket and port. Returns when it takes connections.
  void start();
  void restart();
  /// Ends the server as a crash would; start() brings it back.
  void kill9();

  /// Settings that the next start() adds.
  std::vector<std::string>& settings() { return options_.settings; }

 private:
  PgSession& root();
  bool try_start();
  void initialise(const std::string& data_dir) const;
  void copy_primary();
  [[noreturn]] void fail_to_start();

  Options options_;
  std::string bin_;
  std::optional<Account> account_;
  TempDir dir_;
  std::uint16_t port_ = 0;
  std::optional<PgSession> root_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace weir::test
