// SPDX-License-Identifier: Apache-2.0
#include "cli/table_verbs.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/checklist_verb.h"
#include "cli/confirm.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/replace_file.h"
#include "cli/signals.h"
#include "cli/status_view.h"
#include "model/lane.h"
#include "ops/add_table.h"
#include "ops/lanes.h"
#include "ops/reload_table.h"
#include "ops/remove_table.h"
#include "ops/revision.h"
#include "ops/sync.h"

namespace weir::cli {
namespace {

constexpr std::chrono::milliseconds kLook{250};

void refuse_together(const Session& session, std::span<const std::string_view> options) {
  std::vector<std::string> given;
  for (const std::string_view option : options) {
    if (session.flag(option)) given.push_back(fmt::format("--{}", option));
  }
  if (given.size() < 2) return;
  throw usage_error(session.verb().name, "usage.bad-combination",
                    fmt::format("{} and {} are given", given[0], given[1]),
                    "each asks for something else", "leave out one of them");
}

/// What all three verbs begin with: the task has to be known, and its tables nobody else's to
/// change.
struct Change {
  Change(Session& session, const Backends& backends, bool dry_run)
      : folder(session.state_folder()), engine(backends.open_engine(folder)) {
    {
      // Before a state folder is made for a task that nobody knows.
      const std::unique_ptr<StateStore> known = open_state(folder, true);
      session.set_task(ops::find_task_name(session.argument(), *known));
      ops::status(session.task(), *known, *engine);
    }
    store = open_state(folder, false);
    if (!dry_run) lock.emplace(folder, session.task());
    task = ops::running_task(session.task(), *store).task;
  }

