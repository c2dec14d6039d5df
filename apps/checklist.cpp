// SPDX-License-Identifier: Apache-2.0
// weir checklist: what has to be so before a risky step?
#include "cli/checklist_verb.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"checklist",
     [](weir::cli::Session& session) { return weir::cli::checklist(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
