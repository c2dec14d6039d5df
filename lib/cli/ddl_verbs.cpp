// SPDX-License-Identifier: Apache-2.0
#include "cli/ddl_verbs.h"

#include <array>
#include <charconv>
#include <csignal>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "base/user.h"
#include "cli/confirm.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "model/lane.h"
#include "ops/ddl.h"
#include "ops/sync.h"

namespace weir::cli {
namespace {

constexpr std::int64_t kListed = 20;
/// So much of a statement fits into a line of the list.
constexpr std::size_t kListedSql = 60;
constexpr std::chrono::milliseconds kLook{250};

Json time_or_null(Time time) { return time == Time{} ? Json() : Json(to_rfc3339(time)); }
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

/// A statement on one line, cut where a list has no room for it.
std::string one_line(const std::string& sql) {
  std::string out;
  for (const char c : sql) {
    const bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (!space) out += c;
    if (space && !out.empty() && out.back() != ' ') out += ' ';
  }
  if (out.size() <= kListedSql) return out;
  std::size_t end = kListedSql - 3;
  // Not in the middle of a character of UTF-8.
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  return out.substr(0, end) + "...";
}

std::uint32_t read_number(const Session& session) {
  const std::string& text = session.second();
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) {
    throw usage_error(session.verb().name, "usage.bad-value",
                      fmt::format("NUMBER cannot be '{}'", text),
                      "it takes the number of a statement, as weir ddl list prints it");
  }
  return number;
}

Json row_json(const DdlRow& row) {
  return {{"number", row.number},
          {"at", to_rfc3339(row.at)},
          {"source_time", time_or_null(row.source_time)},
          {"table", row.table.text()},
          {"lane", text_or_null(row.lane)},
          {"kind", row.kind},
          {"offset", row.offset.text},
          {"source_sql", row.source_sql},
          {"target_sql", text_or_null(row.target_sql)},
          {"policy", text_or_null(row.policy)},
          {"outcome", to_string(row.outcome)},
          {"open", row.is_open()},
          {"error", row.error_id.empty()
                        ? Json()
                        : Json{{"id", row.error_id}, {"what", row.error}, {"fix", row.error_fix}}},
          {"duration_s", row.duration_s ? Json(*row.duration_s) : Json()},
          {"resolved_by", text_or_null(row.resolved_by)},
          {"resolved_at", time_or_null(row.resolved_at)},
          {"resolution", text_or_null(row.resolution)}};
}

std::string target_text(const DdlRow& row) {
  if (!row.target_sql.empty()) return row.target_sql;
  if (row.outcome != DdlRow::Outcome::applied) return "none was carried out";
  // The worker that carried it out did not live to say more.
  return row.duration_s ? "nothing was to be done" : "not known: the worker ended right after it";
}

std::string row_text(const std::string& task, const DdlRow& row, const std::string& advice) {
  std::string out = fmt::format("{} {}: {} of {}\n", task, row.number, row.kind, row.table.text());
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += fmt::format("  {:<12}{}\n", name, value);
  };
  line("outcome", row.duration_s
                      ? fmt::format("{}, {:.3f} s", to_string(row.outcome), *row.duration_s)
                      : to_string(row.outcome));
  line("policy", row.policy);
  line("met", to_rfc3339(row.at));
  line("source time", row.source_time == Time{} ? std::string() : to_rfc3339(row.source_time));
  line("place", row.offset.text);
  line("lane", row.lane);
  line("source SQL", row.source_sql);
  line("target SQL", target_text(row));
  if (!row.error_id.empty()) line("error", fmt::format("{} [{}]", row.error, row.error_id));
  if (row.resolved_at != Time{}) {
    line("resolved", fmt::format("{}, by {}, {}", row.resolution, row.resolved_by,
                                 to_rfc3339(row.resolved_at)));
  }
  line("what to do", advice);
  return out;
}

// ---------------------------------------------------------------- resolve

