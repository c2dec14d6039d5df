// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/binlog_event.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include "base/error.h"
#include "source/mysql/event_cursor.h"
#include "source/mysql/event_inflater.h"
#include "source/mysql/payload_stream.h"
#include "source/mysql/table_map.h"

namespace weir::mysql {
namespace {

constexpr std::size_t kHeaderSize = 19;
constexpr std::size_t kChecksumSize = 4;
constexpr std::size_t kFlagsOffset = 17;

enum HeaderFlag : std::uint16_t {
  kInUse = 0x01,
  kArtificial = 0x20,
  kIgnorable = 0x80,
};

enum class ChecksumAlgorithm : std::uint8_t { off = 0, crc32 = 1, undefined = 255 };

/// What the decoder does with a type of event.
enum class Handling : std::uint8_t {
  unknown,
  refused,
  incident,
  no_data,
  format,
  rotate,
  heartbeat,
  heartbeat_v2,
  gtid,
  gtid_anonymous,
  gtid_tagged,
  gtid_mariadb,
  query,
  query_compressed,
  table_map,
  rows,
  rows_compressed,
  xid,
  xa_prepare,
  rows_query,
  annotate_rows,
  payload,
};

struct EventType {
  std::uint8_t type;
  std::string_view name;  ///< as SHOW BINLOG EVENTS spells it
  Handling handling;
  RowsEvent::Kind kind = RowsEvent::Kind::insert;  ///< of rows
};

constexpr auto kInsert = RowsEvent::Kind::insert;
constexpr auto kUpdate = RowsEvent::Kind::update;
constexpr auto kRemove = RowsEvent::Kind::remove;
constexpr std::uint8_t kPartialUpdate = 39;

constexpr auto kEventTypes = std::to_array<EventType>({
    {1, "Start_v3", Handling::refused},
    {2, "Query", Handling::query},
    {3, "Stop", Handling::no_data},
    {4, "Rotate", Handling::rotate},
    {5, "Intvar", Handling::no_data},
    {6, "Load", Handling::refused},
    {7, "Slave", Handling::refused},
    {8, "Create_file", Handling::refused},
    {9, "Append_block", Handling::refused},
    {10, "Exec_load", Handling::refused},
    {11, "Delete_file", Handling::refused},
    {12, "New_load", Handling::refused},
    {13, "RAND", Handling::no_data},
    {14, "User var", Handling::no_data},
    {15, "Format_desc", Handling::format},
    {16, "Xid", Handling::xid},
    {17, "Begin_load_query", Handling::refused},
    {18, "Execute_load_query", Handling::refused},
    {19, "Table_map", Handling::table_map},
    {20, "Write_rows_event_old", Handling::refused},
    {21, "Update_rows_event_old", Handling::refused},
    {22, "Delete_rows_event_old", Handling::refused},
    {23, "Write_rows_v1", Handling::rows, kInsert},
    {24, "Update_rows_v1", Handling::rows, kUpdate},
    {25, "Delete_rows_v1", Handling::rows, kRemove},
    {26, "Incident", Handling::incident},
    {27, "Heartbeat", Handling::heartbeat},
    {29, "Rows_query", Handling::rows_query},
    {30, "Write_rows", Handling::rows, kInsert},
    {31, "Update_rows", Handling::rows, kUpdate},
    {32, "Delete_rows", Handling::rows, kRemove},
    {33, "Gtid", Handling::gtid},
    {34, "Anonymous_Gtid", Handling::gtid_anonymous},
    {35, "Previous_gtids", Handling::no_data},
    {36, "Transaction_context", Handling::no_data},
    {37, "View_change", Handling::no_data},
    {38, "XA_prepare", Handling::xa_prepare},
    {kPartialUpdate, "Update_rows_partial", Handling::rows, kUpdate},
    {40, "Transaction_payload", Handling::payload},
    {41, "Heartbeat_v2", Handling::heartbeat_v2},
    {42, "Gtid_tagged_log_event", Handling::gtid_tagged},
    {160, "Annotate_rows", Handling::annotate_rows},
    {161, "Binlog_checkpoint", Handling::no_data},
    {162, "Gtid", Handling::gtid_mariadb},
    {163, "Gtid_list", Handling::no_data},
    {164, "Start_encryption", Handling::no_data},
    {165, "Query_compressed", Handling::query_compressed},
    {166, "Write_rows_compressed_v1", Handling::rows_compressed, kInsert},
    {167, "Update_rows_compressed_v1", Handling::rows_compressed, kUpdate},
    {168, "Delete_rows_compressed_v1", Handling::rows_compressed, kRemove},
    {169, "Write_rows_compressed", Handling::rows_compressed, kInsert},
    {170, "Update_rows_compressed", Handling::rows_compressed, kUpdate},
    {171, "Delete_rows_compressed", Handling::rows_compressed, kRemove},
});

constexpr std::uint8_t kFormatType = 15;
constexpr std::uint8_t kTableMapType = 19;
constexpr std::uint8_t kFirstMariaDbType = 160;

constexpr auto kTypesByNumber = [] {
  std::array<EventType, 256> types{};
  for (const EventType& row : kEventTypes) types[row.type] = row;
  return types;
}();

/// Why events of a type are refused; the fix goes with it.
struct Refusal {
  std::uint8_t first;
  std::uint8_t last;
  std::string_view why;
  std::string_view fix;
};

constexpr std::string_view kUpgradeFix =
    "upgrade the source server to one that writes the current log format, and let old log files "
    "expire";
constexpr std::string_view kLoadFix =
    "set binlog_format = ROW on the source for every session, then reload the tables that the "
    "statement changed";

constexpr auto kRefusals = std::to_array<Refusal>({
    {1, 1, "a log that begins so was written by MySQL 4 or older", kUpgradeFix},
    {6, 6, "LOAD DATA was logged as a statement: the log does not hold its rows", kLoadFix},
    {7, 7, "no server that weir knows writes it", kUpgradeFix},
    {8, 12, "LOAD DATA was logged as a statement: the log does not hold its rows", kLoadFix},
    {17, 18, "LOAD DATA was logged as a statement: the log does not hold its rows", kLoadFix},
    {20, 22, "rows in the format of early MySQL 5.1 releases, which was never made final",
     kUpgradeFix},
});

/// "event Write_rows_v1 before position 1234", as far as the header tells.
std::string describe(const EventHeader& header) {
  if (header.next_position == 0) return fmt::format("event {}", event_name(header.type));
  return fmt::format("event {} before position {}", event_name(header.type), header.next_position);
}

[[noreturn]] void refuse(const EventHeader& header) {
  for (const Refusal& row : kRefusals) {
    if (header.type >= row.first && header.type <= row.last) {
      throw Error(ExitCode::unsupported, "binlog.unsupported-event",
                  fmt::format("{} cannot be taken", describe(header)), std::string(row.why),
                  std::string(row.fix));
    }
  }
  throw bug(fmt::format("event type {} is refused without a reason", header.type));
}

[[noreturn]] void unknown_event(const EventHeader& header) {
  throw Error(ExitCode::refused, "binlog.unknown-event",
              fmt::format("{} is of a type that weir does not know", describe(header)),
              "it may hold changes, so it must not be skipped",
              "upgrade weir; if there is no newer one, report the server's version and the type");
}

[[noreturn]] void incident(const EventHeader& header, std::string_view body) {
  EventCursor cursor(header, body);
  const std::uint16_t number = cursor.u16();
  const std::string message(cursor.take(cursor.byte()));
  throw Error(ExitCode::refused, "binlog.incident",
              fmt::format("the source reports a gap in its log ({})", describe(header)),
              fmt::format("incident {}: {}; changes are missing after this point", number,
                          message.empty() ? "no message" : message),
              "reload the task's tables, after finding the reason in the source's error log");
}

EventHeader read_header(std::string_view event) {
  EventHeader header;
  if (event.size() < kHeaderSize) malformed_event(header, "it is shorter than an event header");
  EventCursor cursor(header, event.substr(0, kHeaderSize));
  EventHeader out;
  out.timestamp = cursor.u32();
  out.type = cursor.byte();
  out.server_id = cursor.u32();
  out.size = cursor.u32();
  out.next_position = cursor.u32();
  out.flags = cursor.u16();
  if (out.size != event.size()) {
    malformed_event(out, fmt::format("it says {} bytes and has {}", out.size, event.size()));
  }
  return out;
}

const Bytef* bytes_of(std::string_view text) { return reinterpret_cast<const Bytef*>(text.data()); }

bool crc32_matches(std::string_view event) {
  if (event.size() < kHeaderSize + kChecksumSize) return false;
  const std::string_view covered = event.substr(0, event.size() - kChecksumSize);
  uLong crc;
  if (static_cast<std::uint8_t>(event[4]) == kFormatType) {
    // The server clears the in-use flag when it closes the file and leaves the checksum as it was.
    std::array<char, kHeaderSize> header;
    std::memcpy(header.data(), event.data(), kHeaderSize);
    header[kFlagsOffset] = static_cast<char>(header[kFlagsOffset] & ~kInUse);
    crc = crc32_z(0, bytes_of({header.data(), kHeaderSize}), kHeaderSize);
    crc = crc32_z(crc, bytes_of(covered.substr(kHeaderSize)), covered.size() - kHeaderSize);
  } else {
    crc = crc32_z(0, bytes_of(covered), covered.size());
  }
  return little_endian(event.data() + covered.size(), kChecksumSize) == crc;
}

[[noreturn]] void bad_checksum(const EventHeader& header) {
  throw Error(ExitCode::failed, "binlog.checksum",
              fmt::format("the checksum of {} does not fit its bytes", describe(header)),
              "the log was damaged on the source's disk or on the way",
              "check the file on the source with mysqlbinlog --verify-binlog-checksum; if it is "
              "sound, start the task again, else reload its tables");
}

Time header_time(const EventHeader& header) { return Time(std::chrono::seconds(header.timestamp)); }

std::string_view until_zero(std::string_view text) { return text.substr(0, text.find('\0')); }

void put_quoted_hex(std::string& out, std::string_view bytes) {
  out += "X'";
  for (const char c : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", c & 0xff);
  out += '\'';
}

/// As the servers write it in XA START, XA COMMIT and XA ROLLBACK statements.
void put_xid(std::string& out, std::uint32_t format, std::string_view gtrid,
             std::string_view bqual) {
  out.clear();
  put_quoted_hex(out, gtrid);
  out += ',';
  put_quoted_hex(out, bqual);
  fmt::format_to(std::back_inserter(out), ",{}", format);
}

/// An integer of MySQL's serialization library: the low one-bits of the first byte count the bytes
/// that follow, the value lies above them and the zero bit that ends them.
std::uint64_t serialized_unsigned(EventCursor& cursor) {
  const std::uint8_t first = cursor.byte();
  const auto more = static_cast<unsigned>(std::countr_one(first));
  if (more == 8) return cursor.number(8);
  const std::uint64_t low = first >> (more + 1);
  return cursor.number(more) << (7 - more) | low;
}

std::int64_t serialized_signed(EventCursor& cursor) {
  const std::uint64_t raw = serialized_unsigned(cursor);
  return static_cast<std::int64_t>(raw >> 1 ^ (0 - (raw & 1)));
}

/// The whole numbers of "8.0.36-28-log", as far as there are any.
std::array<unsigned, 3> version_parts(std::string_view version) {
  std::array<unsigned, 3> parts{};
  std::size_t part = 0;
  for (const char c : version) {
    if (c >= '0' && c <= '9') {
      parts[part] = parts[part] * 10 + static_cast<unsigned>(c - '0');
    } else if (c != '.' || ++part == parts.size()) {
      break;
    }
  }
  return parts;
}

/// The status variables of a QUERY event. Their lengths are not in the event, so the first one
/// that weir does not know ends the search; servers write what matters here before newer ones.
void read_session(EventCursor status, bool mariadb, QueryEvent& out) {
  enum Status : std::uint8_t {
    kFlags2 = 0,
    kSqlMode = 1,
    kAutoIncrement = 3,
    kCharset = 4,
    kTimeZone = 5,
    kCatalog = 6,
    kTimeNames = 7,
    kDatabaseCharset = 8,
    kTableMapForUpdate = 9,
    kDataWritten = 10,
    kInvoker = 11,
    kUpdatedSchemas = 12,
    kMicroseconds = 13,
    kExplicitTimestamps = 16,
    kDdlXid = 17,
    kUtf8mb4Collation = 18,
    kMariaDbMicroseconds = 128,
    kMariaDbXid = 129,
    kMariaDbGtidFlags = 130,
    kMariaDbCharsetCollations = 131,
  };
  constexpr std::uint32_t kExplicitTimestampsFlag = 1 << 24;
  constexpr std::uint8_t kTooManySchemas = 254;
  while (status.left() > 0) {
    switch (status.byte()) {
      case kFlags2:
        // Only a set flag says something: older releases have no such flag.
        if ((status.u32() & kExplicitTimestampsFlag) != 0 && mariadb) {
          out.explicit_timestamps = true;
        }
        break;
      case kSqlMode:
        out.sql_mode = status.number(8);
        break;
      case kCatalog:
        status.take(status.byte());
        break;
      case kAutoIncrement:
      case kDataWritten:
        status.take(4);
        break;
      case kCharset:
        out.client_collation = status.u16();
        out.connection_collation = status.u16();
        status.take(2);
        break;
      case kTimeZone:
        out.time_zone = status.take(status.byte());
        break;
      case kTimeNames:
      case kDatabaseCharset:
      case kMariaDbGtidFlags:
        status.take(2);
        break;
      case kTableMapForUpdate:
      case kDdlXid:
      case kMariaDbXid:
        status.take(8);
        break;
      case kInvoker:
        status.take(status.byte());
        status.take(status.byte());
        break;
      case kUpdatedSchemas: {
        const std::uint8_t count = status.byte();
        for (std::uint8_t i = 0; count != kTooManySchemas && i < count; ++i) {
          while (status.byte() != 0) {
          }
        }
        break;
      }
      case kMicroseconds:
      case kMariaDbMicroseconds:
        out.micros = static_cast<std::uint32_t>(status.number(3));
        break;
      case kExplicitTimestamps:
        out.explicit_timestamps = status.byte() != 0;
        break;
      case kUtf8mb4Collation:
        out.utf8mb4_collation = status.u16();
        break;
      case kMariaDbCharsetCollations:
        out.charset_collations = status.take(status.byte() * std::uint64_t{4});
        break;
      default:
        return;
    }
  }
}

/// What the format description says of the events that follow it.
struct Format {
  bool known = false;
  bool mariadb = false;
  ChecksumAlgorithm checksum = ChecksumAlgorithm::undefined;
  std::array<std::uint8_t, 256> post_header{};  ///< length by event type, 0 = not listed
};

struct CachedMap {
  std::string bytes;  ///< the event's body
  std::shared_ptr<const TableMap> map;
  std::uint64_t statement = 0;  ///< the last statement that it was sent for
};

// Table ids change whenever the server opens a table again, so the cache would grow for ever.
constexpr std::size_t kMostMaps = 4096;

}  // namespace

void malformed_event(const EventHeader& header, std::string_view why) {
  throw Error(ExitCode::failed, "binlog.malformed",
              fmt::format("{} cannot be read", describe(header)), std::string(why),
              "check the log on the source with mysqlbinlog; if it is sound, report this with the "
              "server's version");
}

std::string event_name(std::uint8_t type) {
  const EventType& row = kTypesByNumber[type];
  if (row.name.empty()) return fmt::format("Unknown({})", type);
  return std::string(row.name);
}

struct BinlogDecoder::State {
  /// `inside` is set for the events of a payload.
  void dispatch(const EventHeader& header, std::string_view body, bool inside,
                BinlogHandler& handler);

