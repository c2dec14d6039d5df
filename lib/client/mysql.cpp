// SPDX-License-Identifier: Apache-2.0
#include "client/mysql.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include <fmt/format.h>

// The library's headers lean on this order.
// clang-format off
#include <mysql.h>
#include <ma_pvio.h>
#include <mysqld_error.h>
#include <errmsg.h>
// clang-format on

#include "base/time.h"

namespace weir {
namespace {

constexpr unsigned kConnectTimeout = 10;  // seconds
constexpr unsigned long kMaxPacket = 1UL << 30;

ExitCode unreachable_code(MysqlConnection::Role role) {
  return role == MysqlConnection::Role::source ? ExitCode::source_unreachable
                                               : ExitCode::target_unreachable;
}

std::string describe_place(const Endpoint& endpoint) {
  if (!endpoint.socket.empty()) return fmt::format("{}@{}", endpoint.user, endpoint.socket);
  return fmt::format("{}@{}:{}", endpoint.user, endpoint.host,
                     endpoint.port == 0 ? 3306 : endpoint.port);
}

bool is_lost(unsigned number) {
  return number == CR_SERVER_GONE_ERROR || number == CR_SERVER_LOST ||
         number == CR_CONN_HOST_ERROR || number == CR_CONNECTION_ERROR ||
         number == ER_SERVER_SHUTDOWN || number == ER_NORMAL_SHUTDOWN ||
         number == 1927 /* killed */;
}

bool is_denied(unsigned number) {
  return number == ER_ACCESS_DENIED_ERROR || number == ER_DBACCESS_DENIED_ERROR ||
         number == ER_MUST_CHANGE_PASSWORD_LOGIN ||
         number == 1698 /* no password for this plugin */ || number == ER_HOST_NOT_PRIVILEGED ||
         number == ER_HOST_IS_BLOCKED;
}

/// What a number means for a task that writes. The first row that has it decides.
struct NumberRow {
  unsigned number;
  const char* id;
  const char* fix;
};
constexpr const char* kRowFix =
    "compare the column's type on both sides (weir-types(7)), or mend the row on the source";
constexpr const char* kConflictFix = "another session locked the same rows; weir tries again";
constexpr const char* kDiskFix =
    "free space on the server's disk; the task goes on where it was, nothing is lost";
constexpr const char* kReadOnlyFix = "point the task at the primary: this server takes no writes";
constexpr const char* kTooManyFix =
    "raise max_connections on the target or lower full.connections in the task file";
constexpr const char* kPacketFix = "raise max_allowed_packet on the target above the largest row";
constexpr NumberRow kNumbers[] = {
    {ER_DISK_FULL, "mysql.disk-full", kDiskFix},
    {ER_RECORD_FILE_FULL, "mysql.disk-full", kDiskFix},
    {ER_LOCK_WAIT_TIMEOUT, "mysql.conflict", kConflictFix},
    {ER_LOCK_DEADLOCK, "mysql.conflict", kConflictFix},
    {ER_OPTION_PREVENTS_STATEMENT, "mysql.read-only", kReadOnlyFix},
    {ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, "mysql.read-only", kReadOnlyFix},
    {1836 /* read-only mode */, "mysql.read-only", kReadOnlyFix},
    {ER_CON_COUNT_ERROR, "mysql.too-many-connections", kTooManyFix},
    {ER_TOO_MANY_USER_CONNECTIONS, "mysql.too-many-connections", kTooManyFix},
    {ER_NET_PACKET_TOO_LARGE, "mysql.packet", kPacketFix},
    {ER_BAD_NULL_ERROR, "mysql.row-refused", kRowFix},
    {ER_DUP_ENTRY, "mysql.row-refused",
     "look for the unique index on the target that the message names, and for rows that weir did "
     "not write"},
    {ER_NO_DEFAULT_FOR_FIELD, "mysql.row-refused", kRowFix},
    {ER_WARN_DATA_OUT_OF_RANGE, "mysql.row-refused", kRowFix},
    {WARN_DATA_TRUNCATED, "mysql.row-refused", kRowFix},
    {ER_TRUNCATED_WRONG_VALUE, "mysql.row-refused", kRowFix},
    {ER_INVALID_CHARACTER_STRING, "mysql.row-refused", kRowFix},
    {ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, "mysql.row-refused", kRowFix},
    {ER_ILLEGAL_VALUE_FOR_TYPE, "mysql.row-refused", kRowFix},
    {ER_DATA_TOO_LONG, "mysql.row-refused", kRowFix},
    {ER_CANT_CREATE_GEOMETRY_OBJECT, "mysql.row-refused", kRowFix},
    {1526 /* no partition for it */, "mysql.row-refused", kRowFix},
    {3140 /* not JSON */, "mysql.row-refused", kRowFix},
    {3819 /* MySQL: a check */, "mysql.row-refused", kRowFix},
    {4025 /* MariaDB: a check */, "mysql.row-refused", kRowFix},
};

}  // namespace

struct MysqlConnection::LocalFile {
  std::string_view left;
  bool wanted = false;  ///< load() runs: the server may ask
};

MysqlConnection::MysqlConnection(const Endpoint& endpoint, Role role, std::chrono::seconds patience)
    : handle_(mysql_init(nullptr), &mysql_close),
      role_(role),
      where_(describe_place(endpoint)),
      file_(std::make_unique<LocalFile>()) {
  MYSQL* m = handle_.get();
  const unsigned long max_packet = kMaxPacket;
  const unsigned local_files = role == Role::target ? 1 : 0;
  const auto read_timeout = static_cast<unsigned>(
      (endpoint.patience.count() > 0 ? std::min(patience, endpoint.patience) : patience).count());
  mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &kConnectTimeout);
  mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &read_timeout);
  mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &read_timeout);
  mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &max_packet);
  mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &local_files);
  mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_optionsv(m, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "weir");
  // Whatever name the server asks for, it gets what load() was given and never a file.
  mysql_set_local_infile_handler(
      m,
      [](void** own, const char*, void* given) {
        *own = given;
        return static_cast<LocalFile*>(given)->wanted ? 0 : 1;
      },
      [](void* own, char* out, unsigned size) {
        std::string_view& left = static_cast<LocalFile*>(own)->left;
        const std::size_t piece = left.copy(out, size);
        left.remove_prefix(piece);
        return static_cast<int>(piece);
      },
      [](void*) {},
      [](void*, char* text, unsigned size) {
        std::strncpy(text, "the server asked for a file, which it does not get", size);
        return static_cast<int>(CR_UNKNOWN_ERROR);
      },
      file_.get());
  if (endpoint.tls != Tls::off) {
    const my_bool on = 1;
    mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &on);
    if (!endpoint.tls_ca.empty()) mysql_options(m, MYSQL_OPT_SSL_CA, endpoint.tls_ca.c_str());
    // The library checks chain and host name together, so verify-ca is as strict as verify-full.
    if (endpoint.tls != Tls::require) mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
  }

  const Secret password = resolve(endpoint.password);
  const char* host = endpoint.socket.empty() ? endpoint.host.c_str() : nullptr;
  const char* socket = endpoint.socket.empty() ? nullptr : endpoint.socket.c_str();
  if (mysql_real_connect(
          m, host, endpoint.user.c_str(), password.reveal().c_str(), nullptr, endpoint.port, socket,
          role == Role::source ? CLIENT_MULTI_RESULTS
                               : CLIENT_MULTI_RESULTS | CLIENT_MULTI_STATEMENTS |
                                     CLIENT_FOUND_ROWS | CLIENT_LOCAL_FILES) == nullptr) {
    const unsigned number = mysql_errno(m);
    const std::string why = fmt::format("{} (error {})", mysql_error(m), number);
    if (is_denied(number)) {
      throw Error(unreachable_code(role_), "mysql.denied",
                  fmt::format("the server denied access to {}", where_), why,
                  "check user, password and the host the account is allowed from, then try again");
    }
    throw Error(
        unreachable_code(role_), "mysql.unreachable", fmt::format("cannot connect to {}", where_),
        why,
        "check that the server runs, that host, port or socket and tls in the task file are "
        "right, and that no firewall is between");
  }
  execute(is_mariadb()
              ? "SET SESSION time_zone = '+00:00', sql_mode = '', net_write_timeout = 3600, "
                "net_read_timeout = 3600, wait_timeout = 86400, max_statement_time = 0, "
                "group_concat_max_len = 1048576"
              : "SET SESSION time_zone = '+00:00', sql_mode = '', net_write_timeout = 3600, "
                "net_read_timeout = 3600, wait_timeout = 86400, max_execution_time = 0, "
                "group_concat_max_len = 1048576");
}

