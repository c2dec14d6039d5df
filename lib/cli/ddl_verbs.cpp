// SPDX-License-Identifier: Apache-2.0
#include "cli/ddl_verbs.h"

#include <charconv>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/output.h"
#include "ops/ddl.h"
#include "ops/sync.h"

namespace weir::cli {
namespace {

constexpr std::int64_t kListed = 20;
/// So much of a statement fits into a line of the list.
constexpr std::size_t kListedSql = 60;

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
  const std::string advice = ops::advice(row);
  if (!session.json()) session.print(row_text(task, row, advice));
  Json part = row_json(row);
  part["advice"] = advice;
  return session.answer(ExitCode::ok, {{"ddl", std::move(part)}});
}

}  // namespace weir::cli
