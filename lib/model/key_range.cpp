// SPDX-License-Identifier: Apache-2.0
#include "model/key_range.h"

#include <charconv>

namespace weir {

std::string encode_key(const KeyCells& key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (i > 0) out += ',';
    out += '=';  // keeps an empty cell apart from an empty key
    for (const char c : key[i]) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte > 0x20 && byte < 0x7f && c != ',' && c != '%') {
        out += c;
      } else {
        out += '%';
        out += kDigits[byte >> 4];
        out += kDigits[byte & 15];
      }
    }
  }
  return out;
}

KeyCells decode_key(std::string_view text) {
  KeyCells key;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') continue;
    std::string cell;
    for (++i; i < text.size() && text[i] != ','; ++i) {
      if (text[i] == '%' && i + 2 < text.size()) {
        unsigned value = 0;
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
        cell += static_cast<char>(value);
        i += 2;
      } else {
        cell += text[i];
      }
    }
    key.push_back(std::move(cell));
  }
  return key;
}

}  // namespace weir
