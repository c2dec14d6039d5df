// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/arguments.h"
#include "cli/confirm.h"
#include "cli/docs.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/signals.h"

using namespace weir;
using namespace weir::cli;
using Catch::Contains;

namespace {

/// An environment variable for the life of a test; null takes it away.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  // A pseudo-terminal whose other end is closed answers with EIO: the end as well.
  for (ssize_t got; (got = ::read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

/// How a child process ended, and what it wrote.
struct Ended {
  int exit_code = -1;  ///< -1 = by a signal
  int signal = 0;
  std::string out;
  std::string err;
};

/// Runs `body` in a process of its own: what ends or signals a process cannot be tried in this one.
Ended in_child(const std::function<int()>& body) {
  int out[2];
  int err[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(out[1], 1);
    ::dup2(err[1], 2);
    for (const int fd : {out[0], out[1], err[0], err[1]}) ::close(fd);
    ::signal(SIGINT, SIG_DFL);
    ::_exit(body());
  }
  ::close(out[1]);
  ::close(err[1]);
  Ended ended;
  std::thread reader([&] { ended.err = read_all(err[0]); });
  ended.out = read_all(out[0]);
  reader.join();
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  ::close(out[0]);
  ::close(err[0]);
  return ended;
}

/// `weir-sync WORDS`, with `handler` as every verb of it.
Ended run_sync(std::vector<std::string> words, ExitCode (*handler)(Session&)) {
  return in_child([&] {
    words.insert(words.begin(), "weir-sync");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const Verb verbs[] = {{"sync start", handler}, {"sync status", handler}};
    return run(static_cast<int>(words.size()), argv.data(), verbs);
  });
}

Arguments parse(const char* verb, std::vector<std::string> words) {
  const VerbSpec* const spec = find_verb(verb);
  REQUIRE(spec != nullptr);
  return Arguments(*spec, words);
}

/// The id of the Error that `call` throws, "" if it throws none.
std::string id_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.id();
  }
  return {};
}

struct Pty {
  Pty() {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 40;
    REQUIRE(::openpty(&outside, &inside, nullptr, nullptr, &size) == 0);
  }
  ~Pty() {
    close_inside();
    ::close(outside);
  }
  Pty(const Pty&) = delete;
  Pty& operator=(const Pty&) = delete;

  void close_inside() {
    if (inside >= 0) ::close(inside);
    inside = -1;
  }
  /// All that was written to the terminal so far; ends its use.
  std::string written() {
    close_inside();
    return read_all(outside);
  }

  int outside = -1;
  int inside = -1;
};

}  // namespace

// ---------------------------------------------------------------- arguments

TEST_CASE("options have the value of the word, the environment or the table, in this order",
          "[cli]") {
  const Variable none("WEIR_COLOR", nullptr);
  CHECK(parse("sync start", {"shop"}).text("color") == "auto");
  CHECK_FALSE(parse("sync start", {"shop"}).text("wait").has_value());
  const Variable always("WEIR_COLOR", "always");
  CHECK(parse("sync start", {"shop"}).text("color") == "always");
  CHECK(parse("sync start", {"shop", "--color", "never"}).text("color") == "never");
  const Variable wrong("WEIR_COLOR", "purple");
  CHECK(id_of([] { parse("sync start", {"shop"}); }) == "usage.bad-value");
  CHECK(parse("sync start", {"shop", "--color=auto"}).text("color") == "auto");
}

TEST_CASE("options come in every usual spelling", "[cli]") {
  const Arguments spread =
      parse("sync start", {"--timeout", "10m", "-vqv", "shop", "--wait=full", "-ojson"});
  CHECK(spread.argument() == "shop");
  CHECK(spread.duration("timeout") == std::chrono::minutes(10));
  CHECK(spread.text("wait") == "full");
  CHECK(spread.text("format") == "json");
  CHECK(spread.times("verbose") == 2);
  CHECK(spread.flag("quiet"));
  CHECK_FALSE(spread.flag("json"));
}

TEST_CASE("the last word of an option wins, and repeatable ones keep all", "[cli]") {
  const Arguments log =
      parse("log show", {"shop", "--limit", "3", "--table", "a.*", "--limit=5", "--table", "b.*"});
  CHECK(log.integer("limit") == 5);
  CHECK(log.texts("table") == std::vector<std::string>{"a.*", "b.*"});
}

