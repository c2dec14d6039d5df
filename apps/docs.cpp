// SPDX-License-Identifier: Apache-2.0
// weir-docs: the generated parts of the man pages, and the completions. A tool of the build.
#include "cli/docs.h"

#include "cli/run.h"
#include "registry/type_pages.h"

namespace {

using weir::cli::scdoc_escaped;

std::string types() {
  std::string out;
  for (const auto& fact : weir::registry::mysql_to_postgres_types()) {
    out += (out.empty() ? "*" : "\n*") + scdoc_escaped(fact.native) + "*";
    if (!fact.condition.empty()) out += " " + scdoc_escaped(fact.condition);
    out += "\n\t" + scdoc_escaped(fact.neutral) + "; PostgreSQL *" + scdoc_escaped(fact.target) +
           "*\n";
    for (const std::string& note : fact.notes) out += "\t- " + scdoc_escaped(note) + "\n";
  }
  return out;
}

std::string of_source(const std::vector<weir::registry::TypeFact>& facts) {
  std::string out;
  for (const auto& fact : facts) {
    out += (out.empty() ? "*" : "\n*") + scdoc_escaped(fact.native) + "*\n\t" +
           scdoc_escaped(fact.neutral) + "\n";
    for (const std::string& note : fact.notes) out += "\t- " + scdoc_escaped(note) + "\n";
  }
  return out;
}

std::string of_target(const std::vector<weir::registry::TypeFact>& facts) {
  std::string out;
  for (const auto& fact : facts) {
    out += (out.empty() ? "*" : "\n*") + scdoc_escaped(fact.neutral) + "*\n\t" +
           scdoc_escaped(fact.target) + "\n";
    for (const std::string& note : fact.notes) out += "\t- " + scdoc_escaped(note) + "\n";
  }
  return out;
}

const weir::cli::DocBlocks& blocks() {
  static const weir::cli::DocBlocks kBlocks{
      {"mysql-types", types},
      {"postgres-source-types",
       [] { return of_source(weir::registry::postgres_source_types()); }},
      {"sqlite-types", [] { return of_target(weir::registry::sqlite_types()); }},
      {"mysql-target-types", [] { return of_target(weir::registry::mysql_target_types()); }}};
  return kBlocks;
}

constexpr weir::cli::Verb kVerbs[] = {
    {"docs", [](weir::cli::Session& session) { return weir::cli::run_docs(session, blocks()); }}};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
