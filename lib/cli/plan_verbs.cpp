// SPDX-License-Identifier: Apache-2.0
#include "cli/plan_verbs.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/text.h"
#include "base/time.h"
#include "base/user.h"
#include "cli/arguments.h"
#include "cli/confirm.h"
#include "cli/output.h"
#include "cli/replace_file.h"
#include "mapping/config_diff.h"
#include "mapping/task_file.h"
#include "ops/plan.h"
#include "ops/preflight.h"
#include "ops/revision.h"
#include "ops/sync.h"

namespace weir::cli {
namespace {

constexpr std::int64_t kRevisions = 20;
constexpr std::size_t kShownDigest = 12;
constexpr std::chrono::milliseconds kLook{100};
/// A worker looks once a second; a busy machine is slower.
constexpr std::chrono::seconds kTaken{15};
constexpr std::chrono::minutes kStopPatience{2};
constexpr std::chrono::minutes kStartPatience{2};

void pause() { poll(nullptr, 0, static_cast<int>(kLook.count())); }

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Error unknown_revision(const std::string& task, std::uint32_t number, std::uint32_t newest) {
  return Error(ExitCode::not_found, "revision.unknown",
               fmt::format("task {} has no revision {}", task, number),
               newest == 0 ? "it has none yet: the first comes with its next start"
                           : fmt::format("its revisions are 1 to {}", newest),
               fmt::format("weir config list {}", task));
}

/// The newest revision of a registered task, which it runs by.
RevisionRow running_revision(const std::string& task, StateStore& store) {
  if (auto row = ops::newest_revision(task, store)) return *std::move(row);
  throw unknown_revision(task, 1, 0);
}

std::uint32_t revision_number(const Session& session, const std::string& word,
                              std::string_view others) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc{} && end == word.data() + word.size() && number > 0) return number;
  throw usage_error(session.verb().name, "usage.bad-value",
                    fmt::format("a revision cannot be '{}'", word),
                    fmt::format("it takes a number from 1 on{}", others));
}

RevisionRow revision_at(const std::string& task, std::uint32_t number, StateStore& store) {
  if (auto row = store.revision(task, number)) return *std::move(row);
  throw unknown_revision(task, number, store.newest_revision(task));
}

/// What `config diff` is given: a number, `running` or `file`.
ConfigText config_named(const Session& session, const std::string& task, const std::string& word,
                        StateStore& store) {
  if (word == "file") {
    const ops::TaskFile file = ops::find_task_file(store.task(task)->file, store);
    return {file.text, file.task.file};
  }
  const RevisionRow row =
      word == "running"
          ? running_revision(task, store)
          : revision_at(task, revision_number(session, word, ", running or file"), store);
  ops::task_of(row);
  return {row.text, row.file};
}

Json to_json(const RevisionRow& row, bool with_text) {
  Json out{{"revision", row.number}, {"at", to_rfc3339(row.at)}, {"who", row.who},
           {"reason", row.reason},   {"file", row.file},         {"digest", row.digest}};
  if (with_text) out["text"] = row.text;
  return out;
}

// ---------------------------------------------------------------- plans

ops::PlanBackends plan_backends(const Backends& backends) {
  return {backends.open_source, backends.open_target};
}

/// The state of a task that is known: before a state folder is made for one that nobody knows.
std::unique_ptr<StateStore> open_known_state(Session& session, const std::string& folder,
                                             const std::string& argument) {
  session.set_task(ops::find_task_name(argument, *open_state(folder, true)));
  return open_state(folder, false);
}
std::unique_ptr<StateStore> open_known_state(Session& session, const std::string& folder) {
  return open_known_state(session, folder, session.argument());
}

ops::ChangePlan make_plan(const RevisionRow& running, const ops::TaskFile& wanted,
                          const ops::CopyWish& wish, const Backends& backends,
                          const std::string& folder, StateStore& store) {
  const ops::PlanBackends servers = plan_backends(backends);
  ops::ChangePlan out = ops::plan_change(running, wanted, wish, servers, store);
  ops::check_copies(out, wanted.task, servers, store, *backends.open_engine(folder));
  return out;
}

