// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "model/change_batch.h"

namespace weir::mysql {

/// Turns text in one MySQL character set into UTF-8, exactly as the server's own CONVERT does.
/// Immutable after construction, so that threads may share one; each brings its own arena.
class Charset {
 public:
  struct Tables;
  explicit Charset(std::unique_ptr<const Tables> tables);
  ~Charset();
  Charset(const Charset&) = delete;
  Charset& operator=(const Charset&) = delete;

  /// The UTF-8 form, in `arena` (or `text` itself where nothing changes). Throws
  /// Error(failed, "mysql.charset") on bytes that are not text in this set.
  std::string_view convert(std::string_view text, Arena& arena) const;

 private:
  std::unique_ptr<const Tables> tables_;
};

/// Asks the server to convert bytes: returns CONVERT(_`charset` `bytes` USING utf8mb4), or no value
/// for bytes that the server does not take.
using AskServer =
    std::function<bool(std::string_view charset, std::string_view bytes, std::string& utf8)>;

/// The converter for `charset` ("latin1", "gbk", ...); null where the bytes already are what is
/// wanted (utf8mb4, utf8mb3, utf8, ascii, binary). Throws Error(unsupported,
/// "mysql.charset-unknown").
///
/// Nothing but the UTF-16 and UTF-32 forms is known beforehand: every character of the set is put
/// to the server here, some thousands in a question (one question for a set of single bytes, up
/// to twenty for gb18030), so that the incremental stage gives what the full stage's SELECT
/// gives, and no server is needed later. `ask` is not kept. Worth keeping one per set and server.
std::shared_ptr<const Charset> open_charset(std::string_view charset, const AskServer& ask);

/// The most bytes that one character takes in `charset`; 0 if weir does not know the set.
std::uint32_t max_character_bytes(std::string_view charset);

}  // namespace weir::mysql