TEST_CASE("a repeatable option takes one word, not the rest of the line", "[cli]") {
  CHECK(parse("log show", {"--table", "a.*", "shop"}).argument() == "shop");
}

TEST_CASE("a verb may take two arguments, each judged by its own row", "[cli]") {
  const Arguments both = parse("checklist", {"restart", "--show", "shop"});
  CHECK(both.argument() == "restart");
  CHECK(both.second() == "shop");
  CHECK(parse("sync start", {"shop"}).second().empty());
  const auto id = [](std::vector<std::string> words) {
    return id_of([&] { parse("checklist", words); });
  };
  CHECK(id({}) == "usage.missing-argument");
  CHECK(id({"restart"}) == "usage.missing-argument");
  CHECK(id({"shop", "restart"}) == "usage.bad-value");
  CHECK(id({"restart", "shop", "more"}) == "usage.extra-argument");
  CHECK(id({"restart", "--help"}) == "");
  const std::string help = verb_help(Terminal(Color::never), Stream::out, *find_verb("checklist"));
  CHECK_THAT(help, Contains("weir checklist OPERATION TASK [") && Contains("\nARGUMENTS\n"));
  const std::string one = verb_help(Terminal(Color::never), Stream::out, *find_verb("sync start"));
  CHECK_THAT(one, Contains("weir sync start TASK [") && Contains("\nARGUMENT\n"));
}

TEST_CASE("after two dashes a word with a dash is the argument", "[cli]") {
  CHECK(parse("preflight", {"--json", "--", "-odd.toml"}).argument() == "-odd.toml");
}

TEST_CASE("wrong command lines are refused by name", "[cli]") {
  const auto id = [](const char* verb, std::vector<std::string> words) {
    return id_of([&] { parse(verb, words); });
  };
  CHECK(id("sync start", {}) == "usage.missing-argument");
  CHECK(id("sync start", {"a", "b"}) == "usage.extra-argument");
  CHECK(id("sync list", {"a"}) == "usage.extra-argument");
  CHECK(id("sync start", {"a", "--wiat", "full"}) == "usage.unknown-option");
  CHECK(id("sync start", {"a", "--wait"}) == "usage.missing-value");
  CHECK(id("sync start", {"a", "--wait", "fully"}) == "usage.bad-value");
  CHECK(id("sync start", {"a", "--timeout", "soon"}) == "usage.bad-value");
  CHECK(id("sync start", {"a", "--json=1"}) == "usage.bad-value");
  CHECK(id("sync start", {"a", "--format", "jsonl"}) == "usage.bad-value");
  CHECK(id("log show", {"a", "--limit", "99999999999999999999"}) == "usage.bad-value");
  CHECK(id("init", {"--output", ""}) == "usage.bad-value");
  CHECK(id("complete", {"colours"}) == "usage.bad-value");
  CHECK(id("init", {"--password", "geheim"}) == "usage.secret");
  CHECK(id("init", {"--host", "mysql://root:geheim@db1"}) == "usage.secret");
  CHECK(id("init", {"--host", "mysql://root@db1"}) == "");
  // What is asked for first is help, however much is missing.
  CHECK(id("sync start", {"--help"}) == "");
  CHECK(id("sync start", {"-V"}) == "");
}

TEST_CASE("an option that the table does not have is a bug, not a default", "[cli]") {
  const Arguments start = parse("sync start", {"shop"});
  CHECK(id_of([&] { start.flag("no-tables"); }) == "weir.bug");
  CHECK(id_of([&] { start.flag("timeout"); }) == "weir.bug");
  CHECK(id_of([&] { start.text("timeout"); }) == "weir.bug");
  CHECK(id_of([&] { start.integer("timeout"); }) == "weir.bug");
  CHECK(id_of([&] { start.duration("wait"); }) == "weir.bug");
}

TEST_CASE("a command line asks for JSON however it is written", "[cli]") {
  const auto asks = [](std::vector<std::string> words) { return asks_for_json(words); };
  CHECK(asks({"sync", "--json"}));
  CHECK(asks({"--format", "jsonl"}));
  CHECK(asks({"--format=json"}));
  CHECK(asks({"-o", "json"}));
  CHECK(asks({"-ojson"}));
  CHECK_FALSE(asks({"--format", "text"}));
  CHECK_FALSE(asks({"-o"}));
  CHECK_FALSE(asks({"--", "--json"}));
}

// ---------------------------------------------------------------- help and pages

