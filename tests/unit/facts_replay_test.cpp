// SPDX-License-Identifier: Apache-2.0
// Facts that were gathered from real servers are judged as they were on that day, without any
// server. Each NAME.json in tests/facts has the task file NAME.toml beside it; expected.txt says
// what is found: NAME, severity, id and table, a line for each finding.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "mapping/task_file.h"
#include "ops/preflight.h"
#include "registry/registry.h"
#include "support/temp_dir.h"

namespace fs = std::filesystem;

namespace {

using Lines = std::multiset<std::string>;

const std::string kFolder = WEIR_SOURCE_DIR "/tests/facts/";

std::map<std::string, Lines> expected() {
  std::map<std::string, Lines> out;
  std::ifstream file(kFolder + "expected.txt");
  for (std::string line; std::getline(file, line);) {
    const std::size_t space = line.find(' ');
    Lines& lines = out[line.substr(0, space)];
    if (space != std::string::npos) lines.insert(line.substr(space + 1));
  }
  return out;
}

Lines judged(const std::string& name) {
  const weir::Task task = weir::read_task(kFolder + name + ".toml");
  const auto source = weir::open_source(task);
  const auto target = weir::open_target(task);
  const auto facts = weir::ops::decode_facts(weir::test::read_file(kFolder + name + ".json"));
  Lines out;
  for (const weir::Finding& finding :
       weir::ops::judge_facts(task, facts, *source, *target).findings) {
    out.insert(fmt::format("{} {}{}{}", weir::to_string(finding.severity), finding.id,
                           finding.table.empty() ? "" : " ", finding.table));
  }
  return out;
}

}  // namespace

TEST_CASE("recorded facts are judged without servers as they were with them", "[facts]") {
  const std::map<std::string, Lines> all = expected();
  std::set<std::string> files;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".json") files.insert(entry.path().stem());
  }
  CHECK(files.size() >= 40);
  for (const std::string& name : files) {
    INFO(name);
    REQUIRE(all.contains(name));
    CHECK(judged(name) == all.at(name));
  }
  for (const auto& [name, lines] : all) {
    INFO(name);
    CHECK(files.contains(name));
  }
}

TEST_CASE("facts come back from a file as they went into it", "[facts]") {
  for (const auto& [name, lines] : expected()) {
    INFO(name);
    const std::string text = weir::test::read_file(kFolder + name + ".json");
    CHECK(weir::ops::encode_facts(weir::ops::decode_facts(text)) == text);
  }
}
