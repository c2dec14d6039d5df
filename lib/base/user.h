// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace weir {

/// Who runs this process, for records: the name of the user, "root (sudo by ana)" after sudo, or
/// the number of a user without a name.
std::string user_name();

}  // namespace weir
