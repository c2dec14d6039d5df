// SPDX-License-Identifier: Apache-2.0
// weir ddl: show what became of changes of definition, and say what is to become of one.
#include "cli/ddl_verbs.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

using weir::cli::Session;

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"ddl list", [](Session& session) { return weir::cli::ddl_list(session, kBackends); }},
    {"ddl show", [](Session& session) { return weir::cli::ddl_show(session, kBackends); }},
    {"ddl resolve", [](Session& session) { return weir::cli::ddl_resolve(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
