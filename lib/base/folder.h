// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace weir {

/// Creates the folder and those above it that are missing, for this user alone (0700). One that
/// exists is left as it is. Throws Error(failed, "folder.create").
void make_private_folder(const std::string& path);

}  // namespace weir
