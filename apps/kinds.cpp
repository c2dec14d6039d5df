// SPDX-License-Identifier: Apache-2.0
// weir kinds: list what weir can read from and write to.
#include "cli/kinds_verb.h"
#include "cli/run.h"
#include "registry/registry.h"

namespace {

constexpr weir::cli::Kinds kKinds{weir::source_facts, weir::target_facts};

constexpr weir::cli::Verb kVerbs[] = {
    {"kinds", [](weir::cli::Session& session) { return weir::cli::kinds(session, kKinds); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
