// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/dump.h"

#include <string_view>

#include <fmt/format.h>

namespace weir::mysql {
namespace {

constexpr std::uint8_t kBinlogDump = 18;
constexpr std::uint8_t kRegisterReplica = 21;
constexpr std::uint8_t kBinlogDumpGtid = 30;
constexpr std::uint16_t kNonBlocking = 1;
constexpr std::uint16_t kAnnotateRows = 2;  // MariaDB
constexpr std::uint16_t kDumpByGtid = 4;    // MySQL
// An idle server speaks once in this time, so that idle can be told from dead. Under TLS it also
// bounds how long a read may block that a look at the socket could not foresee.
constexpr std::uint64_t kHeartbeatNs = 1'000'000'000;
constexpr std::uint64_t kHeartbeatTlsNs = 250'000'000;

template <class Integer>
void append_le(std::string& out, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
  }
}

void append_short_text(std::string& out, std::string_view text) {
  out += static_cast<char>(text.size());
  out += text;
}

void register_replica(MysqlConnection& connection, std::uint32_t server_id) {
  std::string identity;
  append_le(identity, server_id);
  append_short_text(identity, kReplicaHost);
  append_short_text(identity, "");
  append_short_text(identity, "");
  append_le(identity, std::uint16_t{0});
  append_le(identity, std::uint32_t{0});
  append_le(identity, std::uint32_t{0});
  connection.send_command(kRegisterReplica, identity);
  connection.read_packet();
}

}  // namespace

void request_dump(MysqlConnection& connection, const DumpRequest& request) {
  const LogPosition& from = request.from;
  const bool by_gtid = from.by_gtid();
  const bool is_mariadb = connection.is_mariadb();
  const std::uint64_t heartbeat = connection.is_encrypted() ? kHeartbeatTlsNs : kHeartbeatNs;
  connection.execute(
      fmt::format("SET @master_heartbeat_period = {0}, @source_heartbeat_period = {0}, "
                  "@master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'",
                  heartbeat));
  if (is_mariadb) {
    connection.execute("SET @mariadb_slave_capability = 4");
    if (by_gtid) {
      connection.execute(fmt::format("SET @slave_connect_state = '{}', @slave_gtid_strict_mode = 1",
                                     from.gtids.text()));
    }
  }
  std::uint16_t flags = request.only_what_is_there ? kNonBlocking : 0;
  if (request.annotations && is_mariadb) flags |= kAnnotateRows;
  try {
    if (request.server_id != 0) register_replica(connection, request.server_id);
    std::string body;
    if (by_gtid && !is_mariadb) {
      const std::string set = from.gtids.encode_for_dump();
      append_le(body, static_cast<std::uint16_t>(flags | kDumpByGtid));
      append_le(body, request.server_id);
      append_le(body, std::uint32_t{0});
      append_le(body, std::uint64_t{4});
      append_le(body, static_cast<std::uint32_t>(set.size()));
      connection.send_command(kBinlogDumpGtid, body + set);
      return;
    }
    if (!by_gtid && from.position > 0xffffffff) {
      throw Error(ExitCode::unsupported, "mysql.position-too-large",
                  fmt::format("cannot resume at {}", from.text()),
                  "the protocol takes file positions up to 4 GiB only",
                  "use a source with GTIDs, or lower max_binlog_size");
    }
    append_le(body, by_gtid ? std::uint32_t{4} : static_cast<std::uint32_t>(from.position));
    append_le(body, flags);
    append_le(body, request.server_id);
    if (!by_gtid) body += from.file;
    connection.send_command(kBinlogDump, body);
  } catch (const Error& error) {
    explain_dump_error(connection, error, request.server_id, from.text());
  }
}

void explain_dump_error(const MysqlConnection& connection, const Error& error,
                        std::uint32_t server_id, const std::string& offset) {
  if (error.id() != "mysql.server-error") throw error;
  const std::string& why = error.why();
  const auto says = [&why](std::string_view part) { return why.find(part) != std::string::npos; };
  if (says("same server_uuid/server_id") || says("same server_id")) {
    throw Error(ExitCode::state_conflict, "mysql.server-id-taken",
                fmt::format("another replica uses server id {}", server_id), why,
                "set source.server_id in the task file to a number that no other replica uses");
  }
  if (says("purged") || says("Could not find first log file name") ||
      says("could not find the binlog") || says("Could not find GTID state") ||
      says("impossible position") || says("not in the master's binlog") || says("diverge") ||
      says("more GTIDs") || says("bogus data in log event") || says("missing from the log")) {
    throw Error(
        ExitCode::refused, "mysql.offset-lost",
        fmt::format("the source can no longer be read from offset {}", offset), why,
        "the changes after this offset are gone from the source's log: restore the binlog file "
        "there, or stop the task and start it anew with empty target tables");
  }
  if (connection.error_number() == 1227 || connection.error_number() == 1045) {
    throw Error(ExitCode::source_unreachable, "mysql.replication-denied",
                "the account may not read the change log", why,
                "GRANT REPLICATION SLAVE ON *.* TO the account of the task");
  }
  throw Error(ExitCode::failed, "mysql.stream", error.summary(), why, "see the source's error log");
}

}  // namespace weir::mysql
