// SPDX-License-Identifier: Apache-2.0
#include "ops/sync.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "engine/engine.h"
#include "store/state_store.h"
#include "support/temp_dir.h"

using namespace weir;

namespace {

/// Answers what a test says, and lets it do something each time that it is asked.
class AskedEngine final : public Engine {
 public:
  explicit AskedEngine(std::function<bool()> running) : running_(std::move(running)) {}

  int run(const Submission&, const Observer&) override { throw bug("not asked"); }
  bool submit(const std::string&, const std::vector<std::string>&, const std::string&) override {
    throw bug("not asked");
  }
  bool stop(const std::string&, std::chrono::milliseconds) override { throw bug("not asked"); }
  std::unique_ptr<Hold> hold(const std::string&) override { throw bug("not asked"); }
  Status status(const std::string&) override {
    Status out;
    out.running = running_();
    out.supervisor_pid = out.running ? 1 : 0;
    return out;
  }

 private:
  std::function<bool()> running_;
};

}  // namespace

TEST_CASE("a task that ends while it is looked at has not lost its supervisor", "[sync]") {
  const test::TempDir folder;
  const std::unique_ptr<StateStore> store = open_state(folder.path(), false);
  store->put_task("shop", "/nowhere/shop.toml");
  store->set_state("shop", TaskState::running, "");
  int looks = 0;
  SECTION("it ends") {
    AskedEngine engine([&] {
      if (++looks == 1) ops::observe("shop", *store).ended(0);
      return false;
    });
    const ops::Status status = ops::status("shop", *store, engine);
    CHECK(status.task.state == TaskState::stopped);
    CHECK(status.task.error_id.empty());
  }
  SECTION("it ends, and is started again") {
    AskedEngine engine([&] {
      if (++looks > 1) return true;
      store->set_state("shop", TaskState::starting, "");
      return false;
    });
    const ops::Status status = ops::status("shop", *store, engine);
    CHECK(status.task.state == TaskState::starting);
    CHECK(status.engine.running);
  }
  SECTION("its supervisor is gone") {
    AskedEngine engine([] { return false; });
    const ops::Status status = ops::status("shop", *store, engine);
    CHECK(status.task.state == TaskState::failed);
    CHECK(status.task.error_id == "task.supervisor-gone");
  }
}
