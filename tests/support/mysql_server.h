// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/child_process.h"
#include "support/temp_dir.h"

struct st_mysql;

namespace weir::test {

/// Rows as text; SQL NULL is "NULL".
using Rows = std::vector<std::vector<std::string>>;

/// One connection to a MySQL or MariaDB server, independent of weir's own client.
/// One thread at a time. Throws std::runtime_error with the server's number and words.
class MySqlSession {
 public:
  MySqlSession(const std::string& socket, const std::string& user, const std::string& password);

  /// Runs one statement or several with `;` between them.
  void sql(std::string_view text);
  /// The rows of one statement.
  Rows query(std::string_view text);
  /// The first field of the first row; throws if there is none.
  std::string value(std::string_view text);

 private:
  struct Closer {
    void operator()(st_mysql* handle) const;
  };
  std::unique_ptr<st_mysql, Closer> handle_;
};

/// How one product of the family is initialised and started.
struct MySqlProduct {
  std::string name;                     ///< of the template
  std::vector<std::string> server;      ///< program and the arguments that it always needs
  std::vector<std::string> initialise;  ///< arguments that make a data folder
  std::string initialise_script;        ///< SQL that `initialise` reads from stdin
};

/// What the servers of this family have in common: a throwaway server in a temporary folder, on a
/// Unix socket and a free port of 127.0.0.1, with a row-format change log and GTIDs.
///
/// Accounts: `root` without a password on the socket, and `weir` (password `weir-pw`, all
/// privileges) from everywhere. Creating them is not in the change log. The object belongs to one
/// thread; other threads take a session() each.
class MySqlServer {
 public:
  MySqlServer(const MySqlServer&) = delete;
  MySqlServer& operator=(const MySqlServer&) = delete;

  std::string socket() const { return dir_ / "s"; }
  std::string host() const { return "127.0.0.1"; }
  std::uint16_t port() const { return port_; }
  std::string user() const { return "weir"; }
  std::string password() const { return "weir-pw"; }
  std::string data_dir() const { return dir_ / "data"; }
  std::string log_file() const { return dir_ / "log"; }
  pid_t pid() const { return process_ ? process_->pid() : -1; }

  /// As root, over a connection that is kept and made anew after a restart.
  void sql(std::string_view text) { root().sql(text); }
  Rows query(std::string_view text) { return root().query(text); }
  std::string value(std::string_view text) { return root().value(text); }

  MySqlSession session(const std::string& user = "root", const std::string& password = "") const;

  /// Stops cleanly; the data stays.
  void stop();
  /// Starts again with the same data, socket and port. Returns when it takes connections.
  void start();
  void restart();
  /// Ends the server as a crash would; start() brings it back.
  void kill9();
  /// Stops the process without ending it, as a hanging machine would, and lets it go on.
  void freeze();
  void thaw();

  /// Command-line arguments that the next start() adds; the last of two settings wins.
  std::vector<std::string>& args() { return args_; }

 protected:
  MySqlServer(MySqlProduct product, bool durable, std::vector<std::string> args);
  ~MySqlServer();

 private:
  MySqlSession& root();
  bool try_start();
  [[noreturn]] void fail_to_start();

  MySqlProduct product_;
  bool durable_;
  std::vector<std::string> args_;
  TempDir dir_;
  std::uint16_t port_ = 0;
  std::optional<MySqlSession> root_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace weir::test
