// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weir {

/// Name and version of each linked client library, as it is at run time: what a bug report needs.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace weir
