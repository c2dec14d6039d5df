// SPDX-License-Identifier: Apache-2.0
#include "mapping/pattern.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

// With -fsanitize GCC 12 warns of its own regex header, of members that it never reads.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <regex>
#pragma GCC diagnostic pop

#include "base/error.h"

namespace weir {
namespace {

constexpr std::size_t kMaxGroups = 9;

Error bad_pattern(std::string what) {
  return Error(ExitCode::configuration, "task-file.pattern", std::move(what),
               "a table pattern must be readable before any table is selected",
               "weir.toml(5) describes both forms, glob and regex");
}

/// The next character of UTF-8 text; a byte that is none stands for itself, above Unicode.
char32_t next_char(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
  char32_t value = lead & (0x3fU >> more);
  if (more == 0 || at + more > text.size()) return 0x110000U + lead;
  for (std::size_t i = 0; i < more; ++i) {
    const auto byte = static_cast<unsigned char>(text[at + i]);
    if ((byte & 0xc0U) != 0x80) return 0x110000U + lead;
    value = (value << 6) | (byte & 0x3fU);
  }
  at += more;
  return value;
}

struct Range {
  char32_t first;
  char32_t last;
};

/// One step of a glob.
struct Step {
  enum class Kind : std::uint8_t { any_run, any_one, set, divider, plain };
  Kind kind = Kind::plain;
  char32_t plain = 0;
  bool negated = false;
  std::vector<Range> set;

  bool takes(char32_t c) const {
    if (kind == Kind::any_one) return true;
    if (kind != Kind::set) return c == plain;
    return negated != std::any_of(set.begin(), set.end(), [c](const Range& range) {
             return range.first <= c && c <= range.last;
           });
  }
};

using Steps = std::span<const Step>;

Step parse_set(std::string_view text, std::size_t& at) {
  Step step;
  step.kind = Step::Kind::set;
  if (at < text.size() && (text[at] == '!' || text[at] == '^')) {
    step.negated = true;
    ++at;
  }
  // A bracket that comes first is a member, as in every shell.
  for (bool first = true;; first = false) {
    if (at >= text.size()) throw bad_pattern(fmt::format("\"{}\" has a [ without its ]", text));
    if (text[at] == ']' && !first) break;
    Range range{next_char(text, at), 0};
    range.last = range.first;
    if (at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']') {
      ++at;
      range.last = next_char(text, at);
      if (range.last < range.first) {
        throw bad_pattern(fmt::format("\"{}\" has a set that runs backwards", text));
      }
    }
    step.set.push_back(range);
  }
  ++at;
  return step;
}

std::vector<Step> parse_glob(std::string_view text) {
  if (text.empty()) throw bad_pattern("the pattern is empty");
  std::vector<Step> steps;
  for (std::size_t at = 0; at < text.size();) {
    switch (text[at]) {
      case '*':
        steps.push_back({Step::Kind::any_run, 0, false, {}}), ++at;
        break;
      case '?':
        steps.push_back({Step::Kind::any_one, 0, false, {}}), ++at;
        break;
      case '.':
        steps.push_back({Step::Kind::divider, '.', false, {}}), ++at;
        break;
      case '[':
        steps.push_back(parse_set(text, ++at));
        break;
      default:
        steps.push_back({Step::Kind::plain, next_char(text, at), false, {}});
    }
  }
  const auto has = [&steps](Step::Kind kind) {
    return std::any_of(steps.begin(), steps.end(), [=](const Step& s) { return s.kind == kind; });
  };
  if (!has(Step::Kind::divider) && !has(Step::Kind::any_run)) {
    throw bad_pattern(fmt::format("\"{}\" matches no table: it has neither a dot nor a *", text));
  }
  return steps;
}

/// Whether `steps` takes all of `text`. On a mismatch only the last `*` has to be tried again with
/// one character more, so this is never worse than steps times characters.
bool match_steps(Steps steps, std::string_view text) {
  std::size_t step = 0;
  std::size_t at = 0;
  std::size_t retry_step = steps.size();  // the step after the last *
  std::size_t retry_at = 0;
  bool starred = false;
  for (;;) {
    if (step < steps.size() && steps[step].kind == Step::Kind::any_run) {
      retry_step = ++step;
      retry_at = at;
      starred = true;
      continue;
    }
    if (step == steps.size() && at == text.size()) return true;
    if (step < steps.size() && at < text.size()) {
      std::size_t after = at;
      if (steps[step].takes(next_char(text, after))) {
        ++step;
        at = after;
        continue;
      }
    }
    if (!starred || retry_at >= text.size()) return false;
    next_char(text, retry_at);
    step = retry_step;
    at = retry_at;
  }
}

bool match_glob(Steps steps, const TableName& name) {
  bool divided = false;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].kind != Step::Kind::divider) continue;
    divided = true;
    if (match_steps(steps.first(i), name.schema) && match_steps(steps.subspan(i + 1), name.table)) {
      return true;
    }
  }
  return !divided && match_steps(steps, name.text());
}

std::string_view regex_problem(std::regex_constants::error_type code) {
  using namespace std::regex_constants;
  if (code == error_brack) return "a [ without its ]";
  // The standard library of GCC says the same of "(a" and of "*a".
  if (code == error_paren) return "a ( without its ), or a repeat with nothing before it";
  if (code == error_brace || code == error_badbrace) return "a wrong {}";
  if (code == error_escape) return "a wrong \\";
  if (code == error_range) return "a set that runs backwards";
  if (code == error_badrepeat) return "a repeat with nothing before it";
  if (code == error_backref) return "a reference to a group that is not there";
  if (code == error_ctype || code == error_collate) return "an unknown character class";
  return "an expression too large to hold";
}

}  // namespace

struct TablePattern::Compiled {
  bool is_regex = false;
  std::regex regex;
  std::vector<Step> glob;
};

TablePattern::TablePattern(const Pattern& pattern) {
  auto compiled = std::make_unique<Compiled>();
  compiled->is_regex = pattern.regex;
  if (!pattern.regex) {
    compiled->glob = parse_glob(pattern.text);
  } else {
    if (pattern.text.empty()) throw bad_pattern("the pattern is empty");
    try {
      compiled->regex.assign(pattern.text, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& error) {
      throw bad_pattern(
          fmt::format("regex \"{}\" has {}", pattern.text, regex_problem(error.code())));
    }
  }
  compiled_ = std::move(compiled);
}

TablePattern::TablePattern(TablePattern&&) noexcept = default;
TablePattern& TablePattern::operator=(TablePattern&&) noexcept = default;
TablePattern::~TablePattern() = default;

bool TablePattern::matches(const TableName& name) const {
  if (!compiled_->is_regex) return match_glob(compiled_->glob, name);
  return std::regex_match(name.text(), compiled_->regex);
}

bool TablePattern::matches(const TableName& name, std::vector<std::string>& groups) const {
  groups.clear();
  if (!compiled_->is_regex) return match_glob(compiled_->glob, name);
  const std::string text = name.text();
  std::smatch found;
  if (!std::regex_match(text, found, compiled_->regex)) return false;
  for (std::size_t i = 1; i <= group_count(); ++i) groups.push_back(found[i].str());
  return true;
}

std::size_t TablePattern::group_count() const {
  return compiled_->is_regex ? std::min<std::size_t>(compiled_->regex.mark_count(), kMaxGroups) : 0;
}

}  // namespace weir
