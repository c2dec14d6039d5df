// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/charset.h"

#include <algorithm>
#include <functional>
#include <string>

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;
using namespace weir::mysql;

namespace {

constexpr char kEuro[] = "\xe2\x82\xac";
constexpr char kHan[] = "\xe4\xb8\x80";

/// Stands for a server whose sets are easy to foresee: ASCII is itself, every other single byte is
/// the euro sign, every pair U+4E00, but for pairs with the lead byte 0x90, which it does not
/// take, and for 0x81 0x41, which it does not know and shows as '?'.
struct PretendServer {
  unsigned questions = 0;
  std::size_t longest = 0;

  bool operator()(std::string_view charset, std::string_view bytes, std::string& utf8) {
    ++questions;
    longest = std::max(longest, bytes.size());
    const bool pairs = charset == "gbk" || charset == "gb18030";
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      if (byte < 0x80) {
        utf8 += bytes[i];
      } else if (!pairs || i + 1 == bytes.size() || bytes[i + 1] == '\n') {
        utf8 += kEuro;
      } else if (byte == 0x90) {
        return false;
      } else if (bytes[i + 1] >= '0' && bytes[i + 1] <= '9') {
        utf8 += byte == 0x84 && bytes.substr(i, 4) == "\x84\x31\xa5\x30" ? "?" : kHan;
        i += 3;
      } else {
        utf8 += byte == 0x81 && bytes[i + 1] == 'A' ? "?" : kHan;
        ++i;
      }
    }
    return true;
  }
};

bool never(std::string_view, std::string_view, std::string&) {
  FAIL("the server was asked");
  return false;
}

std::string error_id(const Charset& charset, std::string_view text) {
  Arena arena;
  try {
    charset.convert(text, arena);
  } catch (const Error& error) {
    return error.id();
  }
  return "";
}

std::string converted(const Charset& charset, std::string_view text) {
  Arena arena;
  return std::string(charset.convert(text, arena));
}

}  // namespace

TEST_CASE("sets that are UTF-8 need no converter", "[mysql][charset]") {
  for (const char* name : {"utf8mb4", "utf8mb3", "utf8", "ascii", "binary"}) {
    INFO(name);
    CHECK(open_charset(name, never) == nullptr);
  }
  CHECK_THROWS_AS(open_charset("klingon", never), Error);
  CHECK(max_character_bytes("utf8mb4") == 4);
  CHECK(max_character_bytes("ujis") == 3);
  CHECK(max_character_bytes("klingon") == 0);
}

TEST_CASE("a single-byte set is learnt with one question", "[mysql][charset]") {
  PretendServer server;
  const auto charset = open_charset("latin1", std::ref(server));
  CHECK(server.questions == 1);
  CHECK(converted(*charset, "") == "");
  CHECK(converted(*charset, "a\n\x80z") == "a\n" + std::string(kEuro) + "z");
  CHECK(converted(*charset, std::string("\0\xff", 2)) == std::string(1, '\0') + kEuro);
  CHECK(converted(*charset, std::string(100, '\x80')).size() == 300);
}

TEST_CASE("ASCII is not copied", "[mysql][charset]") {
  PretendServer server;
  const auto charset = open_charset("latin1", std::ref(server));
  Arena arena;
  const std::string text = "plain text, longer than a word of the machine";
  CHECK(charset->convert(text, arena).data() == text.data());
  CHECK(arena.used() == 0);
}

TEST_CASE("pairs are learnt from the server, those it refuses are no text", "[mysql][charset]") {
  PretendServer server;
  const auto charset = open_charset("gbk", std::ref(server));
  CHECK(server.longest < 64 * 1024);
  CHECK(converted(*charset, "a\xb0\xa1z") == "a" + std::string(kHan) + "z");
  CHECK(converted(*charset, "\xb0\x5c") == kHan);
  CHECK(converted(*charset, "\x81\x41") == "?");
  CHECK(error_id(*charset, "\x90\x41") == "mysql.charset");
  CHECK(error_id(*charset, "a\xb0") == "mysql.charset");
  CHECK(error_id(*charset, "\xb0\x7f") == "mysql.charset");
}

TEST_CASE("gb18030: four bytes, learnt, computed and unassigned", "[mysql][charset]") {
  PretendServer server;
  const auto charset = open_charset("gb18030", std::ref(server));
  CHECK(converted(*charset, "\x81\x30\x81\x30") == kHan);
  CHECK(converted(*charset, "\x90\x30\x81\x30") == "\xf0\x90\x80\x80");
  CHECK(converted(*charset, "\xe3\x32\x9a\x35") == "\xf4\x8f\xbf\xbf");
  CHECK(converted(*charset, "\xe3\x32\x9a\x36") == "?");
  CHECK(converted(*charset, "\x84\x31\xa5\x31") == "?");
  CHECK(error_id(*charset, "\x81\x30\x81") == "mysql.charset");
  CHECK(error_id(*charset, "\x81\x30\x41\x30") == "mysql.charset");
}

TEST_CASE("UTF-16 and UTF-32 forms need no server", "[mysql][charset]") {
  const auto utf16 = open_charset("utf16", never);
  CHECK(converted(*utf16, std::string("\0a\x20\xac\xd8\x3d\xde\x00", 8)) ==
        "a" + std::string(kEuro) + "\xf0\x9f\x98\x80");
  CHECK(error_id(*utf16, std::string("\xd8\x3d\0a", 4)) == "mysql.charset");
  CHECK(error_id(*utf16, "\xde\x00") == "mysql.charset");
  CHECK(error_id(*utf16, "\xd8\x3d") == "mysql.charset");
  CHECK(error_id(*utf16, "a") == "mysql.charset");

  const auto utf16le = open_charset("utf16le", never);
  CHECK(converted(*utf16le, std::string("a\0\xac\x20\x3d\xd8\x00\xde", 8)) ==
        "a" + std::string(kEuro) + "\xf0\x9f\x98\x80");

  const auto ucs2 = open_charset("ucs2", never);
  CHECK(converted(*ucs2, "\x20\xac") == kEuro);
  CHECK(error_id(*ucs2, std::string("\xd8\x3d\xde\x00", 4)) == "mysql.charset");

  const auto utf32 = open_charset("utf32", never);
  CHECK(converted(*utf32, std::string("\0\0\0a\0\x01\xf6\x00", 8)) == "a\xf0\x9f\x98\x80");
  CHECK(error_id(*utf32, std::string("\0\x11\0\0", 4)) == "mysql.charset");
  CHECK(error_id(*utf32, std::string("\0\0\xd8\0", 4)) == "mysql.charset");
  CHECK(error_id(*utf32, std::string("\0\0\0", 3)) == "mysql.charset");
}

TEST_CASE("a server that answers less than it was asked is not believed", "[mysql][charset]") {
  const AskServer silent = [](std::string_view, std::string_view, std::string& utf8) {
    utf8 = "a\nb";
    return true;
  };
  CHECK_THROWS_AS(open_charset("latin1", silent), Error);
}
