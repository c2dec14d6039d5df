// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/signals.h"

namespace weir::cli {
namespace {

/// What is known so far, for an error that comes at any time.
struct Frame {
  Terminal terminal;
  std::vector<std::string> words;
  std::string verb;
  bool json = false;
  bool nagios = false;
  bool json_log = false;
  std::optional<Session> session;
};

/// A database file opened as descriptor 2 would be overwritten by the first message.
void open_standard_streams() {
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return;
    }
  }
}

void print_error(Frame& frame, const Error& error) {
  frame.terminal.clear_progress();
  if (frame.nagios) {
    std::string line = fmt::format("UNKNOWN - {}: {}\n", error.id(), error.what());
    // A plugin's answer is one line, and what follows a bar are figures.
    std::replace(line.begin(), line.end() - 1, '\n', ' ');
    std::replace(line.begin(), line.end(), '|', '/');
    frame.terminal.out(line);
    frame.terminal.flush();
    return;
  }
  if (frame.json || frame.json_log) {
    const Session* const session = frame.session ? &*frame.session : nullptr;
    Json document = envelope(frame.verb, session == nullptr ? "" : session->task(), false,
                             session == nullptr ? std::vector<Finding>() : session->findings());
    document["error"] = to_json(error);
    frame.terminal.err(json_line(document));
    return;
  }
  const bool is_told = frame.session && frame.session->has_told(error.id());
  const std::string text = error_text(frame.terminal, error, !is_told);
  if (!is_journal(STDERR_FILENO)) {
    frame.terminal.err(text);
    return;
  }
  std::string lines;
  for (const std::string& line : split(trim(text), '\n')) lines.append("<3>").append(line) += '\n';
  frame.terminal.err(lines);
}

/// The code of a run that could not do its work.
ExitCode failure_code(const Frame& frame, ExitCode code) {
  constexpr int kNagiosUnknown = 3;
  return frame.nagios ? static_cast<ExitCode>(kNagiosUnknown) : code;
}

int finish(ExitCode code) {
  if (code == ExitCode::interrupted) end_by_signal(SIGINT);
  if (code == ExitCode::terminated) end_by_signal(SIGTERM);
  return static_cast<int>(code);
}

/// Runs `body` with a frame around it; the one place where exceptions end.
int guarded(int argc, char** argv, const std::function<ExitCode(Frame&)>& body) {
  open_standard_streams();
  survive_closed_pipes();
  Frame frame;
  try {
    frame.words.assign(argv + std::min(argc, 1), argv + argc);
    frame.json = asks_for_json(frame.words);
    frame.nagios = asked_format(frame.words) == "nagios";
    try {
      const ExitCode code = body(frame);
      frame.terminal.clear_progress();
      frame.terminal.flush();
      return finish(code);
    } catch (const Error& error) {
      // What the verb had printed before it failed belongs before the error.
      frame.terminal.flush();
      print_error(frame, error);
      return finish(failure_code(frame, error.code()));
    }
  } catch (const OutputClosed&) {
    end_by_signal(SIGPIPE);
  } catch (const Error& error) {
    print_error(frame, error);
    return finish(failure_code(frame, error.code()));
  } catch (const std::exception& problem) {
    print_error(frame, bug(fmt::format("an exception that nobody expected: {}", problem.what())));
    return finish(failure_code(frame, ExitCode::bug));
  }
}

Libraries call(Libraries (*libraries)(), bool wanted) {
  return wanted && libraries != nullptr ? libraries() : Libraries();
}

bool has_any(std::span<const std::string> words, std::string_view a, std::string_view b) {
  return std::ranges::any_of(words, [&](const auto& word) { return word == a || word == b; });
}

