// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"

namespace weir::cli {
namespace {

/// What people try first, and what must not appear in a list of processes.
constexpr auto kSecretOptions = std::to_array<std::string_view>(
    {"--password", "--pass", "--passwd", "--source-password", "--target-password"});

std::string_view option_word(std::string_view word) { return word.substr(0, word.find('=')); }

/// Refuses `mysql://user:secret@host` wherever it stands, without repeating it.
void refuse_url_secret(std::string_view command, std::string_view word) {
  const std::size_t scheme = word.find("://");
  if (scheme == std::string_view::npos) return;
  const std::string_view rest = word.substr(scheme + 3);
  const std::string_view user = rest.substr(0, std::min(rest.find('@'), rest.find('/')));
  if (user.size() < rest.size() && rest[user.size()] == '@' && user.find(':') != user.npos) {
    throw usage_error(command, "usage.secret", "a URL with a password was given",
                      "every user of this machine can read it in the list of processes",
                      "name its place in the task file: password = { file = \"...\" }");
  }
}

void refuse_secret_option(std::string_view command, std::string_view word) {
  if (std::ranges::find(kSecretOptions, option_word(word)) == kSecretOptions.end()) return;
  throw usage_error(command, "usage.secret",
                    fmt::format("there is no option {}", option_word(word)),
                    "every user of this machine can read it in the list of processes",
                    "put the password into a file of your own, and name it in the task file");
}

void check_value(const VerbSpec& verb, const OptionSpec& option, const std::string& value,
                 const std::string& said) {
  const auto refuse = [&](std::string why, std::string hint = {}) {
    return usage_error(verb.name, "usage.bad-value", fmt::format("{} cannot be '{}'", said, value),
                       std::move(why), std::move(hint));
  };
  switch (option.kind) {
    case ValueKind::flag:
      return;
    case ValueKind::text:
      if (value.empty()) throw refuse(fmt::format("it needs a {}", option.value));
      return;
    case ValueKind::choice:
      if (std::ranges::find(option.choices, value) == option.choices.end()) {
        throw refuse(fmt::format("it takes one of {}", fmt::join(option.choices, ", ")),
                     did_you_mean(value, option.choices));
      }
      return;
    case ValueKind::integer: {
      std::int64_t number = 0;
      const char* const end = value.data() + value.size();
      const auto [stop, problem] = std::from_chars(value.data(), end, number);
      if (problem != std::errc{} || stop != end || number < 0) {
        throw refuse("it takes a whole number, 0 or more");
      }
      return;
    }
    case ValueKind::duration: {
      std::chrono::milliseconds span{};
      if (!parse_duration(value, span)) {
        throw refuse("it takes a number and a unit: 500ms, 30s, 10m, 2h or 1d");
      }
      return;
    }
  }
}

/// CLI11 cuts the words into options and values; all judging is done here, so that each error has
/// its id and its remedy.
struct Cut {
  std::map<std::string_view, int> flags;
  std::map<std::string_view, std::vector<std::string>> values;
  std::vector<std::string> rest;
};

Cut cut_words(const VerbSpec& verb, const std::vector<OptionSpec>& options,
              std::span<const std::string> words) {
  Cut cut;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const OptionSpec& option : options) {
    std::string names = fmt::format("--{}", option.name);
    if (option.letter != 0) names += fmt::format(",-{}", option.letter);
    if (option.kind == ValueKind::flag) {
      app.add_flag(names, cut.flags[option.name])->disable_flag_override();
    } else {
      app.add_option(names, cut.values[option.name])->allow_extra_args(false);
    }
  }
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& problem) {
    // The message begins with the option's name, with or without its dashes.
    const std::string text = problem.what();
    std::string option = text.substr(0, text.find_first_of(": "));
    if (!option.starts_with('-')) option = "--" + option;
    const auto spec = std::ranges::find_if(
        options, [&](const OptionSpec& row) { return "--" + std::string(row.name) == option; });
    if (spec == options.end() || spec->kind == ValueKind::flag) {
      throw usage_error(verb.name, "usage.bad-value", fmt::format("{} was given a value", option),
                        "it is a flag and takes none");
    }
    throw usage_error(verb.name, "usage.missing-value", fmt::format("{} has no value", option),
                      fmt::format("it needs a {}", spec->value));
  }
  cut.rest = app.remaining();
  return cut;
}