  std::string_view without_checksum(const EventHeader& header, std::string_view event);
  void read_format(const EventHeader& header, std::string_view event, BinlogHandler& handler);
  std::size_t post_header(const EventHeader& header, std::size_t least) const;
  std::size_t table_id_size(const EventHeader& header) const;

  void rotate(const EventHeader& header, std::string_view body, BinlogHandler& handler);
  void heartbeat(const EventHeader& header, std::string_view body, BinlogHandler& handler);
  void heartbeat_v2(const EventHeader& header, std::string_view body, BinlogHandler& handler);
  void mysql_gtid(const EventHeader& header, std::string_view body, bool is_anonymous,
                  BinlogHandler& handler);
  void tagged_gtid(const EventHeader& header, std::string_view body, BinlogHandler& handler);
  void mariadb_gtid(const EventHeader& header, std::string_view body, BinlogHandler& handler);
  void query(const EventHeader& header, std::string_view body, bool compressed,
             BinlogHandler& handler);
  void table_map(const EventHeader& header, std::string_view body, BinlogHandler& handler);
  void rows(const EventHeader& header, std::string_view body, const EventType& type,
            BinlogHandler& handler);
  void xa_prepare(const EventHeader& header, std::string_view body, BinlogHandler& handler);
  void unpack(const EventHeader& header, std::string_view body, BinlogHandler& handler);

