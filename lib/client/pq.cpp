// SPDX-License-Identifier: Apache-2.0
#include "client/pq.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include "base/time.h"

namespace weir {
namespace {

ExitCode unreachable_code(PgConnection::Role role) {
  return role == PgConnection::Role::source ? ExitCode::source_unreachable
                                            : ExitCode::target_unreachable;
}

const char* sslmode(Tls tls) {
  switch (tls) {
    case Tls::off:
      return "disable";
    case Tls::require:
      return "require";
    case Tls::verify_ca:
      return "verify-ca";
    case Tls::verify_full:
      return "verify-full";
  }
  return "verify-full";
}

std::string describe_place(const Endpoint& endpoint) {
  const std::string port = std::to_string(endpoint.port == 0 ? 5432 : endpoint.port);
  if (!endpoint.socket.empty()) {
    return fmt::format("{}@{}:{}/{}", endpoint.user, endpoint.socket, port, endpoint.database);
  }
  return fmt::format("{}@{}:{}/{}", endpoint.user, endpoint.host, port, endpoint.database);
}

/// libpq's messages end with a newline and may have several lines; ours have one.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\t') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// What an SQLSTATE means for a task. The first row whose prefix fits decides.
struct StateRow {
  std::string_view prefix;
  const char* id;
  const char* fix;
};
constexpr StateRow kStates[] = {
    {"08", "postgres.lost",
     "check that the server runs; weir reconnects by itself while a task runs"},
    {"57P", "postgres.lost",
     "check that the server runs; weir reconnects by itself while a task runs"},
    {"28", "postgres.denied", "check user, password and pg_hba.conf"},
    {"53100", "postgres.disk-full",
     "free space on the server's disk; the task goes on where it was, nothing is lost"},
    {"53300", "postgres.too-many-connections",
     "raise max_connections or lower full.connections in the task file"},
    {"53", "postgres.out-of-resources", "see the server's log for the resource it lacks"},
    {"42501", "postgres.permission", "grant the role what the message names, or make it the owner"},
    {"25006", "postgres.read-only", "point the task at the primary: this server takes no writes"},
    {"40", "postgres.conflict", "another session locked the same rows; weir tries again"},
    {"55P03", "postgres.conflict", "another session locked the same rows; weir tries again"},
    {"22", "postgres.row-refused", "compare the column's type on both sides; see weir-types(7)"},
    {"23", "postgres.row-refused",
     "look for the constraint on the target table that refuses the row"},
};

/// A message about a value without the value, which must not reach a log: 'value "70000" is out of
/// range for type smallint', 'invalid input syntax for type integer: "x"'.
std::string without_value(const std::string& message) {
  constexpr std::string_view kValue = "value \"";
  if (message.starts_with(kValue)) {
    const std::size_t end = message.rfind("\" is out of range");
    if (end != std::string::npos) return "a value" + message.substr(end + 1);
  }
  return message.substr(0, message.find(": \""));
}

}  // namespace

PgResult::PgResult(pg_result* handle) : handle_(handle, &PQclear) {}
PgResult::~PgResult() = default;
PgResult::PgResult(PgResult&&) noexcept = default;
PgResult& PgResult::operator=(PgResult&&) noexcept = default;

std::size_t PgResult::rows() const { return static_cast<std::size_t>(PQntuples(handle_.get())); }

bool PgResult::is_null(std::size_t row, std::size_t column) const {
  return PQgetisnull(handle_.get(), static_cast<int>(row), static_cast<int>(column)) != 0;
}

std::string_view PgResult::text(std::size_t row, std::size_t column) const {
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  return {PQgetvalue(handle_.get(), r, c),
          static_cast<std::size_t>(PQgetlength(handle_.get(), r, c))};
}

std::uint64_t PgResult::affected() const {
  return std::strtoull(PQcmdTuples(handle_.get()), nullptr, 10);
}

PgConnection::PgConnection(const Endpoint& endpoint, Role role, Mode mode)
    : handle_(nullptr, &PQfinish),
      role_(role),
      where_(describe_place(endpoint)),
      patience_(endpoint.patience) {
  const Secret password = resolve(endpoint.password);
  const std::string port = endpoint.port == 0 ? "" : std::to_string(endpoint.port);
  const char* keys[] = {"host",
                        "port",
                        "user",
                        "dbname",
                        "password",
                        "sslmode",
                        "sslrootcert",
                        "connect_timeout",
                        "application_name",
                        "client_encoding",
                        "keepalives_idle",
                        "replication",
                        nullptr};
  const char* values[] = {endpoint.socket.empty() ? endpoint.host.c_str() : endpoint.socket.c_str(),
                          port.c_str(),
                          endpoint.user.c_str(),
                          endpoint.database.c_str(),
                          password.reveal().c_str(),
                          endpoint.socket.empty() ? sslmode(endpoint.tls) : "",
                          endpoint.tls_ca.c_str(),
                          "10",
                          "weir",
                          "UTF8",
                          "30",
                          mode == Mode::replication ? "database" : "false",
                          nullptr};
  handle_.reset(PQconnectdbParams(keys, values, 0));
  PGconn* c = handle_.get();
  if (PQstatus(c) != CONNECTION_OK) {
    const std::string why = one_line(PQerrorMessage(c));
    // libpq gives no SQLSTATE for a failed connection; having asked for a password or having been
    // answered with FATAL tells that the server is there and said no.
    if (PQconnectionNeedsPassword(c) != 0 || PQconnectionUsedPassword(c) != 0 ||
        why.find("FATAL:") != std::string::npos) {
      throw Error(unreachable_code(role_), "postgres.denied",
                  fmt::format("the server denied access to {}", where_), why,
                  "check user, password, database name and pg_hba.conf, then try again");
    }
    throw Error(
        unreachable_code(role_), "postgres.unreachable",
        fmt::format("cannot connect to {}", where_), why,
        "check that the server runs, that host, port or socket and tls in the task file are "
        "right, and that no firewall is between");
  }
  PQsetNoticeProcessor(
      c, [](void*, const char*) {}, nullptr);
  // Money has one form only if both ends agree on it.
  execute(
      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; "
      "SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lc_monetary = 'C'; "
      "SET xmloption = 'content'; SET array_nulls = on; SET statement_timeout = 0; "
      "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; "
      "SET standard_conforming_strings = on");
  if (server_version_number() >= 140000) execute("SET idle_session_timeout = 0");
  if (server_version_number() >= 170000) execute("SET transaction_timeout = 0");
  // Names are printed with their schema, and rows that a policy hides are an error.
  if (role_ == Role::source) execute("SET search_path = ''; SET row_security = off");
}

PgConnection::~PgConnection() = default;
PgConnection::PgConnection(PgConnection&&) noexcept = default;

std::string PgConnection::server_version() const {
  const char* version = PQparameterStatus(handle_.get(), "server_version");
  return version == nullptr ? "" : version;
}

int PgConnection::server_version_number() const { return PQserverVersion(handle_.get()); }

bool PgConnection::is_encrypted() const { return PQsslInUse(handle_.get()) != 0; }

void PgConnection::fail(const pg_result* result, std::string_view what) const {
  const char* state_field =
      result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view state = state_field == nullptr ? "" : state_field;
  if (PQstatus(handle_.get()) == CONNECTION_BAD || (state.empty() && result == nullptr)) {
    throw Error(unreachable_code(role_), "postgres.lost",
                fmt::format("lost the session with {}", where_),
                one_line(PQerrorMessage(handle_.get())),
                "check that the server runs; weir reconnects by itself while a task runs");
  }
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  std::string why = one_line(primary == nullptr ? PQresultErrorMessage(result) : primary);
  if (state.starts_with("22")) why = without_value(why);
  for (const int field : {PG_DIAG_SCHEMA_NAME, PG_DIAG_TABLE_NAME, PG_DIAG_COLUMN_NAME}) {
    const char* text = PQresultErrorField(result, field);
    if (text == nullptr) continue;
    why += field == PG_DIAG_SCHEMA_NAME  ? "; schema "
           : field == PG_DIAG_TABLE_NAME ? " table "
                                         : " column ";
    why += text;
  }
  // A COPY names line and column in its context; the value itself must not reach a log.
  if (const char* context = PQresultErrorField(result, PG_DIAG_CONTEXT)) {
    std::string_view line(context);
    if (line.starts_with("COPY ")) {
      line = line.substr(0, line.find_first_of("\n\""));
      while (line.ends_with(' ') || line.ends_with(':')) line.remove_suffix(1);
      why += fmt::format("; {}", line);
    }
  }
  if (!state.empty()) why += fmt::format(" (SQLSTATE {})", state);
  for (const StateRow& row : kStates) {
    if (!state.starts_with(row.prefix)) continue;
    const bool lost = std::string_view(row.id) == "postgres.lost" ||
                      std::string_view(row.id) == "postgres.denied";
    throw Error(lost ? unreachable_code(role_) : ExitCode::failed, row.id,
                fmt::format("{} refused: {}", where_, what), why, row.fix);
  }
  throw Error(ExitCode::failed, "postgres.query", fmt::format("{} refused: {}", where_, what), why,
              "read the server's message; its log has the whole statement");
}

PgResult PgConnection::check(pg_result* result, std::string_view what) const {
  PgResult checked(result);
  switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
      return checked;
    default:
      fail(result, what);
  }
}

