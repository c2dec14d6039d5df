// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/exit_code.h"

namespace weir::cli {

/// What an option takes. A flag takes nothing.
enum class ValueKind : std::uint8_t { flag, text, integer, duration, choice };

/// What a shell can offer for a word.
enum class Completion : std::uint8_t { none, task, task_or_file, file, folder, table, id };

/// One option, as the parser, `--help`, the man page and the completions know it.
struct OptionSpec {
  std::string_view name;  ///< without dashes: "timeout"
  char letter = 0;        ///< short form, 0 = none
  ValueKind kind = ValueKind::flag;
  std::string_view value = {};     ///< how help calls the value: "DURATION"
  std::string_view meaning = {};   ///< lowercase, no full stop
  std::string_view fallback = {};  ///< the value if the option is absent, "" = none
  std::span<const std::string_view> choices = {};
  std::string_view group = {};        ///< heading in help
  std::string_view environment = {};  ///< the variable that stands in for the option
  Completion completion = Completion::none;
  bool required = false;
  bool repeatable = false;
};

/// A positional argument of a verb.
struct ArgumentSpec {
  std::string_view name;  ///< "TASK"; "" = the verb takes none
  std::string_view meaning = {};
  bool required = true;
  std::span<const std::string_view> choices = {};
  Completion completion = Completion::none;
  bool repeatable = false;  ///< of the last one only
};

struct Example {
  std::string_view command;
  std::string_view meaning;  ///< a sentence
};

/// One verb: the single place that its parser, help, man page and completions are made from.
struct VerbSpec {
  std::string_view name;  ///< "sync start"; the first word names the binary
  std::string_view summary;
  std::string_view description;
  std::span<const Example> examples;
  ArgumentSpec argument = {};
  ArgumentSpec second = {};  ///< the one after `argument`; few verbs have two
  std::span<const OptionSpec> options = {};
  std::span<const std::string_view> formats = {};  ///< the default first, the JSON form last
  std::span<const ExitCode> exit_codes = {};
  std::span<const std::string_view> see_also = {};  ///< "weir-sync-stop(1)"
  bool long_running = false;                        ///< logs at info, not only warnings
  bool hidden = false;                              ///< left out of help, man pages and completions

  std::string_view group() const { return name.substr(0, name.find(' ')); }
};

/// The first word of verbs that have two.
struct GroupSpec {
  std::string_view name;
  std::string_view summary;
};

/// Every verb, in the order in which help shows them.
std::span<const VerbSpec> verbs();
std::span<const GroupSpec> groups();

/// The options that every verb takes.
std::span<const OptionSpec> global_options();

/// The positional arguments of one verb, in their order: none, one or two.
std::vector<ArgumentSpec> arguments_of(const VerbSpec& verb);

/// The options of one verb, global ones last, with --format narrowed to what the verb can print.
std::vector<OptionSpec> options_of(const VerbSpec& verb);

/// The verb of this full name, or null.
const VerbSpec* find_verb(std::string_view name);
const GroupSpec* find_group(std::string_view name);

}  // namespace weir::cli