ops::ResolveRequest read_request(const Session& session) {
  using ops::Resolution;
  const std::string_view verb = session.verb().name;
  const auto clash = [&](std::string_view one, std::string_view other, std::string why) {
    return usage_error(verb, "usage.bad-combination", fmt::format("--{} and --{}", one, other),
                       std::move(why));
  };
  ops::ResolveRequest out;
  std::optional<Resolution> how;
  for (const Resolution each : {Resolution::apply, Resolution::applied, Resolution::skip,
                                Resolution::reload, Resolution::retry}) {
    if (!session.flag(ops::to_string(each))) continue;
    if (how) throw clash(ops::to_string(*how), ops::to_string(each), "one of them is to be done");
    how = each;
  }
  if (!how) {
    throw usage_error(verb, "usage.missing-option", "what is to be done is missing",
                      "give one of --apply, --applied, --skip, --reload or --retry");
  }
  out.how = *how;
  out.table = session.text("table").value_or("");
  if (session.second().empty() && out.table.empty()) {
    throw usage_error(verb, "usage.missing-argument", "NUMBER is missing",
                      "name a statement by its number, or a table with --table");
  }
  if (!session.second().empty()) {
    out.number = read_number(session);
    if (!out.table.empty()) {
      throw usage_error(verb, "usage.bad-combination", "NUMBER and --table",
                        "a statement is of one table already");
    }
  }
  const bool about_statement = *how != Resolution::reload && *how != Resolution::retry;
  if (about_statement && !out.number) {
    throw clash(ops::to_string(*how), "table", "it needs the NUMBER of a statement");
  }
  if (*how == Resolution::retry && out.number) {
    throw usage_error(verb, "usage.bad-combination", "--retry and NUMBER",
                      "a statement is tried again with --apply; --retry goes with --table");
  }
  const auto mode = session.text("mode");
  if (mode && *how != Resolution::reload) {
    throw clash("mode", ops::to_string(*how), "--mode says how --reload copies");
  }
  if (*how == Resolution::reload) out.reload_mode = mode.value_or("truncate");
  return out;
}

std::string plan_text(const ops::ResolvePlan& plan) {
  std::string out;
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += fmt::format("{:<11}{}\n", name, value);
  };
  line("table", plan.table);
  if (plan.row) {
    line("statement", fmt::format("{}, {}", plan.row->number, plan.row->kind));
    line("source SQL", plan.row->source_sql);
    line("place", plan.row->offset.text);
  }
  line("lane", lane_name(plan.lane.task, plan.lane.number));
  line("to do", plan.resolution);
  line("effect", plan.effect);
  return out;
}

/// Follows a lane until it has joined the others. Throws what suspends it again.
void follow(Session& session, const std::string& task, std::uint32_t number, StateStore& store,
            Engine& engine) {
  const auto limit = session.duration("timeout");
  const std::string lane = lane_name(task, number);
  const StopSignal stop;
  Progress progress(session);
  const Clock::time_point begin = Clock::now();
  while (true) {
    // Asked before the lane is: one that joined just before the end has joined.
    const bool running = engine.status(task).running;
    const auto row = ops::look_at(task, number, store);
    if (!row) return;
    const std::string state = to_string(row->state);
    progress.show(state, {fmt::format("{}: {}", lane, state)}, fmt::format("{}: {}", lane, state));
    if (!running) {
      throw Error(ExitCode::failed, "ddl.wait-ended", fmt::format("task {} does not run", task),
                  fmt::format("{} is {}, and goes on with the next start", lane, state),
                  fmt::format("weir sync status {}; weir sync start {}", task, task));
    }
    if (limit && Clock::now() - begin > *limit) {
      throw Error(ExitCode::timed_out, "ddl.wait-timeout",
                  fmt::format("{} has not caught up yet", lane),
                  "the time given with --timeout ran out; the task itself goes on",
                  fmt::format("weir sync status {}", task));
    }
    pollfd fd{stop.fd(), POLLIN, 0};
    poll(&fd, 1, static_cast<int>(kLook.count()));
    if (stop.requested()) {
      throw Error(stop.number() == SIGINT ? ExitCode::interrupted : ExitCode::terminated,
                  "ddl.wait-interrupted", "interrupted while waiting", "the task itself goes on",
                  fmt::format("weir sync status {}", task));
    }
  }
}

}  // namespace

