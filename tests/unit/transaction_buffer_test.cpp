// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/transaction_buffer.h"

#include <cstdlib>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"

using weir::pgsource::TransactionBuffer;

namespace {

std::vector<std::string> all_of(TransactionBuffer& buffer) {
  std::vector<std::string> out;
  for (auto message = buffer.next(); !message.empty(); message = buffer.next()) {
    out.emplace_back(message.data(), message.size());
  }
  return out;
}

}  // namespace

TEST_CASE("messages come back as they were put in, from memory and from a file", "[pgout]") {
  for (const std::size_t memory : {1U, 64U, 5000U, 1U << 24}) {
    CAPTURE(memory);
    TransactionBuffer buffer(memory);
    std::vector<std::string> expected;
    std::vector<std::uint64_t> places;
    for (int i = 0; i < 3000; ++i) {
      // Some are larger than the memory, and some than what is read from the file at a time.
      const std::size_t size = i % 1000 == 999 ? 300'000 : static_cast<std::size_t>(i % 97);
      const std::string body(size, static_cast<char>('a' + i % 26));
      places.push_back(buffer.end());
      buffer.append('I', body);
      expected.push_back('I' + body);
    }
    CHECK(buffer.in_file() == (memory < (1U << 24)));
    std::size_t at = 0;
    for (auto message = buffer.next(); !message.empty(); message = buffer.next(), ++at) {
      REQUIRE(at < expected.size());
      REQUIRE(std::string(message.data(), message.size()) == expected[at]);
      REQUIRE(buffer.place() == places[at]);
    }
    CHECK(at == expected.size());
  }
}

TEST_CASE("what is cut off does not come back, and more may follow", "[pgout]") {
  for (const std::size_t memory : {1U, 10U, 1000U}) {
    CAPTURE(memory);
    TransactionBuffer buffer(memory);
    buffer.append('I', "one");
    const std::uint64_t place = buffer.end();
    buffer.append('I', "two");
    buffer.append('I', "three");
    buffer.truncate(place);
    CHECK(buffer.end() == place);
    buffer.append('U', "four");
    CHECK(all_of(buffer) == std::vector<std::string>{"Ione", "Ufour"});
  }
  TransactionBuffer empty(10);
  empty.append('I', "a");
  empty.truncate(0);
  CHECK(all_of(empty).empty());
}

TEST_CASE("a message may be written over", "[pgout]") {
  TransactionBuffer buffer(100);
  buffer.append('I', "abc");
  buffer.append('I', "def");
  for (char& c : buffer.next()) c = '#';
  CHECK(all_of(buffer) == std::vector<std::string>{"Idef"});
}

TEST_CASE("a folder that takes no file is told", "[pgout]") {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TMPDIR", "/nowhere", 1);
  TransactionBuffer buffer(1);
  try {
    buffer.append('I', "abc");
    FAIL("there is no such folder");
  } catch (const weir::Error& error) {
    CHECK(error.id() == "postgres.spill");
    CHECK_THAT(error.why(), Catch::Contains("/nowhere"));
  }
  if (before == nullptr) {
    unsetenv("TMPDIR");
  } else {
    setenv("TMPDIR", kept.c_str(), 1);
  }
}
