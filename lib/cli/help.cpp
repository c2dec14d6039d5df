// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace weir::cli {
namespace {

constexpr std::size_t kWidth = 79;
constexpr std::size_t kOptionColumn = 29;  ///< where the meaning of an option begins
constexpr std::string_view kTagline = "weir: keep whole databases in sync in real time";

constexpr auto kMainExamples = std::to_array<Example>({
    {"weir preflight shop.toml", "Check whether the task in shop.toml can run."},
    {"weir sync start shop.toml --wait caught-up",
     "Copy everything, then keep the target in sync in the background."},
});

class Page {
 public:
  Page(const Terminal& terminal, Stream stream) : terminal_(terminal), stream_(stream) {}

  void title(std::string_view name, std::string_view summary) {
    out_ += terminal_.paint(stream_, Style::bold, name) + ": " + std::string(summary) + "\n";
  }
  void heading(std::string_view text) {
    out_ += "\n" + terminal_.paint(stream_, Style::bold, text) + "\n";
  }
  void paragraph(std::string_view text) { out_ += wrap("  ", text, 2, kWidth); }
  void line(std::string_view text) {
    out_ += "  ";
    out_ += text;
    out_ += '\n';
  }
  void row(std::string_view left, std::string_view right, std::size_t column) {
    std::string lead = fmt::format("  {:<{}}", left, column - 2);
    if (columns(left) + 4 > column) {
      out_ += lead.substr(0, lead.find_last_not_of(' ') + 1) + '\n';
      lead.assign(column, ' ');
    }
    out_ += wrap(lead, right, column, kWidth);
  }
  void examples(std::span<const Example> examples) {
    heading("EXAMPLES");
    for (const Example& example : examples) {
      // A long command comes in several lines already.
      for (const std::string& part : split(example.command, '\n')) line(part);
      out_ += wrap("      ", example.meaning, 6, kWidth);
    }
  }
  void gap() { out_ += '\n'; }
  std::string take() { return std::move(out_); }

