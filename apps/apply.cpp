// SPDX-License-Identifier: Apache-2.0
// weir apply: have an edited task file take effect.
#include "cli/plan_verbs.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

using weir::cli::Session;

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"apply", [](Session& session) { return weir::cli::apply(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
