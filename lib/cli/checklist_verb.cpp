// SPDX-License-Identifier: Apache-2.0
#include "cli/checklist_verb.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/user.h"
#include "cli/help.h"

namespace weir::cli {
namespace {

using ops::ChecklistItem;
using ops::ItemVerdict;
using ops::Operation;

constexpr std::size_t kWidth = 79;
constexpr std::size_t kIndent = 9;

/// The verdict as the list shows it.
std::string_view mark(ItemVerdict verdict) {
  return verdict == ItemVerdict::not_applicable ? "n/a" : ops::to_string(verdict);
}

Style style_of(ItemVerdict verdict) {
  switch (verdict) {
    case ItemVerdict::pass:
      return Style::green;
    case ItemVerdict::fail:
      return Style::red;
    case ItemVerdict::unknown:
      return Style::magenta;
    case ItemVerdict::not_applicable:
      return Style::plain;
  }
  return Style::plain;
}

/// "label: text", broken between words, below an item.
std::string detail(std::string_view label, const std::string& text) {
  if (text.empty()) return "";
  const std::string indent(kIndent, ' ');
  return wrap(indent, fmt::format("{}: {}", label, text), kIndent + 2, kWidth);
}

std::string answer_text(const ChecklistItem& item) {
  if (!item.asks) return "";
  if (!item.answer) return "none yet";
  const std::string answer = *item.answer ? "yes" : "no";
  return item.evidence.empty() ? answer : fmt::format("{}; {}", answer, item.evidence);
}

std::string items_text(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "item" : "items");
}

/// "shop, restart: not passed, 2 of 14 items".
std::string summary(Operation operation, const std::string& task,
                    std::span<const ChecklistItem> items) {
  const auto open =
      static_cast<std::size_t>(std::ranges::count_if(items, [](const ChecklistItem& item) {
        return item.verdict == ItemVerdict::fail || item.verdict == ItemVerdict::unknown;
      }));
  const std::string head = fmt::format("{}, {}: ", task, ops::to_string(operation));
  if (open == 0) return head + "passed, " + items_text(items.size()) + "\n";
  return head + fmt::format("not passed, {} of {} are open\n", open, items_text(items.size()));
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json items_json(std::span<const ChecklistItem> items) {
  Json out = Json::array();
  for (const ChecklistItem& item : items) {
    out.push_back({{"id", item.id},
                   {"question", text_or_null(item.question)},
                   {"verdict", ops::to_string(item.verdict)},
                   {"measured", text_or_null(item.measured)},
                   {"answer", item.answer ? Json(*item.answer) : Json()},
                   {"evidence", text_or_null(item.evidence)},
                   {"action", text_or_null(item.action)}});
  }
  return out;
}

/// The answers of the file go where they are asked for; those to what was measured are not needed.
void take_answers(std::span<ChecklistItem> items,
                  const std::vector<ops::ChecklistAnswer>& answers) {
  for (const ops::ChecklistAnswer& answer : answers) {
    const auto item = std::ranges::find(items, answer.id, &ChecklistItem::id);
    if (item != items.end()) ops::take_answer(*item, answer.yes, answer.evidence);
  }
}

struct Outcome {
  std::vector<ChecklistItem> items;
  std::vector<std::string> unanswered;
  Time at{};
  std::string who;
};

/// Measures, takes the answers, asks for the others if somebody is there, and keeps what is whole.
Outcome go_through(Session& session, const Backends& backends, Operation operation,
                   const Task& task, StateStore& store, Engine& engine,
                   const std::vector<ops::ChecklistAnswer>& answers) {
  session.say("asking both servers what can be measured");
  const ops::ChecklistFacts facts = ops::gather_checklist(operation, task, backends.open_source,
                                                          backends.open_target, store, engine);
  Outcome out;
  out.items = ops::judge_checklist(facts);
  out.at = facts.now;
  out.who = user_name();
  take_answers(out.items, answers);
  if (session.terminal().interactive()) ask_items(session.terminal(), out.items);
  out.unanswered = ops::unanswered(out.items);
  // Who only looks, or leaves, takes nothing away from what was confirmed before.
  if (out.unanswered.empty()) {
    store.add_checklist(task.name, ops::checklist_row(operation, out.items, out.at, out.who));
  }
  return out;
}

Error unanswered_error(Operation operation, const std::string& task, const Outcome& outcome) {
  return Error(ExitCode::refused, "checklist.unanswered",
               fmt::format("task {}: the checklist of {} lacks {}", task, ops::to_string(operation),
                           outcome.unanswered.size() == 1
                               ? std::string("an answer")
                               : fmt::format("{} answers", outcome.unanswered.size())),
               join(outcome.unanswered, ", "),
               fmt::format("answer at a terminal, or with --answers FILE, where FILE has [answers] "
                           "and lines such as {} = {{ answer = true, evidence = \"...\" }}; weir "
                           "checklist {} {} --print-answers prints one",
                           outcome.unanswered.front(), ops::to_string(operation), task));
}

void refuse_combinations(const Session& session) {
  const auto refuse = [&session](const char* one, const char* other, const char* why) {
    return usage_error(session.verb().name, "usage.bad-combination",
                       fmt::format("{} and {} are given", one, other), why,
                       "leave out one of them");
  };
  const bool answers = session.text("answers").has_value();
  if (session.flag("show") && session.flag("print-answers")) {
    throw refuse("--show", "--print-answers", "each prints something of its own");
  }
  if (session.flag("show") && answers) {
    throw refuse("--show", "--answers", "--show tells of what was answered before");
  }
  if (session.flag("print-answers") && answers) {
    throw refuse("--print-answers", "--answers", "a file to fill in has no answers yet");
  }
}

ExitCode show(Session& session, Operation operation, StateStore& store) {
  const std::string& task = session.task();
  const auto max_age = session.duration("checklist-age").value_or(ops::kChecklistAge);
  const std::vector<ChecklistRow> rows =
      store.checklists(task, std::string(ops::to_string(operation)), 1);
  const std::optional<Error> gap = ops::checklist_gap(operation, task, store, max_age);
  if (rows.empty()) throw *gap;
  const ChecklistRow& last = rows.back();
  const std::vector<ChecklistItem> items = ops::items_of(last, task);
  const std::chrono::duration<double> age = now() - last.at;
  if (!session.json()) {
    session.print(checklist_text(items, session.terminal(), Stream::out));
    session.print(summary(operation, task, items));
    session.print(
        fmt::format("by {} at {}, {} ago\n", last.who, to_rfc3339(last.at), format_duration(age)));
    if (gap) throw *gap;
    return ExitCode::ok;
  }
  return session.answer(gap ? ExitCode::refused : ExitCode::ok,
                        {{"operation", ops::to_string(operation)},
                         {"items", items_json(items)},
                         {"passed", last.passed},
                         {"counts", !gap.has_value()},
                         {"at", to_rfc3339(last.at)},
                         {"age_s", std::floor(age.count())},
                         {"who", last.who}});
}

}  // namespace

std::string checklist_text(std::span<const ChecklistItem> items, const Terminal& terminal,
                           Stream stream) {
  std::string out;
  for (const ChecklistItem& item : items) {
    const std::string_view verdict = mark(item.verdict);
    const std::string head =
        wrap(fmt::format("{:<{}}", verdict, kIndent),
             item.question.empty() ? item.id : fmt::format("{}: {}", item.id, item.question),
             kIndent, kWidth);
    // Painted afterwards: an escape takes no column.
    out += terminal.paint(stream, style_of(item.verdict), verdict) + head.substr(verdict.size());
    out += detail("found", item.measured);
    out += detail("answer", answer_text(item));
    out += detail("first", item.action);
  }
  return out;
}

void ask_items(Terminal& terminal, std::span<ChecklistItem> items) {
  for (ChecklistItem& item : items) {
    if (!item.asks || item.answer) continue;
    terminal.err("\n" + wrap("", fmt::format("{}: {}", item.id, item.question), 2, kWidth));
    terminal.err(wrap("  ", item.how, 2, kWidth));
    if (!item.measured.empty()) terminal.err(wrap("  ", "found: " + item.measured, 4, kWidth));
    std::optional<bool> yes;
    while (!yes) {
      terminal.err("  yes or no? ");
      const auto line = terminal.read_line();
      if (!line) return;
      const std::string word = to_lower(trim(*line));
      if (word == "y" || word == "yes") yes = true;
      if (word == "n" || word == "no") yes = false;
    }
    terminal.err("  evidence (who, where; may be left empty): ");
    const auto evidence = terminal.read_line();
    if (!evidence) return;
    ops::take_answer(item, *yes, std::string(trim(*evidence)));
  }
}

void demand_checklist(Session& session, const Backends& backends, Operation operation,
                      const Task& task, StateStore& store, Engine& engine) {
  const auto max_age = session.duration("checklist-age").value_or(ops::kChecklistAge);
  const std::optional<Error> gap = ops::checklist_gap(operation, task.name, store, max_age);
  if (!gap) return;
  if (!session.terminal().interactive()) throw *gap;
  session.say(gap->summary());
  const Outcome outcome = go_through(session, backends, operation, task, store, engine, {});
  session.terminal().err("\n" + checklist_text(outcome.items, session.terminal(), Stream::err));
  if (!outcome.unanswered.empty()) throw unanswered_error(operation, task.name, outcome);
  ops::require_checklist(operation, task.name, store, max_age);
}

ExitCode checklist(Session& session, const Backends& backends) {
  refuse_combinations(session);
  const Operation operation = ops::operation_named(session.argument());
  std::vector<ops::ChecklistAnswer> answers;
  if (const auto file = session.text("answers")) answers = ops::read_answers(*file);
  const std::string folder = session.state_folder();
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);
  {
    // Before a state folder is made for a task that nobody knows.
    const std::unique_ptr<StateStore> known = open_state(folder, true);
    session.set_task(ops::find_task_name(session.second(), *known));
    ops::status(session.task(), *known, *engine);
    if (session.flag("show")) return show(session, operation, *known);
  }
  if (session.flag("print-answers")) {
    const std::string text = ops::answers_template(operation, session.task());
    if (!session.json()) session.print(text);
    return session.answer(ExitCode::ok,
                          {{"operation", ops::to_string(operation)}, {"answers", text}});
  }
  const std::unique_ptr<StateStore> store = open_state(folder, false);
  const Task task = ops::find_task(session.second(), *store);
  const Outcome outcome = go_through(session, backends, operation, task, *store, *engine, answers);
  const bool passed = ops::passed(outcome.items);
  if (!session.json()) {
    session.print(checklist_text(outcome.items, session.terminal(), Stream::out));
    session.print(summary(operation, task.name, outcome.items));
    if (!outcome.unanswered.empty()) throw unanswered_error(operation, task.name, outcome);
  }
  return session.answer(passed ? ExitCode::ok : ExitCode::refused,
                        {{"operation", ops::to_string(operation)},
                         {"items", items_json(outcome.items)},
                         {"unanswered", outcome.unanswered},
                         {"passed", passed},
                         {"at", to_rfc3339(outcome.at)},
                         {"who", outcome.who}});
}

}  // namespace weir::cli
