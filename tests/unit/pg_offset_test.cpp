// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "base/error.h"
#include "source/postgres/offset.h"

using weir::Error;
using weir::Task;
using weir::pgsource::Lsn;

TEST_CASE("a place in the WAL is written as the server prints it", "[pgout]") {
  CHECK(Lsn{0}.text() == "0/0");
  CHECK(Lsn{0x16'b374'd848}.text() == "16/B374D848");
  CHECK(Lsn::parse("16/B374D848").value == 0x16'b374'd848);
  CHECK(Lsn::parse("ffffffff/ffffffff").value == 0xffff'ffff'ffff'ffff);
  CHECK(Lsn::parse("0/1") < Lsn::parse("1/0"));
}

TEST_CASE("what is no place in the WAL is refused", "[pgout]") {
  for (const char* text : {"", "/", "1/", "/1", "1", "1/2/3", "1/g", " 1/2", "1/2 ", "-1/2", "+1/2",
                           "0x1/2", "100000000/0", "0/000000001", "binlog.000001:4"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(Lsn::parse(text), Error);
  }
}

TEST_CASE("slot and publication follow the task's name unless the file says otherwise", "[pgout]") {
  Task task;
  task.name = "shop-2";
  CHECK(weir::pgsource::slot_name(task) == "weir_shop_2");
  CHECK(weir::pgsource::publication_name(task) == "weir_shop_2");
  task.source.slot = "a";
  task.source.publication = "B c";
  CHECK(weir::pgsource::slot_name(task) == "a");
  CHECK(weir::pgsource::publication_name(task) == "B c");
}
