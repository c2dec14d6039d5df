// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/row_decoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

#include "base/error.h"
#include "source/mysql/column_code.h"
#include "source/mysql/json_binary.h"
#include "source/mysql/temporal.h"
#include "source/mysql/text_value.h"
#include "source/mysql/types.h"

namespace weir::mysql {
namespace {

/// How the bytes of a value become a cell.
enum class Form : std::uint8_t {
  boolean,
  int8,
  uint8,
  int16,
  uint16,
  int24,
  uint24,
  int32,
  uint32,
  int64,
  uint64,
  float32,
  float64,
  decimal,
  bits,
  year,
  short_year,
  date,
  time,
  datetime,
  timestamp,
  // Before MySQL 5.6 and MariaDB 10.1, and in tables that were not rebuilt since.
  old_time,
  old_datetime,
  old_timestamp,
  // MariaDB's own fractions of a second, of 5.3 to 10.0.
  maria_time,
  maria_datetime,
  maria_timestamp,
  bytes,
  padded_bytes,
  text,
  char_text,
  compressed_bytes,
  compressed_text,
  enumeration,
  set,
  json,
  geometry,
  uuid,
  inet4,
  inet6,
};

constexpr std::size_t kUuidBytes = 16;
constexpr std::size_t kInet4Bytes = 4;
constexpr std::size_t kInet6Bytes = 16;
template <class T>
T read_little(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::uint64_t read_little(const char* at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i) value = value << 8 | static_cast<std::uint8_t>(at[i - 1]);
  return value;
}

std::uint64_t read_big(const char* at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(at[i]);
  return value;
}

bool bit_at(const std::uint8_t* bits, std::size_t place) {
  return (bits[place / 8] >> (place % 8) & 1) != 0;
}

template <class T>
Cell integer(T value, Arena& arena) {
  std::array<char, 20> digits;
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return to_cell({digits.data(), static_cast<std::size_t>(end - digits.data())}, arena);
}

Cell uuid_cell(std::string_view value, Arena& arena) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  char* const begin = arena.allocate(36);
  char* out = begin;
  for (std::size_t i = 0; i < kUuidBytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
    const auto byte = i < value.size() ? static_cast<std::uint8_t>(value[i]) : 0u;
    *out++ = kHex[byte >> 4];
    *out++ = kHex[byte & 15];
  }
  return {begin, 36};
}

char* put_inet4(char* out, const std::uint8_t* bytes) {
  for (std::size_t i = 0; i < kInet4Bytes; ++i) {
    if (i > 0) *out++ = '.';
    out = std::to_chars(out, out + 3, bytes[i]).ptr;
  }
  return out;
}

Cell inet4_cell(std::string_view value, Arena& arena) {
  std::array<std::uint8_t, kInet4Bytes> bytes{};
  std::copy_n(value.begin(), std::min(value.size(), bytes.size()), bytes.begin());
  std::array<char, 16> text;
  const char* end = put_inet4(text.data(), bytes.data());
  return to_cell({text.data(), static_cast<std::size_t>(end - text.data())}, arena);
}

// The first of the longest runs of zero groups, be it one group, is cut short, and IPv4 addresses
// inside keep their dots, as the server writes them.
Cell inet6_cell(std::string_view value, Arena& arena) {
  std::array<std::uint8_t, kInet6Bytes> bytes{};
  std::copy_n(value.begin(), std::min(value.size(), bytes.size()), bytes.begin());
  constexpr std::size_t kGroups = 8;
  std::array<unsigned, kGroups> groups;
  for (std::size_t i = 0; i < kGroups; ++i) {
    groups[i] = static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  }
  std::size_t gap = kGroups;
  std::size_t gap_size = 0;
  for (std::size_t i = 0; i < kGroups; ++i) {
    std::size_t size = 0;
    while (i + size < kGroups && groups[i + size] == 0) ++size;
    if (size > gap_size) {
      gap = i;
      gap_size = size;
    }
    i += size;
  }
  const bool holds_inet4 = gap == 0 && (gap_size == 6 || (gap_size == 5 && groups[5] == 0xffff));

  std::array<char, 48> text;
  char* out = text.data();
  for (std::size_t i = 0; i < kGroups;) {
    if (i == gap) {
      *out++ = ':';
      i += gap_size;
      if (i == kGroups) *out++ = ':';
      continue;
    }
    if (i > 0) *out++ = ':';
    if (holds_inet4 && i == 6) {
      out = put_inet4(out, bytes.data() + 12);
      break;
    }
    out = std::to_chars(out, text.data() + text.size(), groups[i], 16).ptr;
    ++i;
  }
  return to_cell({text.data(), static_cast<std::size_t>(out - text.data())}, arena);
}

std::size_t set_bytes(std::size_t labels) {
  const std::size_t bytes = (labels + 7) / 8;
  return bytes > 4 ? 8 : bytes;
}

// How many bytes of the row image tell the length of a value of a text or blob type.
std::uint16_t blob_prefix(std::string_view native) {
  if (native.starts_with("tiny")) return 1;
  if (native.starts_with("medium")) return 3;
  if (native.starts_with("long")) return 4;
  return 2;
}

// Whether `catalogue` may be how information_schema shows `label`: it has '?' for characters of
// four bytes.
bool shows_label(std::string_view catalogue, std::string_view label) {
  while (!catalogue.empty() && !label.empty()) {
    const bool wide = static_cast<std::uint8_t>(label[0]) >= 0xf0 && label.size() >= 4;
    if (wide && catalogue[0] == '?') {
      label.remove_prefix(4);
    } else if (catalogue[0] == label[0]) {
      label.remove_prefix(1);
    } else {
      return false;
    }
    catalogue.remove_prefix(1);
  }
  return catalogue.empty() && label.empty();
}

bool has_sign(std::uint8_t code) {
  switch (code) {
    case kTiny:
    case kShort:
    case kInt24:
    case kLong:
    case kLongLong:
    case kFloat:
    case kDouble:
    case kNewDecimal:
      return true;
    default:
      return false;
  }
}

Error definition(const std::string& what, const std::string& why) {
  return Error(
      ExitCode::refused, "mysql.definition", what,
      why + "; the definition at this position of the change log is not the one weir knows",
      "begin the task anew with empty target tables, which reads every definition anew; "
      "weir-control(7) has the statement");
}

Error malformed(const std::string& what, const std::string& why) {
  return Error(ExitCode::failed, "binlog.malformed", what, why,
               "read the log with mysqlbinlog -vv to tell a damaged log from a fault in weir");
}

}  // namespace

