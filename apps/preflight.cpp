// SPDX-License-Identifier: Apache-2.0
// weir preflight: check whether a task can run, changing nothing.
#include "cli/preflight_verb.h"
#include "cli/run.h"
#include "registry/catalogue.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"preflight",
     [](weir::cli::Session& session) {
       return weir::cli::preflight(session, kBackends, weir::kind_catalogue);
     }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
