// SPDX-License-Identifier: Apache-2.0
// weir cutover: carry the counters over, the last step of a migration.
#include "cli/cutover_verb.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"cutover", [](weir::cli::Session& session) { return weir::cli::cutover(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
