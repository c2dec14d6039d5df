// SPDX-License-Identifier: Apache-2.0
// weir-docs: the generated parts of the man pages, and the completions. A tool of the build.
#include "cli/docs.h"

#include "cli/catalogue.h"
#include "cli/run.h"
#include "registry/catalogue.h"
#include "registry/type_pages.h"

namespace {

using weir::cli::scdoc_escaped;
namespace pages = weir::registry;

std::string notes(const std::vector<pages::TypeNote>& all) {
  std::string out;
  for (const pages::TypeNote& note : all) {
    out += "- *" + scdoc_escaped(note.types) + "*: " + scdoc_escaped(note.text) + "\n";
  }
  return out;
}

const weir::cli::DocBlocks& blocks() {
  static const weir::cli::DocBlocks kBlocks{
      {"checks",
       [] { return weir::cli::check_list(weir::cli::whole_catalogue(weir::kind_catalogue)); }},
      {"source-types", [] { return "```\n" + pages::source_type_table() + "```\n"; }},
      {"target-types", [] { return "```\n" + pages::target_type_table() + "```\n"; }},
      {"mysql-source-notes", [] { return notes(pages::mysql_source_notes()); }},
      {"postgres-source-notes", [] { return notes(pages::postgres_source_notes()); }},
      {"postgres-target-notes", [] { return notes(pages::postgres_target_notes()); }},
      {"mysql-target-notes", [] { return notes(pages::mysql_target_notes()); }},
      {"sqlite-target-notes", [] { return notes(pages::sqlite_target_notes()); }}};
  return kBlocks;
}

constexpr weir::cli::Verb kVerbs[] = {
    {"docs", [](weir::cli::Session& session) { return weir::cli::run_docs(session, blocks()); }}};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
