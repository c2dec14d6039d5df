// SPDX-License-Identifier: Apache-2.0
// weir offset: show where a task stands in its source's log, and put it elsewhere.
#include "cli/offset_verbs.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

using weir::cli::Session;

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"offset show", [](Session& session) { return weir::cli::offset_show(session, kBackends); }},
    {"offset history",
     [](Session& session) { return weir::cli::offset_history(session, kBackends); }},
    {"offset reset", [](Session& session) { return weir::cli::offset_reset(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
