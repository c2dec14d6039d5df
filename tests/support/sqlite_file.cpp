// SPDX-License-Identifier: Apache-2.0
#include "support/sqlite_file.h"

#include <array>
#include <cstdio>
#include <stdexcept>

#include <sqlite3.h>
#include <zlib.h>

namespace weir::test {

namespace {

constexpr int kBusyMillis = 30000;

[[noreturn]] void fail(sqlite3* handle, std::string_view text) {
  throw std::runtime_error(std::string("sqlite: ") + sqlite3_errmsg(handle) + ": " +
                           std::string(text.substr(0, 500)));
}

std::string field(sqlite3_stmt* row, int column) {
  switch (sqlite3_column_type(row, column)) {
    case SQLITE_NULL:
      return "NULL";
    case SQLITE_FLOAT: {
      std::array<char, 40> text{};
      std::snprintf(text.data(), text.size(), "%.17g", sqlite3_column_double(row, column));
      return text.data();
    }
    default: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, column));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(row, column));
      return bytes == nullptr ? std::string() : std::string(bytes, size);
    }
  }
}

void crc32_of(sqlite3_context* context, int, sqlite3_value** values) {
  if (sqlite3_value_type(values[0]) == SQLITE_NULL) return sqlite3_result_null(context);
  const auto* bytes = static_cast<const Bytef*>(sqlite3_value_blob(values[0]));
  const auto size = static_cast<uInt>(sqlite3_value_bytes(values[0]));
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(::crc32(0, bytes, size)));
}

}  // namespace

void SqliteSession::Closer::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

SqliteSession::SqliteSession(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
  handle_.reset(handle);
  if (result != SQLITE_OK) fail(handle, path);
  sqlite3_busy_timeout(handle, kBusyMillis);
  sqlite3_create_function(handle, "crc32", 1, SQLITE_UTF8, nullptr, crc32_of, nullptr, nullptr);
}

void SqliteSession::sql(std::string_view text) {
  if (sqlite3_exec(handle_.get(), std::string(text).c_str(), nullptr, nullptr, nullptr) !=
      SQLITE_OK) {
    fail(handle_.get(), text);
  }
}

Rows SqliteSession::query(std::string_view text) {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(handle_.get(), text.data(), static_cast<int>(text.size()), &prepared,
                         nullptr) != SQLITE_OK) {
    fail(handle_.get(), text);
  }
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(prepared, sqlite3_finalize);
  Rows rows;
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(prepared)) == SQLITE_ROW) {
    std::vector<std::string>& row = rows.emplace_back();
    for (int i = 0; i < sqlite3_column_count(prepared); ++i) row.push_back(field(prepared, i));
  }
  if (result != SQLITE_DONE) fail(handle_.get(), text);
  return rows;
}

std::string SqliteSession::value(std::string_view text) {
  const Rows rows = query(text);
  if (rows.empty() || rows[0].empty()) {
    throw std::runtime_error("sqlite: no row: " + std::string(text));
  }
  return rows[0][0];
}

}  // namespace weir::test
