// SPDX-License-Identifier: Apache-2.0
#include "base/user.h"

#include <array>
#include <cstdlib>

#include <pwd.h>
#include <unistd.h>

namespace weir {

std::string user_name() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  std::string name = found == nullptr ? std::to_string(geteuid()) : found->pw_name;
  const char* const before = std::getenv("SUDO_USER");
  if (before != nullptr && *before != '\0') name += std::string(" (sudo by ") + before + ")";
  return name;
}

}  // namespace weir
