// SPDX-License-Identifier: Apache-2.0
#include "cli/docs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "mapping/task_file.h"
#include "model/type.h"
#include "ops/checklist.h"

namespace weir::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWidth = 79;
constexpr std::size_t kTab = 8;
constexpr std::string_view kBegin = "; BEGIN GENERATED ";
constexpr std::string_view kEnd = "; END GENERATED ";

std::string page_of(const VerbSpec& verb) {
  std::string name = fmt::format("weir-{}.1.scd", verb.name);
  std::ranges::replace(name, ' ', '-');
  return name;
}

const VerbSpec* verb_of(std::string_view page) {
  const auto all = verbs();
  const auto found =
      std::ranges::find_if(all, [&](const VerbSpec& verb) { return page_of(verb) == page; });
  return found == all.end() ? nullptr : &*found;
}

std::string bold(std::string_view text) { return fmt::format("*{}*", scdoc_escaped(text)); }
std::string underlined(std::string_view text) { return fmt::format("_{}_", scdoc_escaped(text)); }

/// A paragraph, one tab in.
std::string indented(std::string_view text) {
  std::string out;
  std::string lines = wrap("", scdoc_escaped(text), 0, kWidth - kTab);
  lines.pop_back();
  for (const std::string& line : split(lines, '\n')) {
    // A line that begins with a bare dash would be an entry of a list.
    out += (line.starts_with('-') ? "\t\\" : "\t") + line + "\n";
  }
  return out;
}

std::string capitalized(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z') {
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  }
  return text;
}

std::string option_block(const OptionSpec& option) {
  std::string words = option.letter == 0 ? "" : bold(fmt::format("-{}", option.letter)) + ", ";
  words += bold(fmt::format("--{}", option.name));
  if (!option.value.empty()) words += " " + underlined(option.value);
  return words + "\n" + indented(capitalized(full_meaning(option)) + ".");
}

std::string option_blocks(std::span<const OptionSpec> options) {
  std::string out;
  for (const OptionSpec& option : options) {
    if (!out.empty()) out += "\n";
    out += option_block(option);
  }
  return out;
}

std::string synopsis(const VerbSpec& verb) {
  std::string text = bold(fmt::format("weir {}", verb.name));
  const auto bracketed = [](bool required, const std::string& words) {
    // A line that begins with a bare bracket would be a table.
    return required ? " " + words : " \\[" + words + "\\]";
  };
  for (const ArgumentSpec& argument : arguments_of(verb)) {
    text += bracketed(argument.required, underlined(argument.name));
    if (argument.repeatable) text += "...";
  }
  for (const OptionSpec& option : verb.options) {
    std::string words = bold(fmt::format("--{}", option.name));
    if (!option.value.empty()) words += " " + underlined(option.value);
    text += bracketed(option.required, words);
    if (option.repeatable) text += "...";
  }
  return wrap("", text + " \\[_global options_\\]", 0, kWidth);
}

std::string options(const VerbSpec& verb) {
  std::string out;
  for (const ArgumentSpec& argument : arguments_of(verb)) {
    std::string meaning(argument.meaning);
    if (!argument.choices.empty()) {
      meaning += fmt::format("; one of {}", fmt::join(argument.choices, ", "));
    }
    if (!out.empty()) out += "\n";
    out += underlined(argument.name) + "\n" + indented(capitalized(meaning) + ".");
  }
  std::string_view group;
  for (const OptionSpec& option : verb.options) {
    if (option.group != group) {
      out += fmt::format("{}## {} options\n", out.empty() ? "" : "\n",
                         capitalized(std::string(option.group)));
    }
    group = option.group;
    out += "\n" + option_block(option);
  }
  std::vector<OptionSpec> global = options_of(verb);
  std::erase_if(global, [](const OptionSpec& option) { return !option.group.empty(); });
  return out + (out.empty() ? "" : "\n") + "## Global options\n\n" + option_blocks(global);
}

std::string exit_status(std::span<const ExitCode> codes) {
  std::string out;
  for (const ExitCode code : codes) {
    if (!out.empty()) out += "\n";
    out += bold(fmt::format("{}", static_cast<int>(code))) + "\n" +
           indented(capitalized(std::string(describe(code).meaning)) + ".");
  }
  return out;
}

std::string examples(const VerbSpec& verb) {
  std::string out;
  for (const Example& example : verb.examples) {
    if (!out.empty()) out += "\n";
    out += wrap("", scdoc_escaped(example.meaning), 0, kWidth);
    // scdoc reads escapes inside a literal block too.
    std::string command;
    for (const char c : example.command) command += c == '\\' ? "\\\\" : std::string(1, c);
    out += fmt::format("\n```\n{}\n```\n", command);
  }
  return out;
}

