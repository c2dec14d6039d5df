// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/task.h"

struct pg_conn;
struct pg_result;

namespace weir {

/// One statement parameter: text or binary, or NULL where `data` is null.
struct PgParam {
  const char* data = nullptr;
  int size = 0;
  bool binary = false;

  PgParam() = default;
  explicit PgParam(const std::string& text)
      : data(text.c_str()), size(static_cast<int>(text.size())) {}
};

/// The rows a statement returned. Movable, owns its memory.
class PgResult {
 public:
  explicit PgResult(pg_result* handle);
  ~PgResult();
  PgResult(PgResult&&) noexcept;
  PgResult& operator=(PgResult&&) noexcept;

  std::size_t rows() const;
  bool is_null(std::size_t row, std::size_t column) const;
  std::string_view text(std::size_t row, std::size_t column) const;  ///< "" where NULL
  /// Rows that the statement inserted, updated or deleted.
  std::uint64_t affected() const;

 private:
  friend class PgConnection;
  std::unique_ptr<pg_result, void (*)(pg_result*)> handle_;
};

class PgConnection;

/// The rows that COPY ... TO STDOUT sends, one at a time. Ends the statement when it goes away; the
/// connection takes no other until then.
class PgCopyOut {
 public:
  PgCopyOut(PgCopyOut&& other) noexcept;
  ~PgCopyOut();

  /// False at the end. `data()` may be written over, and is valid until the next call.
  bool next();
  char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  friend class PgConnection;
  explicit PgCopyOut(PgConnection& connection);

  PgConnection* connection_;
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// One message of a COPY BOTH stream. Movable, owns its memory.
class PgMessage {
 public:
  PgMessage() : data_(nullptr, nullptr) {}
  bool empty() const { return data_ == nullptr; }
  std::string_view bytes() const { return {data_.get(), size_}; }

 private:
  friend class PgConnection;
  std::unique_ptr<char, void (*)(void*)> data_;
  std::size_t size_ = 0;
};

/// One session with a PostgreSQL server, over libpq. Not for use from two threads at once.
///
/// Errors: `postgres.unreachable` and `postgres.denied` while connecting, `postgres.lost` when the
/// session broke or the server shut down, `postgres.disk-full`, `postgres.permission`,
/// `postgres.row-refused` (a value does not fit: SQLSTATE classes 22 and 23), `postgres.conflict`
/// (serialization, deadlock, lock timeout), else `postgres.query`.
class PgConnection {
 public:
  enum class Role : std::uint8_t { source, target };
  /// A replication session takes replication commands too, and no parameters: execute() and
  /// command() only.
  enum class Mode : std::uint8_t { plain, replication };

  /// Connects within 10 s; with Endpoint::patience an answer that takes longer is `postgres.lost`.
  /// The session speaks UTF-8, UTC, ISO dates and ISO intervals, whatever the
  /// server's defaults. On a source, names other than the server's own come with their schema.
  PgConnection(const Endpoint& endpoint, Role role, Mode mode = Mode::plain);
  ~PgConnection();
  PgConnection(PgConnection&&) noexcept;

  std::string server_version() const;  ///< "15.4 (Debian 15.4-1)"
  int server_version_number() const;   ///< 150004
  bool is_encrypted() const;

  void execute(const std::string& sql);  ///< several statements are one implicit transaction
  /// The same, and throws `postgres.lost` after `limit`: the session is not to be used then.
  void execute_within(const std::string& sql, std::chrono::milliseconds limit);
  PgResult query(const std::string& sql, std::initializer_list<std::string_view> params = {});
  /// First column of the first row; empty if there is none or it is NULL.
  std::optional<std::string> scalar(const std::string& sql,
                                    std::initializer_list<std::string_view> params = {});

  /// One statement without parameters, or one replication command.
  PgResult command(const std::string& sql);

  std::string quote(std::string_view text) const;  ///< as a string literal

  /// COPY ... FROM STDIN: `sql` starts it, rows go through copy_data, copy_end returns their
  /// number.
  void copy_begin(const std::string& sql);
  void copy_data(const char* data, std::size_t size);
  std::uint64_t copy_end();

  /// COPY ... TO STDOUT: begins it.
  PgCopyOut copy_out(const std::string& sql);

  /// START_REPLICATION: `command` starts a stream in both directions, which ends with the session.
  /// From here on no call waits for the server.
  void stream_begin(const std::string& command);
  /// The next message that has arrived whole; empty if there is none. Throws what ended the stream.
  PgMessage stream_take();
  /// Takes in what has arrived.
  void stream_fill();
  /// Queues a message and sends what can be sent. False, and nothing done with `message`, if an
  /// earlier one is still to be sent.
  bool stream_put(std::string_view message);
  int socket() const;

  /// A batch of statements sent without waiting for their answers. flush_batch() waits for all of
  /// them and throws the first error; the results come in the order of sending.
  void begin_batch();
  void send(const std::string& sql, std::span<const PgParam> params = {});
  void send_prepare(const std::string& name, const std::string& sql);
  void send_prepared(const std::string& name, std::span<const PgParam> params);
  std::vector<PgResult> flush_batch();
  /// Has the server send the answers so far before it goes on, without waiting for them: the time
  /// of what follows can then be told apart.
  void request_answers();
  /// Seconds between the last two answers of the last batch.
  double last_answer_seconds() const { return last_answer_seconds_; }

  /// True while the server considers a transaction open or failed.
  bool in_transaction() const;
  /// Rolls back what is open; never throws (a broken session has rolled back by itself).
  void rollback() noexcept;

 private:
  friend class PgCopyOut;

  [[noreturn]] void fail(const pg_result* result, std::string_view what) const;
  PgResult check(pg_result* result, std::string_view what) const;
  /// One message of statements, within Endpoint::patience if there is one.
  PgResult ask(const std::string& sql);
  /// The last answer to what was sent; throws `postgres.lost` after `limit`.
  PgResult answer(std::string_view what, std::chrono::milliseconds limit);

  std::unique_ptr<pg_conn, void (*)(pg_conn*)> handle_;
  Role role_;
  std::string where_;
  std::chrono::milliseconds patience_;
  double last_answer_seconds_ = 0;
};

/// `name` in double quotes.
std::string pg_identifier(std::string_view name);

}  // namespace weir