/// What the loop over a row needs.
struct RowDecoder::Column {
  Form form = Form::bytes;
  bool wanted = false;
  std::uint8_t prefix = 0;  ///< bytes of length before the value; 0 = the size is fixed
  std::uint8_t digits = 0;  ///< of the second; decimal: all digits
  std::uint8_t scale = 0;
  std::uint32_t size = 0;  ///< of the value where it is fixed or padded; bits: their number
};

struct RowDecoder::Detail {
  std::string name;
  std::shared_ptr<const Charset> charset;
  std::vector<std::string> labels;
  bool labels_uncertain = false;

  const std::string& label(std::size_t place) const;
};

const std::string& RowDecoder::Detail::label(std::size_t place) const {
  if (place >= labels.size()) {
    throw definition("a value is beyond the labels of its column",
                     fmt::format("a row has label {} and weir knows {}", place + 1, labels.size()));
  }
  const std::string& label = labels[place];
  if (labels_uncertain && label.find('?') != std::string::npos) {
    throw Error(
        ExitCode::refused, "mysql.label", fmt::format("label {} is not known for sure", place + 1),
        "information_schema shows '?' for characters beyond U+FFFF, and the change log does "
        "not name the labels",
        "set global binlog_row_metadata = 'FULL' and load the table again, or rename the label");
  }
  return label;
}

