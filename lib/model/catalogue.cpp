// SPDX-License-Identifier: Apache-2.0
#include "model/catalogue.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace weir {
namespace {

using enum IdKind;
using enum Severity;

constexpr std::size_t kMostNear = 5;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"command.start", error, critical, "a shell command of the task file could not be started",
     "the account has reached a limit on processes, memory or open files",
     "raise the limits of the account that runs weir (ulimit -a shows them), then try again",
     "weir.toml(5)"},
    {"counter.number", error, critical,
     "a server gave a counter's state as something else than a "
     "whole number",
     "weir sets no counter on a guess", "report it with the version of the server",
     "weir cutover TASK --dry-run"},
    {"definition.format", error, critical,
     "a table's definition in the control tables on the target cannot be read",
     "changes are decoded by the definition that was valid at the task's offset, so the task "
     "cannot go on without it",
     "use the weir that wrote it, or restore the control tables from a copy", "weir-control(7)"},
    {"facts.format", error, critical, "a file of facts cannot be read",
     "it is no such file, it was damaged, or another version of weir wrote it: what a check asks "
     "is "
     "not in it",
     "gather the facts again with this version: weir preflight TASK --facts-out FILE",
     "weir preflight TASK --facts FILE; weir-preflight(1)"},
    {"facts.no-table", check, unknown, "the facts say nothing about a table of the task",
     "the rules of the task took other tables, or sent them elsewhere, when the facts were "
     "gathered",
     "gather them again: weir preflight TASK --facts-out FILE",
     "weir preflight TASK --facts-out FILE", CheckGroup::mapping},
    {"folder.create", error, critical, "a folder that weir needs could not be made",
     "state, locks and logs are kept below it",
     "make it for the account that runs weir (mkdir -p DIR && chmod 0700 DIR), or name another one "
     "with --state-dir",
     "weir-state(5)"},
    {"process.start", error, critical,
     "a program could not be started, or its monitor was killed before it told how the start went",
     "the task's supervisor, its worker or a helper of theirs does not run",
     "check that weir is installed as a whole and may be executed by this account, and the limits "
     "on processes and memory; then look at the task's state before trying again",
     "weir sync status TASK; weir sync start TASK"},
    {"secret.command", error, critical,
     "the command that prints a password failed, took too long, or printed no usable password",
     "weir cannot connect without it; what the command printed is never shown, for it may hold a "
     "secret",
     "run the command of password = { command = \"...\" } by hand, as the account that runs weir "
     "and without a terminal: it has to print the password alone and end with 0",
     "weir.toml(5)"},
    {"secret.env", error, critical,
     "the environment variable that a password is taken from is not set, or holds none",
     "weir cannot connect without the password",
     "set the variable where weir is started (the unit file, the crontab), or name a file with "
     "password = { file = \"PATH\" }",
     "weir.toml(5)"},
    {"secret.file", error, critical,
     "a password file cannot be read, is no regular file, or holds no usable password",
     "weir cannot connect without the password",
     "make the file hold the password and nothing else, owned by the account that runs weir: chmod "
     "0600 FILE",
     "weir.toml(5)"},
    {"secret.mode", error, critical,
     "a password file belongs to another account, or is open to others",
     "others could read the password, or put another one in its place",
     "chown ACCOUNT FILE && chmod 0600 FILE, with the account that runs weir", "weir.toml(5)"},
    {"time.format", error, critical, "a text is not a time in RFC 3339",
     "weir reads and writes times in one form only, in UTC",
     "write it like 2026-01-02T03:04:05Z; if it stands in weir's own state, the file was changed "
     "by "
     "hand: restore it",
     "weir-state(5)"},
    {"weir.bug", error, critical, "weir met a state that its own code rules out",
     "it stops rather than guess; the offset has not moved past committed rows",
     "report it with the log of the task and the output of weir --version -v",
     "weir sync status TASK; weir-exit-codes(7)"},
});

}  // namespace

std::string_view to_string(IdKind kind) {
  switch (kind) {
    case check:
      return "check";
    case error:
      return "error";
    case event:
      return "event";
  }
  return "error";
}

const CatalogueRow* find_row(std::span<const CatalogueSection> catalogue, std::string_view id) {
  for (const CatalogueSection& section : catalogue) {
    const auto row = std::ranges::find(section.rows, id, &CatalogueRow::id);
    if (row != section.rows.end()) return &*row;
  }
  return nullptr;
}

std::vector<std::string_view> near_ids(std::span<const CatalogueSection> catalogue,
                                       std::string_view word) {
  std::vector<std::string_view> all;
  for (const CatalogueSection& section : catalogue) {
    for (const CatalogueRow& row : section.rows) all.push_back(row.id);
  }
  std::vector<std::string_view> near;
  const auto take = [&near](std::string_view id) {
    if (near.size() < kMostNear && std::ranges::find(near, id) == near.end()) near.push_back(id);
  };
  const auto take_if = [&](auto&& fits) {
    for (const std::string_view id : all) {
      if (fits(id)) take(id);
    }
  };
  const auto tail = [](std::string_view id) { return id.substr(id.rfind('.') + 1); };
  if (word.empty()) return near;
  if (const std::string_view typo = suggest(word, all); !typo.empty()) take(typo);
  take_if([&](std::string_view id) { return !tail(word).empty() && tail(id) == tail(word); });
  take_if([&](std::string_view id) { return id.starts_with(word); });
  take_if([&](std::string_view id) { return id.find(word) != std::string_view::npos; });
  return near;
}

std::span<const CatalogueRow> model_catalogue() { return kRows; }

}  // namespace weir
