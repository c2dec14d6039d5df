// SPDX-License-Identifier: Apache-2.0
#include "cli/session.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "cli/output.h"
#include "store/state_store.h"

namespace weir::cli {

Session::Session(Arguments arguments, Terminal& terminal)
    : arguments_(std::move(arguments)),
      terminal_(terminal),
      json_(arguments_.flag("json") || arguments_.text("format") == "json" ||
            arguments_.text("format") == "jsonl"),
      quiet_(arguments_.flag("quiet")) {}

std::string Session::state_folder() const {
  return weir::state_folder(arguments_.text("state-dir").value_or(""));
}

std::vector<std::string> Session::inherited_options() const {
  std::vector<std::string> options{"--state-dir", state_folder(), "--log-format",
                                   arguments_.text("log-format").value_or("text")};
  if (quiet_) options.emplace_back("--quiet");
  for (int i = 0; i < arguments_.times("verbose"); ++i) options.emplace_back("--verbose");
  return options;
}

void Session::set_task(const std::string& name) {
  task_ = name;
  set_log_task(name);
}

void Session::say(std::string_view text) {
  if (!quiet_ && !json_) terminal_.err(fmt::format("{}\n", text));
}

void Session::hint(std::string_view command) {
  if (terminal_.is_terminal(Stream::out)) say(fmt::format("next: {}", command));
}

void Session::report(std::span<const Finding> findings, Stream stream) {
  findings_.insert(findings_.end(), findings.begin(), findings.end());
  if (json_) return;
  for (const Finding& finding : findings) {
    if (stream == Stream::err) told_.insert(finding.id);
    const std::string text = finding_text(terminal_, stream, finding);
    stream == Stream::out ? terminal_.out(text) : terminal_.err(text);
  }
}

ExitCode Session::answer(ExitCode code, const Json& part) {
  if (json_) {
    Json document = envelope(verb().name, task_, code == ExitCode::ok, findings_);
    document.update(part);
    terminal_.out(json_document(document));
  }
  return code;
}

void Session::line(const Json& line) {
  terminal_.out(json_line(line));
  terminal_.flush();
}

}  // namespace weir::cli
