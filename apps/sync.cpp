// SPDX-License-Identifier: Apache-2.0
// weir sync: start, stop and watch tasks.
#include "cli/run.h"
#include "cli/sync_verbs.h"
#include "client/versions.h"
#include "registry/registry.h"

namespace {

using weir::cli::Session;

constexpr weir::cli::Backends kBackends{weir::open_source, weir::open_target, weir::open_engine};

constexpr weir::cli::Verb kVerbs[] = {
    {"sync start", [](Session& session) { return weir::cli::sync_start(session, kBackends); }},
    {"sync run", [](Session& session) { return weir::cli::sync_run(session, kBackends); }},
    {"sync stop", [](Session& session) { return weir::cli::sync_stop(session, kBackends); }},
    {"sync status", [](Session& session) { return weir::cli::sync_status(session, kBackends); }},
    {"sync list", [](Session& session) { return weir::cli::sync_list(session, kBackends); }},
    {"sync worker", [](Session& session) { return weir::cli::sync_worker(session, kBackends); }},
};

}  // namespace

int main(int argc, char** argv) {
  return weir::cli::run(argc, argv, kVerbs, weir::library_versions);
}
