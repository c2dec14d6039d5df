// SPDX-License-Identifier: Apache-2.0
// weir remove-table: let go of tables, and bring them back.
#include "cli/run.h"
#include "cli/table_verbs.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"remove-table",
     [](weir::cli::Session& session) { return weir::cli::remove_table(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
