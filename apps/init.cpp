// SPDX-License-Identifier: Apache-2.0
// weir init: write a commented task file from a live source.
#include "cli/init_verb.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};
constexpr weir::cli::Kinds kKinds{weir::source_facts, weir::target_facts};

constexpr weir::cli::Verb kVerbs[] = {
    {"init",
     [](weir::cli::Session& session) { return weir::cli::init(session, kBackends, kKinds); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
