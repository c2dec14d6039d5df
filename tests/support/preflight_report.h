// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/task_run.h"

namespace weir::test {

/// What `weir preflight` found.
class Report {
 public:
  explicit Report(const TaskRun& task) {
    const TaskRun::Result result = task.run({"preflight", task.file(), "--json"});
    INFO(result.text());
    REQUIRE((result.code == 0 || result.code == 4));
    findings_ = result.json().at("findings");
  }

  /// "warning" and so on; "" if there is no such finding.
  std::string severity(const std::string& id, const std::string& table = "") const {
    const nlohmann::json* const found = find(id, table);
    return found == nullptr ? "" : found->at("severity").get<std::string>();
  }
  std::string evidence(const std::string& id) const { return find(id, "")->at("evidence"); }
  std::string fix(const std::string& id) const { return find(id, "")->at("fix"); }
  /// All that is worse than worth knowing, for a server with which nothing is wrong.
  std::string trouble() const {
    std::string out;
    for (const nlohmann::json& finding : findings_) {
      if (finding.at("severity") != "info") out += finding.dump() + "\n";
    }
    return out;
  }

 private:
  const nlohmann::json* find(const std::string& id, const std::string& table) const {
    for (const nlohmann::json& finding : findings_) {
      if (finding.at("id") != id) continue;
      if (table.empty() || finding.at("table") == table) return &finding;
    }
    return nullptr;
  }

  nlohmann::json findings_;
};

/// The statement of a fix, without the other ways that follow it.
inline std::string statement(const std::string& fix) {
  std::size_t end = fix.size();
  for (const char* const other : {"; or ", "; on ", ", or ", ", then ", "; then "}) {
    end = std::min(end, fix.find(other));
  }
  return fix.substr(0, end);
}

/// The severity and evidence of a finding, then the fix is run and the finding must be gone.
template <class Server>
void check_mended(const TaskRun& task, Server& server, const std::string& id,
                  const std::string& severity, const std::string& evidence) {
  INFO(id);
  const Report before(task);
  REQUIRE(before.severity(id) == severity);
  CHECK_THAT(before.evidence(id), Catch::Contains(evidence));
  const std::string sql = statement(before.fix(id));
  INFO(sql);
  // One by one: some take no transaction around them.
  for (std::size_t at = 0; at < sql.size();) {
    const std::size_t end = std::min(sql.find("; ", at), sql.size());
    server.sql(sql.substr(at, end - at));
    at = end + 2;
  }
  CHECK(Report(task).severity(id).empty());
}

}  // namespace weir::test
