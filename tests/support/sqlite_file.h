// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "support/mysql_server.h"
#include "support/temp_dir.h"

struct sqlite3;

namespace weir::test {

/// One connection to an SQLite file, independent of weir's own client: what an analyst has. One
/// thread at a time. Throws std::runtime_error with SQLite's words.
class SqliteSession {
 public:
  explicit SqliteSession(const std::string& path);

  void sql(std::string_view text);
  /// The rows of one statement. Floats have all their digits, and crc32(BYTES) is there.
  Rows query(std::string_view text);
  /// The first field of the first row; throws if there is none.
  std::string value(std::string_view text);

 private:
  struct Closer {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<sqlite3, Closer> handle_;
};

/// A folder for a target file. The file is there once somebody makes it.
class SqliteFile {
 public:
  explicit SqliteFile(const std::string& name = "target.db") : path_(dir_ / name) {}

  const std::string& path() const { return path_; }
  std::string folder() const { return dir_.path(); }
  SqliteSession session() const { return SqliteSession(path_); }
  /// The [target] section of a task file.
  std::string section() const { return "[target]\nkind = \"sqlite\"\npath = \"" + path_ + "\"\n"; }

 private:
  TempDir dir_;
  std::string path_;
};

}  // namespace weir::test