/// Buffers that are kept between values.
class RowDecoder::Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (inflating_) inflateEnd(&stream_);
  }

  std::string& text() {
    text_.clear();
    return text_;
  }

  /// A value of a COMPRESSED column: a byte of method (high half), whether there is no zlib frame
  /// (bit 3), and length of the length (low bits); the length of the plain value, highest byte
  /// first; the deflated value. A first byte of 0 comes before a plain value. False = damaged.
  bool inflate_value(std::string_view value, Arena& arena, std::string_view& plain) {
    plain = value;
    if (value.empty()) return true;
    constexpr unsigned kZlib = 8;
    constexpr std::uint64_t kMaxRatio = 1032;  // deflate's own limit
    const auto head = static_cast<std::uint8_t>(value[0]);
    const std::size_t length_size = head & 7;
    plain.remove_prefix(1);
    if (head == 0) return true;
    if (head >> 4 != kZlib || length_size == 0 || length_size > 4 || plain.size() < length_size) {
      return false;
    }
    const std::uint64_t size = read_big(plain.data(), length_size);
    plain.remove_prefix(length_size);
    if (size == 0 || size > plain.size() * kMaxRatio || !reset((head & 8) != 0)) return false;
    char* out = arena.allocate(size);
    // zlib takes its input through a pointer to non-const bytes and does not write to them.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    stream_.avail_in = static_cast<uInt>(plain.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(size);
    plain = {out, size};
    return inflate(&stream_, Z_FINISH) == Z_STREAM_END && stream_.avail_out == 0;
  }

 private:
  bool reset(bool raw) {
    const int window = raw ? -MAX_WBITS : MAX_WBITS;
    if (inflating_) return inflateReset2(&stream_, window) == Z_OK;
    inflating_ = inflateInit2(&stream_, window) == Z_OK;
    return inflating_;
  }

  std::string text_;
  z_stream stream_{};
  bool inflating_ = false;
};

/// Decides how one column is read, and that map and catalogue agree on it.
class RowDecoder::Planner {
 public:
  Planner(const std::string& table, const TableMap& map, std::size_t place,
          const weir::Column& known, bool wanted, std::shared_ptr<const Charset> charset)
      : table_(table),
        map_(map),
        logged_(map.columns[place]),
        known_(known),
        type_(known.type),
        row_(type_row(known.type)),
        is_unsigned_(type_.native.find("unsigned") != std::string::npos) {
    column.wanted = wanted;
    detail.name = known.name;
    detail.charset = std::move(charset);
    check_identity();
    plan();
  }

  Column column;
  Detail detail;

 private:
  Error differs(const std::string& why) const {
    return definition(fmt::format("table {}: column {} ({}) does not fit the change log", table_,
                                  known_.name, type_.native),
                      why);
  }

  void expect(std::uint64_t meta, const char* what) const {
    if (logged_.meta == meta) return;
    throw differs(
        fmt::format("the log has {} {}, the known definition {}", what, logged_.meta, meta));
  }

  void check_identity() const {
    if (row_ == nullptr) throw bug("column " + known_.name + " has no row in the table of types");
    if (row_->codes.find(static_cast<char>(logged_.type)) == std::string_view::npos) {
      throw differs(fmt::format("the log has values of type code {}", logged_.type));
    }
    if (map_.has_names && logged_.name != known_.name) {
      throw differs(fmt::format("the log has a column {} in its place", logged_.name));
    }
    if (map_.has_signedness && has_sign(logged_.type) && logged_.is_unsigned != is_unsigned_) {
      throw differs(logged_.is_unsigned ? "the log has unsigned values"
                                        : "the log has signed values");
    }
  }

  void fixed(Form form, std::size_t size) {
    column.form = form;
    column.size = static_cast<std::uint32_t>(size);
  }

  void prefixed(Form form, std::size_t prefix) {
    column.form = form;
    column.prefix = static_cast<std::uint8_t>(prefix);
  }