/// Takes the positional arguments out of what is left, and refuses everything else.
std::vector<std::string> take_arguments(const VerbSpec& verb,
                                        const std::vector<OptionSpec>& options,
                                        std::span<const std::string> words,
                                        const std::vector<std::string>& rest) {
  const bool ends_options = std::ranges::find(words, "--") != words.end();
  std::vector<std::string> positional;
  bool only_positional = false;
  for (const std::string& word : rest) {
    if (word == "--" && !only_positional) {
      only_positional = true;
      continue;
    }
    // CLI11 drops the `--`; a word that it then left alone may well begin with a dash.
    if (word.size() > 1 && word[0] == '-' && !ends_options) {
      refuse_secret_option(verb.name, word);
      std::vector<std::string> names;
      for (const OptionSpec& option : options) names.push_back(fmt::format("--{}", option.name));
      const std::vector<std::string_view> views(names.begin(), names.end());
      throw usage_error(verb.name, "usage.unknown-option",
                        fmt::format("there is no option {}", option_word(word)),
                        fmt::format("weir {} does not take it", verb.name),
                        did_you_mean(option_word(word), views));
    }
    positional.push_back(word);
  }
  const std::size_t taken = verb.argument.name.empty() ? 0 : verb.second.name.empty() ? 1 : 2;
  if (positional.size() > taken && !verb.second.repeatable) {
    throw usage_error(verb.name, "usage.extra-argument",
                      fmt::format("'{}' is one argument too many", positional[taken]),
                      taken == 0 ? fmt::format("weir {} takes none", verb.name)
                      : taken == 1
                          ? fmt::format("weir {} takes one {}", verb.name, verb.argument.name)
                          : fmt::format("weir {} takes one {} and one {}", verb.name,
                                        verb.argument.name, verb.second.name));
  }
  positional.resize(std::max<std::size_t>(positional.size(), 2));
  return positional;
}

void check_argument(const VerbSpec& verb, const ArgumentSpec& spec, const std::string& value,
                    bool asks_only) {
  if (value.empty()) {
    if (spec.name.empty() || !spec.required || asks_only) return;
    throw usage_error(verb.name, "usage.missing-argument", fmt::format("{} is missing", spec.name),
                      fmt::format("weir {} needs {}", verb.name, spec.meaning));
  }
  if (spec.choices.empty() || std::ranges::find(spec.choices, value) != spec.choices.end()) return;
  throw usage_error(verb.name, "usage.bad-value",
                    fmt::format("{} cannot be '{}'", spec.name, value),
                    fmt::format("it takes one of {}", fmt::join(spec.choices, ", ")),
                    did_you_mean(value, spec.choices));
}

}  // namespace

Error usage_error(std::string_view command, std::string id, std::string what, std::string why,
                  std::string hint) {
  const std::string help =
      command.empty() ? std::string("see weir --help") : fmt::format("see weir {} --help", command);
  return Error(ExitCode::usage, std::move(id), std::move(what), std::move(why),
               hint.empty() ? help : hint + "; " + help);
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                         std::string_view prefix) {
  const std::string_view near = suggest(word, candidates);
  return near.empty() ? std::string() : fmt::format("did you mean {}{}", prefix, near);
}