TEST_CASE("every help fits into 80 columns and names every option", "[cli]") {
  Terminal plain(Color::never);
  std::vector<std::string> texts{main_help(plain, Stream::out), short_help(plain, Stream::out)};
  for (const GroupSpec& group : groups()) texts.push_back(group_help(plain, Stream::out, group));
  for (const VerbSpec& verb : verbs()) {
    const std::string help = verb_help(plain, Stream::out, verb);
    for (const OptionSpec& option : options_of(verb)) {
      CHECK_THAT(help, Contains("--" + std::string(option.name)));
    }
    texts.push_back(help);
  }
  for (const std::string& text : texts) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      INFO(line);
      CHECK(columns(line) <= 80);
      CHECK(line.find('\x1b') == std::string::npos);
      CHECK((line.empty() || line.back() != ' '));
    }
  }
}

TEST_CASE("help does not show hidden verbs", "[cli]") {
  Terminal plain(Color::never);
  CHECK_THAT(main_help(plain, Stream::out), Contains("sync status"));
  CHECK_THAT(main_help(plain, Stream::out), !Contains("worker") && !Contains("complete"));
}

TEST_CASE("text is broken between words", "[cli]") {
  CHECK(wrap("a  ", "one two three", 3, 10) == "a  one two\n   three\n");
  CHECK(wrap("", "a-word-that-is-too-long and more", 2, 10) ==
        "a-word-that-is-too-long\n  and more\n");
  CHECK(wrap("  ", "\xc3\xa9\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9\xc3\xa9", 2, 9) ==
        "  \xc3\xa9\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9\xc3\xa9\n");
}

TEST_CASE("generated blocks of a page are made anew, the rest stays", "[cli]") {
  const DocBlocks blocks{{"one", [] { return std::string("new\n"); }}};
  CHECK(refresh_page("x", "a\n; BEGIN GENERATED one\nold\nold\n; END GENERATED one\nb", blocks) ==
        "a\n; BEGIN GENERATED one\nnew\n; END GENERATED one\nb");
  const auto id = [&](const char* text) { return id_of([&] { refresh_page("x", text, blocks); }); };
  CHECK(id("; BEGIN GENERATED other\n; END GENERATED other\n") == "docs.block");
  CHECK(id("; BEGIN GENERATED one\n") == "docs.marker");
  CHECK(id("; END GENERATED one\n") == "docs.marker");
  CHECK(id("; BEGIN GENERATED one\n; END GENERATED two\n") == "docs.marker");
  CHECK(id("; BEGIN GENERATED one\n; BEGIN GENERATED one\n") == "docs.marker");
}

// ---------------------------------------------------------------- output

TEST_CASE("a text table lines up, with a dash for what is absent", "[cli]") {
  TextTable table({{"NAME"}, {"ROWS", TextTable::Align::right}, {"DETAIL"}});
  table.add({"shop.item", "7", ""});
  table.add({"\xc3\xa9", "12345", "two\nlines"});
  CHECK(table.text() ==
        "NAME        ROWS  DETAIL\n"
        "shop.item      7  -\n"
        "\xc3\xa9          12345  two lines\n");
  CHECK(table.text(false) ==
        "shop.item      7  -\n"
        "\xc3\xa9          12345  two lines\n");
  CHECK(id_of([&] { table.add({"too", "few"}); }) == "weir.bug");
}

TEST_CASE("findings and errors say what, why and what to do", "[cli]") {
  Terminal plain(Color::never);
  Finding finding{"mysql.retention", Severity::warning, "2 h are left", "the log is purged",
                  "raise it",        "expire = 3600",   "shop.item"};
  CHECK(finding_text(plain, Stream::out, finding) ==
        "warning[mysql.retention]: shop.item: 2 h are left\n"
        "  found: expire = 3600\n"
        "  why: the log is purged\n"
        "  fix: raise it\n");
  finding.what = "table shop.item is left";
  finding.evidence.clear();
  CHECK_THAT(finding_text(plain, Stream::out, finding),
             Contains("]: table shop.item is left\n  why: "));

  const Error error(ExitCode::configuration, "task-file.invalid", "shop.toml has 2 problems",
                    "shop.toml:1:1: one\nshop.toml:2:1: two", "mend them");
  CHECK(error_text(plain, error) ==
        "error[task-file.invalid]: shop.toml has 2 problems\n"
        "  why: shop.toml:1:1: one\n"
        "       shop.toml:2:1: two\n"
        "  fix: mend them\n");
  CHECK(error_text(plain, error).starts_with(error_text(plain, error, false)));
  CHECK(error_text(plain, error, false).ends_with('\n'));
  CHECK(error_text(plain, error, false).find("fix:") == std::string::npos);
  CHECK(error_text(Terminal(Color::always), error).starts_with("\x1b[31merror[task-file.invalid]"));
}

