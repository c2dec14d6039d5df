// SPDX-License-Identifier: Apache-2.0
#include "support/server_files.h"

#include <filesystem>
#include <stdexcept>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/temp_dir.h"

namespace fs = std::filesystem;

namespace weir::test {

namespace {

/// Held across processes; the kernel lets go of it if one dies.
class FileLock {
 public:
  explicit FileLock(const std::string& path)
      : file_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    if (file_ < 0 || flock(file_, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + path);
  }
  ~FileLock() { close(file_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_;
};

std::string template_folder() {
  if (const char* shared = getenv("WEIR_TEST_TEMPLATES")) return shared;
  static const TempDir own;
  return own.path();
}

}  // namespace

std::string server_tree(const std::string& suite) {
  const auto variable = [](const char* name) {
    const char* value = getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  std::string root = variable("WEIR_SERVERS");
  if (root.empty() && geteuid() == 0) root = "/var/cache/weir/servers";
  if (root.empty()) {
    const std::string cache = variable("XDG_CACHE_HOME");
    root = (cache.empty() ? variable("HOME") + "/.cache" : cache) + "/weir/servers";
  }
  const std::string tree = root + '/' + suite;
  if (!fs::exists(tree + "/.ready")) {
    throw std::runtime_error("no server tree in " + tree + "; run tests/support/servers.sh");
  }
  return tree;
}

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool found = bind(socket, generic, size) == 0 && getsockname(socket, generic, &size) == 0;
  close(socket);
  if (!found) throw std::runtime_error("no free port on 127.0.0.1");
  return ntohs(address.sin_port);
}

void copy_template(const std::string& name, const std::function<void(const std::string&)>& make,
                   const std::string& to) {
  const std::string folder = template_folder() + '/' + name;
  fs::create_directories(template_folder());
  {
    const FileLock lock(folder + ".lock");
    if (!fs::exists(folder)) {
      // Renamed when complete, so that a process that died half-way leaves no template.
      const std::string unfinished = folder + ".new";
      fs::remove_all(unfinished);
      fs::create_directories(unfinished);
      make(unfinished);
      fs::rename(unfinished, folder);
    }
  }
  fs::copy(folder, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
}

void give_to(const std::string& path, const std::optional<Account>& account) {
  if (!account) return;
  bool given = chown(path.c_str(), account->uid, account->gid) == 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    given = lchown(entry.path().c_str(), account->uid, account->gid) == 0 && given;
  }
  if (!given) throw std::runtime_error("cannot give away " + path);
}

}  // namespace weir::test
