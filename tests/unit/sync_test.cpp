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
#include "support/asked_engine.h"
#include "support/temp_dir.h"

using namespace weir;

TEST_CASE("a task that ends while it is looked at has not lost its supervisor", "[sync]") {
  const test::TempDir folder;
  const std::unique_ptr<StateStore> store = open_state(folder.path(), false);
  store->put_task("shop", "/nowhere/shop.toml");
  store->set_state("shop", TaskState::running, "");
  int looks = 0;
  SECTION("it ends") {
    test::AskedEngine engine([&] {
      if (++looks == 1) ops::observe("shop", *store).ended(0);
      return false;
    });
    const ops::Status status = ops::status("shop", *store, engine);
    CHECK(status.task.state == TaskState::stopped);
    CHECK(status.task.error_id.empty());
  }
  SECTION("it ends, and is started again") {
    test::AskedEngine engine([&] {
      if (++looks > 1) return true;
      store->set_state("shop", TaskState::starting, "");
      return false;
    });
    const ops::Status status = ops::status("shop", *store, engine);
    CHECK(status.task.state == TaskState::starting);
    CHECK(status.engine.running);
  }
  SECTION("its supervisor is gone") {
    test::AskedEngine engine([] { return false; });
    const ops::Status status = ops::status("shop", *store, engine);
    CHECK(status.task.state == TaskState::failed);
    CHECK(status.task.error_id == "task.supervisor-gone");
  }
}

TEST_CASE("what a source cannot be asked has not caught up, and an old sample tells nothing",
          "[sync]") {
  static ExitCode code = ExitCode::source_unreachable;
  static int asked = 0;
  const auto open = [](const Task& task) -> std::unique_ptr<Source> {
    ++asked;
    CHECK(task.source.patience.count() > 0);
    throw Error(code, "mysql.unreachable", "cannot connect");
  };
  ops::Status status;
  status.engine.running = true;
  status.task.state = TaskState::running;
  status.task.stage = Stage::incremental;
  status.offset.emplace();
  status.sample.emplace();
  status.sample->stage = Stage::incremental;
  status.sample->at = now();
  status.caught_up = true;
  ops::CatchUp catch_up(Task{}, open);
  CHECK_FALSE(catch_up.done(status));
  CHECK_FALSE(catch_up.done(status));
  CHECK(asked == 2);
  code = ExitCode::bug;
  CHECK_THROWS_AS(catch_up.done(status), Error);
  status.task.detail = "catching up";
  CHECK_FALSE(catch_up.done(status));
  CHECK(asked == 3);
  status.sample->at = now();
  CHECK(catch_up.done(status));
}