  void integer(Form with_sign, Form without, std::size_t size) {
    fixed(is_unsigned_ ? without : with_sign, size);
  }

  void set_second_digits() {
    if (type_.precision > kMaxSecondDigits) throw differs("a second has more than six digits");
    column.digits = static_cast<std::uint8_t>(type_.precision);
  }

  void temporal(Form form, std::size_t size) {
    expect(type_.precision, "digits of the second:");
    set_second_digits();
    fixed(form, size + fraction_bytes(type_.precision));
  }

  // No metadata comes with the old forms: only the catalogue knows whether there are fractions.
  void old_temporal(Form plain, Form maria, const std::array<std::uint8_t, 7>& sizes) {
    set_second_digits();
    fixed(type_.precision == 0 ? plain : maria, sizes[type_.precision]);
  }

  bool is_text() const { return type_.kind == TypeKind::text || type_.kind == TypeKind::json; }

  // The declared length counts characters, the log's bytes.
  void expect_length(std::uint64_t unit, std::uint64_t more = 0) const {
    const bool unknown_charset = unit == 0;
    if (!unknown_charset) expect(type_.length * unit + more, "values of up to bytes:");
  }

  void plan_char() {
    prefixed(Form::padded_bytes, logged_.meta > 255 ? 2 : 1);
    column.size = logged_.meta;
    if (type_.kind == TypeKind::uuid) {
      column.form = Form::uuid;
      expect(kUuidBytes, "values of up to bytes:");
    } else if (type_.kind == TypeKind::inet) {
      const bool short_address = row_->native == "inet4";
      column.form = short_address ? Form::inet4 : Form::inet6;
      expect(short_address ? kInet4Bytes : kInet6Bytes, "values of up to bytes:");
    } else if (type_.kind == TypeKind::text) {
      column.form = Form::char_text;
      expect_length(max_character_bytes(known_.charset));
    } else {
      expect_length(1);
    }
  }

  void plan_varchar(bool compressed) {
    expect_length(is_text()                        ? max_character_bytes(known_.charset)
                  : type_.kind == TypeKind::vector ? sizeof(float)
                                                   : 1,
                  compressed ? 1 : 0);
    plan_text(compressed, logged_.meta > 255 ? 2 : 1);
  }

  void plan_text(bool compressed, std::size_t prefix) {
    prefixed(compressed ? (is_text() ? Form::compressed_text : Form::compressed_bytes)
                        : (is_text() ? Form::text : Form::bytes),
             prefix);
  }

  void plan_labels(Form form, std::size_t bytes) {
    expect(bytes, "values of bytes:");
    fixed(form, bytes);
    detail.labels = type_.members;
    detail.labels_uncertain = logged_.members.empty() && labels_uncertain(type_, known_.charset);
    // No charset comes with a column that is not wanted, so its labels cannot be compared.
    if (logged_.members.empty() || !column.wanted) return;
    Arena arena;
    std::vector<std::string> labels;
    for (const std::string& label : logged_.members) {
      labels.emplace_back(detail.charset ? detail.charset->convert(label, arena) : label);
    }
    if (!std::equal(labels.begin(), labels.end(), type_.members.begin(), type_.members.end(),
                    [](const std::string& label, const std::string& catalogue) {
                      return shows_label(catalogue, label);
                    })) {
      throw differs(fmt::format("the log has the labels '{}'", fmt::join(labels, "','")));
    }
    detail.labels = std::move(labels);
  }

  void plan_decimal() {
    if (logged_.meta != (type_.precision << 8 | type_.scale)) {
      throw differs(
          fmt::format("the log has decimal({},{})", logged_.meta >> 8, logged_.meta & 0xff));
    }
    column.digits = static_cast<std::uint8_t>(type_.precision);
    column.scale = static_cast<std::uint8_t>(type_.scale);
    fixed(Form::decimal, decimal_size(type_.precision, type_.scale));
  }

