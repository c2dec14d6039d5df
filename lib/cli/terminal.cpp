// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"

namespace weir::cli {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;

constexpr std::string_view kEscapes[] = {"",         "\x1b[1m",  "\x1b[31m",
                                         "\x1b[32m", "\x1b[33m", "\x1b[35m"};
constexpr std::string_view kReset = "\x1b[0m";

bool set_and_not_empty(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool is_dumb() {
  const char* const term = std::getenv("TERM");
  return term == nullptr || *term == '\0' || std::string_view(term) == "dumb";
}

/// Returns 0, or the errno of the write that failed.
int write_fully(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

std::size_t width(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

Terminal::Terminal(Color color, Streams streams)
    : streams_(streams),
      color_(color),
      in_tty_(::isatty(streams.in) == 1),
      out_tty_(::isatty(streams.out) == 1),
      err_tty_(::isatty(streams.err) == 1),
      dumb_(is_dumb()),
      no_color_(set_and_not_empty("NO_COLOR")) {}

void Terminal::set_color(Color color) { color_ = color; }

bool Terminal::color(Stream stream) const {
  if (color_ != Color::automatic) return color_ == Color::always;
  return is_terminal(stream) && !dumb_ && !no_color_;
}

std::string Terminal::paint(Stream stream, Style style, std::string_view text) const {
  if (style == Style::plain || !color(stream)) return std::string(text);
  return fmt::format("{}{}{}", kEscapes[static_cast<std::size_t>(style)], text, kReset);
}

void Terminal::out(std::string_view text) {
  const std::lock_guard lock(mutex_);
  buffer_ += text;
  if (buffer_.size() >= kBuffer) flush_locked();
}

void Terminal::flush() {
  const std::lock_guard lock(mutex_);
  flush_locked();
}

void Terminal::flush_locked() {
  if (buffer_.empty()) return;
  if (out_tty_) erase_progress();
  const std::string text = std::exchange(buffer_, {});
  const int problem = write_fully(streams_.out, text);
  if (problem == EPIPE) throw OutputClosed{};
  if (problem != 0) {
    throw Error(ExitCode::failed, "output.write", "cannot write to standard output",
                std::strerror(problem), "check where the output goes, and run it again");
  }
  if (out_tty_) draw_progress();
}

void Terminal::err(std::string_view text) {
  const std::lock_guard lock(mutex_);
  err_locked(text);
}

void Terminal::err_locked(std::string_view text) {
  erase_progress();
  // Nobody is left to tell that standard error is gone.
  write_fully(streams_.err, text);
  draw_progress();
}

std::optional<std::string> Terminal::read_line() {
  std::string line;
  char c = 0;
  while (true) {
    const ssize_t got = ::read(streams_.in, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return line.empty() ? std::nullopt : std::optional(line);
    if (c == '\n') return line;
    line += c;
  }
}

void Terminal::progress(std::vector<std::string> lines) {
  const std::lock_guard lock(mutex_);
  if (!overprints()) return;
  erase_progress();
  progress_ = std::move(lines);
  draw_progress();
}

void Terminal::clear_progress() {
  const std::lock_guard lock(mutex_);
  erase_progress();
  progress_.clear();
}

void Terminal::erase_progress() {
  if (drawn_ == 0) return;
  write_fully(streams_.err, fmt::format("\x1b[{}A\r\x1b[J", std::exchange(drawn_, 0)));
}

void Terminal::draw_progress() {
  if (progress_.empty()) return;
  // A line as wide as the screen would wrap on some terminals and break the count of lines.
  const std::size_t limit = std::max<std::size_t>(width(streams_.err), 2) - 1;
  std::string text;
  for (const std::string& line : progress_) text.append(cut(line, limit)) += '\n';
  write_fully(streams_.err, text);
  drawn_ = progress_.size();
}

std::size_t columns(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), continues));
}

std::string_view cut(std::string_view text, std::size_t limit) {
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (!continues(text[i]) && limit-- == 0) break;
  }
  return text.substr(0, i);
}

}  // namespace weir::cli