std::string arrow(const std::string& before, const std::string& after) {
  return fmt::format("{} -> {}", before.empty() ? "none" : before, after.empty() ? "none" : after);
}

std::string plan_text(const ops::ChangePlan& plan) {
  std::string out = fmt::format("task      {}\nrevision  {}\nfile      {}\n", plan.task,
                                plan.revision, plan.file);
  if (!plan.offset.empty()) out += fmt::format("offset    {}\n", plan.offset);
  if (plan.steps.empty()) return out + "\nthe file says what the task runs by\n";
  out += fmt::format("needs     {}{}\n", to_string(plan.need()),
                     plan.restarts() ? ", and a restart" : "");
  if (plan.rows > 0) {
    out += fmt::format(
        "copies    some {} rows{}\n", format_count(plan.rows),
        plan.copy_time ? ", about " + format_duration(*plan.copy_time) + " at the task's own rate"
                       : std::string());
  }
  if (plan.restarts()) {
    out += "pause     the whole task, from its stop to its start\n";
  } else if (!plan.moves.empty()) {
    out += "pause     none; the other tables stand still for a moment, between two transactions\n";
  }
  out += '\n';
  for (const ops::PlanStep& step : plan.steps) {
    const std::string subject =
        step.table.table.empty() ? step.what : fmt::format("{}: {}", step.table.text(), step.what);
    out += fmt::format("{:<14}{}: {}\n{:<14}{}\n", to_string(step.need), subject,
                       arrow(step.before, step.after), "", step.effect);
  }
  return out;
}

Json plan_json(const ops::ChangePlan& plan) { return Json::parse(ops::encode_plan(plan)); }

/// Shows a plan, in text mode.
void show(Session& session, const ops::ChangePlan& plan) {
  if (!session.json()) session.print(plan_text(plan));
  session.report(plan.findings, Stream::err);
}

// ---------------------------------------------------------------- doing it

/// The task file as it was, until what takes its place counts.
class FileSwap {
 public:
  /// Puts `text` in its place; what was edited and never taken on is kept beside it.
  FileSwap(const std::string& path, const std::string& text, const RevisionRow& running)
      : path_(path) {
    try {
      before_ = read_task_text(path);
    } catch (const Error&) {
      // The file is gone: there is nothing to keep, and nothing to go back to.
    }
    struct stat found {};
    if (before_ && stat(path.c_str(), &found) == 0) mode_ = found.st_mode & 0777;
    if (before_ && sha256(*before_) != running.digest) {
      kept_ = fmt::format("{}.edited-{}", path, sha256(*before_).substr(0, kShownDigest));
      replace_file(kept_, *before_, mode_);
    }
    replace_file(path, text, mode_);
  }
  ~FileSwap() {
    if (done_ || !before_) return;
    try {
      replace_file(path_, *before_, mode_);
    } catch (const Error&) {
      // The error that led here is what counts; status tells that the file differs.
    }
  }
  FileSwap(const FileSwap&) = delete;
  FileSwap& operator=(const FileSwap&) = delete;

  void keep() { done_ = true; }
  /// Where the edits went; "" if there were none.
  const std::string& kept() const { return kept_; }

 private:
  std::string path_;
  std::string kept_;
  std::optional<std::string> before_;
  mode_t mode_ = 0600;
  bool done_ = false;
};

/// Carries out one plan: the only place that stops, starts and records for it.
class Change {
 public:
  Change(Session& session, const Backends& backends, const ops::ChangePlan& plan,
         const ops::TaskFile& wanted, const RevisionRow& running, std::string reason)
      : session_(session),
        backends_(backends),
        plan_(plan),
        wanted_(wanted),
        running_(running),
        reason_(std::move(reason)),
        folder_(session.state_folder()),
        engine_(backends.open_engine(folder_)) {}

  bool runs() const { return engine_->status(plan_.task).running; }
  /// A change of the file that changes nothing for the task is taken on without a stop.
  bool needs_restart() const { return plan_.restarts() && runs(); }

