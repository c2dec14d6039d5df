// SPDX-License-Identifier: Apache-2.0
#include "support/child_process.h"

#include <stdexcept>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/eventually.h"
#include "support/temp_dir.h"

namespace weir::test {

std::optional<Account> unprivileged_account() {
  if (geteuid() != 0) return {};
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* entry = getpwnam(name)) return Account{entry->pw_uid, entry->pw_gid};
  }
  throw std::runtime_error("this is root, and there is no user postgres or nobody to become");
}

ChildProcess::ChildProcess(const Options& options) {
  std::vector<char*> argv;
  for (const std::string& word : options.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const char* output = options.output.empty() ? "/dev/null" : options.output.c_str();
  const char* input = options.input.empty() ? "/dev/null" : options.input.c_str();
  const pid_t parent = getpid();

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    // Other threads' locks may be held here for ever: plain system calls only.
    const int in = open(input, O_RDONLY);
    const int out = open(output, O_WRONLY | O_CREAT | O_APPEND, 0644);
    bool ready = in >= 0 && out >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2;
    if (ready && options.account) {
      ready = setgroups(0, nullptr) == 0 && setgid(options.account->gid) == 0 &&
              setuid(options.account->uid) == 0;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    prctl(PR_SET_PDEATHSIG, options.death_signal);
    if (ready && getppid() == parent) execv(argv[0], argv.data());
    _exit(127);
  }
}

ChildProcess::~ChildProcess() {
  signal(SIGKILL);
  if (!status_) waitpid(pid_, nullptr, 0);
}

bool ChildProcess::running() {
  int status = 0;
  if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return !status_;
}

void ChildProcess::signal(int number) {
  if (running()) kill(pid_, number);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds limit) {
  eventually([this] { return !running(); }, limit);
  return status_;
}

void run_to_end(ChildProcess::Options options, std::chrono::milliseconds limit) {
  const TempDir scratch;
  if (options.output.empty()) options.output = scratch / "output";
  ChildProcess child(options);
  const std::optional<int> status = child.wait(limit);
  if (status == 0) return;
  std::string text = read_file(options.output);
  if (text.size() > 4000) text.erase(0, text.size() - 4000);
  throw std::runtime_error(options.argv.front() + (status ? " failed" : " took too long") + ":\n" +
                           text);
}

}  // namespace weir::test