  void plan_bits() {
    const unsigned bits = (logged_.meta >> 8) * 8u + (logged_.meta & 0xff);
    if (bits != type_.length) throw differs(fmt::format("the log has bit({})", bits));
    column.digits = static_cast<std::uint8_t>(bits);
    fixed(Form::bits, (bits + 7) / 8);
  }

  void plan() {
    switch (logged_.type) {
      case kTiny:
        integer(Form::int8, Form::uint8, 1);
        if (type_.kind == TypeKind::boolean) column.form = Form::boolean;
        return;
      case kShort:
        return integer(Form::int16, Form::uint16, 2);
      case kInt24:
        return integer(Form::int24, Form::uint24, 3);
      case kLong:
        return integer(Form::int32, Form::uint32, 4);
      case kLongLong:
        return integer(Form::int64, Form::uint64, 8);
      case kFloat:
        expect(sizeof(float), "values of bytes:");
        return fixed(Form::float32, sizeof(float));
      case kDouble:
        expect(sizeof(double), "values of bytes:");
        return fixed(Form::float64, sizeof(double));
      case kNewDecimal:
        return plan_decimal();
      case kBit:
        return plan_bits();
      case kYear:
        return fixed(type_.native.find("(2)") != std::string::npos ? Form::short_year : Form::year,
                     1);
      case kDate:
      case kNewDate:
        return fixed(Form::date, 3);
      case kTime2:
        return temporal(Form::time, 3);
      case kDatetime2:
        return temporal(Form::datetime, 5);
      case kTimestamp2:
        return temporal(Form::timestamp, 4);
      case kTime:
        return old_temporal(Form::old_time, Form::maria_time, {3, 4, 4, 5, 5, 5, 6});
      case kDatetime:
        return old_temporal(Form::old_datetime, Form::maria_datetime, {8, 6, 6, 7, 7, 7, 8});
      case kTimestamp:
        return old_temporal(Form::old_timestamp, Form::maria_timestamp, {4, 5, 5, 6, 6, 7, 7});
      case kEnum:
        return plan_labels(Form::enumeration, type_.members.size() > 255 ? 2 : 1);
      case kSet:
        return plan_labels(Form::set, set_bytes(type_.members.size()));
      case kString:
        return plan_char();
      case kVarchar:
      case kVarString:
        return plan_varchar(false);
      case kVarcharCompressed:
        return plan_varchar(true);
      case kBlob:
      case kBlobCompressed:
        expect(blob_prefix(row_->native), "lengths of bytes:");
        return plan_text(logged_.type == kBlobCompressed, logged_.meta);
      case kJson:
      case kGeometry:
      case kVector:
        expect(4, "lengths of bytes:");
        return prefixed(logged_.type == kJson       ? Form::json
                        : logged_.type == kGeometry ? Form::geometry
                                                    : Form::bytes,
                        logged_.meta);
      default:
        throw bug(fmt::format("type code {} has no reader", logged_.type));
    }
  }

  const std::string& table_;
  const TableMap& map_;
  const MapColumn& logged_;
  const weir::Column& known_;
  const ColumnType& type_;
  const TypeRow* row_;
  bool is_unsigned_;
};

RowDecoder::~RowDecoder() = default;
RowDecoder::RowDecoder(RowDecoder&&) noexcept = default;

RowDecoder::RowDecoder(const TableMap& map, const Table& table, const std::vector<bool>& wanted,
                       std::span<const std::shared_ptr<const Charset>> charsets,
                       const TypeSettings& settings)
    : scratch_(std::make_unique<Scratch>()),
      zero_dates_(settings.zero_dates),
      table_(table.name.text()) {
  if (map.columns.size() != table.columns.size()) {
    throw definition(
        fmt::format("table {} has another number of columns in the change log", table_),
        fmt::format("the log's rows have {} columns, the known definition has {}",
                    map.columns.size(), table.columns.size()));
  }
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    Planner planner(table_, map, i, table.columns[i], wanted[i], charsets[i]);
    columns_.push_back(planner.column);
    details_.push_back(std::move(planner.detail));
  }
}

