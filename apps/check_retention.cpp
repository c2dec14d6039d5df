// SPDX-License-Identifier: Apache-2.0
// weir check-retention: would a stopped task still find its offset?
#include "cli/retention_verb.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"check-retention",
     [](weir::cli::Session& session) { return weir::cli::check_retention(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
