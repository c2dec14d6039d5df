// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "support/temp_dir.h"

namespace fs = std::filesystem;
using weir::test::read_file;
using weir::test::TempDir;

namespace {

/// The layers, lowest first. An include points to a lower row or into its own folder.
constexpr std::pair<std::string_view, int> kLayers[] = {
    {"base", 0},   {"model", 1},    {"mapping", 2}, {"client", 2}, {"source", 3},
    {"target", 3}, {"store", 3},    {"engine", 3},  {"ops", 4},    {"stage", 4},
    {"cli", 5},    {"registry", 5}, {"apps", 6},
};

/// Folders whose sub-folders are kinds: only the kind itself and the registry look into one.
constexpr std::string_view kWithKinds[] = {"source", "target", "engine"};

struct File {
  std::string folder;  ///< "source", "apps"
  std::string kind;    ///< "mysql" for source/mysql/..., else ""
  std::vector<std::string> includes;
};

/// By path below lib/, or "apps/...".
using Files = std::map<std::string, File>;

std::optional<int> layer(std::string_view folder) {
  for (const auto& [name, rank] : kLayers) {
    if (name == folder) return rank;
  }
  return {};
}

File describe(const std::string& path) {
  File file;
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(path)) parts.push_back(part.string());
  file.folder = parts.front();
  if (parts.size() > 2 && std::find(std::begin(kWithKinds), std::end(kWithKinds), file.folder) !=
                              std::end(kWithKinds)) {
    file.kind = parts[1];
  }
  return file;
}

/// What stands between quotes in `#include "..."` lines, with any spacing the preprocessor takes.
std::vector<std::string> quoted_includes(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    constexpr std::string_view kStart = "#include\"";
    if (!line.starts_with(kStart)) continue;
    line.erase(0, kStart.size());
    found.push_back(line.substr(0, line.find('"')));
  }
  return found;
}

Files read_tree(const std::string& root) {
  Files files;
  for (const auto& [folder, prefix] : {std::pair{"/lib", ""}, std::pair{"/apps", "apps/"}}) {
    if (!fs::exists(root + folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root + folder)) {
      const std::string extension = entry.path().extension().string();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cpp")) continue;
      const std::string path = prefix + fs::relative(entry.path(), root + folder).string();
      File& file = files[path] = describe(path);
      file.includes = quoted_includes(read_file(entry.path().string()));
    }
  }
  return files;
}

/// Why `from` may not include `to`; "" if it may.
std::string judge(const File& from, const File& to) {
  const std::optional<int> here = layer(from.folder);
  const std::optional<int> there = layer(to.folder);
  if (!here) return "the folder " + from.folder + " has no layer";
  if (!there) return "the folder " + to.folder + " has no layer";
  if (from.folder == to.folder) {
    if (!to.kind.empty() && from.kind != to.kind) return "only a kind looks into itself";
    return {};
  }
  if (*there > *here) return "points to a higher layer";
  if (*there == *here) return "siblings never meet";
  if (!to.kind.empty() && from.folder != "registry") return "registry alone looks into a kind";
  return {};
}

/// Appends each include cycle that a walk from `path` meets.
void find_cycles(const Files& files, const std::string& path, std::set<std::string>& done,
                 std::vector<std::string>& trail, std::vector<std::string>& faults) {
  const auto seen = std::find(trail.begin(), trail.end(), path);
  if (seen != trail.end()) {
    std::string cycle = "cycle:";
    for (auto step = seen; step != trail.end(); ++step) cycle += ' ' + *step + " ->";
    faults.push_back(cycle + ' ' + path);
    return;
  }
  const auto file = files.find(path);
  if (file == files.end() || !done.insert(path).second) return;
  trail.push_back(path);
  for (const std::string& next : file->second.includes) {
    find_cycles(files, next, done, trail, faults);
  }
  trail.pop_back();
}

/// One line for each include that breaks the agreement.
std::vector<std::string> faults_of(const std::string& root) {
  const Files files = read_tree(root);
  std::vector<std::string> faults;
  for (const auto& [path, file] : files) {
    for (const std::string& include : file.includes) {
      const auto target = files.find(include);
      const std::string why = target == files.end() ? "names no file of lib/ by its path from lib/"
                                                    : judge(file, target->second);
      if (!why.empty()) faults.push_back(path + " includes " + include + ": " + why);
    }
  }
  std::set<std::string> done;
  for (const auto& [path, file] : files) {
    std::vector<std::string> trail;
    find_cycles(files, path, done, trail, faults);
  }
  return faults;
}

