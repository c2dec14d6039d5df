// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/command.h"
#include "base/error.h"
#include "base/time.h"

using namespace weir;
using namespace std::chrono_literals;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weir-secret-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string& name) const { return (path_ / name).string(); }

  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const std::string full = path(name);
    std::ofstream(full, std::ios::binary) << text;
    REQUIRE(chmod(full.c_str(), mode) == 0);
    return full;
  }

 private:
  std::filesystem::path path_;
};

SecretRef file_ref(std::string path) { return {SecretRef::Kind::file, std::move(path)}; }
SecretRef command_ref(std::string text) { return {SecretRef::Kind::command, std::move(text)}; }

/// The error of resolve(), checked for what every one of them must be.
Error refused(const SecretRef& ref, std::chrono::milliseconds limit = kSecretCommandLimit) {
  try {
    resolve(ref, limit);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::configuration);
    CHECK_FALSE(error.why().empty());
    CHECK_FALSE(error.fix().empty());
    for (const std::string& text : {error.summary(), error.why(), error.fix()}) {
      CHECK_THAT(text, !Catch::Contains("hunter2"));
    }
    return error;
  }
  FAIL("accepted");
  std::abort();
}

bool eventually(const std::function<bool()>& condition) {
  for (const auto end = Clock::now() + 10s; Clock::now() < end; usleep(2000)) {
    if (condition()) return true;
  }
  return condition();
}

}  // namespace

TEST_CASE("no reference is no secret", "[secret]") { CHECK(resolve({}).empty()); }

TEST_CASE("a file gives its text without one line end", "[secret]") {
  const Folder folder;
  CHECK(resolve(file_ref(folder.file("a", "hunter2\n"))).reveal() == "hunter2");
  CHECK(resolve(file_ref(folder.file("b", "hunter2\r\n"))).reveal() == "hunter2");
  CHECK(resolve(file_ref(folder.file("c", "hunter2\n\n"))).reveal() == "hunter2\n");
  CHECK(resolve(file_ref(folder.file("d", " hunter2 ", 0400))).reveal() == " hunter2 ");
  CHECK(resolve(file_ref(folder.file("e", "hunter2\r"))).reveal() == "hunter2\r");
  std::filesystem::create_symlink(folder.path("a"), folder.path("link"));
  CHECK(resolve(file_ref(folder.path("link"))).reveal() == "hunter2");
}

