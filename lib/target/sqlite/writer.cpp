// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/writer.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/error.h"

namespace weir::sqlite {
namespace {

constexpr std::string_view kHeader{"SQLite format 3\0", 16};
/// Another program may write to the file too, one transaction at a time.
constexpr std::chrono::seconds kBusy{60};
/// So much more in the log, and what no reader needs is moved to the file.
constexpr std::int64_t kCheckpointEvery = std::int64_t{16} << 20;
/// Readers that follow one another without a gap keep the log from beginning anew. Beyond this size
/// they are waited for, but not for long.
constexpr std::int64_t kLogLimit = std::int64_t{128} << 20;
constexpr std::chrono::milliseconds kWaitForReaders{250};

}  // namespace

std::shared_ptr<Writer> Writer::of(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Writer>> writers;
  std::error_code unknown;
  const std::string name = std::filesystem::weakly_canonical(path, unknown).string();
  const std::lock_guard lock(mutex);
  std::weak_ptr<Writer>& known = writers[unknown ? path : name];
  std::shared_ptr<Writer> out = known.lock();
  if (out == nullptr) {
    out = std::make_shared<Writer>(path);
    known = out;
  }
  return out;
}

FileState Writer::look() {
  free_.acquire();
  const Turn turn(this);
  struct stat found {};
  if (stat(path_.c_str(), &found) != 0) {
    return errno == ENOENT || errno == ENOTDIR ? FileState::missing : FileState::unreadable;
  }
  if (!S_ISREG(found.st_mode)) return FileState::unreadable;
  if (database_) return FileState::database;
  std::ifstream file(path_, std::ios::binary);
  std::array<char, kHeader.size()> head{};
  file.read(head.data(), head.size());
  if (!file.is_open() || file.bad()) return FileState::unreadable;
  if (file.gcount() == 0) return FileState::database;
  const std::string_view text(head.data(), static_cast<std::size_t>(file.gcount()));
  return text == kHeader ? FileState::database : FileState::other;
}

bool Writer::exists() const {
  struct stat found {};
  return stat(path_.c_str(), &found) == 0;
}

void Writer::open(SqliteDatabase::Access access) {
  const bool is_new = !exists();
  if (is_new && access != SqliteDatabase::Access::create) {
    throw Error(ExitCode::target_unreachable, "sqlite.file-missing", "cannot open " + path_,
                std::strerror(errno), "bring the file back to its place, or correct target.path");
  }
  SqliteDatabase::Options options;
  options.access = access;
  options.busy_timeout = kBusy;
  options.busy = ExitCode::target_unreachable;
  database_.emplace(path_, options);
  // Larger pages than the usual ones copied rows by a fifth faster; only a new file can have them.
  if (is_new) database_->execute("PRAGMA page_size = 8192");
  database_->execute(
      "PRAGMA cache_size = -32768; PRAGMA secure_delete = FAST; PRAGMA journal_size_limit = "
      "67108864; PRAGMA synchronous = FULL");
  database_->own_checkpoints();
  page_size_ = database_->integer("PRAGMA page_size");
  durable_ = true;
  checked_ = 0;
  struct stat found {};
  stat(path_.c_str(), &found);
  device_ = found.st_dev;
  inode_ = found.st_ino;
}

bool Writer::is_same_file() const {
  struct stat found {};
  return stat(path_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_;
}

Writer::Turn Writer::turn() {
  free_.acquire();
  Turn turn(this);
  if (!database_) open(SqliteDatabase::Access::write);
  return turn;
}

Writer::Turn Writer::turn_to_begin() {
  free_.acquire();
  Turn turn(this);
  if (!database_) open(SqliteDatabase::Access::create);
  SqliteStatement mode = database_->prepare("PRAGMA journal_mode = WAL");
  if (!mode.step() || mode.text(0) != "wal") {
    throw Error(ExitCode::refused, "sqlite.no-wal", path_ + " cannot have a write-ahead log",
                "its file system lacks what that needs, and readers would block the task",
                "put the file on a local file system");
  }
  return turn;
}

void Writer::set_durable(const Turn& turn, bool durable) {
  if (durable == durable_) return;
  turn->execute(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  durable_ = durable;
}

void Writer::commit(const Turn& turn, SqliteTransaction& transaction) {
  if (!is_same_file()) {
    throw Error(ExitCode::target_unreachable, "sqlite.file-replaced",
                path_ + " is not the file any more that was opened",
                "it was moved, removed or replaced while the task ran",
                "bring the file back to its place; stop the task before you move it");
  }
  transaction.commit();
  const std::int64_t size = turn->log_pages() * page_size_;
  if (size < checked_) checked_ = 0;  // it began anew
  if (size - checked_ < kCheckpointEvery) return;
  checked_ = size;
  turn->checkpoint(size > kLogLimit ? kWaitForReaders : std::chrono::milliseconds(0));
}

}  // namespace weir::sqlite
