// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <sys/types.h>

namespace weir::cli {

/// Puts `text` in place of the file in one step, with these permissions less the umask. Throws
/// Error(failed, "output.file").
void replace_file(const std::string& path, const std::string& text, mode_t mode);

}  // namespace weir::cli
