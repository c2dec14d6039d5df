// SPDX-License-Identifier: Apache-2.0
#include "cli/kinds_verb.h"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/help.h"
#include "cli/output.h"

namespace weir::cli {
namespace {

constexpr std::size_t kWidth = 79;
constexpr std::size_t kColumn = 10;

/// `  can:    first line`, and the others below it.
std::string list(std::string_view label, std::span<const std::string_view> lines) {
  std::string out;
  std::string lead = fmt::format("  {:<{}}", fmt::format("{}:", label), kColumn - 2);
  for (const std::string_view line : lines) {
    out += wrap(lead + "- ", line, kColumn + 2, kWidth);
    lead.assign(kColumn, ' ');
  }
  return out;
}

std::string section(const Terminal& terminal, std::string_view heading,
                    std::span<const KindFacts> kinds) {
  std::string out = terminal.paint(Stream::out, Style::bold, heading) + "\n";
  for (const KindFacts& kind : kinds) {
    out +=
        fmt::format("\n{}: {}\n", terminal.paint(Stream::out, Style::bold, kind.name), kind.title);
    if (kind.rung) out += fmt::format("  {:<{}}{}\n", "rung:", kColumn - 2, to_string(*kind.rung));
    out += wrap(fmt::format("  {:<{}}", "tested:", kColumn - 2),
                fmt::format("{}", fmt::join(kind.tested, ", ")), kColumn, kWidth);
    out += list("can", kind.can) + list("cannot", kind.cannot);
  }
  return out;
}

Json array(std::span<const std::string_view> lines) {
  Json out = Json::array();
  for (const std::string_view line : lines) out.push_back(line);
  return out;
}

Json to_json(std::span<const KindFacts> kinds) {
  Json out = Json::array();
  for (const KindFacts& kind : kinds) {
    Json one{{"kind", kind.name}, {"title", kind.title}};
    if (kind.rung) one["rung"] = to_string(*kind.rung);
    one["tested"] = array(kind.tested);
    one["can"] = array(kind.can);
    one["cannot"] = array(kind.cannot);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

ExitCode kinds(Session& session, const Kinds& kinds) {
  const std::vector<KindFacts> sources = kinds.sources();
  const std::vector<KindFacts> targets = kinds.targets();
  if (!session.json()) {
    session.print(section(session.terminal(), "SOURCES", sources) + "\n");
    session.print(section(session.terminal(), "TARGETS", targets));
  }
  return session.answer(ExitCode::ok,
                        {{"sources", to_json(sources)}, {"targets", to_json(targets)}});
}

}  // namespace weir::cli