/// The faults of a tree with two files, the first of which includes the second.
std::vector<std::string> faults_of_pair(const std::string& from, const std::string& to) {
  const TempDir tree;
  const auto place = [](const std::string& path) {
    return path.starts_with("apps/") ? path : "lib/" + path;
  };
  tree.write(place(to), "#pragma once\n");
  tree.write(place(from), "// a line\n  #  include \"" + to + "\"\n#include <vector>\n");
  return faults_of(tree.path());
}

}  // namespace

TEST_CASE("every include of weir points down", "[layering]") {
  const Files files = read_tree(WEIR_SOURCE_DIR);
  REQUIRE(files.count("base/error.h") == 1);
  for (const std::string& fault : faults_of(WEIR_SOURCE_DIR)) FAIL_CHECK(fault);
}

TEST_CASE("includes into lower layers and the own folder are fine", "[layering]") {
  const auto [from, to] = GENERATE(table<std::string, std::string>({
      {"model/table.h", "base/text.h"},
      {"client/pq.cpp", "client/pq.h"},
      {"client/pq.h", "model/cell.h"},
      {"source/mysql/reader.cpp", "source/source.h"},
      {"source/mysql/reader.cpp", "source/mysql/reader.h"},
      {"engine/embedded/lock.cpp", "engine/engine.h"},
      {"stage/full.cpp", "target/target.h"},
      {"stage/full.cpp", "mapping/rules.h"},
      {"ops/start.cpp", "store/state_store.h"},
      {"registry/registry.cpp", "source/mysql/source.h"},
      {"registry/registry.cpp", "engine/embedded/engine.h"},
      {"apps/weir.cpp", "cli/run.h"},
  }));
  CHECK(faults_of_pair(from, to).empty());
}

TEST_CASE("an include that breaks the layers is a fault", "[layering]") {
  const auto [from, to, why] = GENERATE(table<std::string, std::string, std::string>({
      {"base/text.h", "model/table.h", "higher layer"},
      {"model/table.h", "client/pq.h", "higher layer"},
      {"stage/full.h", "registry/registry.h", "higher layer"},
      {"cli/run.h", "apps/weir.h", "higher layer"},
      {"mapping/rules.h", "client/pq.h", "siblings"},
      {"source/source.h", "target/target.h", "siblings"},
      {"store/state_store.h", "engine/engine.h", "siblings"},
      {"ops/start.cpp", "stage/full.h", "siblings"},
      {"cli/run.cpp", "registry/registry.h", "siblings"},
      {"source/mysql/reader.h", "source/postgres/reader.h", "looks into itself"},
      {"source/source.h", "source/mysql/reader.h", "looks into itself"},
      {"stage/full.cpp", "source/mysql/reader.h", "registry alone"},
      {"apps/weir.cpp", "target/postgres/writer.h", "registry alone"},
      {"misc/helper.h", "base/text.h", "no layer"},
      {"cli/run.cpp", "misc/helper.h", "no layer"},
  }));
  const std::vector<std::string> faults = faults_of_pair(from, to);
  REQUIRE(faults.size() == 1);
  CHECK_THAT(faults.front(), Catch::Contains(from) && Catch::Contains(to) && Catch::Contains(why));
}

TEST_CASE("an include by another path than from lib/ is a fault", "[layering]") {
  const TempDir tree;
  tree.write("lib/base/text.h", "#pragma once\n");
  tree.write("lib/base/text.cpp", "#include \"text.h\"\n");
  REQUIRE(faults_of(tree.path()).size() == 1);
  CHECK_THAT(faults_of(tree.path()).front(), Catch::Contains("names no file"));
}

TEST_CASE("an include cycle is a fault", "[layering]") {
  const TempDir tree;
  tree.write("lib/base/a.h", "#include \"base/b.h\"\n");
  tree.write("lib/base/b.h", "#include \"base/c.h\"\n");
  tree.write("lib/base/c.h", "#include \"base/a.h\"\n");
  tree.write("lib/base/d.h", "#include \"base/a.h\"\n");
  REQUIRE(faults_of(tree.path()).size() == 1);
  CHECK(faults_of(tree.path()).front() == "cycle: base/a.h -> base/b.h -> base/c.h -> base/a.h");
}
