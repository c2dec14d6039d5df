// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded/lock.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/folder.h"

namespace weir {
namespace {

Error lock_error(const std::string& path) {
  return Error(ExitCode::failed, "task.lock", "cannot use the lock file " + path,
               std::strerror(errno), "run as the owner of the state folder");
}

struct flock whole_file(int type) {
  struct flock lock {};
  lock.l_type = static_cast<short>(type);
  lock.l_whence = SEEK_SET;
  return lock;
}

bool locked(int fd) {
  struct flock probe = whole_file(F_WRLCK);
  return fcntl(fd, F_OFD_GETLK, &probe) == 0 && probe.l_type != F_UNLCK;
}

std::string content(int fd) {
  std::array<char, 8192> buffer;
  const ssize_t got = pread(fd, buffer.data(), buffer.size(), 0);
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string();
}

std::string one_line(std::string text, std::size_t limit) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return text.substr(0, limit);
}

ProcessMark mark(std::string_view text) {
  ProcessMark out;
  const char* end = text.data() + text.size();
  const auto pid = std::from_chars(text.data(), end, out.pid);
  if (pid.ec == std::errc() && pid.ptr != end) std::from_chars(pid.ptr + 1, end, out.start);
  return out;
}

/// Empty if the text is not whole. What follows its last line is the rest of a longer, older one.
LockHolder parse(std::string_view text) {
  LockHolder out;
  const std::size_t size = text.find("\nend\n");
  if (size == std::string_view::npos) return out;
  text = text.substr(0, size + 1);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t split = line.find('=');
    if (split == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, split);
    const std::string_view value = line.substr(split + 1);
    if (key == "supervisor") out.supervisor = mark(value);
    if (key == "worker") out.worker = mark(value);
    if (key == "host") out.host = value;
    if (key == "since") out.since = parse_rfc3339(value);
    if (key == "holds_only") out.holds_only = value == "1";
    if (key == "command") out.command = value;
  }
  return out;
}

/// State and start time from /proc; '\0' if there is no such process. One that is on its way out,
/// which takes the kernel a while if it had much memory, is 'X' from the first moment on.
/// Fields: proc(5), and PF_EXITING of the kernel's sched.h.
std::pair<char, std::uint64_t> look_up(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  try {
    text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure&) {
    return {'\0', 0};  // it ended between the opening of the file and the reading
  }
  // The second field is the program's name in parentheses and may hold anything.
  std::size_t at = text.rfind(')');
  if (at == std::string::npos || at + 2 >= text.size()) return {'\0', 0};
  const char state = text[at + 2];
  int field = 2;
  const auto number = [&](int wanted) {
    for (; field < wanted && at != std::string::npos; ++field) at = text.find(' ', at + 1);
    std::uint64_t out = 0;
    if (at != std::string::npos) {
      std::from_chars(text.data() + at + 1, text.data() + text.size(), out);
    }
    return out;
  };
  constexpr std::uint64_t kExiting = 0x4;
  const bool is_exiting = (number(9) & kExiting) != 0;
  const std::uint64_t start = number(22);
  return {is_exiting ? 'X' : state, start};
}

}  // namespace

ProcessMark ProcessMark::of(int pid) { return {pid, look_up(pid).second}; }

bool ProcessMark::alive() const {
  if (pid <= 0) return false;
  const auto [state, started] = look_up(pid);
  return state != '\0' && state != 'Z' && state != 'X' && started == start;
}

TaskLock::~TaskLock() {
  if (!file_) return;
  // Closing is not enough: what a killed worker left behind may take a moment to die.
  struct flock lock = whole_file(F_UNLCK);
  fcntl(fd(), F_OFD_SETLK, &lock);
}

std::optional<TaskLock> TaskLock::acquire(const std::string& path) {
  make_private_folder(std::filesystem::path(path).parent_path().string());
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) throw lock_error(path);
  struct flock lock = whole_file(F_WRLCK);
  if (fcntl(file.get(), F_OFD_SETLK, &lock) == 0) return TaskLock(std::move(file));
  if (errno == EAGAIN || errno == EACCES) return std::nullopt;
  throw lock_error(path);
}

std::optional<LockHolder> TaskLock::holder(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw lock_error(path);
  }
  if (!locked(file.get())) return std::nullopt;
  return parse(content(file.get()));
}

void TaskLock::describe(const LockHolder& holder) {
  const std::string text = fmt::format(
      "supervisor={} {}\nworker={} {}\nhost={}\nsince={}\nholds_only={:d}\ncommand={}\nend\n",
      holder.supervisor.pid, holder.supervisor.start, holder.worker.pid, holder.worker.start,
      holder.host, to_rfc3339(holder.since), holder.holds_only, one_line(holder.command, 2000));
  if (pwrite(fd(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ftruncate(fd(), static_cast<off_t>(text.size())) != 0) {
    throw Error(ExitCode::failed, "task.lock", "cannot write the lock file", std::strerror(errno),
                "check the free space of the state folder");
  }
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace weir
