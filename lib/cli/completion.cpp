// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "cli/verbs.h"

namespace weir::cli {
namespace {

constexpr std::string_view kNotice =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Made by weir-docs from the table of verbs; a change here is lost.\n";

std::vector<VerbSpec> shown_verbs() {
  std::vector<VerbSpec> shown;
  std::ranges::copy_if(verbs(), std::back_inserter(shown),
                       [](const VerbSpec& verb) { return !verb.hidden; });
  return shown;
}

/// `text` in single quotes, as all three shells read it; fish alone needs another escape for a
/// quote, and no text of the table holds a backslash.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += quote;
    } else {
      out += c;
    }
  }
  return out += '\'';
}

std::string joined(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, " "));
}

/// First words of verbs, each with what it does.
std::vector<GroupSpec> first_words() {
  std::vector<GroupSpec> words;
  for (const VerbSpec& verb : shown_verbs()) {
    const GroupSpec* const group = find_group(verb.group());
    const GroupSpec word = group == nullptr ? GroupSpec{verb.name, verb.summary} : *group;
    if (words.empty() || words.back().name != word.name) words.push_back(word);
  }
  words.push_back({"help", "show what a verb does"});
  return words;
}

std::string second_word(const VerbSpec& verb) {
  return std::string(verb.name.substr(verb.group().size() + 1));
}

std::string name_list(std::span<const GroupSpec> words) {
  std::string list;
  for (const GroupSpec& word : words) list.append(list.empty() ? "" : " ").append(word.name);
  return list;
}

// ---------------------------------------------------------------- bash

/// What bash's function _weir_offer is asked for.
std::string bash_offer(Completion completion, std::span<const std::string_view> choices) {
  if (!choices.empty()) return "words " + joined(choices);
  switch (completion) {
    case Completion::none:
      return "nothing";
    case Completion::task:
      return "tasks";
    case Completion::task_or_file:
      return "tasks_and_files";
    case Completion::file:
      return "files";
    case Completion::folder:
      return "folders";
    case Completion::table:
      return "tables";
    case Completion::id:
      return "ids";
  }
  return "nothing";
}

constexpr std::string_view kBashHead = R"sh(
# Offers words of one sort for what has been typed of the current one.
_weir_offer() {
  local sort=$1 typed=$2 IFS=$'\n'
  shift 2
  case $sort in
    words) mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' "$@")" -- "$typed") ;;
    tasks) mapfile -t COMPREPLY < <(compgen -W "$(weir complete tasks 2>/dev/null)" -- "$typed") ;;
    ids) mapfile -t COMPREPLY < <(compgen -W "$(weir complete ids 2>/dev/null)" -- "$typed") ;;
    tables)
      mapfile -t COMPREPLY < <(
        compgen -W "$(weir complete tables --task "$_weir_task" 2>/dev/null)" -- "$typed"
      )
      ;;
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$typed") ;;
    folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$typed") ;;
    tasks_and_files)
      compopt -o filenames
      mapfile -t COMPREPLY < <(
        compgen -W "$(weir complete tasks 2>/dev/null)" -- "$typed"
        compgen -f -- "$typed"
      )
      ;;
  esac
}
)sh";

