// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "source/mysql/checks.h"

using namespace weir;
using namespace weir::mysql;

namespace {

using State = Facts::HeartbeatFacts::State;

/// A server with which nothing is wrong, but for what the test says about the heartbeat.
Facts facts_with(State state) {
  Facts facts;
  facts.is_replica = false;
  facts.logged_schemas.emplace();
  facts.unlogged_schemas.emplace();
  facts.heartbeat = {state, state == State::writable ? "" : "the server's words", "weir",
                     "CREATE TABLE x"};
  return facts;
}

/// The findings about the heartbeat. All of them warn: none refuses a task.
std::vector<Finding> about_heartbeat(const Facts& facts) {
  std::vector<Finding> findings = judge(facts);
  std::erase_if(findings, [](const Finding& finding) {
    return finding.id.find("heartbeat") == std::string::npos;
  });
  for (const Finding& finding : findings) CHECK(finding.severity == Severity::warning);
  return findings;
}

}  // namespace

TEST_CASE("a heartbeat that can be written is no finding, nor is none", "[mysql_checks]") {
  CHECK(about_heartbeat(facts_with(State::writable)).empty());
  Facts facts = facts_with(State::denied);
  facts.heartbeat.reset();
  facts.is_replica = true;
  facts.unlogged_schemas = {"weir"};
  CHECK(about_heartbeat(facts).empty());
}

TEST_CASE("a heartbeat that cannot be written warns, with statements to paste", "[mysql_checks]") {
  struct Row {
    State state;
    std::string id;
    bool with_statements;
  };
  for (const Row& row : {Row{State::denied, "mysql.heartbeat-denied", true},
                         Row{State::missing, "mysql.heartbeat-missing", true},
                         Row{State::refused, "mysql.heartbeat-refused", false}}) {
    INFO(row.id);
    const std::vector<Finding> findings = about_heartbeat(facts_with(row.state));
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].id == row.id);
    CHECK(findings[0].evidence == "the server's words");
    CHECK((findings[0].fix == "CREATE TABLE x") == row.with_statements);
    CHECK_FALSE(findings[0].fix.empty());
  }
}

TEST_CASE("a heartbeat that would not be logged, or be written to a replica, warns",
          "[mysql_checks]") {
  Facts facts = facts_with(State::writable);
  facts.logged_schemas = {"shop"};
  REQUIRE(about_heartbeat(facts).size() == 1);
  CHECK(about_heartbeat(facts)[0].id == "mysql.heartbeat-not-logged");
  CHECK(about_heartbeat(facts)[0].evidence == "binlog_do_db lacks weir");

  facts = facts_with(State::writable);
  facts.unlogged_schemas = {"weir"};
  REQUIRE(about_heartbeat(facts).size() == 1);
  CHECK(about_heartbeat(facts)[0].evidence == "binlog_ignore_db has weir");

  facts = facts_with(State::writable);
  facts.is_replica = true;
  facts.logs_replica_updates = true;
  REQUIRE(about_heartbeat(facts).size() == 1);
  CHECK(about_heartbeat(facts)[0].id == "mysql.heartbeat-replica");
}
