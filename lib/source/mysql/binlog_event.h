// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "source/mysql/gtid.h"

namespace weir::mysql {

/// The common header of every binlog event (v4), decoded.
struct EventHeader {
  std::uint32_t timestamp = 0;  ///< seconds since 1970, when the statement began
  std::uint8_t type = 0;
  std::uint32_t server_id = 0;
  std::uint32_t size = 0;  ///< header, body and checksum
  /// Where the log goes on after this event. 0 inside MariaDB 11.8 transactions, and inside a
  /// payload but for its last event, which gets the position after the payload.
  std::uint32_t next_position = 0;
  std::uint16_t flags = 0;
};

/// What one column of a table map says, before any catalogue is asked.
struct MapColumn {
  std::uint8_t type =
      0;  ///< MYSQL_TYPE_*; for STRING the real type (ENUM 247, SET 248, STRING 254)
  /// Type-specific. NEWDECIMAL: precision << 8 | scale. BIT: whole bytes << 8 | bits beyond them.
  /// ENUM, SET: bytes of the value. STRING, VARCHAR: length in bytes. BLOB, JSON, GEOMETRY, VECTOR:
  /// bytes of the length. FLOAT, DOUBLE: bytes. TIME2, DATETIME2, TIMESTAMP2: digits of the second.
  std::uint16_t meta = 0;
  bool nullable = true;
  /// From the optional metadata; valid where the flags in TableMap say so.
  bool is_unsigned = false;
  std::uint32_t collation = 0;       ///< the server's collation id; 0 = not said
  std::string name;                  ///< binlog_row_metadata=FULL
  std::vector<std::string> members;  ///< ENUM and SET, FULL; bytes in the column's own charset
  bool visible = true;               ///< FULL
};

/// A TABLE_MAP event.
struct TableMap {
  std::uint64_t id = 0;
  std::string schema;
  std::string table;
  std::vector<MapColumn> columns;
  bool has_signedness = false;
  bool has_collations = false;
  bool has_names = false;
};

/// A rows event of any version, after decompression. Views into the event.
struct RowsEvent {
  enum class Kind : std::uint8_t { insert, update, remove };
  Kind kind = Kind::insert;
  std::uint64_t table_id = 0;
  bool ends_statement = false;
  std::uint32_t column_count = 0;
  /// Bitmap of the columns in the before images, first column in the lowest bit; null if none.
  const std::uint8_t* before_columns = nullptr;
  const std::uint8_t* after_columns = nullptr;  ///< likewise for the after images
  bool partial_json = false;  ///< PARTIAL_UPDATE_ROWS: after images begin with value options
  std::string_view rows;      ///< the row images
};

/// A QUERY event: BEGIN, DDL, or a statement.
struct QueryEvent {
  std::string_view schema;  ///< default database
  std::string_view sql;
  std::uint16_t error = 0;
  /// How the session read the text: @@sql_mode (SqlMode) and the ids of the collations of
  /// @@character_set_client and @@collation_connection. 0 = not said.
  std::uint64_t sql_mode = 0;
  std::uint16_t client_collation = 0;
  std::uint16_t connection_collation = 0;
  // Servers say the following only where a statement made use of it.
  std::string_view time_zone;               ///< @@time_zone: "+05:45", "SYSTEM", a name
  std::optional<std::uint32_t> micros;      ///< of the header's time
  std::optional<bool> explicit_timestamps;  ///< @@explicit_defaults_for_timestamp
  std::uint16_t utf8mb4_collation = 0;      ///< MySQL: @@default_collation_for_utf8mb4
  /// MariaDB: @@character_set_collations, 4 bytes each: the set's own default collation, and the
  /// one that stands for it.
  std::string_view charset_collations;
};

/// A GTID event of either vendor: a transaction (or one statement of DDL) begins.
struct GtidEvent {
  Gtid gtid;
  bool anonymous = false;   ///< MySQL with gtid_mode=OFF
  bool standalone = false;  ///< MariaDB: no BEGIN or COMMIT will follow, one event is all
  bool ddl = false;         ///< MariaDB
  enum class Xa : std::uint8_t { none, prepare, complete };
  Xa xa = Xa::none;    ///< MariaDB
  std::string xid;     ///< MariaDB, in XA events: X'gtrid',X'bqual',format as XA COMMIT has it
  Time commit_time{};  ///< MySQL 8: original commit, microseconds; else the header's seconds
};

/// Takes decoded events in log order. All views are valid during the call only. Events inside a
/// transaction payload (MySQL) or a compressed event (MariaDB) arrive like any others.
class BinlogHandler {
 public:
  virtual ~BinlogHandler() = default;

