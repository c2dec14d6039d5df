// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/command.h"
#include "base/error.h"

namespace weir {
namespace {

constexpr std::size_t kLongest = 16384;

Error bad(std::string id, std::string what, std::string why, std::string fix) {
  return Error(ExitCode::configuration, std::move(id), std::move(what), std::move(why),
               std::move(fix));
}

/// Cuts one line end and checks what no database would take. `what` names the place, not the text.
Secret checked(std::string text, const std::string& id, const std::string& what) {
  if (text.ends_with('\n')) {
    text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
  }
  if (text.empty()) {
    throw bad(id, what + " is empty", "an empty password is more often a mistake than meant",
              "put the password there, or leave `password` out if the account has none");
  }
  if (text.size() > kLongest) {
    throw bad(id, what + " is too long", fmt::format("it has more than {} bytes", kLongest),
              "make it hold the password and nothing else");
  }
  if (text.find('\0') != std::string::npos) {
    throw bad(id, what + " holds a zero byte", "the client libraries would cut the password there",
              "store the password as plain text in UTF-8");
  }
  return Secret(std::move(text));
}

Secret from_file(const std::string& path) {
  const std::string what = fmt::format("password file {}", path);
  const auto unreadable = [&](int error) {
    return bad("secret.file", "cannot read " + what, std::strerror(error),
               "create it, owned by the account that runs weir, with mode 0600");
  };
  // NONBLOCK: opening a named pipe by mistake must not hang.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw unreadable(errno);
  struct Closer {
    int fd;
    ~Closer() { close(fd); }
  } const closer{fd};

  struct stat info {};
  if (fstat(fd, &info) != 0) throw unreadable(errno);
  if (!S_ISREG(info.st_mode)) {
    throw bad("secret.file", what + " is not a regular file", "only a regular file is read",
              "name the file that holds the password");
  }
  const uid_t self = geteuid();
  if (info.st_uid != self && info.st_uid != 0) {
    throw bad("secret.mode", what + " belongs to another account",
              fmt::format("its owner is user id {}, weir runs as {}", info.st_uid, self),
              fmt::format("chown {} {} && chmod 0600 {}", self, path, path));
  }
  // root may hand a file to a service by its group; a file of our own is for us alone.
  const mode_t open_to =
      info.st_mode & (info.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO);
  if (open_to != 0) {
    throw bad("secret.mode", what + " is open to other accounts",
              fmt::format("its mode is {:04o}", info.st_mode & 07777),
              fmt::format("chmod 0600 {}", path));
  }

  std::string text;
  std::array<char, 4096> buffer;
  while (text.size() <= kLongest + 2) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw unreadable(errno);
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return checked(std::move(text), "secret.file", what);
}

Secret from_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) {
    throw bad("secret.env", fmt::format("environment variable {} is not set", name),
              "the task file takes a password from it",
              fmt::format("set {} where weir is started, or name a file instead", name));
  }
  return checked(value, "secret.env", fmt::format("environment variable {}", name));
}

Secret from_command(const std::string& command, std::chrono::milliseconds limit) {
  CommandResult result = run_command(command, limit);
  if (!result.ok()) {
    // Neither its text nor its messages are shown: either may hold a secret.
    throw bad("secret.command", "the password command failed",
              result.end == CommandResult::End::timed_out
                  ? fmt::format("it did not end within {} ms", limit.count())
                  : "it ended with " + describe_end(result),
              "run the `command` of this password by hand, as the account that runs weir and "
              "without a terminal");
  }
  if (result.cut) result.out.append(kLongest, ' ');
  return checked(std::move(result.out), "secret.command", "the output of the password command");
}

}  // namespace

Secret resolve(const SecretRef& ref) { return resolve(ref, kSecretCommandLimit); }

Secret resolve(const SecretRef& ref, std::chrono::milliseconds command_limit) {
  switch (ref.kind) {
    case SecretRef::Kind::none:
      return Secret();
    case SecretRef::Kind::file:
      return from_file(ref.value);
    case SecretRef::Kind::env:
      return from_environment(ref.value);
    case SecretRef::Kind::command:
      return from_command(ref.value, command_limit);
  }
  return Secret();
}

}  // namespace weir
