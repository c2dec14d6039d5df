// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded/notify.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace weir {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t out = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return {};
  return out;
}

}  // namespace

ServiceManager::ServiceManager() : address_(variable("NOTIFY_SOCKET")) {
  if (address_.empty() || address_.size() >= sizeof(sockaddr_un::sun_path)) return;
  if (address_[0] == '@') {
    address_[0] = '\0';  // Linux's abstract name space
  } else if (address_[0] != '/') {
    return;
  }
  socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto allowed = number(variable("WATCHDOG_USEC"));
  const std::string_view pid = variable("WATCHDOG_PID");
  if (allowed && *allowed > 0 && (pid.empty() || number(pid) == getpid())) {
    watchdog_ = std::chrono::microseconds(std::max<std::int64_t>(*allowed / 2, 1));
  }
}

void ServiceManager::started(int pid) { send("MAINPID=" + std::to_string(pid)); }

void ServiceManager::status(const std::string& text) {
  constexpr std::size_t kLongest = 1000;
  std::string line = "STATUS=" + text.substr(0, kLongest);
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (line != status_ && send(line)) status_ = line;
}

bool ServiceManager::send(std::string_view message) {
  if (!socket_) return false;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  return sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                reinterpret_cast<const sockaddr*>(&to),
                size) == static_cast<ssize_t>(message.size());
}

}  // namespace weir
