// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/exit_code.h"
#include "cli/arguments.h"
#include "cli/terminal.h"
#include "model/finding.h"

namespace weir::cli {

using Json = nlohmann::ordered_json;

/// One run of one verb: what it was asked, and how it answers.
///
/// Standard output carries the answer, standard error everything else. In text mode the verb prints
/// its answer itself; in JSON mode it hands it to answer() or line(). Belongs to the main thread;
/// terminal() may be used by others.
class Session {
 public:
  Session(Arguments arguments, Terminal& terminal);

  const VerbSpec& verb() const { return arguments_.verb(); }
  const Arguments& arguments() const { return arguments_; }
  Terminal& terminal() { return terminal_; }

  /// The positional argument, as it was typed; "" if it was left out.
  const std::string& argument() const { return arguments_.argument(); }
  const std::string& second() const { return arguments_.second(); }
  const std::vector<std::string>& rest() const { return arguments_.rest(); }
  /// An option. Asking for one that the verb does not have, or for the wrong kind, is a bug().
  bool flag(std::string_view name) const { return arguments_.flag(name); }
  std::optional<std::string> text(std::string_view name) const { return arguments_.text(name); }
  std::vector<std::string> texts(std::string_view name) const { return arguments_.texts(name); }
  std::optional<std::int64_t> integer(std::string_view name) const {
    return arguments_.integer(name);
  }
  std::optional<std::chrono::milliseconds> duration(std::string_view name) const {
    return arguments_.duration(name);
  }

  bool json() const { return json_; }
  bool quiet() const { return quiet_; }
  /// Where weir's state is kept, by option, environment or default.
  std::string state_folder() const;
  /// The options that a process started on behalf of this one needs too: state folder, log.
  std::vector<std::string> inherited_options() const;

  /// The name of the task, once known: it is part of documents, errors and log lines.
  void set_task(const std::string& name);
  const std::string& task() const { return task_; }

  /// Part of the answer, in text mode.
  void print(std::string_view text) { terminal_.out(text); }
  /// One line of conversation on standard error; silent with --quiet and in JSON mode.
  void say(std::string_view text);
  /// The likely next command; only for somebody at a terminal.
  void hint(std::string_view command);

  /// Checks and what they found. Text mode prints them, on `stream`; JSON mode keeps them for the
  /// document, or for the error that ends the verb.
  void report(std::span<const Finding> findings, Stream stream);
  const std::vector<Finding>& findings() const { return findings_; }
  /// Whether a finding of this id was printed where errors are.
  bool has_told(const std::string& id) const { return told_.contains(id); }

  /// Ends a verb: in JSON mode prints the one document, with the keys of `part` after the common
  /// ones. Returns `code`; anything but ExitCode::ok makes `ok` false.
  ExitCode answer(ExitCode code, const Json& part);
  /// One line of JSON lines; `line` has a "type". Visible at once.
  void line(const Json& line);

 private:
  Arguments arguments_;
  Terminal& terminal_;
  bool json_;
  bool quiet_;
  std::string task_;
  std::vector<Finding> findings_;
  std::set<std::string> told_;
};

}  // namespace weir::cli