const char* RowDecoder::decode(const char* at, const char* end, const std::uint8_t* present,
                               std::span<Cell> cells, Arena& arena) const {
  const auto short_of = [this](const char* what) {
    return malformed("table " + table_ + ": a row image of the change log is damaged", what);
  };
  const std::size_t count = columns_.size();
  std::size_t held = count;
  if (present != nullptr) {
    held = 0;
    for (std::size_t i = 0; i < count; ++i) held += bit_at(present, i) ? 1 : 0;
  }
  const std::size_t null_bytes = (held + 7) / 8;
  if (static_cast<std::size_t>(end - at) < null_bytes) throw short_of("it ends in its NULL bits");
  const auto* const nulls = reinterpret_cast<const std::uint8_t*>(at);
  at += null_bytes;

  std::size_t place = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Column& column = columns_[i];
    if (present != nullptr && !bit_at(present, i)) {
      cells[i] = Cell::absent();
      continue;
    }
    if (bit_at(nulls, place++)) {
      cells[i] = column.wanted ? Cell::null() : Cell::absent();
      continue;
    }
    std::size_t size = column.size;
    if (column.prefix > 0) {
      if (end - at < column.prefix) throw short_of("it ends in the length of a value");
      size = read_little(at, column.prefix);
      at += column.prefix;
    }
    if (static_cast<std::size_t>(end - at) < size) throw short_of("it ends in a value");
    if (column.wanted) {
      try {
        cells[i] = read(column, details_[i], {at, size}, arena);
      } catch (const Error& error) {
        throw error.within(table_ + "." + details_[i].name);
      }
    } else {
      cells[i] = Cell::absent();
    }
    at += size;
  }
  return at;
}

