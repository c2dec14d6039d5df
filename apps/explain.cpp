// SPDX-License-Identifier: Apache-2.0
// weir explain: what an id that weir printed means, and what to do about it.
#include "cli/explain_verb.h"
#include "cli/run.h"
#include "registry/catalogue.h"

namespace {

constexpr weir::cli::Verb kVerbs[] = {
    {"explain",
     [](weir::cli::Session& session) { return weir::cli::explain(session, weir::kind_catalogue); }},
};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
