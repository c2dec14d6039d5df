// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/terminal.h"
#include "cli/verbs.h"

namespace weir::cli {

// Every help text fits into 80 columns. Headings are bold where `stream` takes colour.

/// `weir help`: what weir is, two examples, every verb.
std::string main_help(const Terminal& terminal, Stream stream);
/// What a bare `weir` prints.
std::string short_help(const Terminal& terminal, Stream stream);
std::string group_help(const Terminal& terminal, Stream stream, const GroupSpec& group);
std::string verb_help(const Terminal& terminal, Stream stream, const VerbSpec& verb);

/// "weir sync start TASK [--wait STAGE] [--timeout DURATION]", without global options.
std::string usage(const VerbSpec& verb);

/// What `option` means, with its choices, default and environment variable.
std::string full_meaning(const OptionSpec& option);

/// `text` broken into lines of at most `width` columns, each after `indent` spaces. The first line
/// follows `lead`, which takes the place of its indent. Ends with a newline.
std::string wrap(std::string_view lead, std::string_view text, std::size_t indent,
                 std::size_t width);

}  // namespace weir::cli
