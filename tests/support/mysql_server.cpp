// SPDX-License-Identifier: Apache-2.0
#include "support/mysql_server.h"

#include <filesystem>
#include <stdexcept>
#include <utility>

#include <mysql.h>
#include <signal.h>

#include "support/eventually.h"
#include "support/server_files.h"

namespace weir::test {

namespace {

constexpr std::chrono::seconds kStartLimit{90};

std::runtime_error failure(MYSQL* handle, std::string_view text) {
  return std::runtime_error("mysql error " + std::to_string(mysql_errno(handle)) + ": " +
                            mysql_error(handle) + "\nin: " + std::string(text.substr(0, 500)));
}

}  // namespace

void MySqlSession::Closer::operator()(st_mysql* handle) const { mysql_close(handle); }

MySqlSession::MySqlSession(const std::string& socket, const std::string& user,
                           const std::string& password)
    : handle_(mysql_init(nullptr)) {
  mysql_options(handle_.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (mysql_real_connect(handle_.get(), nullptr, user.c_str(), password.c_str(), nullptr, 0,
                         socket.c_str(), CLIENT_MULTI_STATEMENTS) == nullptr) {
    throw failure(handle_.get(), "connect");
  }
}

void MySqlSession::sql(std::string_view text) {
  if (mysql_real_query(handle_.get(), text.data(), text.size()) != 0) {
    throw failure(handle_.get(), text);
  }
  int more = 0;
  do {
    if (MYSQL_RES* rows = mysql_store_result(handle_.get())) mysql_free_result(rows);
    more = mysql_next_result(handle_.get());
  } while (more == 0);
  if (more > 0) throw failure(handle_.get(), text);
}

Rows MySqlSession::query(std::string_view text) {
  if (mysql_real_query(handle_.get(), text.data(), text.size()) != 0) {
    throw failure(handle_.get(), text);
  }
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(
      mysql_store_result(handle_.get()), &mysql_free_result);
  if (!result && mysql_errno(handle_.get()) != 0) throw failure(handle_.get(), text);
  if (!result) throw std::runtime_error("no rows come from: " + std::string(text));
  Rows rows;
  const unsigned int columns = mysql_num_fields(result.get());
  while (const MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const unsigned long* sizes = mysql_fetch_lengths(result.get());
    auto& fields = rows.emplace_back();
    for (unsigned int i = 0; i < columns; ++i) {
      fields.push_back(row[i] == nullptr ? "NULL" : std::string(row[i], sizes[i]));
    }
  }
  return rows;
}

std::string MySqlSession::value(std::string_view text) {
  const Rows rows = query(text);
  if (rows.empty()) throw std::runtime_error("no row came from: " + std::string(text));
  return rows.front().front();
}

MySqlServer::MySqlServer(MySqlProduct product, bool durable, std::vector<std::string> args)
    : product_(std::move(product)), durable_(durable), args_(std::move(args)) {
  copy_template(
      product_.name,
      [this](const std::string& data_dir) {
        std::vector<std::string> argv = product_.server;
        argv.insert(argv.end(), product_.initialise.begin(), product_.initialise.end());
        argv.push_back("--datadir=" + data_dir);
        const TempDir scratch;
        // Another server that starts takes the temporary tables that it finds for its own old ones.
        argv.push_back("--tmpdir=" + scratch.path());
        run_to_end({.argv = argv,
                    .output = {},
                    .input = scratch.write("script.sql", product_.initialise_script)});
      },
      data_dir());
  // Holds the server_uuid, which two servers must not share.
  std::filesystem::remove(data_dir() + "/auto.cnf");
  std::filesystem::create_directory(dir_ / "tmp");
  // Somebody may take a free port before the server does.
  for (int attempt = 0; attempt < 3 && !process_; ++attempt) {
    port_ = free_port();
    if (!try_start()) process_.reset();
  }
  if (!process_) fail_to_start();
  sql("SET sql_log_bin = 0;"
      "CREATE USER weir@'%' IDENTIFIED BY 'weir-pw';"
      "GRANT ALL ON *.* TO weir@'%' WITH GRANT OPTION;"
      "SET sql_log_bin = 1");
}

MySqlServer::~MySqlServer() = default;

MySqlSession MySqlServer::session(const std::string& user, const std::string& password) const {
  return MySqlSession(socket(), user, password);
}

MySqlSession& MySqlServer::root() {
  if (!root_) root_.emplace(session());
  return *root_;
}

bool MySqlServer::try_start() {
  std::vector<std::string> argv = product_.server;
  for (const std::string& arg :
       {"--datadir=" + data_dir(), "--socket=" + socket(), "--port=" + std::to_string(port_),
        "--tmpdir=" + dir_ / "tmp", "--pid-file=" + dir_ / "pid"}) {
    argv.push_back(arg);
  }
  for (const char* arg :
       {"--bind-address=127.0.0.1", "--skip-name-resolve", "--server-id=1", "--log-bin=bin",
        "--binlog-format=ROW", "--character-set-server=utf8mb4", "--default-time-zone=+00:00",
        "--innodb-buffer-pool-size=64M", "--innodb-use-native-aio=OFF", "--user=root"}) {
    argv.emplace_back(arg);
  }
  if (durable_) {
    argv.insert(argv.end(), {"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"});
  } else {
    // What was committed still outlives the process, though not the machine.
    argv.insert(argv.end(), {"--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
                             "--innodb-doublewrite=OFF"});
  }
  argv.insert(argv.end(), args_.begin(), args_.end());
  process_ = std::make_unique<ChildProcess>(
      ChildProcess::Options{.argv = argv, .output = log_file(), .input = {}});
  const auto answers = [this] {
    try {
      root_.emplace(session());
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  eventually([&] { return answers() || !process_->running(); }, kStartLimit);
  return root_.has_value();
}

void MySqlServer::fail_to_start() {
  const std::string log = read_file(log_file());
  throw std::runtime_error(product_.name + " does not start:\n" +
                           log.substr(log.size() > 4000 ? log.size() - 4000 : 0));
}

void MySqlServer::start() {
  if (process_) return;
  if (try_start()) return;
  process_.reset();
  fail_to_start();
}

void MySqlServer::stop() {
  root_.reset();
  if (!process_) return;
  process_->signal(SIGTERM);
  if (!process_->wait(kStartLimit)) throw std::runtime_error(product_.name + " does not stop");
  process_.reset();
}

void MySqlServer::restart() {
  stop();
  start();
}

void MySqlServer::kill9() {
  root_.reset();
  process_.reset();
}

void MySqlServer::freeze() { process_->signal(SIGSTOP); }

void MySqlServer::thaw() { process_->signal(SIGCONT); }

}  // namespace weir::test