MysqlConnection::~MysqlConnection() = default;
MysqlConnection::MysqlConnection(MysqlConnection&&) noexcept = default;

bool MysqlConnection::is_mariadb() const { return mariadb_connection(handle_.get()) != 0; }

std::string MysqlConnection::server_version() const { return mysql_get_server_info(handle_.get()); }

std::uint64_t MysqlConnection::server_version_number() const {
  return mysql_get_server_version(handle_.get());
}

void MysqlConnection::fail(std::string_view what) const {
  const unsigned number = mysql_errno(handle_.get());
  const std::string why = fmt::format("{} (error {})", mysql_error(handle_.get()), number);
  if (is_lost(number)) {
    throw Error(unreachable_code(role_), "mysql.lost",
                fmt::format("lost the session with {}", where_), why,
                "check that the server runs; weir reconnects by itself while a task runs");
  }
  if (is_denied(number) || number == ER_TABLEACCESS_DENIED_ERROR ||
      number == ER_SPECIFIC_ACCESS_DENIED_ERROR || number == ER_COLUMNACCESS_DENIED_ERROR) {
    throw Error(unreachable_code(role_), "mysql.denied", fmt::format("{} may not {}", where_, what),
                why, "grant the account what is missing");
  }
  const auto row = std::find_if(std::begin(kNumbers), std::end(kNumbers),
                                [number](const NumberRow& each) { return each.number == number; });
  if (role_ == Role::target && row != std::end(kNumbers)) {
    throw Error(ExitCode::failed, row->id, fmt::format("{} refused: {}", where_, what), why,
                row->fix);
  }
  throw Error(ExitCode::failed, "mysql.query", fmt::format("{} refused: {}", where_, what), why,
              "read the server's message; if it names a table or column, check the task file");
}

