// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/exit_code.h"
#include "model/catalogue.h"

namespace weir::cli {

class Session;

/// Makes the text of generated blocks in man pages, by the name of the block. Blocks that are made
/// from the tables of verbs and exit codes are built in; the rest is brought by apps/docs.cpp.
using DocBlocks = std::map<std::string, std::function<std::string()>, std::less<>>;

/// The text of one block for the page `page` ("weir-sync-start.1.scd").
/// Throws Error(failed, "docs.block") if nobody makes it.
std::string doc_block(std::string_view page, std::string_view block, const DocBlocks& more);

/// `text`, a man page, with what stands between `; BEGIN GENERATED name` and `; END GENERATED name`
/// made anew. Throws Error(failed, "docs.marker") on an open or stray marker.
std::string refresh_page(std::string_view page, std::string_view text, const DocBlocks& more);

/// `text` as scdoc takes it literally.
std::string scdoc_escaped(std::string_view text);

/// The checks of the catalogue, for weir-checks(7).
std::string check_list(std::span<const CatalogueSection> catalogue);

/// The verb `docs`: writes or compares man/ and completions/ of a source tree.
ExitCode run_docs(Session& session, const DocBlocks& more);

}  // namespace weir::cli