  GtidEvent& fresh_gtid(const EventHeader& header);

  Format format;
  /// Whether the server puts checksums on what it makes up for this connection (announcements of a
  /// file, heartbeats): that follows the session, not the file.
  bool session_checksums = false;
  std::unordered_map<std::uint64_t, CachedMap> maps;
  std::uint64_t statement = 1;
  GtidEvent gtid;
  std::string xid;
  EventInflater inflater;
  PayloadStream payload;
};

BinlogDecoder::BinlogDecoder() : state_(std::make_unique<State>()) {}
BinlogDecoder::~BinlogDecoder() = default;

void BinlogDecoder::reset() { state_ = std::make_unique<State>(); }

void BinlogDecoder::feed(std::string_view event, BinlogHandler& handler) {
  const EventHeader header = read_header(event);
  if (header.type == kFormatType) {
    state_->read_format(header, event, handler);
    return;
  }
  const std::string_view body = state_->without_checksum(header, event);
  state_->dispatch(header, body, false, handler);
}

/// The body of an event other than the format description, its checksum verified.
std::string_view BinlogDecoder::State::without_checksum(const EventHeader& header,
                                                        std::string_view event) {
  const Handling handling = kTypesByNumber[header.type].handling;
  const bool made_up = handling == Handling::heartbeat || handling == Handling::heartbeat_v2 ||
                       (handling == Handling::rotate &&
                        ((header.flags & kArtificial) != 0 || header.next_position == 0));
  const std::string_view body = event.substr(kHeaderSize);
  if (made_up) {
    // Neither the file's algorithm nor, before the first format description, anything else says
    // whether there is one; a match by chance is one in four thousand millions.
    if (crc32_matches(event)) {
      session_checksums = true;
      return body.substr(0, body.size() - kChecksumSize);
    }
    if (session_checksums && format.checksum == ChecksumAlgorithm::crc32) bad_checksum(header);
    return body;
  }
  if (!format.known) malformed_event(header, "no format description came before it");
  if (format.checksum != ChecksumAlgorithm::crc32) return body;
  if (!crc32_matches(event)) bad_checksum(header);
  return body.substr(0, body.size() - kChecksumSize);
}

void BinlogDecoder::State::read_format(const EventHeader& header, std::string_view event,
                                       BinlogHandler& handler) {
  EventCursor cursor(header, event.substr(kHeaderSize));
  const std::uint16_t binlog_version = cursor.u16();
  const std::string_view server_version = until_zero(cursor.take(50));
  cursor.take(4);  // created
  const std::uint8_t header_length = cursor.byte();
  if (binlog_version != 4 || header_length != kHeaderSize) {
    throw Error(ExitCode::unsupported, "binlog.unsupported-event",
                fmt::format("the log of server version {} has format {} with headers of {} bytes",
                            server_version, binlog_version, header_length),
                "weir reads format 4, which MySQL writes since 5.0", std::string(kUpgradeFix));
  }

  Format next;
  next.known = true;
  const bool named = server_version.find("MariaDB") != std::string_view::npos;
  const std::array<unsigned, 3> first_with_checksums =
      named ? std::array<unsigned, 3>{5, 3, 0} : std::array<unsigned, 3>{5, 6, 1};
  std::string_view lengths = cursor.rest();
  if (version_parts(server_version) >= first_with_checksums) {
    // The algorithm and four bytes of checksum are there even if the file has no checksums.
    if (lengths.size() < 1 + kChecksumSize) malformed_event(header, "its checksum is missing");
    lengths.remove_suffix(kChecksumSize);
    next.checksum = static_cast<ChecksumAlgorithm>(static_cast<std::uint8_t>(lengths.back()));
    lengths.remove_suffix(1);
    switch (next.checksum) {
      case ChecksumAlgorithm::off:
      case ChecksumAlgorithm::undefined:
        break;
      case ChecksumAlgorithm::crc32:
        if (!crc32_matches(event)) bad_checksum(header);
        break;
      default:
        throw Error(
            ExitCode::unsupported, "binlog.unsupported-event",
            fmt::format("the log's checksums are of kind {}", static_cast<unsigned>(next.checksum)),
            "weir knows CRC32 and none", "set binlog_checksum = CRC32 on the source");
    }
  }
  if (lengths.size() >= next.post_header.size()) {
    malformed_event(header, "it lists more event types than there can be");
  }
  std::copy(lengths.begin(), lengths.end(), next.post_header.begin() + 1);
  // The version text can be set by the operator; the list of types cannot.
  next.mariadb = named || lengths.size() >= kFirstMariaDbType;

  format = next;
  // A server that started again numbers its tables anew.
  ++statement;
  handler.on_format(header, server_version);
}

/// The length of the event's fixed part. The format must list the type, with `least` bytes or more.
std::size_t BinlogDecoder::State::post_header(const EventHeader& header, std::size_t least) const {
  const std::size_t length = format.post_header[header.type];
  if (length < least) malformed_event(header, "the format description does not describe its type");
  return length;
}

std::size_t BinlogDecoder::State::table_id_size(const EventHeader& header) const {
  return post_header(header, 6) == 6 ? 4 : 6;
}

void BinlogDecoder::State::dispatch(const EventHeader& header, std::string_view body, bool inside,
                                    BinlogHandler& handler) {
  const EventType& type = kTypesByNumber[header.type];
  switch (type.handling) {
    case Handling::rows:
    case Handling::rows_compressed:
      rows(header, body, type, handler);
      return;
    case Handling::table_map:
      table_map(header, body, handler);
      return;
    case Handling::query:
      query(header, body, false, handler);
      return;
    case Handling::query_compressed:
      query(header, body, true, handler);
      return;
    case Handling::xid:
      handler.on_xid(header);
      return;
    case Handling::gtid:
      mysql_gtid(header, body, false, handler);
      return;
    case Handling::gtid_anonymous:
      mysql_gtid(header, body, true, handler);
      return;
    case Handling::gtid_tagged:
      tagged_gtid(header, body, handler);
      return;
    case Handling::gtid_mariadb:
      mariadb_gtid(header, body, handler);
      return;
    case Handling::rotate:
      rotate(header, body, handler);
      return;
    case Handling::heartbeat:
      heartbeat(header, body, handler);
      return;
    case Handling::heartbeat_v2:
      heartbeat_v2(header, body, handler);
      return;
    case Handling::xa_prepare:
      xa_prepare(header, body, handler);
      return;
    case Handling::rows_query: {
      // One byte holds the text's length, which is right for short texts only.
      EventCursor cursor(header, body);
      cursor.take(1);
      handler.on_statement_text(header, cursor.rest());
      return;
    }
    case Handling::annotate_rows:
      handler.on_statement_text(header, body);
      return;
    case Handling::no_data:
      handler.on_other(header, type.name);
      return;
    case Handling::payload:
      if (inside) malformed_event(header, "it is inside another transaction payload");
      unpack(header, body, handler);
      return;
    case Handling::format:
      malformed_event(header, "it is inside a transaction payload");
    case Handling::incident:
      incident(header, body);
    case Handling::refused:
      refuse(header);
    case Handling::unknown:
      break;
  }
  if ((header.flags & kIgnorable) == 0) unknown_event(header);
  handler.on_other(header, "Ignorable");
}

void BinlogDecoder::State::rotate(const EventHeader& header, std::string_view body,
                                  BinlogHandler& handler) {
  EventCursor cursor(header, body);
  const std::uint64_t position = cursor.number(8);
  const std::string_view file = cursor.rest();
  const bool readable = std::none_of(file.begin(), file.end(),
                                     [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (file.empty() || !readable) malformed_event(header, "it does not name a file");
  if ((header.flags & kArtificial) != 0 || header.next_position == 0) {
    handler.on_rotate(file, position);
  } else {
    handler.on_other(header, "Rotate");
  }
}

void BinlogDecoder::State::heartbeat(const EventHeader& header, std::string_view body,
                                     BinlogHandler& handler) {
  EventCursor cursor(header, body);
  std::uint64_t position = header.next_position;
  // MariaDB puts a position that the header cannot hold before the name.
  if (position == 0 && format.mariadb) position = cursor.number(8);
  handler.on_heartbeat(header, cursor.rest(), position);
}

void BinlogDecoder::State::heartbeat_v2(const EventHeader& header, std::string_view body,
                                        BinlogHandler& handler) {
  constexpr std::uint64_t kEndOfFields = 0;
  constexpr std::uint64_t kFile = 1;
  constexpr std::uint64_t kPosition = 2;
  EventCursor cursor(header, body);
  std::string_view file;
  std::uint64_t position = header.next_position;
  while (cursor.left() > 0) {
    const std::uint64_t code = cursor.packed();
    if (code == kEndOfFields) break;
    const std::string_view field = cursor.packed_text();
    if (code == kFile) file = field;
    if (code == kPosition) position = EventCursor(header, field).packed();
  }
  handler.on_heartbeat(header, file, position);
}

/// The one GtidEvent, emptied; its strings keep their memory.
GtidEvent& BinlogDecoder::State::fresh_gtid(const EventHeader& header) {
  gtid.gtid.flavor = Gtid::Flavor::none;
  gtid.gtid.uuid = {};
  gtid.gtid.tag.clear();
  gtid.gtid.domain = 0;
  gtid.gtid.server_id = 0;
  gtid.gtid.sequence = 0;
  gtid.anonymous = false;
  gtid.standalone = false;
  gtid.ddl = false;
  gtid.xa = GtidEvent::Xa::none;
  gtid.xid.clear();
  gtid.commit_time = header_time(header);
  return gtid;
}

void BinlogDecoder::State::mysql_gtid(const EventHeader& header, std::string_view body,
                                      bool is_anonymous, BinlogHandler& handler) {
  constexpr std::size_t kIdentity = 1 + 16 + 8;  // flags, uuid, number
  constexpr std::size_t kLogicalClock = 1 + 8 + 8;
  constexpr std::size_t kTimestamp = 7;
  constexpr std::uint64_t kHasOriginal = std::uint64_t{1} << 55;

  EventCursor cursor(header, body);
  GtidEvent& out = fresh_gtid(header);
  cursor.take(1);
  const std::string_view uuid = cursor.take(out.gtid.uuid.size());
  const std::uint64_t sequence = cursor.number(8);
  out.anonymous = is_anonymous;
  if (!is_anonymous) {
    out.gtid.flavor = Gtid::Flavor::mysql;
    std::copy(uuid.begin(), uuid.end(), out.gtid.uuid.begin());
    out.gtid.sequence = sequence;
  }
  // MySQL 5.6 ends here, 5.7 after the logical clock.
  if (post_header(header, kIdentity) >= kIdentity + kLogicalClock) {
    cursor.take(kLogicalClock);
    if (cursor.left() >= kTimestamp) {
      std::uint64_t micros = cursor.number(kTimestamp);
      if ((micros & kHasOriginal) != 0) micros = cursor.number(kTimestamp);
      if (micros != 0) out.commit_time = Time(std::chrono::microseconds(micros));
    }
  }
  handler.on_gtid(header, out);
}

void BinlogDecoder::State::tagged_gtid(const EventHeader& header, std::string_view body,
                                       BinlogHandler& handler) {
  enum Field : std::uint64_t {
    kFlags,
    kUuid,
    kNumber,
    kTag,
    kLastCommitted,
    kSequenceNumber,
    kImmediateTime,
    kOriginalTime,
    kLastKnown = 11,
  };
  EventCursor cursor(header, body);
  GtidEvent& out = fresh_gtid(header);
  out.gtid.flavor = Gtid::Flavor::mysql;

  const std::uint64_t version = serialized_unsigned(cursor);
  serialized_unsigned(cursor);  // size
  const std::uint64_t needed_fields = serialized_unsigned(cursor);
  if (version != 1 || needed_fields > kLastKnown + 1) {
    throw Error(ExitCode::unsupported, "binlog.unsupported-event",
                fmt::format("{} has a newer layout", describe(header)),
                "it says that a reader must know fields that weir does not know", "upgrade weir");
  }
  std::uint64_t micros = 0;
  // Fields come in the order of their numbers; what follows the times is of no use here.
  while (cursor.left() > 0) {
    const std::uint64_t field = serialized_unsigned(cursor);
    if (field > kOriginalTime) break;
    switch (field) {
      case kFlags:
        serialized_unsigned(cursor);
        break;
      case kUuid:
        for (std::uint8_t& byte : out.gtid.uuid) {
          byte = static_cast<std::uint8_t>(serialized_unsigned(cursor));
        }
        break;
      case kNumber:
        out.gtid.sequence = static_cast<std::uint64_t>(serialized_signed(cursor));
        break;
      case kTag:
        out.gtid.tag = cursor.take(serialized_unsigned(cursor));
        break;
      case kLastCommitted:
      case kSequenceNumber:
        serialized_signed(cursor);
        break;
      default:
        micros = serialized_unsigned(cursor);
        break;
    }
  }
  if (out.gtid.sequence == 0) malformed_event(header, "it has no transaction number");
  if (micros != 0) out.commit_time = Time(std::chrono::microseconds(micros));
  handler.on_gtid(header, out);
}

void BinlogDecoder::State::mariadb_gtid(const EventHeader& header, std::string_view body,
                                        BinlogHandler& handler) {
  enum Flag : std::uint8_t {
    kStandalone = 0x01,
    kGroupCommit = 0x02,
    kDdl = 0x20,
    kPreparedXa = 0x40,
    kCompletedXa = 0x80,
  };
  EventCursor cursor(header, body);
  GtidEvent& out = fresh_gtid(header);
  out.gtid.flavor = Gtid::Flavor::mariadb;
  out.gtid.sequence = cursor.number(8);
  out.gtid.domain = cursor.u32();
  out.gtid.server_id = header.server_id;
  const std::uint8_t flags = cursor.byte();
  out.standalone = (flags & kStandalone) != 0;
  out.ddl = (flags & kDdl) != 0;
  if ((flags & kGroupCommit) != 0) cursor.take(8);
  if ((flags & (kPreparedXa | kCompletedXa)) != 0) {
    out.xa = (flags & kPreparedXa) != 0 ? GtidEvent::Xa::prepare : GtidEvent::Xa::complete;
    const std::uint32_t xid_format = cursor.u32();
    const std::uint8_t gtrid_size = cursor.byte();
    const std::uint8_t bqual_size = cursor.byte();
    const std::string_view gtrid = cursor.take(gtrid_size);
    put_xid(out.xid, xid_format, gtrid, cursor.take(bqual_size));
  }
  handler.on_gtid(header, out);
}

void BinlogDecoder::State::query(const EventHeader& header, std::string_view body, bool compressed,
                                 BinlogHandler& handler) {
  constexpr std::size_t kFixedPart = 4 + 4 + 1 + 2 + 2;
  EventCursor cursor(header, body);
  EventCursor fixed(header, cursor.take(post_header(header, kFixedPart)));
  fixed.take(4 + 4);  // connection, seconds
  const std::uint8_t schema_size = fixed.byte();
  QueryEvent out;
  out.error = fixed.u16();
  EventCursor status(header, cursor.take(fixed.u16()));
  out.schema = cursor.take(schema_size);
  cursor.take(1);
  out.sql = compressed ? inflater.inflate(header, cursor.rest()) : cursor.rest();

  read_session(status, format.mariadb, out);
  handler.on_query(header, out);
}

void BinlogDecoder::State::table_map(const EventHeader& header, std::string_view body,
                                     BinlogHandler& handler) {
  const std::size_t id_size = table_id_size(header);
  const std::uint64_t id = EventCursor(header, body).number(id_size);
  auto found = maps.find(id);
  if (found == maps.end() || found->second.bytes != body) {
    auto map =
        std::make_shared<const TableMap>(parse_table_map(header, body, id_size, format.mariadb));
    if (found == maps.end()) {
      if (maps.size() >= kMostMaps) {
        std::erase_if(maps,
                      [this](const auto& entry) { return entry.second.statement != statement; });
      }
      found = maps.try_emplace(id).first;
    }
    found->second.bytes = body;
    found->second.map = std::move(map);
  }
  found->second.statement = statement;
  handler.on_table_map(header, found->second.map);
}

void BinlogDecoder::State::rows(const EventHeader& header, std::string_view body,
                                const EventType& type, BinlogHandler& handler) {
  constexpr std::uint16_t kEndsStatement = 1;
  constexpr std::size_t kWithExtraData = 10;
  constexpr std::uint64_t kNoTable = 0xffffff;
  constexpr std::uint64_t kNoTableLong = 0xffffffffffff;

  EventCursor cursor(header, body);
  RowsEvent out;
  out.kind = type.kind;
  out.table_id = cursor.number(table_id_size(header));
  out.ends_statement = (cursor.u16() & kEndsStatement) != 0;
  if (post_header(header, 6) >= kWithExtraData) {
    const std::uint16_t extra = cursor.u16();
    if (extra < 2) malformed_event(header, "the size of its extra data is wrong");
    cursor.take(extra - 2u);
  }
  const std::uint64_t columns = cursor.packed();

  const auto found = maps.find(out.table_id);
  if (found == maps.end() || found->second.statement != statement) {
    // A server ends a statement that left no rows for a table with an event that has no table.
    const bool no_table = out.table_id == kNoTable || out.table_id == kNoTableLong;
    if (!no_table || !out.ends_statement || columns != 0) {
      malformed_event(header, fmt::format("no table map for table id {} came before it in its "
                                          "statement",
                                          out.table_id));
    }
    ++statement;
    handler.on_other(header, type.name);
    return;
  }
  const TableMap& map = *found->second.map;
  if (columns != map.columns.size()) {
    malformed_event(header, fmt::format("it has {} columns, the map of {}.{} has {}", columns,
                                        map.schema, map.table, map.columns.size()));
  }
  out.column_count = static_cast<std::uint32_t>(columns);
  const auto bitmap = [&] {
    return reinterpret_cast<const std::uint8_t*>(cursor.take((columns + 7) / 8).data());
  };
  if (out.kind != RowsEvent::Kind::insert) out.before_columns = bitmap();
  if (out.kind != RowsEvent::Kind::remove) out.after_columns = bitmap();
  out.partial_json = type.type == kPartialUpdate;
  out.rows = cursor.rest();
  if (type.handling == Handling::rows_compressed) out.rows = inflater.inflate(header, out.rows);
  if (out.ends_statement) ++statement;
  handler.on_rows(header, out, map);
}

void BinlogDecoder::State::xa_prepare(const EventHeader& header, std::string_view body,
                                      BinlogHandler& handler) {
  EventCursor cursor(header, body);
  const bool one_phase = cursor.byte() != 0;
  const std::uint32_t xid_format = cursor.u32();
  const std::uint32_t gtrid_size = cursor.u32();
  const std::uint32_t bqual_size = cursor.u32();
  const std::string_view gtrid = cursor.take(gtrid_size);
  put_xid(xid, xid_format, gtrid, cursor.take(bqual_size));
  handler.on_xa_prepare(header, xid, one_phase);
}

void BinlogDecoder::State::unpack(const EventHeader& header, std::string_view body,
                                  BinlogHandler& handler) {
  payload.open(header, body);
  bool last = false;
  for (std::string_view event = payload.next(last); !event.empty(); event = payload.next(last)) {
    EventHeader inner = read_header(event);
    inner.next_position = last ? header.next_position : 0;
    dispatch(inner, event.substr(kHeaderSize), true, handler);
  }
}

}  // namespace weir::mysql
