// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/charset.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "base/error.h"

namespace weir::mysql {
namespace {

/// How the bytes of a set make characters.
enum class Layout : std::uint8_t {
  as_is,         // the bytes are UTF-8, a part of it, or no text
  single,        // one byte, one character
  pairs,         // one byte, or a lead and a trail byte
  euc_japanese,  // as pairs, and 0x8f with two bytes
  gb18030,       // as pairs, and four bytes where the second is a digit
  utf16,
  utf16le,
  ucs2,
  utf32,
};

struct ByteRange {
  std::uint8_t first;
  std::uint8_t last;
  bool has(unsigned byte) const { return byte >= first && byte <= last; }
};

using Ranges = std::array<ByteRange, 3>;
constexpr ByteRange kNone = {1, 0};

struct CharsetRow {
  std::string_view name;
  std::uint32_t max_bytes;
  Layout layout;
  Ranges lead = {kNone, kNone, kNone};
  Ranges trail = {kNone, kNone, kNone};
};

constexpr Ranges kSjisLead = {{{0x81, 0x9f}, {0xe0, 0xfc}, kNone}};
constexpr Ranges kSjisTrail = {{{0x40, 0x7e}, {0x80, 0xfc}, kNone}};
constexpr Ranges kGbkLead = {{{0x81, 0xfe}, kNone, kNone}};
constexpr Ranges kGbkTrail = {{{0x40, 0x7e}, {0x80, 0xfe}, kNone}};
// 0x8e introduces one byte of half-width katakana.
constexpr Ranges kEucJapaneseLead = {{{0x8e, 0x8e}, {0xa1, 0xfe}, kNone}};
constexpr Ranges kEucTrail = {{{0xa1, 0xfe}, kNone, kNone}};

constexpr auto kCharsets = std::to_array<CharsetRow>({
    {"utf8mb4", 4, Layout::as_is},
    {"utf8mb3", 3, Layout::as_is},
    {"utf8", 3, Layout::as_is},
    {"ascii", 1, Layout::as_is},
    {"binary", 1, Layout::as_is},
    {"armscii8", 1, Layout::single},
    {"cp1250", 1, Layout::single},
    {"cp1251", 1, Layout::single},
    {"cp1256", 1, Layout::single},
    {"cp1257", 1, Layout::single},
    {"cp850", 1, Layout::single},
    {"cp852", 1, Layout::single},
    {"cp866", 1, Layout::single},
    {"dec8", 1, Layout::single},
    {"geostd8", 1, Layout::single},
    {"greek", 1, Layout::single},
    {"hebrew", 1, Layout::single},
    {"hp8", 1, Layout::single},
    {"keybcs2", 1, Layout::single},
    {"koi8r", 1, Layout::single},
    {"koi8u", 1, Layout::single},
    {"latin1", 1, Layout::single},
    {"latin2", 1, Layout::single},
    {"latin5", 1, Layout::single},
    {"latin7", 1, Layout::single},
    {"macce", 1, Layout::single},
    {"macroman", 1, Layout::single},
    {"swe7", 1, Layout::single},
    {"tis620", 1, Layout::single},
    {"big5",
     2,
     Layout::pairs,
     {{{0xa1, 0xf9}, kNone, kNone}},
     {{{0x40, 0x7e}, {0xa1, 0xfe}, kNone}}},
    {"cp932", 2, Layout::pairs, kSjisLead, kSjisTrail},
    {"sjis", 2, Layout::pairs, kSjisLead, kSjisTrail},
    {"euckr",
     2,
     Layout::pairs,
     {{{0x81, 0xfe}, kNone, kNone}},
     {{{0x41, 0x5a}, {0x61, 0x7a}, {0x81, 0xfe}}}},
    {"gb2312", 2, Layout::pairs, {{{0xa1, 0xf7}, kNone, kNone}}, kEucTrail},
    {"gbk", 2, Layout::pairs, kGbkLead, kGbkTrail},
    {"ujis", 3, Layout::euc_japanese, kEucJapaneseLead, kEucTrail},
    {"eucjpms", 3, Layout::euc_japanese, kEucJapaneseLead, kEucTrail},
    {"gb18030", 4, Layout::gb18030, kGbkLead, kGbkTrail},
    {"ucs2", 2, Layout::ucs2},
    {"utf16", 4, Layout::utf16},
    {"utf16le", 4, Layout::utf16le},
    {"utf32", 4, Layout::utf32},
});

const CharsetRow* find_row(std::string_view charset) {
  const auto row = std::find_if(kCharsets.begin(), kCharsets.end(),
                                [charset](const CharsetRow& each) { return each.name == charset; });
  return row == kCharsets.end() ? nullptr : &*row;
}

bool in(const Ranges& ranges, unsigned byte) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [byte](const ByteRange& range) { return range.has(byte); });
}