TEST_CASE("a file that cannot be a password file is refused", "[secret]") {
  const Folder folder;
  CHECK(refused(file_ref(folder.path("none"))).id() == "secret.file");
  CHECK(refused(file_ref(folder.path(""))).id() == "secret.file");  // the folder itself
  CHECK(refused(file_ref(folder.file("empty", ""))).id() == "secret.file");
  CHECK(refused(file_ref(folder.file("line", "\n"))).id() == "secret.file");
  CHECK(refused(file_ref(folder.file("long", "hunter2" + std::string(100'000, 'x')))).id() ==
        "secret.file");
  CHECK(refused(file_ref(folder.file("zero", std::string("hunter2\0x", 9)))).id() == "secret.file");
  const std::string pipe = folder.path("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(refused(file_ref(pipe)).id() == "secret.file");  // and does not wait for a writer
}

TEST_CASE("a file open to others is refused with the command that mends it", "[secret]") {
  const Folder folder;
  for (const mode_t mode : {0604, 0602, 0660, 0666, 0777}) {
    const std::string path = folder.file("pw", "hunter2", mode);
    const Error error = refused(file_ref(path));
    CHECK(error.id() == "secret.mode");
    CHECK(error.fix() == "chmod 0600 " + path);
  }
  // Group-read is for files that root hands to a service.
  const std::string path = folder.file("group", "hunter2", 0640);
  if (geteuid() == 0) {
    CHECK(resolve(file_ref(path)).reveal() == "hunter2");
  } else {
    CHECK(refused(file_ref(path)).id() == "secret.mode");
  }
}

TEST_CASE("a file of another account is refused", "[secret][root]") {
  if (geteuid() != 0) {
    WARN("only root can give a file away");
    return;
  }
  const Folder folder;
  const std::string path = folder.file("pw", "hunter2");
  REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
  const Error error = refused(file_ref(path));
  CHECK(error.id() == "secret.mode");
  CHECK_THAT(error.why(), Catch::Contains("65534"));
}

TEST_CASE("a variable gives its value", "[secret]") {
  REQUIRE(setenv("WEIR_SECRET_TEST", "hunter2", 1) == 0);
  const SecretRef ref{SecretRef::Kind::env, "WEIR_SECRET_TEST"};
  CHECK(resolve(ref).reveal() == "hunter2");

  REQUIRE(setenv("WEIR_SECRET_TEST", "", 1) == 0);
  CHECK(refused(ref).id() == "secret.env");
  REQUIRE(unsetenv("WEIR_SECRET_TEST") == 0);
  const Error error = refused(ref);
  CHECK(error.id() == "secret.env");
  CHECK_THAT(error.summary(), Catch::Contains("WEIR_SECRET_TEST"));
}

TEST_CASE("a command gives what it prints", "[secret]") {
  CHECK(resolve(command_ref("echo hunter2")).reveal() == "hunter2");
  CHECK(resolve(command_ref("echo noise >&2; printf 'hunter2'")).reveal() == "hunter2");
}

TEST_CASE("a command that fails, prints nothing or too much is refused", "[secret]") {
  const Error failed = refused(command_ref("echo hunter2; echo hunter2 >&2; exit 3"));
  CHECK(failed.id() == "secret.command");
  CHECK_THAT(failed.why(), Catch::Contains("exit status 3"));
  CHECK_THAT(refused(command_ref("/nonexistent/weir-hunter2")).why(),
             Catch::Contains("exit status 127"));
  CHECK_THAT(refused(command_ref("kill -9 $$")).why(), Catch::Contains("signal 9"));
  CHECK(refused(command_ref("true")).id() == "secret.command");
  CHECK(refused(command_ref("head -c 1000000 /dev/zero | tr '\\0' x")).id() == "secret.command");
}

TEST_CASE("a command that does not end is killed with all that it started", "[secret]") {
  const Folder folder;
  const std::string pid_file = folder.path("pid");
  const auto begin = Clock::now();
  const Error error =
      refused(command_ref("sleep 600 & echo $! >" + pid_file + "; echo hunter2; wait"), 1s);
  CHECK(error.id() == "secret.command");
  CHECK_THAT(error.why(), Catch::Contains("1000 ms"));
  CHECK(Clock::now() - begin >= 1s);
  CHECK(Clock::now() - begin < 60s);

  pid_t grandchild = 0;
  std::ifstream(pid_file) >> grandchild;
  REQUIRE(grandchild > 0);
  CHECK(eventually([grandchild] {
    // A zombie that nobody collects in a container is as dead.
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string pid, name, state;
    return !(stat >> pid >> name >> state) || state == "Z";
  }));
}

TEST_CASE("a command is over when its shell ends", "[command]") {
  const Folder folder;
  const std::string pid_file = folder.path("pid");
  const auto begin = Clock::now();
  const CommandResult result =
      run_command("sleep 600 & echo $! >" + pid_file + "; echo done", 300s);
  CHECK(result.ok());
  CHECK(result.out == "done\n");
  CHECK(Clock::now() - begin < 200s);
  pid_t background = 0;
  std::ifstream(pid_file) >> background;
  REQUIRE(background > 0);
  kill(background, SIGKILL);
}

TEST_CASE("a command's two outputs are kept apart, whole up to the limit", "[command]") {
  const CommandResult result = run_command("echo out; echo err >&2; exit 7", 60s);
  CHECK(result.out == "out\n");
  CHECK(result.err == "err\n");
  CHECK(result.status == 7);
  CHECK_FALSE(result.ok());
  CHECK_FALSE(result.cut);

  const auto printed = [](std::size_t size) {
    return run_command("head -c " + std::to_string(size) + " /dev/zero", 60s);
  };
  const CommandResult full = printed(kCommandOutputLimit);
  CHECK(full.out.size() == kCommandOutputLimit);
  CHECK_FALSE(full.cut);
  const CommandResult over = printed(kCommandOutputLimit + 1);
  CHECK(over.ok());
  CHECK(over.out.size() == kCommandOutputLimit);
  CHECK(over.cut);
}

TEST_CASE("a command reads nothing and inherits no file", "[command]") {
  const int fd = dup(STDERR_FILENO);  // without CLOEXEC
  REQUIRE(fd > STDERR_FILENO);
  CHECK(run_command("cat", 60s).out.empty());
  CHECK(run_command("[ -e /proc/self/fd/" + std::to_string(fd) + " ]", 60s).status == 1);
  close(fd);
}

TEST_CASE("a command starts with the signals as they were born", "[command]") {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction old {};
  REQUIRE(sigaction(SIGPIPE, &ignore, &old) == 0);
  // With SIGPIPE ignored `yes` would complain and go on; by default it dies of it in silence.
  const CommandResult result = run_command("yes | head -n 1", 60s);
  CHECK(sigaction(SIGPIPE, &old, nullptr) == 0);
  CHECK(result.out == "y\n");
  CHECK(result.err.empty());
}

TEST_CASE("a lost exit status is no success", "[command]") {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction old {};
  REQUIRE(sigaction(SIGCHLD, &ignore, &old) == 0);
  CHECK_THROWS_AS(run_command("exit 3", 60s), Error);
  CHECK(sigaction(SIGCHLD, &old, nullptr) == 0);
}
