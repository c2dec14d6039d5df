// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "model/change.h"
#include "model/table.h"
#include "model/task.h"
#include "source/mysql/catalog.h"

namespace weir::mysql {

/// What a statement's meaning depends on besides its text.
struct AlterContext {
  // The server.
  bool is_mariadb = false;
  std::uint64_t server_version = 0;  ///< 101106 for 10.11.6
  std::span<const Collation> collations;
  bool utf8_is_utf8mb3 = true;  ///< MariaDB: @@old_mode
  TypeSettings types;

  // The session, as the event tells it.
  std::string schema;                       ///< default database
  std::uint64_t sql_mode = 0;               ///< SqlMode
  std::uint16_t client_collation = 0;       ///< id; 0 = not said
  std::uint16_t connection_collation = 0;   ///< likewise: that of literals
  std::optional<bool> explicit_timestamps;  ///< @@explicit_defaults_for_timestamp
  std::optional<std::chrono::seconds>
      utc_offset;  ///< of @@time_zone, where that is a number or UTC
  /// @@default_collation_for_utf8mb4 (MySQL) or @@character_set_collations (MariaDB): ids of the
  /// default collation that counts otherwise, and of the one that counts here.
  std::vector<std::pair<std::uint16_t, std::uint16_t>> charset_collations;
  std::uint16_t utf8mb4_collation = 0;
  Time time{};               ///< when the statement began
  bool time_micros = false;  ///< whether `time` is known beyond the second
};

struct Altered {
  std::shared_ptr<const Table> table;  ///< null if it cannot be read
  std::vector<ColumnOrigin> origins;   ///< one for each of its columns
  std::string unreadable;              ///< why it cannot be read; one sentence without a full stop
  /// The table is as it was, and so are the values of its columns.
  bool unchanged = false;
};

/// What becomes of `before` when the server carries out `sql`: ALTER TABLE, CREATE INDEX or DROP
/// INDEX. The outcome is what describe_tables() would read afterwards, with two exceptions: the key
/// stays the one it was as long as it identifies rows, and labels with characters beyond U+FFFF are
/// told as they are.
///
/// Sizes are taken over from `before`. One thing no statement and no catalogue tells: an ordinary
/// index that a server made for a foreign key is dropped by it once another one serves, and stays
/// in Table::indexes here.
Altered alter_table(const Table& before, std::string_view sql, const AlterContext& context);

/// What CREATE TABLE makes: `name` with the columns that it lists, or those of `like` if it says
/// LIKE that table. The origins are those of columns of `like` that have the same name.
Altered create_table(const TableName& name, const Table& like, std::string_view sql,
                     const AlterContext& context);

}  // namespace weir::mysql