TEST_CASE("a JSON document begins with the common keys and is always UTF-8", "[cli]") {
  const std::vector<Finding> findings{{"a.b", Severity::critical, "what \xe9", "", "", "", ""}};
  Json document = envelope("sync status", "", false, findings);
  CHECK(json_line(document) ==
        R"({"schema":1,"verb":"sync status","task":null,"ok":false,"findings":[{"id":"a.b",)"
        R"("severity":"critical","table":null,"what":"what )"
        "\xef\xbf\xbd"
        R"(","evidence":null,"why":null,"fix":null,"gap":null,"ways":[]}]})"
        "\n");
}

// ---------------------------------------------------------------- terminal

TEST_CASE("colour is for terminals, unless it is asked for or turned off", "[cli]") {
  const Pty pty;
  const Variable term("TERM", "xterm");
  const Variable no_color("NO_COLOR", nullptr);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const Terminal::Streams mixed{.in = pty.inside, .out = ends[1], .err = pty.inside};

  const Terminal automatic(Color::automatic, mixed);
  CHECK(automatic.color(Stream::err));
  CHECK_FALSE(automatic.color(Stream::out));
  CHECK(automatic.paint(Stream::err, Style::red, "x") == "\x1b[31mx\x1b[0m");
  CHECK(automatic.paint(Stream::out, Style::red, "x") == "x");
  CHECK(Terminal(Color::always, mixed).color(Stream::out));
  CHECK_FALSE(Terminal(Color::never, mixed).color(Stream::err));
  {
    const Variable set("NO_COLOR", "1");
    CHECK_FALSE(Terminal(Color::automatic, mixed).color(Stream::err));
    CHECK(Terminal(Color::always, mixed).color(Stream::err));
  }
  {
    const Variable empty("NO_COLOR", "");
    CHECK(Terminal(Color::automatic, mixed).color(Stream::err));
  }
  {
    const Variable dumb("TERM", "dumb");
    CHECK_FALSE(Terminal(Color::automatic, mixed).color(Stream::err));
    CHECK_FALSE(Terminal(Color::automatic, mixed).overprints());
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("progress is drawn over itself, below what is written meanwhile", "[cli]") {
  Pty pty;
  const Variable term("TERM", "xterm");
  {
    Terminal terminal(Color::automatic, {pty.inside, pty.inside, pty.inside});
    terminal.progress({"first", std::string(60, 'x')});
    terminal.err("a warning\n");
    terminal.progress({"second"});
    terminal.out("answer\n");
    terminal.clear_progress();
    terminal.flush();
  }
  const std::string cut_line = std::string(39, 'x') + "\r\n";
  CHECK(pty.written() == "first\r\n" + cut_line +  //
                             "\x1b[2A\r\x1b[Ja warning\r\nfirst\r\n" + cut_line +
                             "\x1b[2A\r\x1b[Jsecond\r\n"
                             "\x1b[1A\r\x1b[Janswer\r\n");
}

TEST_CASE("progress leaves no trace where standard error is no terminal", "[cli]") {
  const Ended ended = in_child([] {
    Terminal terminal;
    terminal.progress({"half done"});
    terminal.clear_progress();
    return 0;
  });
  CHECK(ended.exit_code == 0);
  CHECK(ended.err.empty());
}

TEST_CASE("a risk is confirmed by the task's name or --yes, and never waits for nobody", "[cli]") {
  Terminal piped(Color::never, {::open("/dev/null", O_RDONLY | O_CLOEXEC), 1, 2});
  CHECK(id_of([&] { confirm(piped, "shop", "7 rows go", false); }) == "confirm.no-terminal");
  CHECK(id_of([&] { confirm(piped, "shop", "7 rows go", true); }) == "");

  const auto answer = [](const std::string& typed) {
    Pty pty;
    Terminal terminal(Color::never, {pty.inside, pty.inside, pty.inside});
    REQUIRE(::write(pty.outside, typed.data(), typed.size()) == static_cast<ssize_t>(typed.size()));
    const std::string id = id_of([&] { confirm(terminal, "shop", "7 rows go", false); });
    CHECK_THAT(pty.written(), Contains("7 rows go\r\ntype the task's name, shop, to go on: "));
    return id;
  };
  CHECK(answer("shop\n") == "");
  CHECK(answer("y\n") == "confirm.declined");
  CHECK(answer("\n") == "confirm.declined");
  CHECK(answer("\x04") == "confirm.declined");
}

// ---------------------------------------------------------------- signals

TEST_CASE("the first signal is a request, the second ends the process", "[cli]") {
  for (const int number : {SIGINT, SIGTERM}) {
    const Ended ended = in_child([number] {
      const StopSignal stop;
      pollfd waiting{.fd = stop.fd(), .events = POLLIN, .revents = 0};
      if (stop.requested() || ::poll(&waiting, 1, 0) != 0) return 1;
      ::raise(number);
      if (!stop.requested() || stop.number() != number) return 2;
      if (::poll(&waiting, 1, 0) != 1) return 3;
      ::raise(SIGTERM);
      return 4;
    });
    CHECK(ended.exit_code == -1);
    CHECK(ended.signal == SIGTERM);
  }
}

TEST_CASE("an interrupt that the parent ignores stays ignored", "[cli]") {
  const Ended ended = in_child([] {
    ::signal(SIGINT, SIG_IGN);
    const StopSignal stop;
    ::raise(SIGINT);
    return stop.requested() ? 1 : 0;
  });
  CHECK(ended.exit_code == 0);
}

// ---------------------------------------------------------------- run

TEST_CASE("a verb answers in text, or as one JSON document", "[cli]") {
  const auto verb = [](Session& session) {
    session.set_task("shop");
    session.say("note");
    const Finding finding{"a.b", Severity::info, "what", "", "", "", ""};
    session.report(std::span(&finding, 1), Stream::err);
    if (!session.json()) session.print("running\n");
    return session.answer(ExitCode::differences, {{"state", "running"}});
  };
  const Ended text = run_sync({"status", "shop"}, verb);
  CHECK(text.exit_code == 10);
  CHECK(text.out == "running\n");
  CHECK(text.err == "note\ninfo[a.b]: what\n");

  const Ended quiet = run_sync({"status", "shop", "-q"}, verb);
  CHECK(quiet.err == "info[a.b]: what\n");

  const Ended json = run_sync({"status", "shop", "--json"}, verb);
  CHECK(json.exit_code == 10);
  CHECK(json.err.empty());
  const Json document = Json::parse(json.out);
  CHECK(document["verb"] == "sync status");
  CHECK(document["task"] == "shop");
  CHECK(document["ok"] == false);
  CHECK(document["findings"][0]["id"] == "a.b");
  CHECK(document["state"] == "running");
}

TEST_CASE("what a verb throws becomes its exit code and message", "[cli]") {
  const auto refuse = [](Session& session) -> ExitCode {
    session.set_task("shop");
    session.print("before\n");
    const Finding finding{"a.b", Severity::critical, "what", "", "", "", ""};
    session.report(std::span(&finding, 1), Stream::err);
    throw Error(ExitCode::refused, "x.y", "it cannot be", "a reason", "a remedy");
  };
  const Ended text = run_sync({"start", "shop"}, refuse);
  CHECK(text.exit_code == 4);
  CHECK(text.out == "before\n");
  CHECK(text.err ==
        "critical[a.b]: what\nerror[x.y]: it cannot be\n  why: a reason\n  fix: a remedy\n");

  const Ended json = run_sync({"start", "shop", "--json"}, refuse);
  CHECK(json.exit_code == 4);
  const Json document = Json::parse(json.err);
  CHECK(document["task"] == "shop");
  CHECK(document["findings"][0]["id"] == "a.b");
  CHECK(document["error"]["id"] == "x.y");
  CHECK(document["error"]["exit_name"] == "refused");

  const Ended odd =
      run_sync({"start", "shop"}, [](Session&) -> ExitCode { throw std::out_of_range("odd"); });
  CHECK(odd.exit_code == 70);
  CHECK_THAT(odd.err, Contains("error[weir.bug]") && Contains("odd"));

  const Ended mistyped = run_sync({"start", "shop"}, [](Session& session) {
    return session.flag("wiat") ? ExitCode::ok : ExitCode::failed;
  });
  CHECK(mistyped.exit_code == 70);
}

TEST_CASE("a verb that was interrupted ends by the signal", "[cli]") {
  CHECK(run_sync({"start", "shop"}, [](Session&) { return ExitCode::interrupted; }).signal ==
        SIGINT);
  CHECK(run_sync({"start", "shop"}, [](Session&) { return ExitCode::terminated; }).signal ==
        SIGTERM);
}

TEST_CASE("output that nobody reads ends a verb quietly", "[cli]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  const Ended ended = in_child([&] {
    ::dup2(ends[1], 1);
    char name[] = "weir-sync";
    char verb[] = "start";
    char task[] = "shop";
    char* argv[] = {name, verb, task, nullptr};
    const Verb verbs[] = {{"sync start", [](Session& session) -> ExitCode {
                             while (true) session.print("y\n");
                           }}};
    return run(3, argv, verbs);
  });
  ::close(ends[1]);
  CHECK(ended.signal == SIGPIPE);
  CHECK(ended.err.empty());
}

