// SPDX-License-Identifier: Apache-2.0
// weir add-table: take tables into a task while it runs.
#include "cli/run.h"
#include "cli/table_verbs.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"add-table",
     [](weir::cli::Session& session) { return weir::cli::add_table(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