ExitCode ddl_list(Session& session, const Backends&) {
  const std::int64_t limit = session.integer("limit").value_or(kListed);
  if (limit == 0) {
    throw usage_error(session.verb().name, "usage.bad-value", "--limit cannot be '0'",
                      "it takes a whole number from 1 on");
  }
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const auto span = session.duration("since");
  TextTable table({{"NUMBER", TextTable::Align::right},
                   {"AT"},
                   {"TABLE"},
                   {"KIND"},
                   {"POLICY"},
                   {"OUTCOME"},
                   {"STATEMENT"}});
  Json list = Json::array();
  for (const DdlRow& row :
       ops::ddl_rows(task, static_cast<std::size_t>(limit), span ? now() - *span : Time{},
                     session.flag("open"), *store)) {
    table.add({std::to_string(row.number), to_rfc3339(row.at), row.table.text(), row.kind,
               row.policy, to_string(row.outcome), one_line(row.source_sql)});
    list.push_back(row_json(row));
  }
  if (!session.json()) session.print(table.text(!session.flag("no-header")));
  return session.answer(ExitCode::ok, {{"ddl", std::move(list)}});
}

ExitCode ddl_show(Session& session, const Backends&) {
  const std::uint32_t number = read_number(session);
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const DdlRow row = ops::find_ddl(task, number, *store);
  const std::string advice = ops::advice(task, row, *store);
  if (!session.json()) session.print(row_text(task, row, advice));
  Json part = row_json(row);
  part["advice"] = advice;
  return session.answer(ExitCode::ok, {{"ddl", std::move(part)}});
}

ExitCode ddl_resolve(Session& session, const Backends& backends) {
  const ops::ResolveRequest request = read_request(session);
  const bool dry_run = session.flag("dry-run");
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, dry_run);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);
  const ops::ResolvePlan plan = ops::plan_resolve(task, request, *store);
  const bool running = engine->status(task).running;
  bool done = false;
  bool joined = false;
  if (!plan.already.empty()) {
    session.say(fmt::format("it is resolved already: {}", plan.already));
  } else {
    if (session.flag("wait") && !running) {
      throw Error(ExitCode::refused, "ddl.not-running", fmt::format("task {} does not run", task),
                  "--wait would wait for its next start",
                  fmt::format("start it first (weir sync start {}), or leave out --wait", task));
    }
    if (!session.json()) session.print(plan_text(plan));
    if (dry_run) {
      session.say("nothing was changed");
    } else {
      session.terminal().flush();
      if (!plan.loss.empty()) confirm(session.terminal(), task, plan.loss, session.flag("yes"));
      ops::carry_out(task, plan, user_name(), *store);
      done = true;
      session.say(
          running ? "the worker takes it up now"
                  : fmt::format("task {} does not run: it is taken up with its next start", task));
      if (session.flag("wait")) {
        follow(session, task, plan.lane.number, *store, *engine);
        joined = true;
        session.say(fmt::format("{} has caught up, and goes on with the others", plan.table));
      }
      session.hint("weir sync status " + task);
    }
  }
  return session.answer(
      ExitCode::ok,
      {{"dry_run", dry_run},
       {"number", plan.row ? Json(plan.row->number) : Json()},
       {"table", plan.table},
       {"lane", plan.lane.number == 0 ? Json() : Json(lane_name(task, plan.lane.number))},
       {"resolution", plan.resolution},
       {"effect", text_or_null(plan.effect)},
       {"loss", text_or_null(plan.loss)},
       {"already", text_or_null(plan.already)},
       {"running", running},
       {"done", done},
       {"joined", joined}});
}

}  // namespace weir::cli