std::string see_also(std::span<const std::string_view> pages) {
  std::string text;
  for (const std::string_view page : pages) {
    const std::size_t section = page.find('(');
    text += (text.empty() ? "" : ", ") + bold(page.substr(0, section)) +
            std::string(page.substr(section));
  }
  return wrap("", text, 0, kWidth);
}

std::string verb_list() {
  std::string out;
  for (const VerbSpec& verb : verbs()) {
    if (verb.hidden) continue;
    std::string page = page_of(verb);
    page.resize(page.size() - std::string_view(".1.scd").size());
    if (!out.empty()) out += "\n";
    out += fmt::format("*{}*(1)\n", page) + indented(capitalized(std::string(verb.summary)) + ".");
  }
  return out;
}

std::string exit_code_list() {
  std::string out;
  for (const ExitCodeRow& row : exit_codes()) {
    if (!out.empty()) out += "\n";
    out += fmt::format("*{}* {}\n", static_cast<int>(row.code), underlined(row.name)) +
           indented(capitalized(std::string(row.meaning)) + "." +
                    (row.restart ? " A supervisor may start the task again." : ""));
  }
  return out;
}

/// The key's meaning, what it takes and its default, as one paragraph.
std::string key_text(const KeyRow& key) {
  std::string text = capitalized(std::string(key.meaning)) + ". Takes " + allowed_values(key);
  if (key.required) text += "; required";
  if (!key.default_value.empty()) text += fmt::format("; default {}", key.default_value);
  return text + ".";
}

std::string key_list() {
  std::string out;
  for (const SectionRow& section : task_file_sections()) {
    out += fmt::format("{}## {}\n\n", out.empty() ? "" : "\n",
                       section.name.empty() ? "The top of the file" : std::string(section.title));
    out += wrap("", scdoc_escaped(capitalized(std::string(section.meaning)) + "."), 0, kWidth);
    for (const KeyRow& key : task_file_keys()) {
      if (key.section != section.name) continue;
      out +=
          "\n" + bold(key.name) + " = " + underlined(key.example) + "\n" + indented(key_text(key));
    }
  }
  return out;
}

std::string neutral_types() {
  std::string out;
  const auto kinds = type_kinds();
  for (const TypeKindRow& row : kinds) {
    if (row.form.starts_with("as ") && row.form.find(',') == std::string_view::npos) continue;
    std::string names(row.name);
    for (const TypeKindRow& other : kinds) {
      if (other.form == "as " + std::string(row.name)) names += ", " + std::string(other.name);
    }
    if (!out.empty()) out += "\n";
    out += bold(names) + "\n" + indented(capitalized(std::string(row.form)) + ".");
  }
  return out;
}

std::string checklist_list() {
  std::string out;
  for (const ops::ItemSpec& item : ops::checklist_items()) {
    std::string operations;
    std::size_t count = 0;
    for (const std::string_view name : ops::kOperations) {
      if (!ops::applies(item, ops::operation_named(name))) continue;
      operations.append(count++ == 0 ? "" : ", ").append(name);
    }
    if (count == ops::kOperations.size()) operations = "every operation";
    if (!out.empty()) out += "\n";
    out += bold(item.id) + "\n" + indented(capitalized(std::string(item.question))) +
           indented(fmt::format("{}: {}.",
                                item.judge == nullptr ? "Asked"
                                : item.asks == 0      ? "Measured"
                                                      : "Measured, then asked if need be",
                                item.how)) +
           indented(fmt::format("For {}.", operations));
  }
  return out;
}

/// A sentence from a text of the catalogue. Only a plain word can be written with a capital.
std::string sentence(std::string_view text) {
  const std::string_view word = text.substr(0, text.find_first_of(" ,:"));
  const bool plain = word != "weir" && word.find_first_of("._[(=") == std::string_view::npos;
  return plain ? capitalized(std::string(text)) : std::string(text);
}

Error marker_error(std::string_view page, std::string_view marker, std::string why) {
  return Error(ExitCode::failed, "docs.marker",
               fmt::format("{}: the marker '{}' is wrong", page, marker), std::move(why),
               "give each '; BEGIN GENERATED name' its '; END GENERATED name'");
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) {
    throw Error(ExitCode::failed, "docs.write", fmt::format("cannot write {}", path.string()),
                std::strerror(errno), "check the folder and its permissions");
  }
}

