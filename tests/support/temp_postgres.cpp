// SPDX-License-Identifier: Apache-2.0
#include "support/temp_postgres.h"

#include <filesystem>
#include <stdexcept>

#include <libpq-fe.h>
#include <signal.h>

#include "support/eventually.h"
#include "support/server_files.h"

namespace fs = std::filesystem;

namespace weir::test {

namespace {

constexpr std::chrono::seconds kStartLimit{90};

/// The newest release that Debian's package put on this machine.
std::string installed_programs() {
  std::string newest;
  if (fs::exists("/usr/lib/postgresql")) {
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql")) {
      if (fs::exists(entry.path() / "bin/initdb")) {
        newest = std::max(newest, (entry.path() / "bin").string());
      }
    }
  }
  if (newest.empty()) {
    throw std::runtime_error("PostgreSQL is not installed; run tests/support/install.sh");
  }
  return newest;
}

std::string programs(TempPostgres::Release release) {
  switch (release) {
    case TempPostgres::Release::v17:
      return server_tree("trixie") + "/run/usr/lib/postgresql/17/bin";
    case TempPostgres::Release::v18:
      return server_tree("sid") + "/run/usr/lib/postgresql/18/bin";
    case TempPostgres::Release::installed:
      break;
  }
  return installed_programs();
}

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

Result run(PGconn* handle, std::string_view text) {
  Result result(PQexec(handle, std::string(text).c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    throw std::runtime_error(std::string("postgres ") + PQerrorMessage(handle) +
                             "in: " + std::string(text.substr(0, 500)));
  }
  return result;
}

}  // namespace

void PgSession::Closer::operator()(pg_conn* handle) const { PQfinish(handle); }

PgSession::PgSession(const std::string& conninfo) : handle_(PQconnectdb(conninfo.c_str())) {
  if (PQstatus(handle_.get()) != CONNECTION_OK) {
    throw std::runtime_error(std::string("postgres ") + PQerrorMessage(handle_.get()));
  }
  PQsetNoticeProcessor(
      handle_.get(), [](void*, const char*) {}, nullptr);
}

void PgSession::sql(std::string_view text) { run(handle_.get(), text); }

Rows PgSession::query(std::string_view text) {
  const Result result = run(handle_.get(), text);
  Rows rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const int r = static_cast<int>(row);
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      const bool null = PQgetisnull(result.get(), r, column) != 0;
      rows[row].emplace_back(null ? "NULL" : PQgetvalue(result.get(), r, column));
    }
  }
  return rows;
}

std::string PgSession::value(std::string_view text) {
  const Rows rows = query(text);
  if (rows.empty()) throw std::runtime_error("no row came from: " + std::string(text));
  return rows.front().front();
}

TempPostgres::TempPostgres(const Options& options)
    : options_(options), bin_(programs(options.release)), account_(unprivileged_account()) {
  if (options_.standby_of != nullptr) {
    copy_primary();
  } else if (options_.own_identity) {
    fs::create_directory(data_dir());
    initialise(data_dir());
  } else {
    std::string name = bin_;
    for (char& c : name) c = c == '/' ? '-' : c;
    copy_template(
        "postgres" + name, [this](const std::string& folder) { initialise(folder); }, data_dir());
  }
  fs::permissions(data_dir(), fs::perms::owner_all);
  give_to(data_dir(), account_);
  give_to(dir_.path(), account_);

  // The accounts are made while everybody is trusted, and once: they are in the copy's own data.
  const std::string method = options_.auth == Auth::trust ? "trust" : "scram-sha-256";
  const auto allow = [this](const std::string& how) {
    dir_.write("data/pg_hba.conf", "local all all " + how + "\nhost all all 127.0.0.1/32 " + how +
                                       "\nlocal replication all " + how +
                                       "\nhost replication all 127.0.0.1/32 " + how + "\n");
  };
  allow("trust");
  // Somebody may take a free port before the server does.
  for (int attempt = 0; attempt < 3 && !process_; ++attempt) {
    port_ = free_port();
    if (!try_start()) process_.reset();
  }
  if (!process_) fail_to_start();
  if (options_.standby_of == nullptr) {
    PgSession setup(conninfo("postgres", "postgres"));
    setup.sql("ALTER ROLE postgres PASSWORD 'postgres-pw'");
    setup.sql("CREATE ROLE weir LOGIN PASSWORD 'weir-pw'");
    setup.sql("CREATE DATABASE dw OWNER weir");
    allow(method);
    setup.sql("SELECT pg_reload_conf()");
  }
  if (options_.auth == Auth::password) {
    // The reload is a signal: the new rules hold once a wrong password is refused.
    const std::string wrong = "host=" + socket_dir() + " port=" + std::to_string(port_) +
                              " dbname=postgres user=postgres password=wrong";
    const bool refused = eventually([&] {
      const std::unique_ptr<PGconn, decltype(&PQfinish)> probe(PQconnectdb(wrong.c_str()),
                                                               &PQfinish);
      return PQstatus(probe.get()) != CONNECTION_OK;
    });
    if (!refused) throw std::runtime_error("postgres goes on trusting everybody");
  }
}

