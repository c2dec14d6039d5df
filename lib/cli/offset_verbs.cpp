// SPDX-License-Identifier: Apache-2.0
#include "cli/offset_verbs.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "base/user.h"
#include "cli/checklist_verb.h"
#include "cli/confirm.h"
#include "cli/output.h"
#include "ops/offset.h"
#include "ops/sync.h"

namespace weir::cli {
namespace {

constexpr std::int64_t kHistory = 20;
/// So much of --reason is kept.
constexpr std::size_t kLongestReason = 1000;

Json time_or_null(Time time) { return time == Time{} ? Json() : Json(to_rfc3339(time)); }
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", format_count(count), count == 1 ? one : many);
}

std::string with_time(const Offset& offset) {
  if (offset.source_time == Time{}) return offset.text;
  return fmt::format("{} ({})", offset.text, to_rfc3339(offset.source_time));
}

// ---------------------------------------------------------------- reset

struct Wish {
  ops::ResetRequest request;
  std::string reason;
  bool dry_run = false;
};

Wish read_wish(const Session& session) {
  Wish out;
  const std::string to = session.text("to").value_or("");
  std::string why;
  const auto place = ops::read_place(to, why);
  if (!place) {
    throw usage_error(session.verb().name, "usage.bad-value",
                      fmt::format("--to cannot be '{}'", to), why);
  }
  out.request.to = *place;
  if (const auto limit = session.duration("timeout")) out.request.patience = *limit;
  out.reason = session.text("reason").value_or("");
  if (out.reason.size() > kLongestReason) {
    throw usage_error(
        session.verb().name, "usage.bad-value", "--reason is too long",
        fmt::format("it is kept in the task's history, up to {} bytes", kLongestReason));
  }
  out.dry_run = session.flag("dry-run");
  return out;
}

/// "shop.item 10, shop.orders 2"
std::string tables_text(const ops::LogGap& gap) {
  std::vector<std::string> parts;
  for (const auto& table : gap.tables) {
    parts.push_back(fmt::format("{} {}", table.table.text(), format_count(table.changes)));
  }
  return join(parts, ", ");
}

/// "3.2 MiB of log, 2 h 04 m": what is known without reading it.
std::string log_text(const ops::LogGap& gap) {
  std::vector<std::string> parts;
  if (gap.distance) {
    parts.push_back(fmt::format("{}{} of log", gap.distance->at_least ? "at least " : "",
                                format_bytes(gap.distance->bytes)));
  }
  if (gap.span) parts.push_back(format_duration(*gap.span));
  return parts.empty() ? "how much log is not known" : join(parts, ", ");
}

std::string changes_text(const ops::LogGap& gap) {
  if (gap.complete && gap.changes == 0) return "no change of the task's tables";
  const std::string counts =
      fmt::format("{} in {}: {}", counted(gap.changes, "change", "changes"),
                  counted(gap.transactions, "transaction", "transactions"), tables_text(gap));
  if (gap.complete) return counts;
  return gap.changes == 0 ? fmt::format("not counted: {}", gap.why)
                          : fmt::format("at least {} ({})", counts, gap.why);
}

std::string direction_text(const ops::ResetPlan& plan) {
  switch (plan.direction) {
    case ops::Direction::none:
      return "none: the offset is there already";
    case ops::Direction::forward:
      return plan.loses() ? "forward: what is between is lost to the target"
                          : "forward: nothing of the task is between";
    case ops::Direction::backward:
      return "backward: what is between is applied again";
  }
  return "";
}

std::string plan_text(const ops::ResetPlan& plan) {
  std::string out =
      fmt::format("from       {}\nto         {}\ndirection  {}\n", with_time(plan.move.from),
                  with_time(plan.move.to), direction_text(plan));
  if (plan.direction != ops::Direction::none) {
    out +=
        fmt::format("between    {}\nchanges    {}\n", log_text(plan.gap), changes_text(plan.gap));
  }
  if (!plan.found.note.empty()) out += fmt::format("note       {}\n", plan.found.note);
  return out;
}

Json gap_json(const ops::ResetPlan& plan) {
  const ops::LogGap& gap = plan.gap;
  if (plan.direction == ops::Direction::none) return Json();
  Json tables = Json::array();
  for (const auto& table : gap.tables) {
    tables.push_back({{"table", table.table.text()}, {"changes", table.changes}});
  }
  return {{"bytes", gap.distance ? Json(gap.distance->bytes) : Json()},
          {"bytes_at_least", gap.distance && gap.distance->at_least},
          {"seconds", gap.span ? Json(gap.span->count()) : Json()},
          {"counted", gap.complete},
          {"not_counted_because", text_or_null(gap.why)},
          {"transactions", gap.transactions},
          {"changes", gap.changes},
          {"tables", std::move(tables)}};
}

/// The one place that decides whether a plan is carried out: all that has to be agreed to, or has
/// to be so beforehand, belongs here.
void authorize(Session& session, const Backends& backends, const Task& task_file,
               const ops::ResetPlan& plan, StateStore& store, Engine& engine) {
  const std::string& task = task_file.name;
  if (plan.loses() && !session.flag("accept-data-loss")) {
    throw Error(ExitCode::refused, "offset.data-loss",
                fmt::format("task {} would lose changes", task),
                fmt::format("{}; {}", log_text(plan.gap), changes_text(plan.gap)),
                "repeat it with --accept-data-loss if that may be; the target then differs from "
                "the source until the tables are copied anew");
  }
  demand_checklist(session, backends, ops::Operation::reset_offset, task_file, store, engine);
  session.terminal().flush();
  confirm(session.terminal(), task,
          plan.loses() ? "changes that the target does not have would be lost"
          : plan.direction == ops::Direction::backward
              ? "changes that the target has would be applied again"
              : "the offset would be moved",
          session.flag("yes"));
}

}  // namespace

