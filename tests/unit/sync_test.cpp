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
