// SPDX-License-Identifier: Apache-2.0
#include "cli/sync_verbs.h"

#include <array>
#include <atomic>
#include <climits>
#include <cmath>
#include <csignal>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

#include "base/error.h"
#include "base/folder.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/status_view.h"
#include "ops/plan.h"
#include "ops/preflight.h"
#include "ops/resume.h"
#include "ops/revision.h"
#include "ops/stop.h"
#include "ops/sync.h"
#include "stage/live_settings.h"
#include "stage/runner.h"
#include "store/lane_task.h"

namespace weir::cli {
namespace {

constexpr std::chrono::milliseconds kLook{250};
constexpr std::chrono::seconds kLineEvery{30};
constexpr std::chrono::seconds kRevisionEvery{1};
constexpr std::chrono::minutes kStopPatience{2};

std::string self() {
  std::array<char, PATH_MAX> path{};
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) {
    throw Error(ExitCode::failed, "process.self", "cannot tell the path of this program",
                "/proc/self/exe cannot be read", "see that /proc is mounted, and try again");
  }
  return {path.data(), static_cast<std::size_t>(size)};
}

/// This program as `verb` on the same task, with the options that matter to it.
std::vector<std::string> same_program(const Session& session, const std::string& verb,
                                      const std::string& file) {
  std::vector<std::string> argv = {self(), verb};
  for (std::string& option : session.inherited_options()) argv.push_back(std::move(option));
  if (verb == "run") {
    if (session.flag("keep-config")) argv.emplace_back("--keep-config");
    for (const std::string& id : session.texts("waive")) argv.insert(argv.end(), {"--waive", id});
  }
  argv.push_back("--");
  argv.push_back(file);
  return argv;
}

/// What a task is to be started by.
ops::TaskFile file_to_start(const Session& session, StateStore& store) {
  if (!session.flag("keep-config")) return ops::find_task_file(session.argument(), store);
  const ops::RunningTask before = ops::running_task(session.argument(), store);
  if (before.revision == 0) return ops::find_task_file(session.argument(), store);
  return {before.task, store.revision(before.task.name, before.revision)->text};
}

/// Whether a task has come as far as `--wait` asks for.
bool has_reached(const ops::Status& status, const std::string& goal, ops::CatchUp& catch_up) {
  if (status.task.state != TaskState::running) return false;
  if (goal == "caught-up") return catch_up.done(status);
  if (goal == "schema") return status.task.stage != Stage::schema;
  // The full stage is done, and the incremental one runs, from the same moment on.
  return status.task.stage == Stage::incremental;
}

/// Watches a task until it has come as far as asked for. Throws if it ends before, or time is up,
/// or if tables did not come with the others.
void wait_for(Session& session, const Task& waited, const std::string& goal,
              const Backends& backends, StateStore& store, Engine& engine) {
  const std::string& task = waited.name;
  const auto limit = session.duration("timeout");
  ops::CatchUp catch_up(waited, backends.open_source);
  const StopSignal stop;
  Progress progress(session);
  const Clock::time_point begin = Clock::now();
  while (true) {
    const ops::Status status = ops::status(task, store, engine);
    progress.show(to_string(status.task.stage), progress_lines(status), ops::summary_line(status));
    if (has_reached(status, goal, catch_up)) {
      for (const ops::Lane& lane : status.lanes) {
        if (lane.row.state == LaneRow::State::suspended) throw ops::suspension(lane.row);
      }
      return;
    }
    if (!status.engine.running) {
      const ExitCode code = status.task.exit_code == 0
                                ? ExitCode::failed
                                : static_cast<ExitCode>(status.task.exit_code);
      throw Error(
          code, status.task.error_id.empty() ? "task.ended" : status.task.error_id,
          status.task.error.empty() ? fmt::format("task {} ended", task) : status.task.error, "",
          status.task.error_fix);
    }
    if (limit && Clock::now() - begin > *limit) {
      throw Error(ExitCode::timed_out, "start.wait-timeout",
                  fmt::format("task {} has not come as far as {} yet", task, goal),
                  "the time given with --timeout ran out; the task itself goes on",
                  fmt::format("weir sync status {}", task));
    }
    pollfd fd{stop.fd(), POLLIN, 0};
    poll(&fd, 1, static_cast<int>(kLook.count()));
    if (stop.requested()) {
      throw Error(stop.number() == SIGINT ? ExitCode::interrupted : ExitCode::terminated,
                  "start.interrupted", "interrupted while waiting", "the task itself goes on",
                  fmt::format("weir sync status {}", task));
    }
  }
}

/// Why the task cannot go on from where it was, if that is so: asked before anything else, since
/// nothing else matters then.
std::optional<Finding> find_gap(const Task& task, Source& source, Target& target) {
  std::optional<Finding> gap = ops::resume_gap(task, source, target, target.recover(task.name));
  if (gap && gap->severity != Severity::critical) gap.reset();
  return gap;
}

/// The checks before a start. Findings go to the conversation; one that refuses ends the verb.
std::vector<TablePlan> check(Session& session, const Task& started, const Backends& backends) {
  const Task task = ops::with_patience(started);
  const std::unique_ptr<Source> source = backends.open_source(task);
  const std::unique_ptr<Target> target = backends.open_target(task);
  if (const auto gap = find_gap(task, *source, *target)) {
    session.report({&*gap, 1}, Stream::err);
    throw Error(
        ExitCode::refused, gap->id, gap->what, gap->why,
        fmt::format("take one of the ways above; `weir preflight {}` shows them again", task.name));
  }
  ops::Preflight checked = ops::preflight(task, *source, *target, session.state_folder());
  for (const std::string& id : ops::waive(checked, session.texts("waive"))) {
    session.say(fmt::format("--waive {}: nothing of that name was found", id));
  }
  // What is merely worth knowing is for `weir preflight`.
  std::erase_if(checked.findings,
                [](const Finding& finding) { return finding.severity < Severity::warning; });
  session.report(checked.findings, Stream::err);
  if (refuses(checked.findings)) throw refusal(checked.findings);
  return std::move(checked.mapping.plans);
}

/// Where the task will go on, and until when it has to.
std::string stop_text(const ops::RetentionReport& report) {
  std::string out = fmt::format("offset   {}\nrestart  ", report.offset.text);
  if (report.may_stay_down && report.purged_at) {
    out += fmt::format("before {}, in {}: ", to_rfc3339(*report.purged_at),
                       format_duration(*report.may_stay_down));
  } else {
    out += report.verdict == ops::Verdict::lost ? "not possible: "
           : report.unlimited                   ? "no limit is known: "
                                                : "nobody knows until when: ";
  }
  return out + report.reason + '\n';
}

Json stop_json(bool already_stopped, const std::optional<ops::RetentionReport>& retention,
               StateStore& store, const std::string& task) {
  const auto offset = store.offset(task);
  Json out{{"already_stopped", already_stopped},
           {"offset", offset ? Json(offset->offset.text) : Json()},
           {"verdict", Json()},
           {"may_stay_down_s", Json()},
           {"restart_before", Json()},
           {"limited_by", Json()},
           {"planned_stop_s", Json()}};
  if (!retention) return out;
  out["verdict"] = to_string(retention->verdict);
  if (retention->may_stay_down)
    out["may_stay_down_s"] = std::floor(retention->may_stay_down->count());
  if (retention->purged_at) out["restart_before"] = to_rfc3339(*retention->purged_at);
  if (!retention->limited_by.empty()) out["limited_by"] = retention->limited_by;
  if (retention->planned_stop) out["planned_stop_s"] = std::floor(retention->planned_stop->count());
  return out;
}

/// Looks for a revision of the task file that is newer than the one that a worker began with, and
/// lets the worker have what of it may change while it works. A change that needs more is not
/// recorded before the worker has left. Called on one thread.
class RevisionWatch {
 public:
  RevisionWatch(const ops::RunningTask& begun, StateStore& store, LiveSettings& live)
      : task_(begun.task.name), store_(store), live_(live), known_(begun.revision) {}

