// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/task.h"

struct st_mysql;
struct st_mysql_res;

namespace weir {

/// One session with a MySQL or MariaDB server, over the MariaDB client library. Not for use from
/// two threads at once.
///
/// Errors: `mysql.unreachable` and `mysql.denied` while connecting, `mysql.lost` when the session
/// broke, `mysql.query` for everything the server refused (its number is in the text). The first
/// three carry the exit code of the server's role. Of a target also `mysql.row-refused`,
/// `mysql.conflict`, `mysql.read-only`, `mysql.disk-full`, `mysql.packet` and
/// `mysql.too-many-connections`, where the number says so.
class MysqlConnection {
 public:
  /// Which end of a task the server is, for exit codes and texts.
  enum class Role : std::uint8_t { source, target };

  /// Connects and authenticates within 10 s. The session speaks utf8mb4 and UTC with an empty
  /// sql_mode, so that no server setting changes what a value looks like. A target's takes several
  /// statements in one message, and counts the rows that a statement matched. An answer may take up
  /// to `patience`, or Endpoint::patience if that is less: a chunk's first row needs long on a busy
  /// server.
  MysqlConnection(const Endpoint& endpoint, Role role,
                  std::chrono::seconds patience = std::chrono::minutes(10));
  ~MysqlConnection();
  MysqlConnection(MysqlConnection&&) noexcept;

  bool is_mariadb() const;
  /// "10.11.6-MariaDB-log".
  std::string server_version() const;
  /// 101106 for 10.11.6.
  std::uint64_t server_version_number() const;

  using Value = std::optional<std::string>;
  using Values = std::vector<std::vector<Value>>;

  void execute(std::string_view sql);
  /// All rows in memory: for small answers only.
  Values query(std::string_view sql);
  /// First column of the first row; empty if there is no row or it is NULL.
  Value scalar(std::string_view sql);

  /// Rows as they arrive, nothing kept. One stream at a time per connection.
  class Stream {
   public:
    ~Stream();
    Stream(Stream&&) noexcept;
    /// Moves to the next row; false after the last.
    bool next();
    /// The current row: text protocol, a null pointer is NULL; valid until next().
    const char* const* cells() const { return cells_; }
    const unsigned long* sizes() const { return sizes_; }
    std::uint32_t columns() const { return columns_; }

   private:
    friend class MysqlConnection;
    explicit Stream(MysqlConnection& connection);
    MysqlConnection* connection_;
    st_mysql_res* result_ = nullptr;
    const char* const* cells_ = nullptr;
    const unsigned long* sizes_ = nullptr;
    std::uint32_t columns_ = 0;
    bool ended_ = false;
  };
  Stream stream(std::string_view sql);

  /// What became of one statement of run().
  struct Outcome {
    std::uint64_t rows = 0;  ///< matched or inserted
    unsigned warnings = 0;
    double seconds = 0;  ///< between its answer and the one before
  };
  /// Runs statements with `;` between them as one message and reads all answers into `outcomes`. If
  /// one fails, those after it are not run, and `outcomes` has those before it. `what` stands for
  /// the statements in an error, which must not show rows. A target's only.
  void run(std::string_view sql, std::string_view what, std::vector<Outcome>& outcomes);

  /// Runs a LOAD DATA LOCAL INFILE whose file is `data`, whatever name it gives. Returns the rows
  /// stored. The server makes warnings of what would be errors otherwise: see warnings(). A
  /// target's only.
  std::uint64_t load(std::string_view sql, std::string_view data);

  /// A warning or error that the last statement left behind, without the harmless notes.
  struct Warning {
    unsigned number = 0;
    std::string text;
  };
  /// As many of them as max_error_count of the session lets the server keep.
  std::vector<Warning> warnings();

  /// The longest message the server takes.
  std::uint64_t max_packet();

  /// `text` as a string literal, quotes included, correct under the session's settings.
  std::string quote(std::string_view text) const;

  /// Sends a raw command (COM_...) whose answer is read with read_packet().
  void send_command(std::uint8_t command, std::string_view body);
  /// The next packet's payload, valid until the next call. Blocks until it is there; throws
  /// mysql.lost, or Error(failed, "mysql.server-error") for an error packet (number in
  /// error_number()).
  std::string_view read_packet();
  /// The server's number of the last error, 0 if there was none.
  unsigned error_number() const;

  /// For poll(); and whether bytes already wait inside the library. Under TLS some may wait that it
  /// cannot see: then is_encrypted() says that a reader must not wait on the socket alone.
  int socket() const;
  bool has_buffered() const;
  bool is_encrypted() const;

 private:
  [[noreturn]] void fail(std::string_view what) const;

  std::unique_ptr<st_mysql, void (*)(st_mysql*)> handle_;
  Role role_;
  std::string where_;  ///< "user@host:port", for texts
  bool stream_open_ = false;
  /// What load() has left to send; the library asks for it by a pointer that outlives a move.
  struct LocalFile;
  std::unique_ptr<LocalFile> file_;
};

/// `name` in backticks.
std::string mysql_identifier(std::string_view name);

}  // namespace weir
