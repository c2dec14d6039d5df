// SPDX-License-Identifier: Apache-2.0
// weir log: look into a source's change log.
#include "cli/log_verbs.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

using weir::cli::Session;

constexpr weir::cli::LogBackends kBackends{weir::open_source, weir::open_log, weir::open_log_file};

constexpr weir::cli::Verb kVerbs[] = {
    {"log show", [](Session& session) { return weir::cli::log_show(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
