// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::mysql {

/// One global transaction id of either vendor.
struct Gtid {
  enum class Flavor : std::uint8_t { none, mysql, mariadb };
  Flavor flavor = Flavor::none;
  std::array<std::uint8_t, 16> uuid{};  ///< MySQL
  std::string tag;                      ///< MySQL 8.3+, usually empty
  std::uint32_t domain = 0;             ///< MariaDB
  std::uint32_t server_id = 0;          ///< MariaDB
  std::uint64_t sequence = 0;

  /// "3e11fa47-...:23", "3e11fa47-...:tag:23" or "0-1-23".
  std::string text() const;
};

/// The transactions that a position includes, of either vendor. A value type.
///
/// MySQL: intervals per uuid and tag, as in @@gtid_executed. MariaDB: the last transaction of each
/// domain, as in @@gtid_binlog_pos.
class GtidSet {
 public:
  /// Reads "uuid:1-5:7,uuid:tag:1-3", also "uuid:1-5:tag:1-3", or "0-1-5,1-2-9"; white space is
  /// passed over; "" is empty. Throws Error(failed, "gtid.format").
  static GtidSet parse(std::string_view text);
  /// The canonical text; parse() gives an equal set back.
  std::string text() const;

  bool empty() const { return mysql_.empty() && mariadb_.empty(); }
  Gtid::Flavor flavor() const;

  /// MariaDB: the domain now ends at `gtid`, whatever its number: the log's order decides, and a
  /// server without gtid_strict_mode may number backwards. An anonymous Gtid changes nothing.
  void add(const Gtid& gtid);
  bool contains(const Gtid& gtid) const;
  /// Whether every transaction of `other` is in this set. MariaDB: per domain, by sequence number.
  bool contains(const GtidSet& other) const;
  bool operator==(const GtidSet&) const = default;

  /// The data part of COM_BINLOG_DUMP_GTID; in the tagged form only where a tag is in the set.
  /// Not for MariaDB, which takes its position as text.
  std::string encode_for_dump() const;

 private:
  struct Source {
    std::array<std::uint8_t, 16> uuid;
    std::string tag;
    auto operator<=>(const Source&) const = default;
  };
  struct Interval {  // both ends included
    std::uint64_t first;
    std::uint64_t last;
    bool operator==(const Interval&) const = default;
  };
  struct DomainEnd {
    std::uint32_t server_id;
    std::uint64_t sequence;
    bool operator==(const DomainEnd&) const = default;
  };
  std::map<Source, std::vector<Interval>> mysql_;
  std::map<std::uint32_t, DomainEnd> mariadb_;
};

}  // namespace weir::mysql
