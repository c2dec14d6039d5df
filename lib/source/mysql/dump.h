// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "client/mysql.h"
#include "source/mysql/offset.h"

namespace weir::mysql {

/// How weir calls itself among the replicas of a server.
constexpr std::string_view kReplicaHost = "weir";

/// What to ask a server for when asking for its binlog.
struct DumpRequest {
  LogPosition from;
  /// How the server knows us. A server ends the stream of an earlier replica with the same id; 0 is
  /// nobody's, and is served up to the end of the log only.
  std::uint32_t server_id = 0;
  bool only_what_is_there = false;  ///< the server ends the stream at the end of its log
  bool annotations = false;         ///< MariaDB: with the statements behind rows
};

/// Asks for the log; the events then come as packets. Throws as explain_dump_error() does.
void request_dump(MysqlConnection& connection, const DumpRequest& request);

/// Throws `error`, which ended the stream, in terms of what can be done about it; as it is if it
/// is not the server's. `offset` is how far the log was read.
[[noreturn]] void explain_dump_error(const MysqlConnection& connection, const Error& error,
                                     std::uint32_t server_id, const std::string& offset);

}  // namespace weir::mysql