  std::string folder;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<StateStore> store;
  std::optional<ops::ChangeLock> lock;
  Task task;
};

/// Findings go to the conversation; one that refuses ends the verb.
void report(Session& session, const std::vector<Finding>& findings) {
  session.report(findings, Stream::err);
  if (refuses(findings)) throw refusal(findings);
}

void say_how_to_follow(Session& session, const Change& change,
                       std::span<const std::uint32_t> lanes) {
  if (lanes.empty()) return;
  if (!change.engine->status(change.task.name).running) {
    session.say(fmt::format("task {} does not run: it goes on with this at its next start",
                            change.task.name));
    session.hint("weir sync start " + change.task.name);
    return;
  }
  session.hint("weir sync status " + change.task.name);
}

// ---------------------------------------------------------------- waiting

enum class Goal : std::uint8_t { joined, removed };

bool has_come(const LaneRow& row, Goal goal) {
  if (row.state == LaneRow::State::ended) return true;
  return goal == Goal::removed && row.purpose == LaneRow::Purpose::remove &&
         row.state == LaneRow::State::removed;
}

/// Watches lanes until each has come as far as asked for. Throws what is in the way.
std::vector<ops::Lane> follow(Session& session, const std::string& task,
                              std::span<const std::uint32_t> numbers, Goal goal, StateStore& store,
                              Engine& engine) {
  const auto limit = session.duration("timeout");
  const std::string look = "weir sync status " + task;
  const StopSignal stop;
  Progress progress(session);
  const Clock::time_point begin = Clock::now();
  while (true) {
    // Asked first: a task that ends in between has done what it had to by then.
    const bool runs = engine.status(task).running;
    std::vector<ops::Lane> lanes;
    std::vector<std::string> lines;
    std::map<std::string, std::size_t> steps;
    bool done = true;
    for (const std::uint32_t number : numbers) {
      const auto row = ops::find_lane(task, number, store);
      if (!row) throw bug("a lane is gone from the state file: " + lane_name(task, number));
      const ops::Lane& lane = lanes.emplace_back(ops::look_at_lane(*row, store));
      for (const ops::LaneTable& table : lane.tables) {
        lines.push_back(fmt::format("{:<32} {}", table.source.text(), ops::step_text(table)));
        ++steps[std::string(ops::step_name(table.step))];
      }
      if (row->state == LaneRow::State::suspended) throw ops::suspension(*row);
      const bool given_up = row->state == LaneRow::State::cancelling ||
                            (row->state == LaneRow::State::ended && row->note == "cancelled");
      if (given_up) {
        throw Error(ExitCode::state_conflict, "lane.cancelled",
                    fmt::format("{} was given up", ops::names_text(row->tables)),
                    "somebody else gave it up while it was waited for", look);
      }
      done = done && has_come(*row, goal);
    }
    std::vector<std::string> counts;
    for (const auto& [step, count] : steps) counts.push_back(fmt::format("{} {}", count, step));
    const std::string summary = join(counts, ", ");
    progress.show(summary, lines, summary);
    if (done) return lanes;
    if (!runs) {
      throw Error(ExitCode::state_conflict, "lane.not-running",
                  fmt::format("task {} does not run", task),
                  "what was asked for is kept, and waits for the task's next start",
                  fmt::format("weir sync start {}", task));
    }
    if (limit && Clock::now() - begin > *limit) {
      throw Error(ExitCode::timed_out, "lane.wait-timeout",
                  fmt::format("not all tables have come so far yet: {}", summary),
                  "the time given with --timeout ran out; the task itself goes on", look);
    }
    pollfd fd{stop.fd(), POLLIN, 0};
    poll(&fd, 1, static_cast<int>(kLook.count()));
    if (stop.requested()) {
      throw Error(stop.number() == SIGINT ? ExitCode::interrupted : ExitCode::terminated,
                  "lane.wait-interrupted", "interrupted while waiting", "the task itself goes on",
                  look);
    }
  }
}

Json lanes_json(const std::string& task, std::span<const std::uint32_t> numbers,
                StateStore& store) {
  Json out = Json::array();
  for (const std::uint32_t number : numbers) {
    if (const auto row = ops::find_lane(task, number, store)) {
      out.push_back(lane_json(ops::look_at_lane(*row, store)));
    }
  }
  return out;
}

// ---------------------------------------------------------------- the task file

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Error cannot_append(const std::string& path, const std::string& why, const std::string& rules) {
  return Error(ExitCode::configuration, "task-file.append",
               fmt::format("cannot add a rule to {}", path), why,
               fmt::format("write this at its end yourself, and repeat the command:\n{}", rules));
}

/// Adds rules to a task file in one step, and takes them away again unless they are kept.
class AddedRules {
 public:
  AddedRules(const std::string& path, std::string before, const std::string& rules)
      : before_(std::move(before)) {
    if (rules.empty()) return;
    std::error_code problem;
    path_ = std::filesystem::canonical(path, problem).string();
    struct stat found {};
    if (problem || stat(path_.c_str(), &found) != 0) {
      throw cannot_append(path, problem.message(), rules);
    }
    mode_ = found.st_mode & 07777;
    if (access(path_.c_str(), W_OK) != 0) throw cannot_append(path, std::strerror(errno), rules);
    try {
      write(before_ + rules);
    } catch (const Error& error) {
      throw cannot_append(path, error.why(), rules);
    }
    // Where that is not allowed, the file was this user's to begin with, or is readable anyway.
    if (chown(path_.c_str(), found.st_uid, found.st_gid) != 0) errno = 0;
    is_written_ = true;
  }
  ~AddedRules() {
    if (!is_written_) return;
    try {
      write(before_);
    } catch (const Error&) {
      // The rules that stay take tables that nobody has asked for yet; the next command tells.
      is_written_ = false;
    }
  }
  AddedRules(const AddedRules&) = delete;
  AddedRules& operator=(const AddedRules&) = delete;

  void keep() { is_written_ = false; }

 private:
  void write(const std::string& text) const {
    const mode_t mask = umask(0);
    try {
      replace_file(path_, text, mode_);
    } catch (...) {
      umask(mask);
      throw;
    }
    umask(mask);
  }

