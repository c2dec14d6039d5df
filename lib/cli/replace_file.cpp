// SPDX-License-Identifier: Apache-2.0
#include "cli/replace_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"

namespace weir::cli {

void replace_file(const std::string& path, const std::string& text, mode_t mode) {
  const std::string beside = fmt::format("{}.{}.tmp", path, getpid());
  const auto refuse = [&](const char* what) {
    const int number = errno;
    unlink(beside.c_str());
    return Error(ExitCode::failed, "output.file", fmt::format("cannot {} {}", what, path),
                 std::strerror(number), "give a file in a folder that this user may write to");
  };
  UniqueFd file(open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!file) throw refuse("write");
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t size = write(file.get(), text.data() + done, text.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw refuse("write");
    done += static_cast<std::size_t>(size);
  }
  if (fsync(file.get()) != 0) throw refuse("write");
  file.reset();
  if (std::rename(beside.c_str(), path.c_str()) != 0) throw refuse("replace");
}

}  // namespace weir::cli