constexpr std::uint32_t kNotText = 0xffffffff;
constexpr std::uint32_t kLastCodePoint = 0x10ffff;

// gb18030: linear numbers of the four-byte codes. Those before kBmpQuads (0x8431a439 and lower) are
// put to the server; from 0x90308130 on, they are the code points from U+10000 in order; one of
// the rest is put to the server for all of them.
constexpr std::uint32_t kBmpQuads = 39'420;
constexpr std::uint32_t kFirstPlainQuad = 189'000;

std::uint32_t quad_number(const std::uint8_t* at) {
  return ((at[0] - 0x81u) * 10 + (at[1] - 0x30u)) * 1260 + (at[2] - 0x81u) * 10 + (at[3] - 0x30u);
}

bool is_quad(const std::uint8_t* at) {
  return at[0] >= 0x81 && at[0] <= 0xfe && at[1] >= 0x30 && at[1] <= 0x39 && at[2] >= 0x81 &&
         at[2] <= 0xfe && at[3] >= 0x30 && at[3] <= 0x39;
}

inline unsigned utf8_size(std::uint32_t code_point) {
  return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

inline char* put_utf8(char* out, std::uint32_t code_point) {
  if (code_point < 0x80) {
    *out = static_cast<char>(code_point);
    return out + 1;
  }
  const auto put = [&out](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
  const auto tail = [&](unsigned shift) { put(0x80 | (code_point >> shift & 0x3f)); };
  switch (utf8_size(code_point)) {
    case 2:
      put(0xc0 | code_point >> 6);
      tail(0);
      break;
    case 3:
      put(0xe0 | code_point >> 12);
      tail(6);
      tail(0);
      break;
    default:
      put(0xf0 | code_point >> 18);
      tail(12);
      tail(6);
      tail(0);
  }
  return out;
}

// The one code point that `utf8` is; kNotText if it is anything else.
std::uint32_t only_code_point(std::string_view utf8) {
  if (utf8.empty()) return kNotText;
  const auto byte = [utf8](std::size_t i) { return static_cast<std::uint8_t>(utf8[i]); };
  const std::size_t size = byte(0) < 0x80 ? 1 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : 4;
  if (utf8.size() != size) return kNotText;
  std::uint32_t code_point = size == 1 ? byte(0) : byte(0) & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) code_point = code_point << 6 | (byte(i) & 0x3f);
  return code_point;
}

// The length of the run at the beginning of `text` that holds ASCII only.
std::size_t ascii_run(std::string_view text) {
  std::size_t at = 0;
  for (std::uint64_t word; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & 0x8080808080808080) != 0) break;
  }
  while (at < text.size() && static_cast<std::uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

struct Charset::Tables {
  std::string name;
  Layout layout = Layout::single;
  bool ascii_kept = false;  ///< the bytes below 0x80 are ASCII
  std::array<std::uint32_t, 256> singles;
  std::array<std::uint8_t, 256> single_sizes{};  ///< in UTF-8; 0 = not text
  std::vector<std::uint32_t> pairs;              ///< by lead and trail byte
  std::vector<std::uint32_t> triples;            ///< by the two bytes after 0x8f
  std::vector<std::uint32_t> quads;              ///< by quad_number()
  std::uint32_t unassigned_quad = kNotText;
};

namespace {

using Tables = Charset::Tables;

/// One code of a set, and where its code point goes.
struct Question {
  std::array<char, 4> bytes;
  std::uint8_t size;
  std::uint32_t* answer;
};

constexpr char kBetween = '\n';  // the same character in every set that is asked for

// Fills the answers of one batch. The server refuses a batch as a whole, so a refused one is
// halved until the code that it does not take stands alone.
void ask_batch(const std::string& charset, std::span<const Question> questions,
               const AskServer& ask) {
  std::string bytes;
  for (const Question& question : questions) {
    bytes.append(question.bytes.data(), question.size);
    bytes += kBetween;
  }
  std::string utf8;
  if (!ask(charset, bytes, utf8)) {
    if (questions.size() == 1) return;
    ask_batch(charset, questions.first(questions.size() / 2), ask);
    ask_batch(charset, questions.subspan(questions.size() / 2), ask);
    return;
  }
  std::string_view left = utf8;
  for (const Question& question : questions) {
    const std::size_t end = left.find(kBetween);
    if (end == std::string_view::npos) {
      throw Error(ExitCode::failed, "mysql.charset-unknown",
                  "the server's answer about character set " + charset + " is incomplete",
                  "it was asked to convert every character of the set and returned fewer",
                  "report this with the server's version");
    }
    *question.answer = only_code_point(left.substr(0, end));
    left.remove_prefix(end + 1);
  }
}

void learn(Tables& tables, const CharsetRow& row, const AskServer& ask) {
  std::vector<Question> questions;
  const auto add = [&questions](std::uint32_t& answer, std::initializer_list<unsigned> bytes) {
    Question question{{}, static_cast<std::uint8_t>(bytes.size()), &answer};
    std::transform(bytes.begin(), bytes.end(), question.bytes.begin(),
                   [](unsigned byte) { return static_cast<char>(byte); });
    questions.push_back(question);
  };

  tables.singles.fill(kNotText);
  tables.singles[static_cast<unsigned>(kBetween)] = static_cast<unsigned>(kBetween);
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool lead = in(row.lead, byte) || (row.layout == Layout::euc_japanese && byte == 0x8f);
    if (byte != kBetween && !lead) add(tables.singles[byte], {byte});
  }
  if (row.layout != Layout::single) {
    tables.pairs.assign(0x10000, kNotText);
    for (unsigned lead = 0; lead < 256; ++lead) {
      for (unsigned trail = 0; in(row.lead, lead) && trail < 256; ++trail) {
        if (in(row.trail, trail)) add(tables.pairs[lead << 8 | trail], {lead, trail});
      }
    }
  }
  if (row.layout == Layout::euc_japanese) {
    tables.triples.assign(0x10000, kNotText);
    for (unsigned second = 0xa1; second <= 0xfe; ++second) {
      for (unsigned third = 0xa1; third <= 0xfe; ++third) {
        add(tables.triples[second << 8 | third], {0x8f, second, third});
      }
    }
  }
  if (row.layout == Layout::gb18030) {
    tables.quads.assign(kBmpQuads, kNotText);
    for (unsigned number = 0; number < kBmpQuads; ++number) {
      add(tables.quads[number], {0x81 + number / 12'600, 0x30 + number / 1260 % 10,
                                 0x81 + number / 10 % 126, 0x30 + number % 10});
    }
    add(tables.unassigned_quad, {0x84, 0x31, 0xa5, 0x30});
  }

  constexpr std::size_t kBatch = 4096;
  const std::span<const Question> all = questions;
  for (std::size_t at = 0; at < all.size(); at += kBatch) {
    ask_batch(tables.name, all.subspan(at, std::min(kBatch, all.size() - at)), ask);
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::uint32_t code_point = tables.singles[byte];
    tables.single_sizes[byte] =
        code_point == kNotText ? 0 : static_cast<std::uint8_t>(utf8_size(code_point));
  }
  tables.ascii_kept = true;
  for (std::uint32_t byte = 0; byte < 0x80; ++byte) {
    tables.ascii_kept &= tables.singles[byte] == byte;
  }
}

Error not_text(const Tables& tables) {
  return Error(ExitCode::failed, "mysql.charset",
               "a value is not text in its character set " + tables.name,
               "the change log holds bytes that the server itself cannot read as " + tables.name,
               "find the row by comparing the column with its own conversion on the source, and "
               "mend it");
}

/// Reads the characters of a text one after another.
class Reader {
 public:
  Reader(const Tables& tables, std::string_view text)
      : tables_(tables),
        at_(reinterpret_cast<const std::uint8_t*>(text.data())),
        end_(at_ + text.size()) {}

  bool done() const { return at_ == end_; }

  std::uint32_t next() {
    const std::uint32_t code_point = read();
    if (code_point == kNotText) throw not_text(tables_);
    return code_point;
  }

 private:
  std::uint32_t read() {
    switch (tables_.layout) {
      case Layout::utf16:
      case Layout::utf16le:
      case Layout::ucs2:
        return read_utf16();
      case Layout::utf32:
        return read_utf32();
      default:
        return read_bytes();
    }
  }

  std::uint32_t read_bytes() {
    const std::uint32_t single = tables_.singles[at_[0]];
    if (single != kNotText) {
      ++at_;
      return single;
    }
    if (tables_.pairs.empty() || !has(2)) return kNotText;
    if (tables_.layout == Layout::gb18030 && at_[1] <= 0x39) return read_quad();
    if (tables_.layout == Layout::euc_japanese && at_[0] == 0x8f) {
      if (!has(3)) return kNotText;
      at_ += 3;
      return tables_.triples[static_cast<unsigned>(at_[-2]) << 8 | at_[-1]];
    }
    at_ += 2;
    return tables_.pairs[static_cast<unsigned>(at_[-2]) << 8 | at_[-1]];
  }

  std::uint32_t read_quad() {
    if (!has(4) || !is_quad(at_)) return kNotText;
    const std::uint32_t number = quad_number(at_);
    at_ += 4;
    if (number < kBmpQuads) return tables_.quads[number];
    if (number < kFirstPlainQuad) return tables_.unassigned_quad;
    const std::uint32_t code_point = number - kFirstPlainQuad + 0x10000;
    return code_point <= kLastCodePoint ? code_point : tables_.unassigned_quad;
  }

  std::uint32_t unit() {
    const unsigned high = tables_.layout == Layout::utf16le ? 1 : 0;
    const std::uint32_t value = static_cast<std::uint32_t>(at_[high]) << 8 | at_[1 - high];
    at_ += 2;
    return value;
  }

  std::uint32_t read_utf16() {
    if (!has(2)) return kNotText;
    const std::uint32_t first = unit();
    if (first < 0xd800 || first > 0xdfff) return first;
    if (first > 0xdbff || tables_.layout == Layout::ucs2 || !has(2)) return kNotText;
    const std::uint32_t second = unit();
    if (second < 0xdc00 || second > 0xdfff) return kNotText;
    return 0x10000 + ((first & 0x3ff) << 10 | (second & 0x3ff));
  }

  std::uint32_t read_utf32() {
    if (!has(4)) return kNotText;
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | *at_++;
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value <= kLastCodePoint && !surrogate ? value : kNotText;
  }

  bool has(std::ptrdiff_t bytes) const { return end_ - at_ >= bytes; }

  const Tables& tables_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace

Charset::Charset(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Charset::~Charset() = default;

std::string_view Charset::convert(std::string_view text, Arena& arena) const {
  const Tables& tables = *tables_;
  const std::size_t ascii = tables.ascii_kept ? ascii_run(text) : 0;
  if (ascii == text.size()) return text;
  const std::string_view rest = text.substr(ascii);
  const bool single = tables.layout == Layout::single;
  std::size_t size = ascii;
  if (single) {
    for (const char c : rest) {
      const std::uint8_t bytes = tables.single_sizes[static_cast<std::uint8_t>(c)];
      if (bytes == 0) throw not_text(tables);
      size += bytes;
    }
  } else {
    for (Reader reader(tables, rest); !reader.done();) size += utf8_size(reader.next());
  }
  char* const begin = arena.allocate(size);
  std::memcpy(begin, text.data(), ascii);
  char* out = begin + ascii;
  if (single) {
    for (const char c : rest) out = put_utf8(out, tables.singles[static_cast<std::uint8_t>(c)]);
  } else {
    for (Reader reader(tables, rest); !reader.done();) out = put_utf8(out, reader.next());
  }
  return {begin, size};
}

std::shared_ptr<const Charset> open_charset(std::string_view charset, const AskServer& ask) {
  const CharsetRow* row = find_row(charset);
  if (row == nullptr) {
    throw Error(ExitCode::unsupported, "mysql.charset-unknown",
                "character set " + std::string(charset) + " is not known to weir",
                "weir cannot tell where a character of it ends",
                "convert the column to utf8mb4, or drop it in the [[table]] rule");
  }
  if (row->layout == Layout::as_is) return nullptr;
  auto tables = std::make_unique<Tables>();
  tables->name = row->name;
  tables->layout = row->layout;
  const bool wide = row->layout >= Layout::utf16;
  if (!wide) learn(*tables, *row, ask);
  return std::make_shared<Charset>(std::move(tables));
}

std::uint32_t max_character_bytes(std::string_view charset) {
  const CharsetRow* row = find_row(charset);
  return row == nullptr ? 0 : row->max_bytes;
}

}  // namespace weir::mysql
