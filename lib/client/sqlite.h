// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/exit_code.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weir {

/// One prepared statement. Parameters are bound from left to right, columns counted from 0.
class SqliteStatement {
 public:
  template <std::integral T>
  SqliteStatement& bind(T value) {
    return bind_integer(static_cast<std::int64_t>(value));
  }
  SqliteStatement& bind(double value);
  SqliteStatement& bind(std::string_view text);
  SqliteStatement& bind(std::nullptr_t);
  /// Bound without a copy: the bytes must stay where they are until run() returns.
  SqliteStatement& bind_view(std::string_view text);
  SqliteStatement& bind_blob_view(std::string_view bytes);

  /// Moves to the next row; false after the last one.
  bool step();
  /// Runs to the end and is ready to be bound again, also if it throws.
  void run();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;  ///< until the next step(); "" where NULL

 private:
  friend class SqliteDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  SqliteStatement(const class SqliteDatabase& database, sqlite3_stmt* handle)
      : database_(&database), handle_(handle) {}
  SqliteStatement& bind_integer(std::int64_t value);
  void require(int result) const;

  const SqliteDatabase* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bound_ = 0;
};

/// One connection to an SQLite file. Not for use from two threads at once, and not across fork().
///
/// Errors: Options::busy with id AREA.busy where a lock stays taken for the busy timeout; refused
/// with id AREA.row where a row breaks a rule of its table or is too large; failed with id
/// AREA.disk-full, else AREA.io.
class SqliteDatabase {
 public:
  enum class Access : std::uint8_t {
    create,  ///< makes the file if it is missing
    write,   ///< the file must exist
    read,    ///< neither creates nor changes any file, not even the shared memory of a WAL
    frozen,  ///< likewise, and takes no locks: only while nobody else has the file open
  };
  struct Options {
    Access access = Access::write;
    std::chrono::milliseconds busy_timeout{5000};
    std::string area = "sqlite";  ///< first part of error ids
    ExitCode busy = ExitCode::state_conflict;
  };

  SqliteDatabase(const std::string& path, const Options& options);
  SqliteDatabase(const SqliteDatabase&) = delete;  // its statements point to it
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  void execute(const char* script);  ///< one or more statements, rows ignored
  SqliteStatement prepare(std::string_view sql) const;
  /// First column of the first row of `sql`; 0 if there is none.
  std::int64_t integer(std::string_view sql) const;
  std::int64_t changes() const;  ///< rows that the last statement changed
  bool in_transaction() const;

  /// From here on the write-ahead log is emptied by checkpoint() alone.
  void own_checkpoints();
  /// Pages in the write-ahead log after the last commit; call own_checkpoints() first.
  std::int64_t log_pages() const { return log_pages_; }
  /// Moves what it can from the log into the file. With a `wait`, first waits so long for readers
  /// that are in the way, and no other may write meanwhile; then the log begins anew.
  void checkpoint(std::chrono::milliseconds wait);

  const std::string& path() const { return path_; }

 private:
  friend class SqliteStatement;
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  void require(int result) const;

  std::string path_;
  std::string area_;
  std::chrono::milliseconds busy_timeout_;
  ExitCode busy_;
  int log_pages_ = 0;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// "name" as an SQL identifier, and a text as an SQL literal.
std::string sqlite_identifier(std::string_view name);
std::string sqlite_literal(std::string_view text);
/// The library's version: "3.40.1".
std::string sqlite_version();

/// A write transaction (BEGIN IMMEDIATE) that is rolled back unless committed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteDatabase& database);
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  void commit();

 private:
  SqliteDatabase& database_;
};

}  // namespace weir