TempPostgres::~TempPostgres() {
  root_.reset();
  if (!process_) return;
  // A killed postmaster would leave its children behind for a moment, with files in the folder.
  process_->signal(SIGQUIT);
  process_->wait(std::chrono::seconds(10));
}

void TempPostgres::initialise(const std::string& data_dir) const {
  give_to(data_dir, account_);
  run_to_end({.argv = {bin_ + "/initdb", "-D", data_dir, "-U", "postgres", "-A", "trust", "-E",
                       "UTF8", "--locale=C.UTF-8", "--no-sync"},
              .output = {},
              .input = {},
              .account = account_});
}

void TempPostgres::copy_primary() {
  TempPostgres& primary = *options_.standby_of;
  primary.sql("SELECT pg_create_physical_replication_slot('standby', true)");
  primary.stop();
  fs::copy(primary.data_dir(), data_dir(), fs::copy_options::recursive);
  primary.start();
  fs::remove_all(data_dir() + "/pg_replslot/standby");
  dir_.write("data/standby.signal", "");
  options_.settings.insert(
      options_.settings.end(),
      {"primary_conninfo=" + primary.conninfo("postgres", "dw"), "primary_slot_name=standby",
       "hot_standby_feedback=on", "sync_replication_slots=on"});
}

std::string TempPostgres::conninfo(const std::string& user, const std::string& database) const {
  return "host=" + socket_dir() + " port=" + std::to_string(port_) + " dbname=" + database +
         " user=" + user + " password=" + user + "-pw";
}

PgSession TempPostgres::session(const std::string& user, const std::string& database) const {
  return PgSession(conninfo(user, database));
}

PgSession& TempPostgres::root() {
  if (!root_) root_.emplace(conninfo("postgres", "dw"));
  return *root_;
}

bool TempPostgres::try_start() {
  std::vector<std::string> argv = {bin_ + "/postgres", "-D", data_dir(),           "-k",
                                   socket_dir(),       "-p", std::to_string(port_)};
  std::vector<std::string> settings = {"listen_addresses=127.0.0.1", "wal_level=logical",
                                       "shared_buffers=32MB", "timezone=UTC", "log_timezone=UTC"};
  // What was committed still outlives the process, though not the machine.
  if (!options_.durable) settings.insert(settings.end(), {"fsync=off", "full_page_writes=off"});
  settings.insert(settings.end(), options_.settings.begin(), options_.settings.end());
  for (const std::string& setting : settings) {
    argv.emplace_back("-c");
    argv.push_back(setting);
  }
  process_ = std::make_unique<ChildProcess>(ChildProcess::Options{.argv = argv,
                                                                  .output = log_file(),
                                                                  .input = {},
                                                                  .account = account_,
                                                                  .death_signal = SIGQUIT});
  bool ready = false;
  eventually(
      [&] {
        ready = PQping(conninfo("postgres", "postgres").c_str()) == PQPING_OK;
        return ready || !process_->running();
      },
      kStartLimit);
  return ready && process_->running();
}

void TempPostgres::fail_to_start() {
  const std::string log = read_file(log_file());
  throw std::runtime_error("postgres does not start:\n" +
                           log.substr(log.size() > 4000 ? log.size() - 4000 : 0));
}

void TempPostgres::start() {
  if (process_) return;
  // After a crash the old server's children may still be leaving, and hold its memory and port.
  const bool started = eventually(
      [this] {
        if (try_start()) return true;
        process_.reset();
        return false;
      },
      std::chrono::seconds(20));
  if (!started) fail_to_start();
}

void TempPostgres::stop() {
  root_.reset();
  if (!process_) return;
  process_->signal(SIGINT);
  if (!process_->wait(kStartLimit)) throw std::runtime_error("postgres does not stop");
  process_.reset();
}

void TempPostgres::restart() {
  stop();
  start();
}

void TempPostgres::kill9() {
  root_.reset();
  process_.reset();
}

}  // namespace weir::test