void MysqlConnection::execute(std::string_view sql) {
  MYSQL* m = handle_.get();
  if (mysql_real_query(m, sql.data(), sql.size()) != 0) fail(sql.substr(0, 200));
  int more = 0;
  while (more == 0) {
    if (MYSQL_RES* result = mysql_store_result(m)) mysql_free_result(result);
    more = mysql_next_result(m);
  }
  if (more > 0) fail(sql.substr(0, 200));
}

MysqlConnection::Values MysqlConnection::query(std::string_view sql) {
  Values values;
  Stream rows = stream(sql);
  while (rows.next()) {
    auto& row = values.emplace_back();
    row.reserve(rows.columns());
    for (std::uint32_t i = 0; i < rows.columns(); ++i) {
      if (rows.cells()[i] == nullptr) {
        row.emplace_back();
      } else {
        row.emplace_back(std::in_place, rows.cells()[i], rows.sizes()[i]);
      }
    }
  }
  return values;
}

MysqlConnection::Value MysqlConnection::scalar(std::string_view sql) {
  Values values = query(sql);
  if (values.empty() || values.front().empty()) return {};
  return std::move(values.front().front());
}

MysqlConnection::Stream MysqlConnection::stream(std::string_view sql) {
  if (stream_open_) throw bug("a second stream on one connection");
  MYSQL* m = handle_.get();
  if (mysql_real_query(m, sql.data(), sql.size()) != 0) fail(sql.substr(0, 200));
  return Stream(*this);
}

MysqlConnection::Stream::Stream(MysqlConnection& connection)
    : connection_(&connection), result_(mysql_use_result(connection.handle_.get())) {
  if (result_ == nullptr) {
    if (mysql_errno(connection.handle_.get()) != 0) connection.fail("read the answer");
    ended_ = true;
    return;
  }
  columns_ = mysql_num_fields(result_);
  connection.stream_open_ = true;
}

MysqlConnection::Stream::~Stream() {
  if (result_ == nullptr) return;
  mysql_free_result(result_);  // reads what is left of the answer
  connection_->stream_open_ = false;
}

MysqlConnection::Stream::Stream(Stream&& other) noexcept
    : connection_(other.connection_),
      result_(std::exchange(other.result_, nullptr)),
      cells_(other.cells_),
      sizes_(other.sizes_),
      columns_(other.columns_),
      ended_(other.ended_) {}