TEST_CASE("output that cannot be written is a failure", "[cli]") {
  const Ended ended = in_child([] {
    ::dup2(::open("/dev/full", O_WRONLY | O_CLOEXEC), 1);
    char name[] = "weir-sync";
    char verb[] = "start";
    char task[] = "shop";
    char* argv[] = {name, verb, task, nullptr};
    const Verb verbs[] = {{"sync start", [](Session& session) {
                             session.print("answer\n");
                             return ExitCode::ok;
                           }}};
    return run(3, argv, verbs);
  });
  CHECK(ended.exit_code == 1);
  CHECK_THAT(ended.err, Contains("error[output.write]"));
}

TEST_CASE("closed standard streams are opened before anything else can take their place", "[cli]") {
  const Ended ended = in_child([] {
    ::close(0);
    ::close(2);
    char name[] = "weir-sync";
    char verb[] = "start";
    char task[] = "shop";
    char* argv[] = {name, verb, task, nullptr};
    const Verb verbs[] = {{"sync start", [](Session& session) {
                             const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
                             session.print(next > 2 ? "safe\n" : "taken\n");
                             return ExitCode::ok;
                           }}};
    return run(3, argv, verbs);
  });
  CHECK(ended.out == "safe\n");
}

TEST_CASE("the log of a verb begins at warnings, and -v and -q move it", "[cli]") {
  const auto verb = [](Session& session) {
    session.set_task("shop");
    log_error("e", "x");
    log_warn("w", "x");
    log_info("i", "x");
    log_debug("d", "x");
    return ExitCode::ok;
  };
  const auto ids = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"start", "shop"});
    std::string found;
    std::istringstream lines(run_sync(words, verb).err);
    for (std::string line; std::getline(lines, line);) {
      CHECK_THAT(line, Contains("task=shop ") || Contains(R"("task":"shop")"));
      const std::size_t at = line.find(": x");
      found += at == std::string::npos ? Json::parse(line)["id"].get<std::string>()
                                       : std::string(1, line[at - 1]);
    }
    return found;
  };
  CHECK(ids({}) == "ew");
  CHECK(ids({"-v"}) == "ewi");
  CHECK(ids({"-vv"}) == "ewid");
  CHECK(ids({"-q"}) == "e");
  CHECK(ids({"--log-format", "json"}) == "ew");
}

