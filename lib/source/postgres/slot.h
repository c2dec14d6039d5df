// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "client/pq.h"
#include "model/finding.h"
#include "model/offset.h"
#include "model/table_plan.h"
#include "source/postgres/offset.h"

namespace weir::pgsource {

/// A replication slot as the server describes it.
struct Slot {
  std::string plugin;    ///< "" of a physical one
  std::string database;  ///< "" of a physical one
  bool temporary = false;
  bool active = false;
  std::string holder;  ///< who uses it, for people; "" if nobody does
  bool held_by_weir = false;
  std::optional<Lsn> restart;
  std::optional<Lsn> confirmed;
  std::string wal_status;    ///< reserved, extended, unreserved, lost
  std::string invalidation;  ///< why it was, from PostgreSQL 17 on; "" if it was not
  /// Whether standbys keep a copy that can take over; empty before PostgreSQL 17.
  std::optional<bool> failover;
  bool usable() const { return wal_status != "lost" && invalidation.empty(); }
};

std::optional<Slot> read_slot(PgConnection& connection, const std::string& name);

/// Makes a logical slot with pgoutput, one that standbys take over where the server can. The server
/// waits for every transaction that runs; after `limit` this throws
/// Error(failed, "postgres.start-wait"), and no slot is left.
void create_slot(PgConnection& connection, const std::string& name,
                 std::chrono::milliseconds limit);

/// Makes a slot that begins where `from` is, whoever reads from that one meanwhile. Throws
/// Error(refused, "postgres.slot-copy") if the server makes none.
void copy_slot(PgConnection& connection, const std::string& from, const std::string& name);

/// Waits for a reader that is about to leave, for a while.
std::optional<Slot> read_left_slot(PgConnection& connection, const std::string& name);

/// Has standbys keep the slot too. From PostgreSQL 17 on, over a replication session.
void let_fail_over(PgConnection& replication, const std::string& name);

/// Drops a slot if there is one, once its reader has left. Throws Error(state_conflict,
/// "postgres.slot-in-use") if it stays.
void drop_slot(PgConnection& connection, const std::string& name);

/// Why a task cannot go on from `offset` with this slot; nothing if it can.
std::optional<Finding> slot_gap(const std::optional<Slot>& slot, const std::string& name,
                                const std::string& database, const Offset& offset);

/// A publication as far as a task is concerned.
struct Publication {
  bool via_root = false;
  bool all_tables = false;            ///< FOR ALL TABLES
  bool stored_columns = false;        ///< it publishes stored generated columns
  std::vector<std::string> left_out;  ///< of insert, update, delete, truncate
  struct Table {
    std::set<std::string> left_out;  ///< columns that the table has and it does not publish
    bool filtered = false;           ///< a WHERE leaves out rows
  };
  std::map<TableName, Table> tables;  ///< a partitioned one by its root if `via_root`
};

std::optional<Publication> read_publication(PgConnection& connection, const std::string& name);

/// The statement that makes a publication of these tables, or adds them to one that exists. "" if
/// there are none to add.
std::string publication_sql(const std::string& name, bool exists, int server_version,
                            std::span<const Table* const> tables);

}  // namespace weir::pgsource
