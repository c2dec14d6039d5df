// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cli {

enum class Stream : std::uint8_t { out, err };
enum class Color : std::uint8_t { automatic, always, never };
enum class Style : std::uint8_t { plain, bold, red, green, yellow, magenta };

/// Thrown when the reader of standard output has gone; ends the process quietly.
struct OutputClosed {};

/// The three standard streams, and all that is known about what is at their other end.
///
/// Standard output is buffered until flush(); standard error is not. Progress is drawn over itself
/// at the bottom of a terminal, below whatever else is written meanwhile, and not at all where
/// standard error is no terminal. Safe to call from several threads.
class Terminal {
 public:
  struct Streams {
    int in = 0;
    int out = 1;
    int err = 2;
  };

  explicit Terminal(Color color = Color::automatic) : Terminal(color, Streams{}) {}
  Terminal(Color color, Streams streams);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void set_color(Color color);
  bool color(Stream stream) const;
  /// `text` in `style`, or as it is where there is no colour.
  std::string paint(Stream stream, Style style, std::string_view text) const;

  bool is_terminal(Stream stream) const { return stream == Stream::out ? out_tty_ : err_tty_; }
  /// Whether a question can be asked and answered.
  bool interactive() const { return in_tty_ && err_tty_; }

  /// Throws OutputClosed, or Error(failed, "output.write").
  void out(std::string_view text);
  void flush();
  void err(std::string_view text);

  /// One line from standard input without its newline; empty at its end.
  std::optional<std::string> read_line();

  bool overprints() const { return err_tty_ && !dumb_; }
  /// Draws `lines` in the place of the last ones; each is cut to the width of the terminal.
  void progress(std::vector<std::string> lines);
  /// Takes the progress away.
  void clear_progress();

 private:
  void flush_locked();
  void err_locked(std::string_view text);
  void erase_progress();
  void draw_progress();

  Streams streams_;
  Color color_;
  bool in_tty_;
  bool out_tty_;
  bool err_tty_;
  bool dumb_;
  bool no_color_;
  std::mutex mutex_;
  std::string buffer_;
  std::vector<std::string> progress_;
  std::size_t drawn_ = 0;  ///< lines of progress on the screen
};

/// How many columns `text` takes, a code point being one.
std::size_t columns(std::string_view text);
/// The first `limit` columns of `text`.
std::string_view cut(std::string_view text, std::size_t limit);

}  // namespace weir::cli