TEST_CASE("a process started on behalf of a verb gets its state folder and log options", "[cli]") {
  const auto verb = [](Session& session) {
    for (const std::string& word : session.inherited_options()) session.print(word + "\n");
    return ExitCode::ok;
  };
  CHECK(run_sync({"start", "shop", "--state-dir", "/tmp/x/../s", "-vv"}, verb).out ==
        "--state-dir\n/tmp/s\n--log-format\ntext\n--verbose\n--verbose\n");
}

TEST_CASE("without a terminal progress is one line at each stage and every 30 s", "[cli]") {
  const auto verb = [](Session& session) {
    Progress progress(session);
    const Clock::time_point begin = Clock::now();
    const auto at = [&](int seconds, const char* stage, const char* summary) {
      progress.show(stage, {"for terminals"}, summary, begin + std::chrono::seconds(seconds));
    };
    at(0, "schema", "one");
    at(1, "schema", "left out");
    at(2, "full", "two");
    at(31, "full", "left out");
    at(32, "full", "three");
    return ExitCode::ok;
  };
  CHECK(run_sync({"start", "shop"}, verb).err == "one\ntwo\nthree\n");
  CHECK(run_sync({"start", "shop", "--quiet"}, verb).err.empty());
  CHECK(run_sync({"start", "shop", "--json"}, verb).err.empty());
}
