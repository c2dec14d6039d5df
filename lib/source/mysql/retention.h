// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/mysql.h"
#include "model/retention.h"
#include "model/task.h"
#include "source/mysql/gtid.h"
#include "source/mysql/offset.h"

namespace weir::mysql {

/// What SHOW BINLOG EVENTS prints of a MariaDB file's Gtid_list event: "[0-1-5,1-2-9]", the
/// transactions before that file. Empty if the text is none.
std::optional<GtidSet> parse_gtid_list(std::string_view info);

/// The transactions before a MariaDB binlog file; empty if the file does not say.
std::optional<GtidSet> transactions_before(MysqlConnection& connection, const std::string& file);

/// When the server began a file: the time in its format event. Read over a connection of its own,
/// as the server's stream of events ends with it. Empty if the account may not.
std::optional<Time> log_file_begin(const Task& task, const std::string& file);

/// What binlog settings make of the log, by their names and values as the server shows them.
struct LogPolicy {
  std::optional<std::chrono::seconds> expiry;  ///< of whole files; empty = none
  std::string expiry_name;
  std::string expiry_value;
  std::optional<std::uint64_t> cap;  ///< bytes of all files; empty = none
  std::string cap_name;
  std::uint64_t file_bytes = 0;  ///< the server begins a new file after as much
  /// A client that opens the log may be what the server waits for before it purges.
  bool waits_for_readers = false;
};
/// Whether the server purges once somebody reads its log: the policy's waits_for_readers.
bool purges_for_readers(MysqlConnection& connection);
LogPolicy judge_policy(const std::map<std::string, std::string>& settings);

/// Where an offset stands among the files.
struct PlaceInFiles {
  std::optional<std::size_t> file;  ///< index of the offset's file; empty if it is gone
  std::uint64_t behind = 0;         ///< bytes from the offset to the end
  std::uint64_t margin = 0;         ///< bytes from the first file to the offset
  std::uint64_t from_file = 0;      ///< bytes from the beginning of the offset's file to the end
};
PlaceInFiles place_in(const std::vector<LogFile>& files, const LogPosition& offset);

/// What the server says of its log, except for RetentionFacts::gap.
RetentionFacts read_retention(MysqlConnection& connection, const Task& task, const Offset& offset);

/// When the server began this file of its log; empty if it does not tell, or could take the asking
/// for a replica that it waited for before it purges.
std::optional<Time> begin_of(MysqlConnection& connection, const Task& task,
                             const std::string& file);

}  // namespace weir::mysql