constexpr std::string_view kBashMain = R"sh(
_weir() {
  COMPREPLY=()
  local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  # bash cuts --option=value into three words
  if [[ $typed == '=' ]]; then
    typed=''
  elif [[ $before == '=' ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  local verb=${COMP_WORDS[1]} first=2
  if ((COMP_CWORD == 1)); then
    _weir_offer words "$typed" $_weir_words
    return
  fi
  if [[ $verb == help ]]; then
    ((COMP_CWORD == 2)) && _weir_offer words "$typed" $_weir_words
    ((COMP_CWORD == 3)) && _weir_offer words "$typed" $(_weir_seconds "${COMP_WORDS[2]}")
    return
  fi
  if [[ -n $(_weir_seconds "$verb") ]]; then
    if ((COMP_CWORD == 2)); then
      _weir_offer words "$typed" $(_weir_seconds "$verb")
      return
    fi
    verb="$verb ${COMP_WORDS[2]}"
    first=3
  fi

  local _weir_task='' arguments=0 i word
  for ((i = first; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -* ]]; then
      [[ -n $(_weir_value "$verb" "$word") ]] && ((i++))
      [[ ${COMP_WORDS[i]} == '=' ]] && ((i++))
    else
      [[ -z $_weir_task ]] && _weir_task=$word
      ((arguments++))
    fi
  done

  local value
  value=$(_weir_value "$verb" "$before")
  if [[ -n $value ]]; then
    set -- $value
    _weir_offer "$1" "$typed" "${@:2}"
  elif [[ $typed == -* ]]; then
    _weir_offer words "$typed" $(_weir_options "$verb")
  else
    set -- $(_weir_argument "$verb" "$arguments")
    [[ -n $1 ]] && _weir_offer "$1" "$typed" "${@:2}"
  fi
}

complete -F _weir weir
)sh";

// ---------------------------------------------------------------- zsh

std::string zsh_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(Completion completion, std::span<const std::string_view> choices) {
  if (!choices.empty()) return fmt::format("({})", joined(choices));
  switch (completion) {
    case Completion::none:
      return " ";
    case Completion::task:
      return "_weir_tasks";
    case Completion::task_or_file:
      return "_weir_tasks_and_files";
    case Completion::file:
      return "_files";
    case Completion::folder:
      return "_files -/";
    case Completion::table:
      return "_weir_tables";
    case Completion::id:
      return "_weir_ids";
  }
  return " ";
}

std::string zsh_function(std::string_view name) {
  std::string out = "_weir_";
  for (const char c : name) out += c == ' ' || c == '-' ? '_' : c;
  return out;
}

std::string zsh_option(const OptionSpec& option) {
  const std::string meaning = zsh_escaped(option.meaning);
  std::string value;
  if (!option.value.empty()) {
    value = fmt::format(":{}:{}", option.value, zsh_action(option.completion, option.choices));
  }
  const bool repeats = option.repeatable || option.name == "verbose";
  const std::string_view equals = option.value.empty() ? "" : "=";
  if (option.letter == 0) {
    return quoted(
        fmt::format("{}--{}{}[{}]{}", repeats ? "*" : "", option.name, equals, meaning, value),
        "'\\''");
  }
  const std::string lead =
      repeats ? std::string("\\*") : fmt::format("'(-{} --{})'", option.letter, option.name);
  return fmt::format("{}{{-{}{},--{}{}}}{}", lead, option.letter, option.value.empty() ? "" : "+",
                     option.name, equals, quoted(fmt::format("[{}]{}", meaning, value), "'\\''"));
}

constexpr std::string_view kZshHead = R"sh(
_weir_tasks() {
  local -a names
  names=(${(f)"$(weir complete tasks 2>/dev/null)"})
  _wanted tasks expl task compadd -a names
}

_weir_tasks_and_files() {
  _alternative 'tasks:task:_weir_tasks' 'files:file:_files'
}

_weir_tables() {
  local -a names
  names=(${(f)"$(weir complete tables --task "${line[1]}" 2>/dev/null)"})
  _wanted tables expl table compadd -a names
}

_weir_ids() {
  local -a names
  names=(${(f)"$(weir complete ids 2>/dev/null)"})
  _wanted ids expl id compadd -a names
}
)sh";

std::string zsh_words(std::string_view function, std::span<const GroupSpec> words) {
  std::string out = fmt::format("\n{}() {{\n  local -a words_and_meanings\n", function);
  out += "  words_and_meanings=(\n";
  for (const GroupSpec& word : words) {
    out += fmt::format("    {}\n", quoted(fmt::format("{}:{}", word.name, word.summary), "'\\''"));
  }
  return out + "  )\n  _describe -t verbs verb words_and_meanings\n}\n";
}

// ---------------------------------------------------------------- fish

std::string fish_quoted(std::string_view text) { return quoted(text, "\\'"); }

std::string fish_action(Completion completion, std::span<const std::string_view> choices) {
  if (!choices.empty()) return fmt::format(" -x -a {}", fish_quoted(joined(choices)));
  switch (completion) {
    case Completion::none:
      return " -x";
    case Completion::task:
      return " -x -a '(weir complete tasks 2>/dev/null)'";
    case Completion::task_or_file:
      return " -r -F -a '(weir complete tasks 2>/dev/null)'";
    case Completion::file:
      return " -r -F";
    case Completion::folder:
      return " -x -a '(__fish_complete_directories)'";
    case Completion::table:
      return " -x -a '(__weir_tables)'";
    case Completion::id:
      return " -x -a '(weir complete ids 2>/dev/null)'";
  }
  return " -x";
}

