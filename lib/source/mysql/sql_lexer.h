// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::mysql {

/// The bits of @@sql_mode, as a QUERY event carries them, that change how a statement reads.
enum SqlMode : std::uint64_t {
  kRealAsFloat = 1,
  kAnsiQuotes = 4,
  kOracle = 512,  ///< MariaDB: other names for types
  kMaxDb = 4096,  ///< MariaDB: TIMESTAMP means DATETIME
  kNoBackslashEscapes = 1 << 20,
  kTimeTruncateFractional = std::uint64_t{1} << 32,  ///< MySQL
  kTimeRoundFractional = std::uint64_t{1} << 34,     ///< MariaDB
};

/// One token of a statement. `begin` and `end` are its place in the statement, quotes included.
struct SqlToken {
  enum class Kind : std::uint8_t { end, word, name, string, number, symbol };
  Kind kind = Kind::end;
  std::string text;  ///< without quotes and escapes
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Cuts a statement into tokens, one at a time. Comments are passed over; the inside of /*! ... */
/// and /*M! ... */ is code: servers log only those that they carried out as such.
class SqlLexer {
 public:
  SqlLexer(std::string_view sql, std::uint64_t sql_mode) : sql_(sql), sql_mode_(sql_mode) {}

  SqlToken next();

 private:
  void skip_blanks();
  std::string quoted(char quote, bool escapes);
  bool number(SqlToken& token);

  std::string_view sql_;
  std::uint64_t sql_mode_;
  std::size_t at_ = 0;
};

}  // namespace weir::mysql
