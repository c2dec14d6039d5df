// SPDX-License-Identifier: Apache-2.0
// weir reload-table: copy tables of a running task anew.
#include "cli/run.h"
#include "cli/table_verbs.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"reload-table",
     [](weir::cli::Session& session) { return weir::cli::reload_table(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
