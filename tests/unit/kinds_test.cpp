// SPDX-License-Identifier: Apache-2.0
// The rows of the registry: complete, and what other lists say of kinds is what they say.
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "cli/verbs.h"
#include "mapping/task_file.h"
#include "registry/registry.h"
#include "support/temp_dir.h"

using namespace weir;

namespace {

std::vector<std::string> names(const std::vector<KindFacts>& kinds) {
  std::vector<std::string> out;
  for (const KindFacts& kind : kinds) out.emplace_back(kind.name);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> offered(std::string_view option) {
  for (const cli::OptionSpec& spec : cli::find_verb("init")->options) {
    if (spec.name != option) continue;
    std::vector<std::string> out(spec.choices.begin(), spec.choices.end());
    std::sort(out.begin(), out.end());
    return out;
  }
  return {};
}

/// A task whose servers do not exist.
Task task_of(const std::string& source, const std::string& target, const std::string& folder) {
  Task task;
  task.name = "shop";
  task.source.kind = source;
  task.source.database = "shop";
  task.target.kind = target;
  task.target.database = "dw";
  task.target.path = folder + "/shop.db";
  for (Endpoint* endpoint : {&task.source, &task.target}) {
    endpoint->socket = folder;
    endpoint->user = "weir";
  }
  return task;
}

}  // namespace

TEST_CASE("weir init offers the kinds that there are", "[kinds]") {
  CHECK(offered("source-kind") == names(source_facts()));
  CHECK(offered("target-kind") == names(target_facts()));
}

TEST_CASE("each kind says what it can, what it cannot and what it was tested with", "[kinds]") {
  const auto check = [](const std::vector<KindFacts>& kinds) {
    REQUIRE_FALSE(kinds.empty());
    for (const KindFacts& kind : kinds) {
      INFO(kind.name);
      CHECK_FALSE(kind.title.empty());
      CHECK_FALSE(kind.tested.empty());
      for (const auto lines : {kind.can, kind.cannot}) {
        CHECK_FALSE(lines.empty());
        for (const std::string_view line : lines) {
          INFO(line);
          REQUIRE_FALSE(line.empty());
          CHECK(line.back() != '.');
          CHECK((line.front() >= 'a' && line.front() <= 'z'));
        }
      }
    }
  };
  check(source_facts());
  check(target_facts());
}

TEST_CASE("the rung of a row is the one that the target declares", "[kinds]") {
  const test::TempDir folder;
  for (const TargetKind& kind : target_kinds()) {
    INFO(kind.name);
    const auto target = kind.open(task_of("mysql", std::string(kind.name), folder.path()));
    CHECK(kind.rung == target->rung());
  }
  for (const SourceKind& kind : source_kinds()) CHECK_FALSE(kind.rung);
}

TEST_CASE("a kind whose sessions are in one database refuses a task that names none", "[kinds]") {
  const std::string socket = "socket = \"/nowhere\"\nuser = \"weir\"\n";
  const std::string database = "database = \"shop\"\n";
  // Whether the file or the row sees it.
  const auto refused = [](const std::string& source, const std::string& target, bool opens_source) {
    try {
      const Task task = parse_task("name = \"shop\"\n[source]\n" + source + "[target]\n" + target +
                                       "[[table]]\nmatch = \"shop.*\"\n",
                                   "shop.toml");
      opens_source ? void(open_source(task)) : void(open_target(task));
    } catch (const Error& error) {
      return error.code() == ExitCode::configuration;
    }
    return false;
  };
  for (const TargetKind& kind : target_kinds()) {
    if (!takes_key("target", kind.name, "database")) continue;
    INFO(kind.name);
    const std::string mysql = "kind = \"mysql\"\n" + socket;
    const std::string target = "kind = \"" + std::string(kind.name) + "\"\n" + socket;
    CHECK_FALSE(refused(mysql, target + database, false));
    CHECK(refused(mysql, target, false) == kind.one_database);
  }
  // Opening a source may connect: without a server only the refusal before that can be told.
  for (const SourceKind& kind : source_kinds()) {
    INFO(kind.name);
    const std::string source = "kind = \"" + std::string(kind.name) + "\"\n" + socket;
    const std::string target = "kind = \"postgres\"\n" + socket + database;
    CHECK(refused(source, target, true) == kind.one_database);
  }
}

TEST_CASE("a file takes other keys than a server", "[kinds]") {
  CHECK(takes_key("target", "sqlite", "path"));
  CHECK_FALSE(takes_key("target", "sqlite", "host"));
  CHECK_FALSE(takes_key("target", "postgres", "path"));
  CHECK(takes_key("target", "postgres", "host"));
  CHECK(takes_key("full", "", "connections"));
}