ExitCode offset_show(Session& session, const Backends& backends) {
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const ops::Status status = ops::status(task, *store, *backends.open_engine(folder));
  const auto& stored = status.offset;
  if (!session.json()) {
    if (!stored) {
      session.print(fmt::format("{}: no offset yet\n", task));
    } else {
      const Time source_time = stored->offset.source_time;
      session.print(fmt::format(
          "{}: {}\n  source time  {}\n  stored       {}\n  identity     {}\n  state        {}\n",
          task, stored->offset.text,
          source_time == Time{} ? std::string("unknown")
                                : fmt::format("{}, {} ago", to_rfc3339(source_time),
                                              format_duration(now() - source_time)),
          to_rfc3339(stored->stored), stored->identity.text, to_string(status.task.state)));
    }
  }
  return session.answer(
      ExitCode::ok, {{"offset", stored ? Json(stored->offset.text) : Json()},
                     {"source_time", stored ? time_or_null(stored->offset.source_time) : Json()},
                     {"stored", stored ? time_or_null(stored->stored) : Json()},
                     {"identity", stored ? Json(stored->identity.text) : Json()},
                     {"state", to_string(status.task.state)},
                     {"running", status.engine.running}});
}

ExitCode offset_history(Session& session, const Backends&) {
  const std::int64_t limit = session.integer("limit").value_or(kHistory);
  if (limit == 0) {
    throw usage_error(session.verb().name, "usage.bad-value", "--limit cannot be '0'",
                      "it takes a whole number from 1 on");
  }
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  const std::string task = ops::find_task_name(session.argument(), *store);
  session.set_task(task);
  const auto span = session.duration("since");
  const std::vector<OffsetRow> rows =
      store->offsets(task, static_cast<std::size_t>(limit), span ? now() - *span : Time{});
  TextTable table({{"AT"}, {"REASON"}, {"OFFSET"}, {"SOURCE TIME"}, {"NOTE"}});
  Json list = Json::array();
  for (const OffsetRow& row : rows) {
    table.add({to_rfc3339(row.at), to_string(row.reason), row.offset.text,
               row.offset.source_time == Time{} ? "" : to_rfc3339(row.offset.source_time),
               row.note});
    list.push_back({{"at", to_rfc3339(row.at)},
                    {"reason", to_string(row.reason)},
                    {"offset", row.offset.text},
                    {"source_time", time_or_null(row.offset.source_time)},
                    {"identity", row.identity.text},
                    {"note", text_or_null(row.note)}});
  }
  if (!session.json()) session.print(table.text(!session.flag("no-header")));
  return session.answer(ExitCode::ok, {{"offsets", std::move(list)}});
}

ExitCode offset_reset(Session& session, const Backends& backends) {
  const Wish wish = read_wish(session);
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, wish.dry_run);
  const Task task = ops::find_task(session.argument(), *store);
  session.set_task(task.name);
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);
  // Before two servers are asked for what is refused anyway.
  ops::refuse_running(task.name, *store, *engine);
  const std::unique_ptr<Source> source = backends.open_source(task);
  const std::unique_ptr<Target> target = backends.open_target(task);
  ops::ResetPlan plan = ops::plan_reset(task, wish.request, *source, *target, *store, *engine);
  if (!session.json()) session.print(plan_text(plan));
  session.report(plan.findings, Stream::err);

  bool done = false;
  std::vector<std::string> notes;
  if (plan.direction == ops::Direction::none) {
    session.say("there is nothing to do");
  } else if (wish.dry_run) {
    session.say(plan.loses() ? "nothing was changed; --accept-data-loss is needed to do it"
                             : "nothing was changed");
  } else {
    authorize(session, backends, task, plan, *store, *engine);
    notes = ops::carry_out(task, plan, user_name(), wish.reason, *source, *target, *store, *engine);
    done = true;
    session.say(fmt::format("the offset of task {} is {}", task.name, plan.move.to.text));
    for (const std::string& note : notes) session.say(note);
    session.hint("weir sync start " + task.name);
  }
  Json left_out = Json::array();
  for (const TableName& table : plan.move.left_out) left_out.push_back(table.text());
  return session.answer(ExitCode::ok, {{"dry_run", wish.dry_run},
                                       {"from", plan.move.from.text},
                                       {"from_time", time_or_null(plan.move.from.source_time)},
                                       {"to", plan.move.to.text},
                                       {"to_time", time_or_null(plan.move.to.source_time)},
                                       {"direction", to_string(plan.direction)},
                                       {"loses_changes", plan.loses()},
                                       {"lost_or_repeated", gap_json(plan)},
                                       {"left_out", std::move(left_out)},
                                       {"note", text_or_null(plan.found.note)},
                                       {"notes", notes},
                                       {"done", done}});
}

}  // namespace weir::cli
