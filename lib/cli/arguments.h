// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/verbs.h"

namespace weir::cli {

/// The words of one command line, checked against the verb's row of the table.
///
/// A getter that asks for an option that the verb does not have, or for another kind of value than
/// the table says, is a bug() and not a silent default.
class Arguments {
 public:
  /// Reads `words`, which follow the verb. A variable of the environment stands in for an option
  /// that is absent; the default of the table comes last. Throws Error(usage). With --help or
  /// --version nothing is missing.
  Arguments(const VerbSpec& verb, std::span<const std::string> words);

  const VerbSpec& verb() const { return *verb_; }
  /// The positional argument; "" if it was left out.
  const std::string& argument() const { return argument_; }
  /// The one after it; "" if it was left out.
  const std::string& second() const { return second_; }
  /// All of those after the first, of a verb that takes several.
  const std::vector<std::string>& rest() const { return rest_; }

  bool flag(std::string_view name) const { return times(name) > 0; }
  int times(std::string_view name) const;                        ///< how often a flag was given
  std::optional<std::string> text(std::string_view name) const;  ///< also of a choice
  std::vector<std::string> texts(std::string_view name) const;   ///< of a repeatable option
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::optional<std::chrono::milliseconds> duration(std::string_view name) const;

 private:
  const std::vector<std::string>* values(std::string_view name, ValueKind kind) const;

  const VerbSpec* verb_;
  std::string argument_;
  std::string second_;
  std::vector<std::string> rest_;
  std::map<std::string_view, int> flags_;
  std::map<std::string_view, std::vector<std::string>> values_;
  std::map<std::string_view, ValueKind> kinds_;
};

/// The format that a command line asks for, as far as it decides how an error is printed: json,
/// jsonl, nagios, else text. Told without understanding the rest of it, because an error in the
/// command line has to be printed in the right form too.
std::string_view asked_format(std::span<const std::string> words);
/// Whether that is JSON.
bool asks_for_json(std::span<const std::string> words);

/// An Error(usage) that points to the help of `command` ("sync start", or "" for weir itself).
Error usage_error(std::string_view command, std::string id, std::string what, std::string why,
                  std::string hint = {});

/// "did you mean X", or "" if nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                         std::string_view prefix = {});

}  // namespace weir::cli
