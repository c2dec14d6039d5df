// SPDX-License-Identifier: Apache-2.0
#include "base/folder.h"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>

#include "base/error.h"

namespace weir {

void make_private_folder(const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    // Folders above may be closed to us or read-only and still be there.
    const int error = errno;
    struct stat found {};
    if (stat(part.c_str(), &found) == 0) continue;
    throw Error(ExitCode::failed, "folder.create", "cannot create the folder " + part,
                std::strerror(error),
                "create it for this user with mode 0700, or name another one");
  }
}

}  // namespace weir