  /// Throws Error(refused) for what would not work, before anything is changed.
  void check() const {
    ops::refuse_unfit(plan_);
    if (!needs_restart()) return;
    if (!session_.flag("restart")) {
      throw Error(ExitCode::refused, "plan.restart",
                  fmt::format("task {} has to be started anew for this", plan_.task),
                  "it goes by a part of what is to change from its start on",
                  "repeat it with --restart, or stop the task first");
    }
    const Task asked = ops::with_patience(wanted_.task);
    const std::unique_ptr<Source> source = backends_.open_source(asked);
    const std::unique_ptr<Target> target = backends_.open_target(asked);
    const std::unique_ptr<StateStore> store = open_state(folder_, true);
    ops::Preflight checked =
        ops::preflight(ops::main_lane_after(plan_, asked, *store), *source, *target, folder_);
    // It is the task's own reader that has the slot.
    std::erase_if(checked.findings,
                  [](const Finding& one) { return one.id == "postgres.slot-active"; });
    ops::waive(checked, ops::waived_ids(plan_.task, *store));
    std::erase_if(checked.findings,
                  [](const Finding& one) { return one.severity < Severity::warning; });
    session_.report(checked.findings, Stream::err);
    if (refuses(checked.findings)) throw refusal(checked.findings);
  }

  /// Returns the number of the new revision.
  std::uint32_t carry_out(StateStore& store) {
    const bool restarts = needs_restart();
    if (restarts) stop(store);
    const Time since = now();
    std::uint32_t number = 0;
    std::vector<LaneChange> lanes = ops::lane_changes(plan_);
    try {
      number = record(running_.number + 1, wanted_.task.file, wanted_.text, reason_, lanes, store);
    } catch (const Error&) {
      if (restarts) start(store);
      throw;
    }
    store.add_event(plan_.task, {now(), "info", "revision.applied", "",
                                 fmt::format("{} made revision {} ({}): {}", user_name(), number,
                                             reason_, summary())});
    if (restarts) {
      start(store);
      wait_until_running(number, lanes, store);
    } else if (runs()) {
      wait_until_taken(since, store);
    }
    return number;
  }

 private:
  std::string summary() const {
    std::vector<std::string> parts;
    for (const ops::PlanStep& step : plan_.steps) {
      parts.push_back(step.table.table.empty()
                          ? fmt::format("{} {}", step.what, arrow(step.before, step.after))
                          : fmt::format("{} {} {}", step.table.text(), step.what,
                                        arrow(step.before, step.after)));
    }
    return parts.empty() ? "nothing that counts" : join(parts, "; ");
  }

  std::uint32_t record(std::uint32_t number, const std::string& file, const std::string& text,
                       const std::string& reason, std::span<LaneChange> lanes,
                       StateStore& store) const {
    RevisionRow row;
    row.task = plan_.task;
    row.number = number;
    row.at = now();
    row.who = user_name();
    row.reason = reason;
    row.file = file;
    row.text = text;
    row.digest = sha256(text);
    return store.add_revision(row, lanes);
  }

  void stop(StateStore& store) {
    session_.say(fmt::format("stopping task {}", plan_.task));
    store.set_state(plan_.task, TaskState::stopping, "");
    engine_->stop(plan_.task, kStopPatience);
    if (!runs() && ops::has_supervisor(*store.task(plan_.task))) {
      store.set_state(plan_.task, TaskState::stopped, "");
    }
  }

  void start(StateStore& store) {
    session_.say(fmt::format("starting task {}", plan_.task));
    const std::string file = store.task(plan_.task)->file;
    const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe");
    std::vector<std::string> argv = {(own.parent_path() / "weir-sync").string(), "run"};
    for (std::string& option : session_.inherited_options()) argv.push_back(std::move(option));
    argv.emplace_back("--keep-config");
    for (const std::string& id : ops::waived_ids(plan_.task, store)) {
      argv.insert(argv.end(), {"--waive", id});
    }
    argv.insert(argv.end(), {"--", file});
    store.set_error(plan_.task, 0, "", "", "");
    store.set_state(plan_.task, TaskState::starting, "");
    make_private_folder(folder_ + "/log");
    engine_->submit(plan_.task, argv, fmt::format("{}/log/{}.log", folder_, plan_.task));
  }