PgResult PgConnection::ask(const std::string& sql) {
  const std::string_view what = std::string_view(sql).substr(0, 200);
  if (patience_.count() == 0) return check(PQexec(handle_.get(), sql.c_str()), what);
  if (PQsendQuery(handle_.get(), sql.c_str()) != 1) fail(nullptr, what);
  return answer(what, patience_);
}

PgResult PgConnection::answer(std::string_view what, std::chrono::milliseconds limit) {
  PGconn* const c = handle_.get();
  const Clock::time_point end = Clock::now() + limit;
  PgResult last(nullptr);
  std::exception_ptr error;
  while (true) {
    while (PQisBusy(c) == 0) {
      PGresult* const result = PQgetResult(c);
      if (result == nullptr) {
        if (error) std::rethrow_exception(error);
        return last;
      }
      // The session takes no other statement before all of the answer is read.
      try {
        last = check(result, what);
      } catch (const Error&) {
        if (!error) error = std::current_exception();
      }
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) {
      throw Error(unreachable_code(role_), "postgres.lost",
                  fmt::format("{} does not answer", where_), fmt::format("it was asked: {}", what),
                  "check that the server runs; weir reconnects by itself while a task runs");
    }
    pollfd readable{PQsocket(c), POLLIN, 0};
    ::poll(&readable, 1, static_cast<int>(left.count()));
    if (PQconsumeInput(c) != 1) fail(nullptr, what);
  }
}

