// SPDX-License-Identifier: Apache-2.0
#include "model/swap_name.h"

#include <string>

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;

TEST_CASE("a table beside another one has a name that leads back to it", "[swap_name]") {
  const TableName target{"shop", "item"};
  const TableName beside = swap_name(target, 63);
  CHECK(beside != target);
  CHECK(beside.schema == "shop");
  CHECK(swapped_name(beside) == target);
  CHECK_FALSE(swapped_name(target));
  // One that the server would cut off leads nowhere.
  const TableName longest{"shop", std::string(58, 'x')};
  CHECK(swapped_name(swap_name(longest, 63)) == longest);
  const TableName longer{"shop", std::string(59, 'x')};
  CHECK(swapped_name(swap_name(longer, 0)) == longer);
  try {
    swap_name(longer, 63);
    FAIL("a name of 64 bytes was taken");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::refused);
    CHECK(error.id() == "reload.swap-name");
    CHECK(error.summary().find("shop.x") != std::string::npos);
  }
}
