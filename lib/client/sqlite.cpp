// SPDX-License-Identifier: Apache-2.0
#include "client/sqlite.h"

#include <sqlite3.h>

#include "base/error.h"

namespace weir {
namespace {

/// A file name inside an SQLite URI.
std::string uri_path(const std::string& path) {
  std::string out;
  for (const char c : path) {
    switch (c) {
      case '%':
        out += "%25";
        break;
      case '?':
        out += "%3f";
        break;
      case '#':
        out += "%23";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string advice(int result, const std::string& path) {
  switch (result & 0xff) {
    case SQLITE_FULL:
      return "free space on the file system of " + path;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "restore " + path + " from a copy; sqlite3 " + path +
             " .recover saves what is readable";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "run as the owner of " + path + ", and check the permissions of its folder";
    default:
      return "check " + path + " and the disk and kernel log under it";
  }
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }

void SqliteStatement::require(int result) const { database_->require(result); }

SqliteStatement& SqliteStatement::bind_integer(std::int64_t value) {
  require(sqlite3_bind_int64(handle_.get(), ++bound_, value));
  return *this;
}

SqliteStatement& SqliteStatement::bind(double value) {
  require(sqlite3_bind_double(handle_.get(), ++bound_, value));
  return *this;
}

SqliteStatement& SqliteStatement::bind(std::string_view text) {
  // A view without memory would be bound as NULL.
  require(sqlite3_bind_text64(handle_.get(), ++bound_, text.data() == nullptr ? "" : text.data(),
                              text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

SqliteStatement& SqliteStatement::bind(std::nullptr_t) {
  require(sqlite3_bind_null(handle_.get(), ++bound_));
  return *this;
}

SqliteStatement& SqliteStatement::bind_view(std::string_view text) {
  require(sqlite3_bind_text64(handle_.get(), ++bound_, text.data() == nullptr ? "" : text.data(),
                              text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

SqliteStatement& SqliteStatement::bind_blob_view(std::string_view bytes) {
  require(sqlite3_bind_blob64(handle_.get(), ++bound_, bytes.data() == nullptr ? "" : bytes.data(),
                              bytes.size(), SQLITE_STATIC));
  return *this;
}

bool SqliteStatement::step() {
  const int result = sqlite3_step(handle_.get());
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) require(result);
  return false;
}

void SqliteStatement::run() {
  while (sqlite3_step(handle_.get()) == SQLITE_ROW) {
  }
  bound_ = 0;
  require(sqlite3_reset(handle_.get()));  // answers as the last step did
}

bool SqliteStatement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

std::int64_t SqliteStatement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

double SqliteStatement::real(int column) const {
  return sqlite3_column_double(handle_.get(), column);
}

std::string_view SqliteStatement::text(int column) const {
  const void* text = sqlite3_column_text(handle_.get(), column);
  if (text == nullptr) return {};
  return {static_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

void SqliteDatabase::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

SqliteDatabase::SqliteDatabase(const std::string& path, const Options& options)
    : path_(path), area_(options.area), busy_timeout_(options.busy_timeout), busy_(options.busy) {
  std::string uri = "file:" + uri_path(path);
  int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY;
  switch (options.access) {
    case Access::create:
      flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
    case Access::write:
      flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
      break;
    // Without it a reader would create and update the -shm file of a WAL.
    case Access::read:
      uri += "?readonly_shm=1";
      break;
    case Access::frozen:
      uri += "?immutable=1";
      break;
  }
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(uri.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  require(result);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, static_cast<int>(options.busy_timeout.count()));
}

void SqliteDatabase::require(int result) const {
  if (result == SQLITE_OK) return;
  const std::string why = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(result);
  const int primary = result & 0xff;
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
    throw Error(busy_, area_ + ".busy", path_ + " is locked by another process", why,
                "find the process that holds it (fuser " + path_ + ") and try again");
  }
  if (primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG) {
    throw Error(ExitCode::refused, area_ + ".row", path_ + " takes no such row", why,
                "change the table in the file, or drop or retype the column in the table rule");
  }
  const char* id = primary == SQLITE_FULL ? ".disk-full" : ".io";
  throw Error(ExitCode::failed, area_ + id, "cannot read or write " + path_, why,
              advice(result, path_));
}

void SqliteDatabase::execute(const char* script) {
  require(sqlite3_exec(handle_.get(), script, nullptr, nullptr, nullptr));
}

SqliteStatement SqliteDatabase::prepare(std::string_view sql) const {
  sqlite3_stmt* handle = nullptr;
  require(sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &handle,
                             nullptr));
  return SqliteStatement(*this, handle);
}

std::int64_t SqliteDatabase::integer(std::string_view sql) const {
  SqliteStatement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::int64_t SqliteDatabase::changes() const { return sqlite3_changes64(handle_.get()); }

bool SqliteDatabase::in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

void SqliteDatabase::own_checkpoints() {
  sqlite3_wal_hook(
      handle_.get(),
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      &log_pages_);
}

void SqliteDatabase::checkpoint(std::chrono::milliseconds wait) {
  const bool waits = wait.count() > 0;
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(wait.count()));
  const int result = sqlite3_wal_checkpoint_v2(
      handle_.get(), nullptr, waits ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
      nullptr, nullptr);
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(busy_timeout_.count()));
  // A reader, or another who does the same, is no reason to stop.
  if ((result & 0xff) != SQLITE_BUSY && (result & 0xff) != SQLITE_LOCKED) require(result);
}

std::string sqlite_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

std::string sqlite_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + '\'';
}

std::string sqlite_version() { return sqlite3_libversion(); }

SqliteTransaction::SqliteTransaction(SqliteDatabase& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

SqliteTransaction::~SqliteTransaction() {
  // Some errors (a full disk) have rolled back already.
  if (!database_.in_transaction()) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const Error&) {
    // The next process to open the file undoes what is left of it.
  }
}

void SqliteTransaction::commit() { database_.execute("COMMIT"); }

}  // namespace weir
