// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/gtid.h"

#include <string>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/text.h"

using weir::Error;
using weir::mysql::Gtid;
using weir::mysql::GtidSet;

namespace {

const std::string kA = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const std::string kB = "d7bd99ca-e65f-11f1-a277-02fc00000001";

Gtid mysql_gtid(const std::string& tag, std::uint64_t sequence) {
  Gtid gtid;
  gtid.flavor = Gtid::Flavor::mysql;
  gtid.uuid = {0x3e, 0x11, 0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1,
               0x9e, 0x33, 0xc8, 0x0a, 0xa9, 0x42, 0x95, 0x62};
  gtid.tag = tag;
  gtid.sequence = sequence;
  return gtid;
}

Gtid mariadb_gtid(std::uint32_t domain, std::uint32_t server, std::uint64_t sequence) {
  Gtid gtid;
  gtid.flavor = Gtid::Flavor::mariadb;
  gtid.domain = domain;
  gtid.server_id = server;
  gtid.sequence = sequence;
  return gtid;
}

std::string canonical(const std::string& text) { return GtidSet::parse(text).text(); }

std::string refused(const std::string& text) {
  try {
    GtidSet::parse(text);
  } catch (const Error& error) {
    return error.id();
  }
  return "taken";
}

}  // namespace

TEST_CASE("a gtid prints as its server does", "[mysql][gtid]") {
  CHECK(mysql_gtid("", 23).text() == kA + ":23");
  CHECK(mysql_gtid("blue", 23).text() == kA + ":blue:23");
  CHECK(mariadb_gtid(1, 2, 3).text() == "1-2-3");
  CHECK(Gtid{}.text().empty());
}

TEST_CASE("a set's text is canonical and reads back equal", "[mysql][gtid]") {
  CHECK(canonical("") == "");
  CHECK(canonical(" \n") == "");
  CHECK(canonical(kA + ":7") == kA + ":7");
  CHECK(canonical(kA + ":1-5:7") == kA + ":1-5:7");
  CHECK(canonical(kA + ":7:3-5:1-2") == kA + ":1-5:7");
  CHECK(canonical(kA + ":1-5:4-9:6") == kA + ":1-9");
  CHECK(canonical("3E11FA47-71CA-11E1-9E33-C80AA9429562:1") == kA + ":1");
  CHECK(canonical(kB + ":1-2,\n" + kA + ":5") == kA + ":5," + kB + ":1-2");
  CHECK(canonical(kA + ":1-5," + kA + ":6") == kA + ":1-6");
  CHECK(canonical(kA + ":1-18:tagx:1-3:Tagy:4") == kA + ":1-18:tagx:1-3:tagy:4");
  CHECK(canonical(kA + ":tagx:2," + kA + ":9") == kA + ":9:tagx:2");
  CHECK(canonical("1-2-9, 0-1-5") == "0-1-5,1-2-9");
  const std::string mixed = kA + ":1-18:tagx:1-3," + kB + ":4:6-8";
  CHECK(GtidSet::parse(mixed) == GtidSet::parse(GtidSet::parse(mixed).text()));
}

TEST_CASE("what is not a set is refused", "[mysql][gtid]") {
  for (const std::string& text : {std::string("latest"),
                                  kA,
                                  kA + ":",
                                  kA + ":0",
                                  kA + ":5-3",
                                  kA + ":1-",
                                  kA + ":tag",
                                  kA + ":1:tag",
                                  kA + ":1-2-3",
                                  kA + ":9223372036854775807",
                                  kA + ":18446744073709551616",
                                  kA + ":1tag:3",
                                  kA + ":a_tag_that_is_longer_than_32_chars:1",
                                  "x" + kA.substr(1) + ":1",
                                  kA + "0:1",
                                  std::string("0-1"),
                                  std::string("0-1-2-3"),
                                  std::string("0-1-x"),
                                  std::string("4294967296-1-1"),
                                  std::string("0-1-5,0-2-6"),
                                  kA + ":1,0-1-5",
                                  "0-1-5," + kA + ":1"}) {
    INFO(text);
    CHECK(refused(text) == "gtid.format");
  }
}