/// Handles a command line that names no verb: help, version, or an option in the wrong place.
/// Nothing if the first word could be a verb.
std::optional<ExitCode> without_verb(Frame& frame, std::string_view command,
                                     const std::function<std::string(Stream)>& help,
                                     Libraries (*libraries)()) {
  if (!frame.words.empty() && !frame.words.front().starts_with('-')) return std::nullopt;
  if (has_any(frame.words, "-h", "--help")) {
    frame.terminal.out(help(Stream::out));
    return ExitCode::ok;
  }
  if (has_any(frame.words, "-V", "--version") || has_any(frame.words, "-vV", "-Vv")) {
    const bool verbose =
        has_any(frame.words, "-v", "--verbose") || has_any(frame.words, "-vV", "-Vv");
    frame.terminal.out(version_text(call(libraries, verbose)));
    return ExitCode::ok;
  }
  if (frame.words.empty()) {
    frame.terminal.err(help(Stream::err));
    return ExitCode::usage;
  }
  throw usage_error(command, "usage.no-verb",
                    fmt::format("{} stands where a verb is expected",
                                frame.words.front().substr(0, frame.words.front().find('='))),
                    "options follow the verb: weir VERB [TASK] [options]");
}

void set_up_log(Frame& frame, const Arguments& arguments) {
  const int base =
      static_cast<int>(arguments.verb().long_running ? LogLevel::info : LogLevel::warn);
  const int level = std::min(base + arguments.times("verbose"), static_cast<int>(LogLevel::trace));
  frame.json_log = arguments.text("log-format") == "json";
  weir::set_up_log(
      {.level = arguments.flag("quiet") ? LogLevel::error : static_cast<LogLevel>(level),
       .format = frame.json_log ? LogFormat::json : LogFormat::text,
       .sink = [&frame](std::string_view line) { frame.terminal.err(line); }});
}

/// Ends the log's use of the frame, whichever way the verb ends.
struct LogGuard {
  LogGuard() = default;
  LogGuard(const LogGuard&) = delete;
  LogGuard& operator=(const LogGuard&) = delete;
  ~LogGuard() { weir::set_up_log({}); }
};

ExitCode run_verb(Frame& frame, const Verb& verb, std::span<const std::string> words,
                  Libraries (*libraries)()) {
  const VerbSpec* const spec = find_verb(verb.name);
  if (spec == nullptr) throw bug(fmt::format("the verb {} has no row in the table", verb.name));
  Arguments arguments(*spec, words);
  frame.terminal.set_color(arguments.text("color") == "always"  ? Color::always
                           : arguments.text("color") == "never" ? Color::never
                                                                : Color::automatic);
  if (arguments.flag("help")) {
    frame.terminal.out(verb_help(frame.terminal, Stream::out, *spec));
    return ExitCode::ok;
  }
  if (arguments.flag("version")) {
    frame.terminal.out(version_text(call(libraries, arguments.times("verbose") > 0)));
    return ExitCode::ok;
  }
  set_up_log(frame, arguments);
  const LogGuard guard;
  frame.session.emplace(std::move(arguments), frame.terminal);
  frame.json = frame.session->json();
  return verb.run(*frame.session);
}

/// The error for `word`, which is no verb of `group` ("" for weir itself).
Error unknown_verb(std::string_view group, std::string_view word) {
  const std::string said = fmt::format("{}{}{}", group, group.empty() ? "" : " ", word);
  std::string hint;
  std::vector<std::string_view> candidates;
  for (const VerbSpec& verb : verbs()) {
    if (verb.hidden || (!group.empty() && verb.group() != group)) continue;
    const std::string_view last = verb.name.substr(verb.name.find(' ') + 1);
    // `weir start` is what people type who know what they want but not where it is.
    if (last == word) hint = fmt::format("did you mean weir {}", verb.name);
    candidates.push_back(group.empty() ? verb.group() : last);
  }
  if (hint.empty()) {
    hint = did_you_mean(word, candidates,
                        group.empty() ? std::string("weir ") : fmt::format("weir {} ", group));
  }
  return usage_error(group, "usage.unknown-verb", fmt::format("there is no verb '{}'", said),
                     "weir does not know this word", hint);
}

