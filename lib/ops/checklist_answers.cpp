// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/text.h"
#include "ops/checklist.h"

namespace weir::ops {
namespace {

/// Gathers every problem of a file before it is refused.
class Problems {
 public:
  explicit Problems(const std::string& file) : file_(file) {}

  void add(const toml::source_region& place, const std::string& text) {
    lines_.push_back(
        fmt::format("{}:{}:{}: {}", file_, place.begin.line, place.begin.column, text));
  }
  void throw_if_any() const {
    if (lines_.empty()) return;
    throw Error(ExitCode::configuration, "checklist.answers",
                fmt::format("{} is no file of answers", file_), join(lines_, "\n"),
                "weir checklist OPERATION TASK --print-answers prints one to fill in");
  }

 private:
  std::string file_;
  std::vector<std::string> lines_;
};

std::string near(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string_view found = suggest(word, candidates);
  return found.empty() ? "" : fmt::format("; did you mean {}?", found);
}

/// `true`, or { answer = true, evidence = "..." }.
void read_answer(const toml::key& key, const toml::node& node, Problems& problems,
                 std::vector<ChecklistAnswer>& out) {
  static constexpr auto kKeys = std::to_array<std::string_view>({"answer", "evidence"});
  ChecklistAnswer answer;
  answer.id = key.str();
  if (const auto plain = node.value_exact<bool>()) {
    answer.yes = *plain;
    out.push_back(std::move(answer));
    return;
  }
  const toml::table* const table = node.as_table();
  if (table == nullptr) {
    problems.add(
        node.source(),
        fmt::format("{} takes true, false or {{ answer = true, evidence = \"...\" }}", answer.id));
    return;
  }
  bool answered = false;
  for (const auto& [name, value] : *table) {
    const auto yes = value.value_exact<bool>();
    const auto text = value.value_exact<std::string>();
    if (name.str() == "answer" && yes) {
      answer.yes = *yes;
      answered = true;
    } else if (name.str() == "evidence" && text) {
      answer.evidence = *text;
    } else if (std::ranges::find(kKeys, name.str()) == kKeys.end()) {
      problems.add(name.source(), fmt::format("{} has no key {}{}", answer.id, name.str(),
                                              near(name.str(), kKeys)));
    } else {
      problems.add(value.source(),
                   fmt::format("{} takes {}", name.str(),
                               name.str() == "answer" ? "true or false" : "a text in quotes"));
      answered = true;
    }
  }
  if (!answered) problems.add(key.source(), fmt::format("{} has no answer", answer.id));
  out.push_back(std::move(answer));
}

}  // namespace

std::vector<ChecklistAnswer> parse_answers(std::string_view text, const std::string& file_name) {
  Problems problems(file_name);
  toml::table file;
  try {
    file = toml::parse(text);
  } catch (const toml::parse_error& error) {
    problems.add(error.source(), std::string(error.description()));
    problems.throw_if_any();
  }
  std::vector<std::string_view> ids;
  for (const ItemSpec& item : checklist_items()) ids.push_back(item.id);
  std::vector<ChecklistAnswer> out;
  bool found = false;
  for (const auto& [key, node] : file) {
    const toml::table* const answers = node.as_table();
    if (key.str() != "answers" || answers == nullptr) {
      problems.add(key.source(), fmt::format("{} is not [answers]", key.str()));
      continue;
    }
    found = true;
    for (const auto& [id, answer] : *answers) {
      if (std::ranges::find(ids, id.str()) == ids.end()) {
        problems.add(id.source(),
                     fmt::format("there is no item {}{}", id.str(), near(id.str(), ids)));
        continue;
      }
      read_answer(id, answer, problems, out);
    }
  }
  if (!found) problems.add(file.source(), "there is no [answers]");
  problems.throw_if_any();
  return out;
}

std::vector<ChecklistAnswer> read_answers(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  // A folder can be opened, and nothing comes of it.
  if (!in || text.tellp() <= 0) {
    throw Error(ExitCode::configuration, "checklist.answers-unreadable",
                "cannot read the answers in " + path,
                errno == 0 ? "the file is empty" : std::strerror(errno),
                "check the path and its permissions");
  }
  return parse_answers(text.str(), path);
}

}  // namespace weir::ops
