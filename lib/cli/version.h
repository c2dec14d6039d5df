// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::cli {

/// Names and versions of linked libraries, for a bug report.
using Libraries = std::vector<std::pair<std::string, std::string>>;

/// "0.1.0"; the same as in CMakeLists.txt, which a test compares.
std::string_view version();

/// What --version prints: name, version, and the commit if the build knew it.
std::string version_text(const Libraries& libraries);

}  // namespace weir::cli
