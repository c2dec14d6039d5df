// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <utility>

#include <sys/types.h>

#include "client/sqlite.h"

namespace weir::sqlite {

/// What is at the path. An empty file is a database that nobody has written to yet.
enum class FileState : std::uint8_t { missing, unreadable, database, other };

/// The one connection of this process to the file. SQLite takes one writer at a time, so loaders,
/// appliers and targets share it and its page cache, and take turns.
///
/// Opens the file when first needed. Safe from several threads, through turn().
class Writer {
 public:
  /// The one of the file, for as long as anybody has it: a second connection that this process
  /// closes would take away the locks of the first.
  static std::shared_ptr<Writer> of(const std::string& path);

  explicit Writer(std::string path) : path_(std::move(path)) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  const std::string& path() const { return path_; }
  /// Looks at the file by other means than SQLite's as long as it is not open: to close a file that
  /// SQLite has open would take away its locks.
  FileState look();

  /// The right to use the connection, until it is destroyed. May be handed to another thread.
  class Turn {
   public:
    SqliteDatabase& operator*() const { return *writer_->database_; }
    SqliteDatabase* operator->() const { return &*writer_->database_; }

   private:
    friend class Writer;
    struct Release {
      void operator()(Writer* writer) const { writer->free_.release(); }
    };
    explicit Turn(Writer* writer) : writer_(writer) {}
    std::unique_ptr<Writer, Release> writer_;
  };

  /// Waits for whoever has the turn. Throws Error(target_unreachable, "sqlite.file-missing") if
  /// there is no file.
  Turn turn();
  /// Likewise, but makes the file if it is missing, and sees to it that readers and the writer do
  /// not wait for each other.
  Turn turn_to_begin();

  /// Whether the next transactions must be durable when they are committed. Between transactions.
  void set_durable(const Turn& turn, bool durable);
  /// Commits, then keeps the write-ahead log small. Throws Error(target_unreachable,
  /// "sqlite.file-replaced") if the path no longer leads to the file that is open.
  void commit(const Turn& turn, SqliteTransaction& transaction);

 private:
  bool exists() const;
  void open(SqliteDatabase::Access access);
  bool is_same_file() const;

  std::string path_;
  std::binary_semaphore free_{1};
  std::optional<SqliteDatabase> database_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::int64_t page_size_ = 0;
  std::int64_t checked_ = 0;  ///< size of the log at the last checkpoint
  bool durable_ = true;
};

}  // namespace weir::sqlite