  /// Throws Error "apply.failed", and has put the old revision back, if the task ends instead.
  void wait_until_running(std::uint32_t number, std::span<const LaneChange> lanes,
                          StateStore& store) {
    const Clock::time_point limit = Clock::now() + kStartPatience;
    while (Clock::now() < limit) {
      const ops::Status status = ops::status(plan_.task, store, *engine_);
      if (status.task.state == TaskState::running) return;
      if (!status.engine.running && status.task.state != TaskState::starting) {
        return put_back(number, lanes, status.task, store);
      }
      pause();
    }
    session_.say(
        fmt::format("task {} is still starting: weir sync status {}", plan_.task, plan_.task));
  }

  void put_back(std::uint32_t number, std::span<const LaneChange> begun, const TaskRow& ended,
                StateStore& store) {
    std::vector<LaneChange> lanes = ops::take_back_lanes(begun, store);
    const std::uint32_t back =
        record(number + 1, running_.file, running_.text, "rollback", lanes, store);
    store.add_event(plan_.task, {now(), "warning", "revision.put-back", "",
                                 fmt::format("revision {} did not start; revision {} is {} again",
                                             number, back, running_.number)});
    start(store);
    throw Error(ended.exit_code == 0 ? ExitCode::failed : static_cast<ExitCode>(ended.exit_code),
                "apply.failed",
                fmt::format("task {} did not start by revision {}", plan_.task, number),
                ended.error.empty() ? "the task ended" : ended.error,
                fmt::format("it was started again by what it had before, as revision {}; {}", back,
                            ended.error_fix));
  }

  /// Whether more changes than the settings that count while rows are copied, too.
  bool needs_rules() const {
    return std::ranges::any_of(plan_.steps, [](const ops::PlanStep& step) {
      return step.what.starts_with("table") || step.what.starts_with("ddl.") ||
             step.what.starts_with("dirty.");
    });
  }

  void wait_until_taken(Time since, StateStore& store) {
    // Rules count once the task reads the log, and not before its tables are copied.
    const bool copies = store.task(plan_.task)->stage != Stage::incremental;
    const Clock::time_point limit = Clock::now() + kTaken;
    while (Clock::now() < limit && runs()) {
      const bool is_taken = store.count_events(plan_.task, "revision.taken", since) > 0 &&
                            (copies || store.count_events(plan_.task, "rules.taken", since) > 0);
      if (is_taken && (!copies || !needs_rules())) return;
      if (is_taken) break;
      pause();
    }
    session_.say(copies ? "the task copies its tables at present, and takes it on thereafter"
                        : "the worker has not taken it on yet; it does with its next look, or with "
                          "its next start");
  }

  Session& session_;
  const Backends& backends_;
  const ops::ChangePlan& plan_;
  const ops::TaskFile& wanted_;
  const RevisionRow& running_;
  std::string reason_;
  std::string folder_;
  std::unique_ptr<Engine> engine_;
};

Json outcome_json(const ops::ChangePlan& plan, bool dry_run, bool restarted,
                  std::optional<std::uint32_t> number) {
  Json out = plan_json(plan);
  out.erase("task");
  out["dry_run"] = dry_run;
  out["restarted"] = restarted;
  out["new_revision"] = number ? Json(*number) : Json();
  return out;
}

/// The text of a file that holds a plan; empty if it is none.
std::optional<std::string> plan_file(const std::string& argument) {
  std::error_code problem;
  if (!std::filesystem::is_regular_file(argument, problem)) return std::nullopt;
  const std::string text = read_task_text(argument);
  if (!trim(text).starts_with('{')) return std::nullopt;
  return text;
}

}  // namespace