void PgConnection::execute(const std::string& sql) { ask(sql); }

void PgConnection::execute_within(const std::string& sql, std::chrono::milliseconds limit) {
  const std::string_view what = std::string_view(sql).substr(0, 200);
  if (PQsendQuery(handle_.get(), sql.c_str()) != 1) fail(nullptr, what);
  answer(what, limit);
}

PgResult PgConnection::query(const std::string& sql,
                             std::initializer_list<std::string_view> params) {
  std::vector<std::string> texts(params.begin(), params.end());  // libpq wants NUL-terminated text
  std::vector<const char*> values;
  for (const std::string& text : texts) values.push_back(text.c_str());
  const std::string_view what = std::string_view(sql).substr(0, 200);
  const int count = static_cast<int>(values.size());
  if (patience_.count() > 0) {
    if (PQsendQueryParams(handle_.get(), sql.c_str(), count, nullptr, values.data(), nullptr,
                          nullptr, 0) != 1) {
      fail(nullptr, what);
    }
    return answer(what, patience_);
  }
  return check(
      PQexecParams(handle_.get(), sql.c_str(), count, nullptr, values.data(), nullptr, nullptr, 0),
      what);
}

std::optional<std::string> PgConnection::scalar(const std::string& sql,
                                                std::initializer_list<std::string_view> params) {
  const PgResult result = query(sql, params);
  if (result.rows() == 0 || result.is_null(0, 0)) return {};
  return std::string(result.text(0, 0));
}

PgResult PgConnection::command(const std::string& sql) { return ask(sql); }

std::string PgConnection::quote(std::string_view text) const {
  std::unique_ptr<char, void (*)(void*)> quoted(
      PQescapeLiteral(handle_.get(), text.data(), text.size()), &PQfreemem);
  if (quoted == nullptr) fail(nullptr, "quote a text");
  return quoted.get();
}

void PgConnection::copy_begin(const std::string& sql) {
  const PgResult result =
      check(PQexec(handle_.get(), sql.c_str()), std::string_view(sql).substr(0, 200));
  if (PQresultStatus(result.handle_.get()) != PGRES_COPY_IN) throw bug("COPY did not start");
}