  void look() {
    if (Clock::now() < next_) return;
    next_ = Clock::now() + kRevisionEvery;
    try {
      const std::uint32_t newest = store_.newest_revision(task_);
      if (newest == known_) return;
      const auto revision = store_.revision(task_, newest);
      if (!revision) return;
      known_ = newest;
      live_.set(ops::task_of(*revision));
      const std::string text = fmt::format("the task goes by revision {} from here on", newest);
      store_.add_event(task_, {now(), "info", "revision.taken", "", text});
      log_info("revision.taken", text);
    } catch (const Error& error) {
      // A busy state file is asked again; a revision that cannot be read changes nothing.
      log_warn(error.id(), error.what());
    }
  }

 private:
  const std::string& task_;
  StateStore& store_;
  LiveSettings& live_;
  std::uint32_t known_;
  Clock::time_point next_{};
};

/// A worker that lost its supervisor has the lock until its batch is done, but nobody will start
/// the next one: such a task is to be started.
bool is_supervised(const Engine::Status& status) {
  return status.running && status.supervisor_pid != 0;
}

}  // namespace

ExitCode sync_start(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, false);
  const ops::TaskFile file = file_to_start(session, *store);
  Task whole = file.task;
  const std::vector<LaneRow> lanes = store->lanes(whole.name);
  const Task task = main_lane(std::move(whole), lanes);
  session.set_task(task.name);
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);

  bool already = is_supervised(engine->status(task.name));
  if (!already) {
    ops::refuse_start(file, {backends.open_source, backends.open_target}, *store);
    check(session, task, backends);
    store->put_task(task.name, task.file);
    store->set_error(task.name, 0, "", "", "");
    store->set_state(task.name, TaskState::starting, "");
    make_private_folder(folder + "/log");
    already = !engine->submit(task.name, same_program(session, "run", task.file),
                              fmt::format("{}/log/{}.log", folder, task.name));
  }
  session.say(already ? fmt::format("task {} runs already", task.name)
                      : fmt::format("task {} is started", task.name));
  if (const auto goal = session.text("wait")) {
    wait_for(session, task, *goal, backends, *store, *engine);
  }
  session.hint("weir sync status " + task.name);
  const ops::Status status = ops::status(task.name, *store, *engine);
  return session.answer(ExitCode::ok, {{"already_running", already},
                                       {"state", to_string(status.task.state)},
                                       {"stage", to_string(status.task.stage)},
                                       {"pid", status.engine.supervisor_pid}});
}

