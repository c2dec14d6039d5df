// SPDX-License-Identifier: Apache-2.0
#include "model/key_range.h"

#include <catch2/catch.hpp>

using namespace weir;

TEST_CASE("keys read back as they were, whatever bytes they hold", "[key_range]") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (const KeyCells& key : {KeyCells{}, KeyCells{""}, KeyCells{"", ""}, KeyCells{"1"},
                              KeyCells{"a,b", "=", "%41"}, KeyCells{all, "\xc3\xbc"}}) {
    const std::string text = encode_key(key);
    CHECK(decode_key(text) == key);
    CHECK(text.find('\n') == std::string::npos);
  }
  CHECK(encode_key({}).empty());
  CHECK(encode_key({"a", "b"}) != encode_key({"a,b"}));
}