void PgConnection::copy_data(const char* data, std::size_t size) {
  if (PQputCopyData(handle_.get(), data, static_cast<int>(size)) != 1) {
    // The server's own error, if it sent one, says more than "broken pipe".
    if (PGresult* result = PQgetResult(handle_.get())) check(result, "take rows (COPY)");
    fail(nullptr, "take rows (COPY)");
  }
}

std::uint64_t PgConnection::copy_end() {
  if (PQputCopyEnd(handle_.get(), nullptr) != 1) fail(nullptr, "end COPY");
  std::uint64_t rows = 0;
  std::exception_ptr error;
  while (PGresult* raw = PQgetResult(handle_.get())) {
    try {
      rows = check(raw, "take rows (COPY)").affected();
    } catch (...) {
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
  return rows;
}

PgCopyOut::PgCopyOut(PgConnection& connection) : connection_(&connection) {}

PgCopyOut::PgCopyOut(PgCopyOut&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(other.size_) {}

PgCopyOut::~PgCopyOut() {
  PQfreemem(data_);
  if (connection_ == nullptr) return;
  // Somebody lost interest: the server need not send the rest.
  PGconn* c = connection_->handle_.get();
  if (PQstatus(c) != CONNECTION_OK) return;
  if (PGcancel* cancel = PQgetCancel(c)) {
    char problem[256];
    PQcancel(cancel, problem, sizeof problem);
    PQfreeCancel(cancel);
  }
  char* rest = nullptr;
  while (PQgetCopyData(c, &rest, 0) > 0) PQfreemem(rest);
  while (PGresult* result = PQgetResult(c)) PQclear(result);
}

bool PgCopyOut::next() {
  if (connection_ == nullptr) return false;
  PQfreemem(std::exchange(data_, nullptr));
  PGconn* c = connection_->handle_.get();
  const int size = PQgetCopyData(c, &data_, 0);
  if (size > 0) {
    size_ = static_cast<std::size_t>(size);
    return true;
  }
  const PgConnection& connection = *std::exchange(connection_, nullptr);
  if (size == -2) connection.fail(nullptr, "send rows (COPY)");
  std::exception_ptr error;
  while (PGresult* raw = PQgetResult(c)) {
    try {
      connection.check(raw, "send rows (COPY)");
    } catch (...) {
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
  return false;
}

PgCopyOut PgConnection::copy_out(const std::string& sql) {
  const PgResult result =
      check(PQexec(handle_.get(), sql.c_str()), std::string_view(sql).substr(0, 200));
  if (PQresultStatus(result.handle_.get()) != PGRES_COPY_OUT) throw bug("COPY did not start");
  return PgCopyOut(*this);
}

void PgConnection::stream_begin(const std::string& command) {
  const std::string_view what = std::string_view(command).substr(0, 200);
  PGresult* const result = PQexec(handle_.get(), command.c_str());
  if (PQresultStatus(result) != PGRES_COPY_BOTH) {
    check(result, what);
    throw bug("replication did not start");
  }
  PQclear(result);
  if (PQsetnonblocking(handle_.get(), 1) != 0) fail(nullptr, what);
}

PgMessage PgConnection::stream_take() {
  PgMessage message;
  char* data = nullptr;
  const int size = PQgetCopyData(handle_.get(), &data, 1);
  if (size > 0) {
    message.data_ = {data, &PQfreemem};
    message.size_ = static_cast<std::size_t>(size);
  } else if (size == 0) {
    if (PQstatus(handle_.get()) == CONNECTION_BAD) fail(nullptr, "stream its log");
  } else {
    // The server's own error, if it sent one, says more than that the stream ended.
    if (PGresult* result = PQgetResult(handle_.get())) {
      if (PQresultStatus(result) == PGRES_FATAL_ERROR) check(result, "stream its log");
      PQclear(result);
    }
    throw Error(unreachable_code(role_), "postgres.lost",
                fmt::format("{} ended the stream of its log", where_),
                one_line(PQerrorMessage(handle_.get())),
                "check that the server runs; weir reconnects by itself while a task runs");
  }
  return message;
}

void PgConnection::stream_fill() {
  // What came before the session broke is still to be taken, and then says what happened.
  PQconsumeInput(handle_.get());
}

bool PgConnection::stream_put(std::string_view message) {
  PGconn* c = handle_.get();
  if (PQflush(c) != 0) return false;
  if (PQputCopyData(c, message.data(), static_cast<int>(message.size())) != 1) return false;
  PQflush(c);
  return true;
}

int PgConnection::socket() const { return PQsocket(handle_.get()); }

void PgConnection::begin_batch() {
  if (PQenterPipelineMode(handle_.get()) != 1) fail(nullptr, "enter pipeline mode");
}

namespace {
struct ParamArrays {
  explicit ParamArrays(std::span<const PgParam> params) {
    for (const PgParam& p : params) {
      values.push_back(p.data);
      sizes.push_back(p.size);
      formats.push_back(p.binary ? 1 : 0);
    }
  }
  std::vector<const char*> values;
  std::vector<int> sizes;
  std::vector<int> formats;
};
}  // namespace

void PgConnection::send(const std::string& sql, std::span<const PgParam> params) {
  const ParamArrays a(params);
  if (PQsendQueryParams(handle_.get(), sql.c_str(), static_cast<int>(params.size()), nullptr,
                        a.values.data(), a.sizes.data(), a.formats.data(), 0) != 1) {
    fail(nullptr, "send a statement");
  }
}

void PgConnection::send_prepare(const std::string& name, const std::string& sql) {
  if (PQsendPrepare(handle_.get(), name.c_str(), sql.c_str(), 0, nullptr) != 1) {
    fail(nullptr, "prepare a statement");
  }
}

void PgConnection::send_prepared(const std::string& name, std::span<const PgParam> params) {
  const ParamArrays a(params);
  if (PQsendQueryPrepared(handle_.get(), name.c_str(), static_cast<int>(params.size()),
                          a.values.data(), a.sizes.data(), a.formats.data(), 0) != 1) {
    fail(nullptr, "send a statement");
  }
}

void PgConnection::request_answers() {
  if (PQsendFlushRequest(handle_.get()) != 1) fail(nullptr, "answer");
}

std::vector<PgResult> PgConnection::flush_batch() {
  PGconn* c = handle_.get();
  if (PQpipelineSync(c) != 1) fail(nullptr, "finish a batch");
  std::vector<PgResult> results;
  std::exception_ptr error;
  bool synced = false;
  Clock::time_point answered = Clock::now();
  while (!synced) {
    PGresult* raw = PQgetResult(c);
    if (raw == nullptr) {
      if (PQstatus(c) == CONNECTION_BAD) fail(nullptr, "answer");
      continue;  // separates the statements of a pipeline
    }
    const ExecStatusType status = PQresultStatus(raw);
    if (status == PGRES_PIPELINE_SYNC) {
      PQclear(raw);
      synced = true;
    } else if (status == PGRES_PIPELINE_ABORTED) {
      PQclear(raw);
    } else {
      try {
        results.push_back(check(raw, "apply changes"));
        const Clock::time_point at = Clock::now();
        last_answer_seconds_ = std::chrono::duration<double>(at - answered).count();
        answered = at;
      } catch (...) {
        if (!error) error = std::current_exception();
        if (PQstatus(c) == CONNECTION_BAD) std::rethrow_exception(error);
      }
    }
  }
  if (PQexitPipelineMode(c) != 1) fail(nullptr, "leave pipeline mode");
  if (error) std::rethrow_exception(error);
  return results;
}

bool PgConnection::in_transaction() const {
  const PGTransactionStatusType status = PQtransactionStatus(handle_.get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

void PgConnection::rollback() noexcept {
  PGconn* c = handle_.get();
  if (PQpipelineStatus(c) != PQ_PIPELINE_OFF) {
    // A batch that broke off before flush_batch(): the server answers only once asked to.
    PQpipelineSync(c);
    while (PQexitPipelineMode(c) != 1 && PQstatus(c) == CONNECTION_OK) PQclear(PQgetResult(c));
  }
  if (PQtransactionStatus(c) == PQTRANS_ACTIVE) {
    PQputCopyEnd(c, "abandoned");
    while (PGresult* result = PQgetResult(c)) PQclear(result);
  }
  if (PQtransactionStatus(c) != PQTRANS_IDLE) PQclear(PQexec(c, "ROLLBACK"));
}

std::string pg_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
  return out;
}

}  // namespace weir