bool MysqlConnection::Stream::next() {
  if (ended_) return false;
  cells_ = mysql_fetch_row(result_);
  if (cells_ == nullptr) {
    ended_ = true;
    if (mysql_errno(connection_->handle_.get()) != 0) connection_->fail("read the answer");
    return false;
  }
  sizes_ = mysql_fetch_lengths(result_);
  return true;
}

void MysqlConnection::run(std::string_view sql, std::string_view what,
                          std::vector<Outcome>& outcomes) {
  MYSQL* m = handle_.get();
  outcomes.clear();
  Clock::time_point before = Clock::now();
  // It also says -1 for a session that is gone, which for the next result is the end.
  if (mysql_real_query(m, sql.data(), sql.size()) != 0) fail(what);
  int more = 0;
  while (more == 0) {
    if (MYSQL_RES* result = mysql_store_result(m)) {
      mysql_free_result(result);
    } else if (mysql_errno(m) != 0) {
      fail(what);
    }
    const Clock::time_point now = Clock::now();
    outcomes.push_back({mysql_affected_rows(m), mysql_warning_count(m),
                        std::chrono::duration<double>(now - before).count()});
    before = now;
    more = mysql_next_result(m);
  }
  if (more > 0) fail(what);
}

std::uint64_t MysqlConnection::load(std::string_view sql, std::string_view data) {
  MYSQL* m = handle_.get();
  file_->left = data;
  file_->wanted = true;
  const int failed = mysql_real_query(m, sql.data(), sql.size());
  file_->wanted = false;
  if (failed != 0) fail("load rows");
  return mysql_affected_rows(m);
}

std::vector<MysqlConnection::Warning> MysqlConnection::warnings() {
  std::vector<Warning> out;
  if (mysql_warning_count(handle_.get()) == 0) return out;
  for (auto& row : query("SHOW WARNINGS")) {
    if (row[0] == "Note") continue;
    out.push_back({static_cast<unsigned>(std::atoi(row[1]->c_str())), std::move(*row[2])});
  }
  return out;
}

std::uint64_t MysqlConnection::max_packet() {
  return std::strtoull(scalar("SELECT @@max_allowed_packet").value_or("0").c_str(), nullptr, 10);
}

std::string MysqlConnection::quote(std::string_view text) const {
  std::string out(text.size() * 2 + 2, '\0');
  out[0] = '\'';
  const unsigned long size =
      mysql_real_escape_string(handle_.get(), out.data() + 1, text.data(), text.size());
  out.resize(size + 2);
  out.back() = '\'';
  return out;
}

void MysqlConnection::send_command(std::uint8_t command, std::string_view body) {
  MYSQL* m = handle_.get();
  // COM_BINLOG_DUMP_GTID has no name in this library; the number is what goes over the wire.
  if (m->methods->db_command(m, static_cast<enum_server_command>(command), body.data(), body.size(),
                             1, nullptr) != 0) {
    fail("send a command");
  }
}

std::string_view MysqlConnection::read_packet() {
  MYSQL* m = handle_.get();
  const unsigned long size = mysql_net_read_packet(m);
  if (size == static_cast<unsigned int>(-1)) {  // packet_error; what follows in the buffer is stale
    if (is_lost(mysql_errno(m)) || mysql_errno(m) == 0) fail("read the log");
    throw Error(ExitCode::failed, "mysql.server-error", "the server ended the stream",
                fmt::format("{} (error {})", mysql_error(m), mysql_errno(m)),
                "see the message and the source's error log");
  }
  return {reinterpret_cast<const char*>(m->net.read_pos), size};
}

unsigned MysqlConnection::error_number() const { return mysql_errno(handle_.get()); }

int MysqlConnection::socket() const { return static_cast<int>(mysql_get_socket(handle_.get())); }

bool MysqlConnection::has_buffered() const {
  const MARIADB_PVIO* pvio = handle_->net.pvio;
  // The library fills this cache with as much as the socket (or one TLS record) gives.
  return pvio != nullptr && pvio->cache != nullptr &&
         pvio->cache_pos < pvio->cache + pvio->cache_size;
}

bool MysqlConnection::is_encrypted() const { return handle_->net.pvio->ctls != nullptr; }

std::string mysql_identifier(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    if (c == '`') out += '`';
    out += c;
  }
  out += '`';
  return out;
}

}  // namespace weir