TEST_CASE("transactions add up to intervals", "[mysql][gtid]") {
  GtidSet set;
  for (const std::uint64_t sequence : {5u, 1u, 3u, 2u, 9u, 3u}) set.add(mysql_gtid("", sequence));
  CHECK(set.text() == kA + ":1-3:5:9");
  set.add(mysql_gtid("", 4));
  CHECK(set.text() == kA + ":1-5:9");
  set.add(mysql_gtid("t", 4));
  CHECK(set.text() == kA + ":1-5:9:t:4");
  set.add(Gtid{});
  CHECK(set.text() == kA + ":1-5:9:t:4");
  CHECK(set.flavor() == Gtid::Flavor::mysql);

  CHECK(set.contains(mysql_gtid("", 3)));
  CHECK(set.contains(mysql_gtid("t", 4)));
  CHECK_FALSE(set.contains(mysql_gtid("", 6)));
  CHECK_FALSE(set.contains(mysql_gtid("t", 3)));
  CHECK_FALSE(set.contains(mysql_gtid("u", 4)));
  CHECK_FALSE(set.contains(mariadb_gtid(0, 1, 1)));
  CHECK_FALSE(set.contains(Gtid{}));
}

TEST_CASE("one set in another", "[mysql][gtid]") {
  const GtidSet set = GtidSet::parse(kA + ":1-9:15-20:t:1-4");
  CHECK(set.contains(set));
  CHECK(set.contains(GtidSet{}));
  CHECK(set.contains(GtidSet::parse(kA + ":2-5:15")));
  CHECK(set.contains(GtidSet::parse(kA + ":t:4")));
  CHECK_FALSE(set.contains(GtidSet::parse(kA + ":9-10")));
  CHECK_FALSE(set.contains(GtidSet::parse(kA + ":1-20")));
  CHECK_FALSE(set.contains(GtidSet::parse(kA + ":14-16")));
  CHECK_FALSE(set.contains(GtidSet::parse(kA + ":21")));
  CHECK_FALSE(set.contains(GtidSet::parse(kB + ":1")));
  CHECK_FALSE(GtidSet{}.contains(set));
  CHECK_FALSE(set.contains(GtidSet::parse("0-1-1")));
}

TEST_CASE("a MariaDB position holds the end of each domain", "[mysql][gtid]") {
  GtidSet set = GtidSet::parse("0-1-5,3-1-7");
  CHECK(set.flavor() == Gtid::Flavor::mariadb);
  CHECK(set.contains(mariadb_gtid(0, 9, 5)));
  CHECK_FALSE(set.contains(mariadb_gtid(0, 1, 6)));
  CHECK_FALSE(set.contains(mariadb_gtid(1, 1, 1)));
  CHECK(set.contains(GtidSet::parse("0-1-4")));
  CHECK_FALSE(set.contains(GtidSet::parse("0-1-4,1-1-1")));
  CHECK_FALSE(set.contains(GtidSet::parse("3-1-8")));
  CHECK_FALSE(set.contains(mysql_gtid("", 1)));

  set.add(mariadb_gtid(0, 2, 6));
  CHECK(set.text() == "0-2-6,3-1-7");
  // The log's order decides, not the number.
  set.add(mariadb_gtid(0, 3, 2));
  CHECK(set.text() == "0-3-2,3-1-7");
}

TEST_CASE("the dump command takes the set in its binary form", "[mysql][gtid]") {
  const std::string a = "3e11fa4771ca11e19e33c80aa9429562";
  const std::string b = "d7bd99cae65f11f1a27702fc00000001";
  CHECK(weir::hex(GtidSet{}.encode_for_dump()) == "0000000000000000");
  CHECK(weir::hex(GtidSet::parse(kA + ":1-5:7," + kB + ":2").encode_for_dump()) ==
        "0200000000000000" + a +
            "0200000000000000"
            "01000000000000000600000000000000"
            "07000000000000000800000000000000" +
            b +
            "0100000000000000"
            "02000000000000000300000000000000");
  CHECK(weir::hex(GtidSet::parse(kA + ":1-18:tagx:1").encode_for_dump()) ==
        "0102000000000001" + a +
            "00"
            "0100000000000000"
            "01000000000000001300000000000000" +
            a +
            "0874616778"
            "0100000000000000"
            "01000000000000000200000000000000");
  CHECK_THROWS_AS(GtidSet::parse("0-1-5").encode_for_dump(), Error);
}