 private:
  const Terminal& terminal_;
  Stream stream_;
  std::string out_;
};

std::string option_words(const OptionSpec& option) {
  std::string words = option.letter == 0 ? "    " : fmt::format("-{}, ", option.letter);
  words.append("--").append(option.name);
  if (!option.value.empty()) words.append(" ").append(option.value);
  return words;
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return out;
}

void add_options(Page& page, const VerbSpec& verb) {
  std::string_view group;
  for (const OptionSpec& option : verb.options) {
    if (option.group != group) page.heading(upper(option.group) + " OPTIONS");
    group = option.group;
    page.row(option_words(option), full_meaning(option), kOptionColumn);
  }
  page.heading("GLOBAL OPTIONS");
  for (const OptionSpec& option : options_of(verb)) {
    if (!option.group.empty()) continue;
    page.row(option_words(option), full_meaning(option), kOptionColumn);
  }
}

void add_verbs(Page& page, std::string_view group) {
  std::size_t longest = 0;
  const auto shown = [&](const VerbSpec& verb) {
    return !verb.hidden && (group.empty() || verb.group() == group);
  };
  for (const VerbSpec& verb : verbs()) {
    if (shown(verb)) longest = std::max(longest, verb.name.size());
  }
  for (const VerbSpec& verb : verbs()) {
    if (shown(verb)) page.row(verb.name, verb.summary, longest + 4);
  }
}

std::string bracketed(bool required, std::string_view words) {
  return required ? std::string(words) : fmt::format("[{}]", words);
}

std::string joined(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

std::string wrap(std::string_view lead, std::string_view text, std::size_t indent,
                 std::size_t width) {
  std::string out(lead);
  std::size_t column = columns(lead);
  bool first = true;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text = space == std::string_view::npos ? std::string_view{} : text.substr(space + 1);
    if (!first && column + 1 + columns(word) > width) {
      out += '\n';
      out.append(indent, ' ');
      column = indent;
      first = true;
    }
    if (!first) out += ' ';
    column += columns(word) + (first ? 0 : 1);
    out += word;
    first = false;
  }
  return out += '\n';
}

std::string full_meaning(const OptionSpec& option) {
  std::string text(option.meaning);
  if (option.choices.size() > 1) text += "; one of " + joined(option.choices);
  if (option.required) text += "; required";
  if (option.repeatable) text += "; may be repeated";
  if (!option.fallback.empty()) text += fmt::format("; default {}", option.fallback);
  if (!option.environment.empty()) text += fmt::format(" [{}]", option.environment);
  return text;
}

std::string usage(const VerbSpec& verb) {
  std::string text = fmt::format("weir {}", verb.name);
  for (const ArgumentSpec& argument : arguments_of(verb)) {
    text += ' ' + bracketed(argument.required, argument.name);
    if (argument.repeatable) text += "...";
  }
  // A long list of options is no use on one line; it follows below anyway.
  constexpr std::size_t kFew = 4;
  if (verb.options.size() > kFew) return text + " [options]";
  for (const OptionSpec& option : verb.options) {
    std::string words = fmt::format("--{}", option.name);
    if (!option.value.empty()) words.append(" ").append(option.value);
    text += ' ' + bracketed(option.required, words);
    if (option.repeatable) text += "...";
  }
  return text;
}

std::string main_help(const Terminal& terminal, Stream stream) {
  Page page(terminal, stream);
  page.line(kTagline);
  std::string text = page.take().substr(2);
  page.heading("USAGE");
  page.line("weir VERB [TASK] [options]");
  page.examples(kMainExamples);
  page.heading("VERBS");
  add_verbs(page, "");
  page.heading("MORE");
  page.line("weir help VERB      what a verb does, its options and exit codes");
  page.line("weir --version -v   the version, and those of linked libraries");
  page.heading("SEE ALSO");
  page.line("weir(1), weir.toml(5), weir-exit-codes(7)");
  return text + page.take();
}

std::string short_help(const Terminal& terminal, Stream stream) {
  Page page(terminal, stream);
  page.line("usage: weir VERB [TASK] [options]");
  std::string text = page.take().substr(2);
  page.gap();
  add_verbs(page, "");
  page.gap();
  return text + page.take() + "run 'weir help' for examples, or 'weir help VERB'\n";
}

std::string group_help(const Terminal& terminal, Stream stream, const GroupSpec& group) {
  Page page(terminal, stream);
  page.title(fmt::format("weir {}", group.name), group.summary);
  page.heading("USAGE");
  page.line(fmt::format("weir {} VERB [TASK] [options]", group.name));
  std::vector<Example> examples;
  for (const VerbSpec& verb : verbs()) {
    if (verb.hidden || verb.group() != group.name) continue;
    examples.push_back(verb.examples.front());
    if (examples.size() < 2 && verb.examples.size() > 1) examples.push_back(verb.examples[1]);
    if (examples.size() >= 2) break;
  }
  page.examples(examples);
  page.heading("VERBS");
  add_verbs(page, group.name);
  page.heading("SEE ALSO");
  page.line("weir(1), weir-exit-codes(7)");
  return page.take();
}

std::string verb_help(const Terminal& terminal, Stream stream, const VerbSpec& verb) {
  Page page(terminal, stream);
  page.title(fmt::format("weir {}", verb.name), verb.summary);
  page.heading("USAGE");
  page.paragraph(usage(verb));
  page.examples(verb.examples);
  page.heading("DESCRIPTION");
  page.paragraph(verb.description);
  const std::vector<ArgumentSpec> arguments = arguments_of(verb);
  if (!arguments.empty()) page.heading(arguments.size() == 1 ? "ARGUMENT" : "ARGUMENTS");
  std::size_t longest = 0;
  for (const ArgumentSpec& argument : arguments) longest = std::max(longest, argument.name.size());
  for (const ArgumentSpec& argument : arguments) {
    std::string meaning(argument.meaning);
    if (!argument.choices.empty()) meaning += "; one of " + joined(argument.choices);
    page.row(argument.name, meaning, longest + 4);
  }
  add_options(page, verb);
  page.heading("EXIT CODES");
  for (const ExitCode code : verb.exit_codes) {
    page.row(fmt::format("{:>3}", static_cast<int>(code)), describe(code).meaning, 7);
  }
  if (!verb.see_also.empty()) {
    page.heading("SEE ALSO");
    page.paragraph(joined(verb.see_also));
  }
  return page.take();
}

}  // namespace weir::cli