Cell RowDecoder::read(const Column& column, const Detail& detail, std::string_view value,
                      Arena& arena) const {
  const char* const at = value.data();
  const auto damaged = [](const char* why) { return malformed("a value is damaged", why); };
  const auto date_cell = [&](const Moment& moment, bool with_time) {
    char* const begin = arena.allocate(with_time ? 20 + column.digits : 10);
    char* out = put_date(begin, moment);
    if (with_time) {
      *out++ = ' ';
      out = put_time(out, moment, column.digits);
    }
    const Cell cell(begin, static_cast<std::size_t>(out - begin));
    if (is_real_date(moment.year, moment.month, moment.day)) return cell;
    return check_date(cell.text(), detail.name, zero_dates_, with_time, column.digits, arena);
  };
  const auto time_cell = [&](const Moment& moment) {
    std::array<char, 20> text;
    const char* end = put_time(text.data(), moment, column.digits);
    return to_cell({text.data(), static_cast<std::size_t>(end - text.data())}, arena);
  };
  const auto text_cell = [&](std::string_view text) {
    return Cell(detail.charset ? detail.charset->convert(text, arena) : text);
  };

  switch (column.form) {
    case Form::boolean:
      return Cell(*at == 0 ? std::string_view("0") : std::string_view("1"));
    case Form::int8:
      return integer(static_cast<int>(read_little<std::int8_t>(at)), arena);
    case Form::uint8:
      return integer(static_cast<unsigned>(read_little<std::uint8_t>(at)), arena);
    case Form::int16:
      return integer(read_little<std::int16_t>(at), arena);
    case Form::uint16:
      return integer(read_little<std::uint16_t>(at), arena);
    case Form::int24:
      return integer(static_cast<std::int32_t>(read_little(at, 3) << 8) >> 8, arena);
    case Form::uint24:
      return integer(static_cast<std::uint32_t>(read_little(at, 3)), arena);
    case Form::int32:
      return integer(read_little<std::int32_t>(at), arena);
    case Form::uint32:
      return integer(read_little<std::uint32_t>(at), arena);
    case Form::int64:
      return integer(read_little<std::int64_t>(at), arena);
    case Form::uint64:
      return integer(read_little<std::uint64_t>(at), arena);
    case Form::float32:
      return to_number(read_little<float>(at), arena);
    case Form::float64:
      return to_number(read_little<double>(at), arena);
    case Form::decimal: {
      std::array<char, kMostDecimalDigits + 3> text;
      const char* end = decimal_to_text(at, column.digits, column.scale, text.data());
      if (end == nullptr) throw damaged("it holds no decimal number");
      return to_cell({text.data(), static_cast<std::size_t>(end - text.data())}, arena);
    }
    case Form::bits:
      return to_bits(value, column.digits, arena);
    case Form::year: {
      const auto year = read_little<std::uint8_t>(at);
      return year == 0 ? Cell("0000", 4) : integer(1900u + year, arena);
    }
    case Form::short_year: {
      // The server shows two digits, whatever century is stored: 70-99 are of the last one.
      const unsigned year = read_little<std::uint8_t>(at) % 100u;
      return integer(year < 70 ? 2000 + year : 1900 + year, arena);
    }
    case Form::date:
      return date_cell(unpack_date(value), false);
    case Form::time:
      return time_cell(unpack_time(value, column.digits));
    case Form::datetime:
      return date_cell(unpack_datetime(value, column.digits), true);
    case Form::timestamp:
      return date_cell(unpack_timestamp(value, column.digits), true);
    case Form::old_time:
      return time_cell(unpack_old_time(value));
    case Form::old_datetime:
      return date_cell(unpack_old_datetime(value), true);
    case Form::old_timestamp:
      return date_cell(unpack_old_timestamp(value), true);
    case Form::maria_time:
      return time_cell(unpack_maria_time(value, column.digits));
    case Form::maria_datetime:
      return date_cell(unpack_maria_datetime(value, column.digits), true);
    case Form::maria_timestamp:
      return date_cell(unpack_maria_timestamp(value, column.digits), true);
    case Form::bytes:
      return Cell(value);
    case Form::padded_bytes: {
      // Row images leave out the zero bytes at the end of a BINARY(n).
      if (value.size() >= column.size) return Cell(value);
      char* const out = arena.allocate(column.size);
      std::fill(std::copy(value.begin(), value.end(), out), out + column.size, '\0');
      return {out, column.size};
    }
    case Form::text:
      return text_cell(value);
    case Form::char_text: {
      const Cell cell = text_cell(value);
      const std::size_t last = cell.text().find_last_not_of(' ');
      return {cell.data(), last + 1};  // npos + 1 = 0: nothing but spaces
    }
    case Form::compressed_bytes:
    case Form::compressed_text: {
      std::string_view plain;
      if (!scratch_->inflate_value(value, arena, plain)) throw damaged("it does not decompress");
      return column.form == Form::compressed_text ? text_cell(plain) : Cell(plain);
    }
    case Form::enumeration: {
      const std::uint64_t index = read_little(at, value.size());
      return index == 0 ? Cell("", 0) : Cell(detail.label(index - 1));
    }
    case Form::set: {
      std::uint64_t left = read_little(at, value.size());
      if (std::has_single_bit(left)) {
        return Cell(detail.label(static_cast<std::size_t>(std::countr_zero(left))));
      }
      std::string& text = scratch_->text();
      for (; left != 0; left &= left - 1) {
        if (!text.empty()) text += ',';
        text += detail.label(static_cast<std::size_t>(std::countr_zero(left)));
      }
      return to_cell(text, arena);
    }
    case Form::json: {
      std::string& text = scratch_->text();
      json_to_text(value, text);
      return to_cell(text, arena);
    }
    case Form::geometry:
      return to_ewkb(value, arena);
    case Form::uuid:
      return uuid_cell(value, arena);
    case Form::inet4:
      return inet4_cell(value, arena);
    case Form::inet6:
      return inet6_cell(value, arena);
  }
  throw bug("a form without a reader");
}

}  // namespace weir::mysql