  /// The stream goes on in `file`: the server's announcement, which is in no file. The ROTATE event
  /// at the end of a file comes as on_other().
  virtual void on_rotate(std::string_view file, std::uint64_t position) = 0;
  virtual void on_format(const EventHeader& header, std::string_view server_version) = 0;
  virtual void on_gtid(const EventHeader& header, const GtidEvent& event) = 0;
  virtual void on_query(const EventHeader& header, const QueryEvent& event) = 0;
  virtual void on_table_map(const EventHeader& header,
                            const std::shared_ptr<const TableMap>& map) = 0;
  /// `map` is the table map that the rows refer to.
  virtual void on_rows(const EventHeader& header, const RowsEvent& event, const TableMap& map) = 0;
  virtual void on_xid(const EventHeader& header) = 0;
  /// XA_PREPARE_LOG (38) of either vendor. `one_phase`: a commit; else the transaction waits for XA
  /// COMMIT. `xid` is X'gtrid',X'bqual',format as XA COMMIT has it.
  virtual void on_xa_prepare(const EventHeader& header, std::string_view xid, bool one_phase) = 0;
  /// HEARTBEAT (27, 41): the log is read up to here. `file` may be empty.
  virtual void on_heartbeat(const EventHeader& header, std::string_view file,
                            std::uint64_t position) = 0;
  /// ROWS_QUERY (29) and ANNOTATE_ROWS (160): the statement behind the rows that follow.
  virtual void on_statement_text(const EventHeader& header, std::string_view sql) = 0;
  /// Anything that is known to carry no data: PREVIOUS_GTIDS, GTID_LIST, STOP, ROTATE at the end
  /// of a file, BINLOG_CHECKPOINT, START_ENCRYPTION, VIEW_CHANGE, TRANSACTION_CONTEXT, INTVAR,
  /// RAND, USER_VAR, rows events without rows, and what the log marks as ignorable.
  virtual void on_other(const EventHeader& header, std::string_view name) = 0;
};

/// Decodes binlog events: framing, checksums, table maps, compressed forms.
///
/// Feed it whole events, header included, in order, from a stream or a file. It keeps the format
/// description, table maps, and buffers that it reuses: no memory is taken per event once tables
/// have been seen. It never skips: an event that weir does not know and that the log does not mark
/// as ignorable, a bad checksum, an event that is shorter than it says is Error(failed) with id
/// `binlog.unknown-event`, `binlog.checksum`, `binlog.malformed`; one that weir knows and cannot
/// take is Error(unsupported, "binlog.unsupported-event"); a gap that the server itself reports is
/// Error(failed, "binlog.incident"). After an Error only reset() and destruction are allowed.
///
/// A transaction payload is inflated piece by piece: memory follows the largest single event, not
/// the transaction. Specification: MySQL 8 source documentation of binlog events; MariaDB knowledge
/// base, "binlog event types"; what real servers wrote. One thread.
class BinlogDecoder {
 public:
  BinlogDecoder();
  ~BinlogDecoder();

  void feed(std::string_view event, BinlogHandler& handler);

  /// Forgets table maps and the format, as for another connection or file. Needed after a lost
  /// connection; the next file of the same stream or log begins with a format of its own.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The event's name as SHOW BINLOG EVENTS spells it ("Write_rows_v1"), or "Unknown(200)". GTID
/// events of both vendors are "Gtid".
std::string event_name(std::uint8_t type);

}  // namespace weir::mysql
