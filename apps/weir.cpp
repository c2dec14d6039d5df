// SPDX-License-Identifier: Apache-2.0
// weir: finds the verb's own binary and becomes it.
#include "cli/run.h"
#include "client/versions.h"

int main(int argc, char** argv) { return weir::cli::dispatch(argc, argv, weir::library_versions); }
