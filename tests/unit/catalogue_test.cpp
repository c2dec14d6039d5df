// SPDX-License-Identifier: Apache-2.0
#include "cli/catalogue.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "base/text.h"
#include "cli/verbs.h"
#include "model/change.h"
#include "registry/catalogue.h"
#include "support/temp_dir.h"

namespace fs = std::filesystem;
using namespace weir;
using weir::test::read_file;

namespace {

/// Literals that look like an id and are none.
const std::set<std::string, std::less<>> kNoIds = {
    // columns in SQL
    "a.attisdropped", "done.objid",
    // sections and keys of task files
    "columns.drop", "columns.rename", "columns.type", "table.columns", "source.database",
    "source.host", "source.socket", "source.user", "source.publication", "source.slot",
    "target.database", "target.path",
    // what weir's messages are called in PostgreSQL's log
    "weir.ddl", "weir.heartbeat"};

/// An id that is put together, or has no dot: how the code writes it, and what it can be.
struct Computed {
  std::string_view file;
  std::string_view code;
  std::vector<std::string> ids;
};

std::vector<Computed> computed_ids() {
  std::vector<std::string> ddl;
  using Kind = SchemaChange::Kind;
  for (const Kind kind :
       {Kind::drop_table, Kind::rename_table, Kind::truncate_table, Kind::add_column,
        Kind::drop_column, Kind::rename_column, Kind::change_type, Kind::change_key,
        Kind::default_value, Kind::comment, Kind::index, Kind::drop_rows, Kind::other}) {
    ddl.push_back("ddl." + to_string(kind));
    std::ranges::replace(ddl.back(), '_', '-');
  }
  // A SqliteDatabase is told its area: the state's, and the target's, which is the default.
  return {{"lib/ops/sync.cpp", "\"warning\", \"failover\"", {"failover"}},
          {"lib/stage/incremental.cpp", "\"ddl.\" + to_string(kind)", ddl},
          {"lib/client/sqlite.cpp", "area_ + \".busy\"", {"state.busy", "sqlite.busy"}},
          {"lib/client/sqlite.cpp", "area_ + \".row\"", {"state.row", "sqlite.row"}},
          {"lib/client/sqlite.cpp",
           "SQLITE_FULL ? \".disk-full\" : \".io\"",
           {"state.disk-full", "sqlite.disk-full", "state.io", "sqlite.io"}}};
}

/// What else may stand where an error takes its id: a name for what is a literal elsewhere.
const std::set<std::string, std::less<>> kPassedOn = {
    "std::string id",  // the declarations
    "id_",             // Error::within
    "std::move(id)",
    "id",
    "gap->id",
    "finding.id",
    "row->id",
    "row.id",
    "error.id()",
    "explained.id()",
    "area_ + \".busy\"",
    "area_ + \".row\"",
    "area_ + id",
    "status.task.error_id.empty() ? \"task.ended\" : status.task.error_id",
    "row.error_id.empty() ? \"lane.suspended\" : row.error_id",
};

std::string without_comments(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' || text[i] == '\'') {
      // A separator of digits opens nothing.
      const bool separates = text[i] == '\'' && i > 0 && std::isalnum(text[i - 1]) != 0;
      const char quote = text[i];
      out += text[i];
      if (separates) continue;
      while (++i < text.size() && text[i] != quote && text[i] != '\n') {
        out += text[i];
        if (text[i] == '\\' && i + 1 < text.size()) out += text[++i];
      }
      if (i < text.size()) out += text[i];
    } else if (text.compare(i, 2, "//") == 0) {
      i = std::min(text.find('\n', i), text.size() - 1);
      out += '\n';
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The sources by path, without comments and without the catalogue itself.
std::map<std::string, std::string> sources() {
  std::map<std::string, std::string> out;
  const fs::path root = WEIR_SOURCE_DIR;
  for (const char* const folder : {"lib", "apps"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (path.extension() != ".h" && path.extension() != ".cpp") continue;
      if (path.stem() == "catalogue") continue;
      out[fs::relative(path, root).string()] = without_comments(read_file(path.string()));
    }
  }
  return out;
}

std::string collapsed(const std::string& text) {
  return std::string(trim(std::regex_replace(text, std::regex("\\s+"), " ")));
}

/// The literals of `text` that have the form of an id.
std::set<std::string> id_literals(const std::string& text) {
  static const std::regex kId("\"([a-z][a-z0-9-]*(\\.[a-z][a-z0-9-]*)+)\"");
  std::set<std::string> out;
  for (std::sregex_iterator at(text.begin(), text.end(), kId), end; at != end; ++at) {
    out.insert((*at)[1].str());
  }
  return out;
}

/// What stands as the second argument of each `Error(`, as it is written.
std::vector<std::string> error_ids(const std::string& text) {
  std::vector<std::string> out;
  static const std::regex kError("\\bError\\(");
  for (std::sregex_iterator at(text.begin(), text.end(), kError), end; at != end; ++at) {
    std::vector<std::string> arguments(1);
    int depth = 1;
    bool quoted = false;
    for (std::size_t i = at->position() + at->length(); i < text.size() && depth > 0; ++i) {
      const char c = text[i];
      if (c == '"' && text[i - 1] != '\\') quoted = !quoted;
      if (!quoted && (c == '(' || c == '{')) ++depth;
      if (!quoted && (c == ')' || c == '}')) --depth;
      if (!quoted && c == ',' && depth == 1) {
        arguments.emplace_back();
      } else if (depth > 0) {
        arguments.back() += c;
      }
    }
    if (arguments.size() > 1) out.push_back(collapsed(arguments[1]));
  }
  return out;
}

std::vector<CatalogueSection> catalogue() { return cli::whole_catalogue(kind_catalogue); }

}  // namespace

TEST_CASE("every id in the sources is in the catalogue, and every row is used", "[catalogue]") {
  const std::vector<CatalogueSection> all = catalogue();
  const std::map<std::string, std::string> files = sources();
  REQUIRE(files.size() > 100);

  std::set<std::string> used;
  std::set<std::string> passed_over;
  for (const auto& [path, text] : files) {
    for (const std::string& literal : id_literals(text)) {
      if (kNoIds.contains(literal)) {
        passed_over.insert(literal);
        continue;
      }
      INFO(path << " has \"" << literal << "\": give it a row in the catalogue.cpp beside it");
      CHECK(find_row(all, literal) != nullptr);
      used.insert(literal);
    }
  }
  CHECK(passed_over == std::set<std::string>(kNoIds.begin(), kNoIds.end()));
  for (const Computed& one : computed_ids()) {
    INFO(one.file << " no longer has " << one.code);
    const auto file = files.find(std::string(one.file));
    REQUIRE(file != files.end());
    CHECK(collapsed(file->second).find(one.code) != std::string::npos);
    for (const std::string& id : one.ids) {
      INFO(one.file << " can print " << id << ": give it a row");
      CHECK(find_row(all, id) != nullptr);
      used.insert(id);
    }
  }
  for (const CatalogueSection& section : all) {
    for (const CatalogueRow& row : section.rows) {
      INFO("nothing prints " << row.id << ": take its row out");
      CHECK(used.contains(std::string(row.id)));
    }
  }
}

TEST_CASE("an error names its id where it can be read", "[catalogue]") {
  const std::vector<CatalogueSection> all = catalogue();
  std::size_t literals = 0;
  for (const auto& [path, text] : sources()) {
    for (const std::string& id : error_ids(text)) {
      INFO(path << ": Error(..., " << id << ", ...)");
      if (id.starts_with('"') && id.ends_with('"')) {
        CHECK(find_row(all, id.substr(1, id.size() - 2)) != nullptr);
        ++literals;
      } else {
        CHECK(kPassedOn.contains(id));
      }
    }
  }
  CHECK(literals > 150);
}

TEST_CASE("an event names its id where it can be read", "[catalogue]") {
  const std::vector<CatalogueSection> all = catalogue();
  // event("info", "ID", ...), {now(), "info", "ID", ...} and log_info("ID", ...)
  static const std::regex kEvent(
      "(?:\\bevent\\(|\\btell\\(|\\bnow\\(\\), [^\",]*)\\s*(?:\"(?:info|warning|error)\"[^\",]*)+,"
      "\\s*\"([^\"]*)\"|\\blog_[a-z]+\\(\\s*\"([^\"]*)\"");
  std::size_t events = 0;
  for (const auto& [path, text] : sources()) {
    for (std::sregex_iterator at(text.begin(), text.end(), kEvent), end; at != end; ++at) {
      const std::string id = (*at)[1].matched ? (*at)[1].str() : (*at)[2].str();
      INFO(path << " has an event \"" << id << "\"");
      CHECK(find_row(all, id) != nullptr);
      ++events;
    }
  }
  CHECK(events > 20);
}

TEST_CASE("each row says something, once", "[catalogue]") {
  std::set<std::string_view> seen;
  for (const CatalogueSection& section : catalogue()) {
    CHECK_FALSE(section.title.empty());
    CHECK_FALSE(section.rows.empty());
    for (const CatalogueRow& row : section.rows) {
      INFO(row.id);
      CHECK(seen.insert(row.id).second);
      CHECK(row.what.size() > 10);
      CHECK(row.why.size() > 10);
      CHECK(row.fix.size() >= std::string_view("nothing").size());
      CHECK(row.severity != Severity::ok);
      if (row.kind != IdKind::event) CHECK(row.fix != "nothing");
      for (const std::string_view text : {row.what, row.why, row.fix}) {
        CHECK_FALSE(text.ends_with('.'));
        CHECK(trim(text) == text);
        CHECK(text.find("  ") == std::string_view::npos);
      }
    }
  }
}

TEST_CASE("what a row sends the reader to is there", "[catalogue]") {
  const fs::path man = fs::path(WEIR_SOURCE_DIR) / "man";
  static const std::regex kPage("([a-z.-]+)\\(([1-8])\\)");
  static const std::regex kVerb("weir ((sync|log|offset|ddl|config) [a-z]+|[a-z-]+)( .*)?");
  for (const CatalogueSection& section : catalogue()) {
    for (const CatalogueRow& row : section.rows) {
      for (const std::string_view see : cli::see_also(row)) {
        const std::string text(see);
        INFO(row.id << ": " << text);
        std::smatch found;
        if (std::regex_match(text, found, kPage)) {
          CHECK(fs::exists(man / (found[1].str() + "." + found[2].str() + ".scd")));
        } else if (std::regex_match(text, found, kVerb) && found[1].str() != "--version") {
          CHECK((found[1] == "help" || cli::find_verb(found[1].str()) != nullptr));
        } else {
          CHECK((text == "weir --version" || text.starts_with("weir-docs ")));
        }
      }
    }
  }
}

TEST_CASE("a word that is no id leads to those that are near", "[catalogue]") {
  const std::vector<CatalogueSection> all = catalogue();
  REQUIRE(find_row(all, "mysql.lost") != nullptr);
  CHECK(find_row(all, "mysql.lost")->kind == IdKind::error);
  CHECK(find_row(all, "mysql.losst") == nullptr);
  CHECK(find_row(all, "") == nullptr);
  const auto near = [&](std::string_view word) { return near_ids(all, word); };
  CHECK(near("mysql.losst").front() == "mysql.lost");
  CHECK(near("no-key") == std::vector<std::string_view>{"mapping.no-key"});
  CHECK(near("maping.no-key").front() == "mapping.no-key");
  const auto lost = near("oracle.lost");
  CHECK(std::ranges::find(lost, "postgres.lost") != lost.end());
  CHECK(near("cutover.").size() == 5);
  CHECK(near("").empty());
  CHECK(near("zzzzzzzzzz").empty());
}

TEST_CASE("every check is of a group, and nothing else is", "[catalogue]") {
  for (const CatalogueSection& section : catalogue()) {
    for (const CatalogueRow& row : section.rows) {
      INFO(row.id);
      CHECK((row.group != CheckGroup::none) == (row.kind == IdKind::check));
    }
  }
  for (const CheckGroup group : weir::check_groups()) {
    CHECK(weir::parse_group(weir::to_string(group)) == group);
  }
  CHECK(weir::parse_group("change-log") == CheckGroup::change_log);
  CHECK_FALSE(weir::parse_group("").has_value());
  CHECK_FALSE(weir::parse_group("logs").has_value());
}
