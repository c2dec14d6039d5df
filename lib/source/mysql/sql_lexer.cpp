// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/sql_lexer.h"

namespace weir::mysql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

char unescaped(char c) {
  switch (c) {
    case '0':
      return '\0';
    case 'b':
      return '\b';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'Z':
      return '\x1a';
    default:
      return c;
  }
}

}  // namespace

SqlToken SqlLexer::next() {
  skip_blanks();
  SqlToken token;
  token.begin = at_;
  if (at_ < sql_.size()) {
    const char c = sql_[at_];
    if (c == '`' || (c == '"' && (sql_mode_ & kAnsiQuotes) != 0)) {
      token.kind = SqlToken::Kind::name;
      token.text = quoted(c, false);
    } else if (c == '\'' || c == '"') {
      token.kind = SqlToken::Kind::string;
      token.text = quoted(c, (sql_mode_ & kNoBackslashEscapes) == 0);
    } else if (number(token)) {
      token.kind = SqlToken::Kind::number;
    } else if (is_word(c)) {
      while (at_ < sql_.size() && is_word(sql_[at_])) ++at_;
      token.kind = SqlToken::Kind::word;
      token.text = sql_.substr(token.begin, at_ - token.begin);
    } else {
      ++at_;
      token.kind = SqlToken::Kind::symbol;
      token.text = c;
    }
  }
  token.end = at_;
  return token;
}

/// A name may begin with digits, so what follows them decides.
bool SqlLexer::number(SqlToken& token) {
  std::size_t at = at_;
  const auto digits = [&] {
    const std::size_t first = at;
    while (at < sql_.size() && is_digit(sql_[at])) ++at;
    return at > first;
  };
  const auto is_at = [&](char lower) {
    return at < sql_.size() && (sql_[at] == lower || sql_[at] == lower - ('a' - 'A'));
  };
  if (!digits()) return false;
  if (at < sql_.size() && sql_[at] == '.') {
    ++at;
    digits();
  }
  if (is_at('e')) {
    const std::size_t before = at++;
    if (at < sql_.size() && (sql_[at] == '-' || sql_[at] == '+')) ++at;
    if (!digits()) at = before;
  }
  if (at < sql_.size() && is_word(sql_[at])) return false;
  token.text = sql_.substr(at_, at - at_);
  at_ = at;
  return true;
}

void SqlLexer::skip_blanks() {
  const auto pass = [this](std::string_view end) {
    const std::size_t found = sql_.find(end, at_);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  };
  while (at_ < sql_.size()) {
    const std::string_view left = sql_.substr(at_);
    if (is_blank(left[0])) {
      ++at_;
    } else if (left.starts_with("/*!") || left.starts_with("/*M!")) {
      at_ += left[2] == 'M' ? 4 : 3;
      while (at_ < sql_.size() && is_digit(sql_[at_])) ++at_;
    } else if (left.starts_with("*/")) {
      at_ += 2;
    } else if (left.starts_with("/*")) {
      at_ += 2;
      pass("*/");
    } else if (left[0] == '#' ||
               (left.starts_with("--") && (left.size() == 2 || is_blank(left[2])))) {
      pass("\n");
    } else {
      return;
    }
  }
}

std::string SqlLexer::quoted(char quote, bool escapes) {
  std::string out;
  for (++at_; at_ < sql_.size(); ++at_) {
    const char c = sql_[at_];
    if (c == '\\' && escapes && at_ + 1 < sql_.size()) {
      const char next = sql_[++at_];
      // \% and \_ keep their backslash: they mean something to LIKE.
      if (next == '%' || next == '_') out += c;
      out += unescaped(next);
    } else if (c != quote) {
      out += c;
    } else if (at_ + 1 < sql_.size() && sql_[at_ + 1] == quote) {
      out += quote;
      ++at_;
    } else {
      ++at_;
      break;
    }
  }
  return out;
}

}  // namespace weir::mysql