ExitCode config_list(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const std::int64_t limit = session.integer("limit").value_or(kRevisions);
  if (limit == 0) {
    throw usage_error(session.verb().name, "usage.bad-value", "--limit cannot be '0'",
                      "it takes a whole number from 1 on");
  }
  const std::unique_ptr<StateStore> store = open_state(folder, true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const ops::Status status = ops::status(task, *store, *backends.open_engine(folder));
  TextTable table(
      {{"REVISION", TextTable::Align::right}, {"AT"}, {"REASON"}, {"WHO"}, {"DIGEST"}, {"FILE"}});
  Json list = Json::array();
  for (const RevisionRow& row : store->revisions(task, static_cast<std::size_t>(limit))) {
    table.add({std::to_string(row.number), to_rfc3339(row.at), row.reason, row.who,
               row.digest.substr(0, kShownDigest), row.file});
    list.push_back(to_json(row, false));
  }
  if (!session.json()) session.print(table.text(!session.flag("no-header")));
  if (status.file_differs.value_or(false)) {
    session.say(fmt::format("{} was edited since: weir plan {}", status.task.file, task));
  }
  return session.answer(
      ExitCode::ok, {{"running", status.revision == 0 ? Json() : Json(status.revision)},
                     {"file_differs", status.file_differs ? Json(*status.file_differs) : Json()},
                     {"revisions", std::move(list)}});
}

ExitCode config_show(Session& session, const Backends&) {
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const RevisionRow row =
      session.second().empty()
          ? running_revision(task, *store)
          : revision_at(task, revision_number(session, session.second(), ""), *store);
  if (!session.json()) session.print(row.text);
  return session.answer(ExitCode::ok, to_json(row, true));
}

ExitCode config_diff(Session& session, const Backends&) {
  if (session.rest().size() != 2) {
    throw usage_error(session.verb().name,
                      session.rest().size() < 2 ? "usage.missing-argument" : "usage.extra-argument",
                      fmt::format("{} {} given", session.rest().size(),
                                  session.rest().size() == 1 ? "revision is" : "revisions are"),
                      "two are compared: numbers, running or file");
  }
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  if (!store->task(task)) ops::find_task_name(task, *store);
  const ConfigText before = config_named(session, task, session.rest()[0], *store);
  const ConfigText after = config_named(session, task, session.rest()[1], *store);
  const std::vector<ConfigChange> changes = diff_config(before, after);
  Json list = Json::array();
  for (const ConfigChange& change : changes) {
    if (!session.json()) {
      session.print(fmt::format("{}: {}\n", change.title(), arrow(change.before, change.after)));
    }
    list.push_back({{"kind", to_string(change.kind)},
                    {"title", change.title()},
                    {"section", text_or_null(change.section)},
                    {"key", text_or_null(change.name)},
                    {"rule", text_or_null(change.rule)},
                    {"before", text_or_null(change.before)},
                    {"after", text_or_null(change.after)}});
  }
  if (changes.empty()) session.say("they say the same");
  const bool tells = session.flag("exit-code") && !changes.empty();
  return session.answer(
      tells ? ExitCode::differences : ExitCode::ok,
      {{"before", session.rest()[0]}, {"after", session.rest()[1]}, {"changes", std::move(list)}});
}

ExitCode plan(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_known_state(session, folder);
  const std::string& task = session.task();
  const RevisionRow running = running_revision(task, *store);
  const ops::TaskFile wanted = ops::find_task_file(session.argument(), *store);
  const ops::CopyWish wish{session.text("reload-mode").value_or(""), false};
  const ops::ChangePlan made = make_plan(running, wanted, wish, backends, folder, *store);
  show(session, made);
  if (const auto out = session.text("out")) {
    replace_file(*out, ops::encode_plan(made), 0600);
    session.say(fmt::format("{} is written", *out));
  }
  Json part = plan_json(made);
  part.erase("task");
  if (made.need() == ops::Need::refused || refuses(made.findings)) {
    if (!session.json()) ops::refuse_unfit(made);
    return session.answer(ExitCode::refused, part);
  }
  if (!made.steps.empty()) {
    session.hint(fmt::format("weir apply {}{}", session.argument(),
                             wish.mode.empty() ? "" : " --reload-mode " + wish.mode));
  }
  const bool tells = session.flag("exit-code") && !made.steps.empty();
  return session.answer(tells ? ExitCode::differences : ExitCode::ok, part);
}

ExitCode apply(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const bool dry_run = session.flag("dry-run");
  std::optional<ops::ChangePlan> planned;
  std::string argument = session.argument();
  if (const auto text = plan_file(argument)) {
    planned = ops::decode_plan(*text);
    argument = planned->task;
  }
  const std::unique_ptr<StateStore> store = open_known_state(session, folder, argument);
  const std::string& task = session.task();
  std::optional<ops::ChangeLock> lock;
  if (!dry_run) lock.emplace(folder, task);
  const RevisionRow running = running_revision(task, *store);
  const ops::TaskFile wanted = ops::find_task_file(planned ? planned->file : argument, *store);
  const ops::CopyWish wish{
      session.text("reload-mode").value_or(planned ? planned->reload_mode : ""), false};
  const ops::ChangePlan made = make_plan(running, wanted, wish, backends, folder, *store);
  if (planned) {
    const std::unique_ptr<Source> source = backends.open_source(ops::task_of(running));
    ops::refuse_moved(*planned, made,
                      [&](const Offset& a, const Offset& b) { return source->reached(a, b); });
  }
  show(session, made);

  Change change(session, backends, made, wanted, running, "apply");
  change.check();
  const bool restarts = change.needs_restart();
  std::optional<std::uint32_t> number;
  if (sha256(wanted.text) == running.digest && wanted.task.file == running.file) {
    session.say("there is nothing to do");
  } else if (dry_run) {
    session.say("nothing was changed");
  } else {
    session.terminal().flush();
    confirm(session.terminal(), task,
            restarts ? "the task would be stopped, and started by other settings"
                     : "the task would go by other settings",
            session.flag("yes"));
    store->put_task(task, wanted.task.file);
    number = change.carry_out(*store);
    session.say(fmt::format("task {} goes by revision {}", task, *number));
  }
  return session.answer(ExitCode::ok,
                        outcome_json(made, dry_run, restarts && number.has_value(), number));
}

ExitCode rollback(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const bool dry_run = session.flag("dry-run");
  const std::unique_ptr<StateStore> store = open_known_state(session, folder);
  const std::string& task = session.task();
  std::optional<ops::ChangeLock> lock;
  if (!dry_run) lock.emplace(folder, task);
  const RevisionRow running = running_revision(task, *store);
  const std::uint32_t back = session.second().empty()
                                 ? running.number - 1
                                 : revision_number(session, session.second(), "");
  if (back == 0) throw unknown_revision(task, 0, running.number);
  const RevisionRow row = revision_at(task, back, *store);
  const ops::TaskFile wanted{ops::task_of(row), row.text};
  const ops::CopyWish wish{session.text("reload-mode").value_or(""), true};
  const ops::ChangePlan made = make_plan(running, wanted, wish, backends, folder, *store);
  show(session, made);

  Change change(session, backends, made, wanted, running, "rollback");
  change.check();
  const bool restarts = change.needs_restart();
  std::optional<std::uint32_t> number;
  std::string kept;
  if (dry_run) {
    session.say("nothing was changed");
  } else {
    session.terminal().flush();
    confirm(session.terminal(), task,
            fmt::format("the task would go back to revision {}, and {} with it", back, row.file),
            session.flag("yes"));
    FileSwap file(row.file, row.text, running);
    kept = file.kept();
    store->put_task(task, row.file);
    number = change.carry_out(*store);
    file.keep();
    session.say(fmt::format("task {} goes by revision {}, which is {} again", task, *number, back));
    if (!kept.empty()) session.say(fmt::format("what the file said is kept as {}", kept));
  }
  Json part = outcome_json(made, dry_run, restarts && number.has_value(), number);
  part["to_revision"] = back;
  part["kept"] = text_or_null(kept);
  return session.answer(ExitCode::ok, part);
}

}  // namespace weir::cli
