// SPDX-License-Identifier: Apache-2.0
// weir config: which task files a task has run by, and how they differ.
#include "cli/plan_verbs.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

using weir::cli::Session;

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"config list", [](Session& session) { return weir::cli::config_list(session, kBackends); }},
    {"config show", [](Session& session) { return weir::cli::config_show(session, kBackends); }},
    {"config diff", [](Session& session) { return weir::cli::config_diff(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