ExitCode sync_run(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, false);
  const ops::TaskFile file = file_to_start(session, *store);
  const Task& task = file.task;
  session.set_task(task.name);
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);
  if (is_supervised(engine->status(task.name))) {
    session.say(fmt::format("task {} runs already", task.name));
    return session.answer(ExitCode::ok, {{"already_running", true}});
  }
  ops::refuse_start(file, {backends.open_source, backends.open_target}, *store);
  store->put_task(task.name, task.file);
  store->set_error(task.name, 0, "", "", "");
  ops::record_waivers(task.name, session.texts("waive"), *store);
  ops::keep_revision(file, "start", *store);

  Engine::Submission submission;
  submission.task = task.name;
  submission.worker = same_program(session, "worker", task.file);
  submission.failover_limit = task.failover.limit;
  submission.failover_window = task.failover.window;
  Engine::Observer observer = ops::observe(task.name, *store);
  // The worker's log tells the rest; over it, at a terminal, stands how far the task is.
  std::optional<Progress> progress;
  if (session.terminal().overprints()) {
    progress.emplace(session);
    observer.status_line = [&, inner = observer.status_line] {
      const ops::Status status = ops::status(task.name, *store, *engine);
      progress->show(to_string(status.task.stage), progress_lines(status),
                     ops::summary_line(status));
      return inner();
    };
  }
  const int code = engine->run(submission, observer);
  progress.reset();
  return session.answer(static_cast<ExitCode>(code),
                        {{"already_running", false}, {"exit_code", code}});
}

ExitCode sync_stop(Session& session, const Backends& backends) {
  std::optional<ops::Seconds> planned;
  if (const auto span = session.duration("for")) {
    if (span->count() == 0) {
      throw usage_error(session.verb().name, "usage.bad-value", "--for cannot be '0'",
                        "it says how long the task will stay stopped",
                        "leave it out if that is not known");
    }
    planned = *span;
  }
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, false);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);

  std::optional<ops::RetentionReport> retention =
      ops::ask_before_stop(task, planned, backends.open_source, *store, *engine);
  if (retention) {
    std::vector<Finding> findings = retention->findings;
    std::erase_if(findings, [](const Finding& one) { return one.severity < Severity::warning; });
    session.report(findings, Stream::err);
    if (const auto refused = ops::stop_refusal(*retention)) {
      if (session.text("accept-risk")) {
        ops::record_waiver(task, *refused, *store);
        session.say(fmt::format("stopping all the same: {}", refused->what));
      } else if (session.json()) {
        session.report({&*refused, 1}, Stream::err);
        return session.answer(ExitCode::refused, stop_json(false, retention, *store, task));
      } else {
        throw refusal(*refused);
      }
    }
  }

  if (engine->status(task).running) store->set_state(task, TaskState::stopping, "");
  const bool stopped = engine->stop(task, session.duration("timeout").value_or(kStopPatience));
  // A supervisor that was killed, or ended just before the mark above, does not say so any more.
  if (!engine->status(task).running && ops::has_supervisor(*store->task(task))) {
    store->set_state(task, TaskState::stopped, "");
  }
  if (retention) {
    const ops::Verdict asked = retention->verdict;
    retention = ops::ask_after_stop(*retention, backends.open_source, *store, *engine);
    retention->verdict = asked;
    if (!session.json()) session.print(stop_text(*retention));
  }
  session.say(stopped ? fmt::format("task {} is stopped", task)
                      : fmt::format("task {} was not running", task));
  return session.answer(ExitCode::ok, stop_json(!stopped, retention, *store, task));
}