/// What belongs into the tree, by its path there.
std::map<fs::path, std::string> wanted_files(const fs::path& tree, const DocBlocks& more) {
  std::map<fs::path, std::string> files{{"completions/weir.bash", bash_completion()},
                                        {"completions/_weir", zsh_completion()},
                                        {"completions/weir.fish", fish_completion()}};
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(tree / "man", problem)) {
    const std::string page = entry.path().filename().string();
    if (!page.ends_with(".scd")) continue;
    files[fs::path("man") / page] = refresh_page(page, read(entry.path()), more);
  }
  for (const VerbSpec& verb : verbs()) {
    if (verb.hidden || files.contains(fs::path("man") / page_of(verb))) continue;
    throw Error(ExitCode::failed, "docs.page", fmt::format("weir {} has no man page", verb.name),
                fmt::format("there is no {}", (tree / "man" / page_of(verb)).string()),
                "write one, with the markers that the other pages have");
  }
  return files;
}

}  // namespace

std::string scdoc_escaped(std::string_view text) {
  constexpr std::string_view kSpecial = "\\*_`#|[]~^";
  std::string out;
  for (const char c : text) {
    if (kSpecial.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string check_list(std::span<const CatalogueSection> catalogue) {
  std::string out;
  for (const CatalogueSection& section : catalogue) {
    std::string blocks;
    for (const CatalogueRow& row : section.rows) {
      if (row.kind != IdKind::check) continue;
      blocks += fmt::format(
          "\n{} ({}, {})\n{}", bold(row.id), to_string(row.severity), to_string(row.group),
          indented(fmt::format("{}. Why: {}. Fix: {}.", sentence(row.what), row.why, row.fix)));
    }
    if (blocks.empty()) continue;
    out += fmt::format("{}## {}\n{}", out.empty() ? "" : "\n",
                       sentence(scdoc_escaped(section.title)), blocks);
  }
  return out;
}

std::string doc_block(std::string_view page, std::string_view block, const DocBlocks& more) {
  if (const VerbSpec* const verb = verb_of(page); verb != nullptr) {
    if (block == "name") {
      return fmt::format("{} - {}\n", page.substr(0, page.find('.')), scdoc_escaped(verb->summary));
    }
    if (block == "synopsis") return synopsis(*verb);
    if (block == "options") return options(*verb);
    if (block == "exit-status") return exit_status(verb->exit_codes);
    if (block == "examples") return examples(*verb);
    if (block == "see-also") return see_also(verb->see_also);
  }
  if (block == "verbs") return verb_list();
  if (block == "global-options") return option_blocks(global_options());
  if (block == "exit-codes") return exit_code_list();
  if (block == "keys") return key_list();
  if (block == "neutral-types") return neutral_types();
  if (block == "checklist-items") return checklist_list();
  if (const auto found = more.find(block); found != more.end()) return found->second();
  throw Error(ExitCode::failed, "docs.block",
              fmt::format("{}: nothing makes the block '{}'", page, block),
              "neither the table of verbs nor apps/docs.cpp knows it",
              "correct its name, or add it to apps/docs.cpp");
}

std::string refresh_page(std::string_view page, std::string_view text, const DocBlocks& more) {
  std::string out;
  std::optional<std::string> open;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view with_end = text.substr(0, end);
    const std::string_view line = trim(with_end);
    text.remove_prefix(end);
    if (line.starts_with(kBegin)) {
      if (open) throw marker_error(page, line, fmt::format("'{}' is still open", *open));
      open = std::string(line.substr(kBegin.size()));
      out += with_end;
      out += doc_block(page, *open, more);
    } else if (line.starts_with(kEnd)) {
      if (!open || *open != line.substr(kEnd.size())) {
        throw marker_error(page, line, "no block of this name is open");
      }
      open.reset();
      out += with_end;
    } else if (!open) {
      out += with_end;
    }
  }
  if (open) throw marker_error(page, *open, "it is never closed");
  return out;
}

ExitCode run_docs(Session& session, const DocBlocks& more) {
  const auto target = session.text("write");
  const auto compared = session.text("check");
  if (target.has_value() == compared.has_value()) {
    throw usage_error("docs", "usage.missing-option", "--write or --check is missing",
                      "weir docs needs one of them");
  }
  const fs::path tree = target ? *target : *compared;
  std::vector<std::string> stale;
  for (const auto& [path, text] : wanted_files(tree, more)) {
    if (read(tree / path) == text) continue;
    stale.push_back(path.string());
    if (target) write(tree / path, text);
  }
  if (!session.json()) {
    for (const std::string& path : stale) session.print(path + "\n");
  }
  const bool differs = compared.has_value() && !stale.empty();
  if (differs) session.say("these files are not what the tables say; run weir-docs --write");
  return session.answer(differs ? ExitCode::differences : ExitCode::ok, {{"files", stale}});
}

}  // namespace weir::cli
