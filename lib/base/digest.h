// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace weir {

/// SHA-256 in hexadecimal, as sha256sum(1) prints it.
std::string sha256(std::string_view bytes);

}  // namespace weir