ExitCode sync_status(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const ops::Status status = ops::status(task, *store, *backends.open_engine(folder));
  if (!session.json()) {
    session.print(status_text(status, session.terminal(), !session.flag("no-tables"),
                              !session.flag("no-header")));
  }
  const bool healthy = status.task.state != TaskState::failed &&
                       status.task.state != TaskState::refused &&
                       ops::suspended_tables(status) == 0;
  return session.answer(healthy ? ExitCode::ok : ExitCode::failed, status_json(status));
}

ExitCode sync_list(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, true);
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);
  TextTable table({{"TASK"},
                   {"STATE"},
                   {"STAGE"},
                   {"LAG"},
                   {"TABLES", TextTable::Align::right},
                   {"SUSPENDED", TextTable::Align::right},
                   {"LEFT"},
                   {"FILE"}});
  Json rows = Json::array();
  for (const TaskRow& row : store->tasks()) {
    const ops::Status status = ops::status(row.name, *store, *engine);
    const bool has_lag = status.sample && status.engine.running;
    const double lag = has_lag ? status.sample->apply_lag_s : 0;
    const std::size_t stopped = ops::suspended_tables(status);
    table.add({row.name, to_string(status.task.state), to_string(status.task.stage),
               has_lag ? format_duration(std::chrono::duration<double>(lag)) : "",
               std::to_string(status.tables.size()), stopped == 0 ? "" : std::to_string(stopped),
               status.countdown ? left_text(*status.countdown, now()) : "", row.file});
    Json one{{"name", row.name},
             {"state", to_string(status.task.state)},
             {"stage", to_string(status.task.stage)},
             {"caught_up", status.caught_up},
             {"apply_lag_s", has_lag ? Json(lag) : Json(nullptr)},
             {"tables", status.tables.size()},
             {"suspended_tables", stopped},
             {"lanes", status.lanes.size()},
             {"file", row.file}};
    add_countdown(one, status.countdown, now());
    rows.push_back(std::move(one));
  }
  if (!session.json()) session.print(table.text(!session.flag("no-header")));
  return session.answer(ExitCode::ok, {{"tasks", std::move(rows)}});
}

ExitCode sync_worker(Session& session, const Backends& backends) {
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), false);
  const ops::RunningTask begun = ops::running_task(session.argument(), *store);
  const Task& task = begun.task;
  session.set_task(task.name);

  StopRequest stop;
  const StopSignal signal;
  std::atomic<bool> done{false};
  Meter meter;
  LiveSettings live(task);
  RevisionWatch revision(begun, *store, live);
  std::thread watcher([&] {
    Clock::time_point next_line = Clock::now() + kLineEvery;
    while (!done) {
      pollfd fd{signal.fd(), POLLIN, 0};
      poll(&fd, 1, static_cast<int>(kLook.count()));
      if (signal.requested()) {
        stop.request();
        return;
      }
      revision.look();
      if (Clock::now() < next_line) continue;
      next_line = Clock::now() + kLineEvery;
      const Sample sample = meter.sample(now());
      log_info("task.progress",
               fmt::format("{} rows read, {} rows written, apply lag {}",
                           format_count(sample.rows_read), format_count(sample.rows_written),
                           format_duration(std::chrono::duration<double>(sample.apply_lag_s))));
    }
  });
  const auto finish = [&] {
    done = true;
    watcher.join();
  };
  try {
    const std::unique_ptr<Source> source = backends.open_source(task);
    const std::unique_ptr<Target> target = backends.open_target(task);
    if (const auto gap = find_gap(task, *source, *target)) throw refusal(*gap);
    ops::Preflight checked = ops::preflight(task, *source, *target);
    ops::waive(checked, ops::waived_ids(task.name, *store));
    if (refuses(checked.findings)) throw refusal(checked.findings);
    const LaneServers servers{backends.open_source, backends.open_target,
                              [&] { return ops::running_task(session.argument(), *store).task; }};
    run_task({task, *source, *target, *store, meter, stop, live}, servers,
             std::move(checked.mapping.plans));
  } catch (const Error& error) {
    finish();
    ops::record_error(task.name, *store, error);
    throw;
  } catch (...) {
    finish();
    throw;
  }
  finish();
  return ExitCode::ok;
}

}  // namespace weir::cli