Arguments::Arguments(const VerbSpec& verb, std::span<const std::string> words) : verb_(&verb) {
  for (const std::string& word : words) refuse_url_secret(verb.name, word);
  const std::vector<OptionSpec> options = options_of(verb);
  for (const OptionSpec& option : options) kinds_[option.name] = option.kind;
  Cut cut = cut_words(verb, options, words);
  flags_ = std::move(cut.flags);
  std::vector<std::string> positional = take_arguments(verb, options, words, cut.rest);
  argument_ = std::move(positional[0]);
  rest_.assign(positional.begin() + 1, positional.end());
  std::erase(rest_, "");
  second_ = std::move(positional[1]);

  const bool asks_only = flag("help") || flag("version");
  for (const OptionSpec& option : options) {
    if (option.kind == ValueKind::flag) continue;
    std::vector<std::string>& given = cut.values[option.name];
    std::string said = fmt::format("--{}", option.name);
    if (given.empty() && !option.environment.empty()) {
      const char* const value = std::getenv(std::string(option.environment).c_str());
      if (value != nullptr && *value != '\0') {
        given.emplace_back(value);
        said = option.environment;
      }
    }
    for (const std::string& value : given) check_value(verb, option, value, said);
    // A later word wins, so that a script can add to an alias.
    if (!option.repeatable && given.size() > 1) given.erase(given.begin(), given.end() - 1);
    if (given.empty() && !option.fallback.empty()) given.emplace_back(option.fallback);
    if (given.empty() && option.required && !asks_only) {
      throw usage_error(verb.name, "usage.missing-option", fmt::format("{} is missing", said),
                        fmt::format("weir {} needs it", verb.name));
    }
    if (!given.empty()) values_[option.name] = std::move(given);
  }

  check_argument(verb, verb.argument, argument_, asks_only);
  check_argument(verb, verb.second, second_, asks_only);
}

const std::vector<std::string>* Arguments::values(std::string_view name, ValueKind kind) const {
  const auto known = kinds_.find(name);
  const bool fits =
      known != kinds_.end() &&
      (known->second == kind || (kind == ValueKind::text && known->second == ValueKind::choice));
  if (!fits) {
    throw bug(fmt::format("weir {} asked for an option {} that its table does not describe",
                          verb_->name, name));
  }
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

int Arguments::times(std::string_view name) const {
  values(name, ValueKind::flag);
  const auto found = flags_.find(name);
  return found == flags_.end() ? 0 : found->second;
}

std::optional<std::string> Arguments::text(std::string_view name) const {
  const auto* const found = values(name, ValueKind::text);
  return found == nullptr ? std::nullopt : std::optional(found->back());
}

std::vector<std::string> Arguments::texts(std::string_view name) const {
  const auto* const found = values(name, ValueKind::text);
  return found == nullptr ? std::vector<std::string>() : *found;
}

std::optional<std::int64_t> Arguments::integer(std::string_view name) const {
  const auto* const found = values(name, ValueKind::integer);
  if (found == nullptr) return std::nullopt;
  std::int64_t number = 0;
  std::from_chars(found->back().data(), found->back().data() + found->back().size(), number);
  return number;
}

std::optional<std::chrono::milliseconds> Arguments::duration(std::string_view name) const {
  const auto* const found = values(name, ValueKind::duration);
  std::chrono::milliseconds span{};
  if (found == nullptr || !parse_duration(found->back(), span)) return std::nullopt;
  return span;
}

std::string_view asked_format(std::span<const std::string> words) {
  std::string_view out = "text";
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "--") break;
    if (word == "--json") return "json";
    if (word == "--format" || word == "-o") {
      word = i + 1 < words.size() ? std::string_view(words[i + 1]) : std::string_view();
    } else if (word.starts_with("--format=")) {
      word.remove_prefix(9);
    } else if (word.starts_with("-o")) {
      word.remove_prefix(word.starts_with("-o=") ? 3 : 2);
    } else {
      continue;
    }
    if (word == "json" || word == "jsonl" || word == "nagios") out = word;
  }
  return out;
}

bool asks_for_json(std::span<const std::string> words) {
  const std::string_view format = asked_format(words);
  return format == "json" || format == "jsonl";
}

}  // namespace weir::cli