  std::string before_;
  std::string path_;
  mode_t mode_ = 0;
  bool is_written_ = false;
};

// ---------------------------------------------------------------- add-table

std::string add_text(const ops::AddPlan& plan, bool header) {
  TextTable table({{"TABLE"}, {"TARGET"}, {"STATE"}, {"WHY"}});
  for (const ops::AddedTable& one : plan.tables) {
    const std::string target = one.target.table.empty()   ? ""
                               : one.target == one.source ? "="
                                                          : one.target.text();
    table.add({one.source.text(), target, std::string(ops::to_string(one.fate)), one.why});
  }
  std::string out = table.text(header);
  if (!plan.added.empty() && plan.copy_time) {
    out += fmt::format("\nsome {} rows to copy, about {} at the task's own rate\n",
                       format_count(plan.rows), format_duration(*plan.copy_time));
  } else if (plan.rows > 0) {
    out += fmt::format("\nsome {} rows to copy\n", format_count(plan.rows));
  }
  if (!plan.rules.empty()) out += "\nto be added to the task file:\n" + plan.rules;
  return out;
}

Json add_json(const ops::AddPlan& plan) {
  Json out = Json::array();
  for (const ops::AddedTable& one : plan.tables) {
    out.push_back({{"source", one.source.text()},
                   {"target", one.target.table.empty() ? Json() : Json(one.target.text())},
                   {"state", ops::to_string(one.fate)},
                   {"why", one.why}});
  }
  return out;
}

ExitCode cancel_add(Session& session, const Backends& backends) {
  Change change(session, backends, session.flag("dry-run"));
  const ops::CancelPlan plan = ops::plan_cancel(session.task(), session.rest(), *change.store);
  std::vector<std::uint32_t> lanes;
  TextTable table({{"TABLE"}, {"STATE"}});
  for (const LaneRow& row : plan.lanes) {
    lanes.push_back(row.number);
    for (const TableName& name : row.tables) table.add({name.text(), "given up"});
  }
  for (const TableName& name : plan.absent) table.add({name.text(), "not on its way"});
  if (!session.json()) session.print(table.text(!session.flag("no-header")));
  if (session.flag("dry-run")) {
    session.say("nothing was changed");
  } else {
    ops::cancel(plan, *change.store, *change.engine);
    if (!lanes.empty()) {
      session.say(fmt::format(
          "rows that were copied stay on the target; a rule that add-table wrote into {} stays "
          "until you take it out",
          change.task.file));
    }
    std::vector<std::uint32_t> left = lanes;
    std::erase_if(left, [&](std::uint32_t number) {
      const auto row = ops::find_lane(session.task(), number, *change.store);
      return row && row->state == LaneRow::State::ended;
    });
    say_how_to_follow(session, change, left);
  }
  return session.answer(ExitCode::ok,
                        {{"dry_run", session.flag("dry-run")},
                         {"lanes", lanes_json(session.task(), lanes, *change.store)}});
}

// ---------------------------------------------------------------- remove-table, reload-table

std::string pairs_text(std::span<const ops::TablePair> tables, bool header) {
  TextTable table({{"TABLE"}, {"TARGET"}});
  for (const ops::TablePair& one : tables) {
    const std::string target = one.target.table.empty() ? "" : one.target.text();
    table.add({one.source.text(), target});
  }
  return table.text(header);
}

Json pairs_json(std::span<const ops::TablePair> tables) {
  Json out = Json::array();
  for (const ops::TablePair& one : tables) {
    out.push_back({{"source", one.source.text()},
                   {"target", one.target.table.empty() ? Json() : Json(one.target.text())}});
  }
  return out;
}

ExitCode undo_remove(Session& session, const Backends& backends) {
  const bool dry_run = session.flag("dry-run");
  Change change(session, backends, dry_run);
  const std::vector<LaneRow> lanes =
      ops::undo_remove(change.task, session.rest(), dry_run, backends.open_source,
                       backends.open_target, *change.store, *change.engine);
  std::vector<std::uint32_t> numbers;
  for (const LaneRow& lane : lanes) numbers.push_back(lane.number);
  if (dry_run) {
    session.say("the source still has its log from there on; nothing was changed");
  } else {
    for (const LaneRow& lane : lanes) {
      session.say(fmt::format("{} comes back from where it left", ops::names_text(lane.tables)));
    }
    say_how_to_follow(session, change, numbers);
  }
  return session.answer(ExitCode::ok,
                        {{"dry_run", dry_run},
                         {"undo", true},
                         {"lanes", lanes_json(session.task(), numbers, *change.store)}});
}

std::string loss_text(const std::string& mode, std::span<const ops::TablePair> tables) {
  std::vector<TableName> targets;
  for (const ops::TablePair& one : tables) {
    targets.push_back(one.target.table.empty() ? one.source : one.target);
  }
  const std::string names = ops::names_text(targets);
  if (mode == "truncate") return fmt::format("{} is emptied on the target and copied anew", names);
  if (mode == "merge") {
    return fmt::format(
        "rows of {} are overwritten on the target, and those that the source does "
        "not have are deleted",
        names);
  }
  return fmt::format("{} is copied beside the old table on the target, which it then replaces",
                     names);
}

}  // namespace

ExitCode add_table(Session& session, const Backends& backends) {
  constexpr auto kCancelOr = std::to_array<std::string_view>({"cancel", "no-history"});
  refuse_together(session, kCancelOr);
  constexpr auto kCancelAnd = std::to_array<std::string_view>({"cancel", "wait"});
  refuse_together(session, kCancelAnd);
  constexpr auto kDryAnd = std::to_array<std::string_view>({"dry-run", "wait"});
  refuse_together(session, kDryAnd);
  for (const std::string& word : session.rest()) {
    if (const std::string why = ops::refuse_pattern(word); !why.empty()) {
      throw usage_error(session.verb().name, "usage.bad-value",
                        fmt::format("TABLE cannot be '{}'", word), why);
    }
  }
  if (session.flag("cancel")) return cancel_add(session, backends);

  const bool dry_run = session.flag("dry-run");
  Change change(session, backends, dry_run);
  const ops::AddRequest request{session.rest(), !session.flag("no-history")};
  std::string text = read_file(change.task.file);
  if (!text.ends_with('\n')) text += '\n';
  const ops::AddPlan plan = ops::plan_add(change.task, text, request, backends.open_source,
                                          backends.open_target, *change.store, *change.engine);
  if (!session.json()) session.print(add_text(plan, !session.flag("no-header")));
  report(session, plan.findings);

  std::vector<std::uint32_t> lanes = plan.lanes;
  if (dry_run) {
    session.say("nothing was changed");
  } else if (plan.added.empty()) {
    for (const std::uint32_t lane : lanes) {
      const auto row = ops::find_lane(session.task(), lane, *change.store);
      if (row && row->state == LaneRow::State::suspended) throw ops::suspension(*row);
    }
    session.say(lanes.empty() ? "there is nothing to do" : "they are on their way already");
  } else {
    if (plan.overwrites) {
      session.terminal().flush();
      confirm(session.terminal(), session.task(),
              "a rule of the task says that rows of the target tables are deleted first",
              session.flag("yes"));
    }
    AddedRules rules(change.task.file, text, plan.rules);
    ops::append_revision(session.task(), plan.rules, "add-table", *change.store);
    lanes.push_back(ops::begin_add(change.task, request, plan, *change.store));
    rules.keep();
    session.say(fmt::format("{} {} on the way into task {}", ops::names_text(plan.added),
                            plan.added.size() == 1 ? "is" : "are", session.task()));
  }
  // What is waited for is nobody's to hold up.
  change.lock.reset();
  if (!session.flag("wait")) {
    if (!dry_run) say_how_to_follow(session, change, lanes);
  } else if (!lanes.empty()) {
    follow(session, session.task(), lanes, Goal::joined, *change.store, *change.engine);
    // One that failed went on in a lane of its own.
    for (const LaneRow& lane : change.store->lanes(session.task())) {
      if (lane.state != LaneRow::State::suspended) continue;
      if (std::ranges::find_first_of(lane.tables, plan.added) != lane.tables.end()) {
        throw ops::suspension(lane);
      }
    }
    session.say("they are in sync with the others");
  }
  return session.answer(ExitCode::ok,
                        {{"dry_run", dry_run},
                         {"tables", add_json(plan)},
                         {"rules", plan.rules.empty() ? Json() : Json(plan.rules)},
                         {"history", request.history},
                         {"estimated_rows", plan.rows},
                         {"copy_s", plan.copy_time ? Json(plan.copy_time->count()) : Json()},
                         {"lanes", lanes_json(session.task(), lanes, *change.store)}});
}

ExitCode remove_table(Session& session, const Backends& backends) {
  constexpr auto kUndoOr = std::to_array<std::string_view>({"undo", "drop-target"});
  refuse_together(session, kUndoOr);
  if (session.flag("undo")) return undo_remove(session, backends);

  const bool dry_run = session.flag("dry-run");
  const bool drop = session.flag("drop-target");
  Change change(session, backends, dry_run);
  const std::string& task = session.task();
  const ops::RemovePlan plan = ops::plan_remove(task, session.rest(), *change.store);
  std::vector<std::string> statements;
  std::unique_ptr<Target> target;
  if (drop) {
    target = backends.open_target(change.task);
    for (const ops::TablePair& table : plan.tables) {
      if (!table.target.table.empty()) statements.push_back(target->drop_sql(table.target));
    }
  }
  if (!session.json()) {
    session.print(pairs_text(plan.tables, !session.flag("no-header")));
    for (const std::string& statement : statements) session.print(statement + ";\n");
  }
  std::vector<std::uint32_t> lanes;
  bool dropped = false;
  if (dry_run) {
    session.say("nothing was changed");
  } else if (plan.nothing() && !drop) {
    for (const LaneRow& lane : plan.removed) lanes.push_back(lane.number);
    session.say("they were removed before");
  } else {
    if (!plan.nothing()) {
      demand_checklist(session, backends, ops::Operation::remove_table, change.task, *change.store,
                       *change.engine);
    }
    session.terminal().flush();
    confirm(session.terminal(), task,
            drop ? "the task lets go of these tables, and they are dropped on the target"
                 : "the task lets go of these tables; the target keeps their rows as they are then",
            session.flag("yes"));
    lanes = ops::begin_remove(task, plan, *change.store);
    ops::leave_at_once(change.task, lanes, backends.open_source, backends.open_target,
                       *change.store, *change.engine);
    change.lock.reset();
    if (drop) {
      follow(session, task, lanes, Goal::removed, *change.store, *change.engine);
      target->run_counter_sql(statements);
      for (const std::uint32_t number : lanes) {
        if (const auto row = ops::find_lane(task, number, *change.store)) {
          ops::record_drop(*row, statements, *change.store);
          ops::release_source(change.task, *row, backends.open_source);
        }
      }
      dropped = true;
      session.say("their target tables are dropped");
    }
    session.say(fmt::format(
        "the rules of {} may still take them: exclude them there, so that the file says what the "
        "task does",
        change.task.file));
    std::vector<std::uint32_t> left = lanes;
    std::erase_if(left, [&](std::uint32_t number) {
      const auto row = ops::find_lane(task, number, *change.store);
      return !row || has_come(*row, Goal::removed);
    });
    if (!drop) say_how_to_follow(session, change, left);
  }
  return session.answer(ExitCode::ok, {{"dry_run", dry_run},
                                       {"undo", false},
                                       {"tables", pairs_json(plan.tables)},
                                       {"drop_statements", statements},
                                       {"dropped", dropped},
                                       {"lanes", lanes_json(task, lanes, *change.store)}});
}

ExitCode reload_table(Session& session, const Backends& backends) {
  constexpr auto kDryAnd = std::to_array<std::string_view>({"dry-run", "wait"});
  refuse_together(session, kDryAnd);
  const bool dry_run = session.flag("dry-run");
  const std::string mode = session.text("mode").value_or("");
  Change change(session, backends, dry_run);
  const std::string& task = session.task();
  const ops::ReloadPlan plan =
      ops::plan_reload(change.task, session.rest(), mode, backends.open_source,
                       backends.open_target, *change.store, *change.engine);
  if (!session.json()) {
    session.print(pairs_text(plan.tables, !session.flag("no-header")));
    if (plan.rows > 0) {
      session.print(fmt::format(
          "\nsome {} rows to copy{}\n", format_count(plan.rows),
          plan.copy_time ? ", about " + format_duration(*plan.copy_time) + " at the task's own rate"
                         : std::string()));
    }
  }
  report(session, plan.findings);
  std::vector<std::uint32_t> lanes;
  for (const LaneRow& lane : plan.on_its_way) lanes.push_back(lane.number);
  if (dry_run) {
    session.say("nothing was changed");
  } else if (plan.nothing()) {
    session.say("they are copied anew already");
  } else {
    session.terminal().flush();
    confirm(session.terminal(), task, loss_text(mode, plan.tables), session.flag("yes"));
    lanes = ops::begin_reload(task, plan, *change.store);
    session.say("they are copied anew");
  }
  change.lock.reset();
  if (!session.flag("wait")) {
    if (!dry_run) say_how_to_follow(session, change, lanes);
  } else {
    follow(session, task, lanes, Goal::joined, *change.store, *change.engine);
    session.say("they are in sync with the others");
  }
  return session.answer(ExitCode::ok,
                        {{"dry_run", dry_run},
                         {"mode", mode},
                         {"tables", pairs_json(plan.tables)},
                         {"estimated_rows", plan.rows},
                         {"copy_s", plan.copy_time ? Json(plan.copy_time->count()) : Json()},
                         {"lanes", lanes_json(task, lanes, *change.store)}});
}

}  // namespace weir::cli