bool is_verb_word(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// `weir help [VERB]`.
ExitCode help_on(Frame& frame, std::span<const std::string> words) {
  Terminal& terminal = frame.terminal;
  std::vector<std::string> names;
  std::ranges::copy_if(words, std::back_inserter(names),
                       [](const std::string& word) { return !word.starts_with('-'); });
  if (names.empty()) {
    terminal.out(main_help(terminal, Stream::out));
    return ExitCode::ok;
  }
  if (const VerbSpec* const verb = find_verb(join(names, " ")); verb != nullptr) {
    terminal.out(verb_help(terminal, Stream::out, *verb));
    return ExitCode::ok;
  }
  const GroupSpec* const group = find_group(names.front());
  if (group == nullptr) throw unknown_verb("", names.front());
  if (names.size() > 1) throw unknown_verb(group->name, names[1]);
  terminal.out(group_help(terminal, Stream::out, *group));
  return ExitCode::ok;
}

/// Becomes `weir-VERB`. Returns only if there is none.
void become(const std::string& verb, char** argv) {
  std::error_code problem;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", problem);
  const std::string name = "weir-" + verb;
  std::string program = problem ? name : (own.parent_path() / name).string();
  std::vector<char*> args(argv + 1, argv + 1);
  args.push_back(program.data());
  for (char** word = argv + 2; *word != nullptr; ++word) args.push_back(*word);
  args.push_back(nullptr);
  if (!problem) ::execv(program.c_str(), args.data());
  if (problem || errno == ENOENT) {
    program = name;
    args.front() = program.data();
    ::execvp(program.c_str(), args.data());
  }
  if (errno == ENOENT) return;
  throw Error(ExitCode::failed, "weir.exec", fmt::format("cannot run {}", program),
              std::strerror(errno), "check the installation and the permissions of that file");
}

}  // namespace

int run(int argc, char** argv, std::span<const Verb> verbs, Libraries (*libraries)()) {
  return guarded(argc, argv, [&](Frame& frame) {
    const std::string_view name = verbs.front().name;
    const std::string_view group = name.substr(0, name.find(' '));
    frame.verb = group;
    if (group == name) {
      return run_verb(frame, verbs.front(), frame.words, libraries);
    }
    const GroupSpec* const spec = find_group(group);
    if (spec == nullptr) throw bug(fmt::format("the group {} has no row in the table", group));
    const auto help = [&](Stream stream) { return group_help(frame.terminal, stream, *spec); };
    if (const auto done = without_verb(frame, group, help, libraries)) return *done;
    const std::string full = fmt::format("{} {}", group, frame.words.front());
    const auto verb = std::ranges::find(verbs, full, &Verb::name);
    if (verb == verbs.end()) throw unknown_verb(group, frame.words.front());
    frame.verb = full;
    return run_verb(frame, *verb, std::span(frame.words).subspan(1), libraries);
  });
}

int dispatch(int argc, char** argv, Libraries (*libraries)()) {
  return guarded(argc, argv, [&](Frame& frame) {
    const auto help = [&](Stream stream) {
      return stream == Stream::out || !frame.words.empty() ? main_help(frame.terminal, stream)
                                                           : short_help(frame.terminal, stream);
    };
    if (const auto done = without_verb(frame, "", help, libraries)) return *done;
    const std::string& word = frame.words.front();
    if (word == "help") return help_on(frame, std::span(frame.words).subspan(1));
    if (is_verb_word(word)) become(word, argv);
    const bool known =
        std::ranges::any_of(verbs(), [&](const VerbSpec& verb) { return verb.group() == word; });
    if (!known) throw unknown_verb("", word);
    throw Error(ExitCode::failed, "weir.not-installed", fmt::format("weir-{} is missing", word),
                "it is neither beside weir nor in PATH", "install the whole of weir again");
  });
}

}  // namespace weir::cli