/// What an argument can be: -r and -x speak of an option's value, and have no place here.
std::string fish_argument(const ArgumentSpec& argument) {
  if (!argument.choices.empty()) return " -a " + fish_quoted(joined(argument.choices));
  if (argument.completion == Completion::table) return " -a '(__weir_tables)'";
  const bool files = argument.completion == Completion::task_or_file;
  const bool ids = argument.completion == Completion::id;
  return fmt::format("{} -a '(weir complete {} 2>/dev/null)'", files ? " -F" : "",
                     ids ? "ids" : "tasks");
}

constexpr std::string_view kFishHead = R"sh(
# The words before the cursor that are no options, without weir itself.
function __weir_words
    string match --invert -- '-*' (commandline -opc)[2..-1]
end

# Whether the first words are these, and at least as many more as the first argument says.
function __weir_at --argument-names more
    set -l words (__weir_words)
    set -l wanted $argv[2..-1]
    test (count $words) -ge (math (count $wanted) + $more); or return 1
    test (count $wanted) -eq 0; and return 0
    test "$words[1..$(count $wanted)]" = "$wanted"
end

function __weir_tables
    set -l words (__weir_words)
    set -l place 2
    contains -- $words[1] $__weir_groups; and set place 3
    test (count $words) -ge $place; and weir complete tables --task $words[$place] 2>/dev/null
end

complete -c weir -f
)sh";

}  // namespace

std::string bash_completion() {
  std::string out(kNotice);
  out += kBashHead;
  out += fmt::format("\n_weir_words={}\n", quoted(name_list(first_words()), "'\\''"));

  out += "\n# The second words that may follow a first one.\n_weir_seconds() {\n  case $1 in\n";
  for (const GroupSpec& group : groups()) {
    std::string seconds;
    for (const VerbSpec& verb : shown_verbs()) {
      if (verb.group() == group.name) seconds += (seconds.empty() ? "" : " ") + second_word(verb);
    }
    out += fmt::format("    {}) echo {} ;;\n", group.name, seconds);
  }
  out += "  esac\n}\n";

  out += "\n# The options of a verb.\n_weir_options() {\n  case $1 in\n";
  for (const VerbSpec& verb : shown_verbs()) {
    std::string names;
    for (const OptionSpec& option : verb.options) names += fmt::format(" --{}", option.name);
    out += fmt::format("    '{}') echo{} ;;\n", verb.name, names.empty() ? " ''" : names);
  }
  out += "  esac\n  echo";
  for (const OptionSpec& option : global_options()) out += fmt::format(" --{}", option.name);
  out += "\n}\n";

  out += "\n# What the next argument of a verb can be, after so many.\n";
  out += "_weir_argument() {\n  case \"$1 $2\" in\n";
  for (const VerbSpec& verb : shown_verbs()) {
    std::size_t before = 0;
    for (const ArgumentSpec& argument : arguments_of(verb)) {
      const std::string place = argument.repeatable ? fmt::format("'{} '[{}-9]*", verb.name, before)
                                                    : fmt::format("'{} {}'", verb.name, before);
      ++before;
      out += fmt::format("    {}) echo {} ;;\n", place,
                         bash_offer(argument.completion, argument.choices));
    }
  }
  out += "  esac\n}\n";

  out += "\n# What the value of an option can be; nothing for a flag.\n";
  out += "_weir_value() {\n  case \"$1 $2\" in\n";
  for (const VerbSpec& verb : shown_verbs()) {
    for (const OptionSpec& option : options_of(verb)) {
      if (option.value.empty()) continue;
      std::string pattern = fmt::format("'{} --{}'", verb.name, option.name);
      if (option.letter != 0) pattern += fmt::format(" | '{} -{}'", verb.name, option.letter);
      out += fmt::format("    {}) echo {} ;;\n", pattern,
                         bash_offer(option.completion, option.choices));
    }
  }
  out += "  esac\n}\n";
  out += kBashMain;
  return out;
}

