// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace weir {

/// A password or key in memory. It never prints: the only way to the text is reveal(), which is
/// called where a client library takes it and nowhere else.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

/// Where a secret is to be read from, as the task file says. Holds no secret itself.
struct SecretRef {
  enum class Kind { none, file, env, command };
  Kind kind = Kind::none;
  std::string value;  ///< path, variable name or shell command
};

inline constexpr std::chrono::milliseconds kSecretCommandLimit = std::chrono::seconds(10);

/// Reads the secret: the file must be ours and closed to everybody else (0600), or root's and
/// closed to all but its group (0640), the variable set, the command end with 0 within its limit.
/// One trailing line end is cut, and what is left must not be empty. Throws Error(configuration)
/// with id `secret.file`, `secret.mode`, `secret.env` or `secret.command`; the text is in none of
/// them, and neither is what a failing command printed.
Secret resolve(const SecretRef& ref);
Secret resolve(const SecretRef& ref, std::chrono::milliseconds command_limit);

}  // namespace weir