std::string zsh_completion() {
  std::string out = "#compdef weir\n" + std::string(kNotice);
  out += kZshHead;
  for (const VerbSpec& verb : shown_verbs()) {
    out += fmt::format("\n{}() {{\n  _arguments -s -S", zsh_function(verb.name));
    for (const OptionSpec& option : options_of(verb)) out += " \\\n    " + zsh_option(option);
    std::size_t place = 0;
    for (const ArgumentSpec& argument : arguments_of(verb)) {
      ++place;
      out += fmt::format(" \\\n    '{}:{}:{}'", argument.repeatable ? "*" : std::to_string(place),
                         zsh_escaped(argument.name),
                         zsh_action(argument.completion, argument.choices));
    }
    out += "\n}\n";
  }

  std::string calls;
  for (const GroupSpec& group : groups()) {
    std::vector<GroupSpec> seconds;
    const std::vector<VerbSpec> shown = shown_verbs();
    for (const VerbSpec& verb : shown) {
      if (verb.group() != group.name) continue;
      seconds.push_back({verb.name.substr(group.name.size() + 1), verb.summary});
    }
    const std::string words = zsh_function(group.name) + "_words";
    out += zsh_words(words, seconds);
    out += fmt::format("\n{}() {{\n  local curcontext=$curcontext state line\n",
                       zsh_function(group.name));
    out += fmt::format("  _arguments -C '1: :{}' '*:: :->rest' && return\n", words);
    out += "  [[ $state == rest ]] || return\n  case $line[1] in\n";
    for (const GroupSpec& second : seconds) {
      out += fmt::format("    {}) {}_{} ;;\n", second.name, zsh_function(group.name), second.name);
    }
    out += "  esac\n}\n";
  }
  out += zsh_words("_weir_words", first_words());
  for (const GroupSpec& word : first_words()) {
    if (word.name == "help") continue;
    calls += fmt::format("    {}) {} ;;\n", word.name, zsh_function(word.name));
  }
  out += "\n_weir() {\n  local curcontext=$curcontext state line\n";
  out += "  _arguments -C '1: :_weir_words' '*:: :->rest' && return\n";
  out += "  [[ $state == rest ]] || return\n  case $line[1] in\n" + calls;
  out += "    help) (( CURRENT == 2 )) && _weir_words ;;\n  esac\n}\n\n_weir \"$@\"\n";
  return out;
}

std::string fish_completion() {
  std::string out(kNotice);
  out += kFishHead;
  std::vector<GroupSpec> named(groups().begin(), groups().end());
  out += fmt::format("set -g __weir_groups {}\n", name_list(named));
  for (const GroupSpec& word : first_words()) {
    out += fmt::format("complete -c weir -n 'not __weir_at 1' -a {} -d {}\n", word.name,
                       fish_quoted(word.summary));
  }
  for (const VerbSpec& verb : shown_verbs()) {
    out += '\n';
    const std::string at = fmt::format("__weir_at 0 {}", verb.name);
    if (verb.name != verb.group()) {
      out += fmt::format(
          "complete -c weir -n '__weir_at 0 {0}; and not __weir_at 1 {0}' -a {1} -d {2}\n",
          verb.group(), second_word(verb), fish_quoted(verb.summary));
    }
    std::size_t before = 0;
    for (const ArgumentSpec& argument : arguments_of(verb)) {
      const std::string end = argument.repeatable
                                  ? std::string()
                                  : fmt::format("; and not __weir_at {} {}", before + 1, verb.name);
      out += fmt::format("complete -c weir -n '__weir_at {} {}{}'{}\n", before, verb.name, end,
                         fish_argument(argument));
      ++before;
    }
    for (const OptionSpec& option : options_of(verb)) {
      out += fmt::format("complete -c weir -n '{}' -l {}", at, option.name);
      if (option.letter != 0) out += fmt::format(" -s {}", option.letter);
      if (!option.value.empty()) out += fish_action(option.completion, option.choices);
      out += fmt::format(" -d {}\n", fish_quoted(option.meaning));
    }
  }
  return out;
}

}  // namespace weir::cli
