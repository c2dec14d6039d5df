// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/pq.h"
#include "model/catalogue.h"
#include "model/finding.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "source/postgres/heartbeat.h"
#include "source/postgres/slot.h"
#include "source/postgres/start.h"

namespace weir::pgsource {

/// What a server says about itself and the selected tables: read once, judged by pure rules.
struct Facts {
  bool is_new = true;  ///< the task will take a start position
  int version = 0;
  bool in_recovery = false;
  std::string role;
  std::string database;
  std::string encoding;
  std::string wal_level;
  bool may_replicate = false;
  bool may_create = false;  ///< CREATE on the database: a publication needs it
  std::uint64_t slots = 0;  ///< max_replication_slots
  std::uint64_t slots_free = 0;
  std::uint64_t senders = 0;  ///< max_wal_senders
  std::uint64_t senders_free = 0;
  /// Copying sessions that take a snapshot with a slot and a sender of their own.
  std::uint64_t snapshots = 0;
  std::int64_t connections_free = 0;  ///< of server, database and role, whichever has the fewest
  std::int64_t connections_wanted = 0;
  std::string connection_limits;
  /// Why a replication session cannot be had; "" if it can, empty if that was not tried.
  std::optional<std::string> replication_problem;
  std::string wal_sender_timeout;  ///< as the server shows it
  std::uint64_t wal_sender_millis = 0;
  std::string keep_size;           ///< max_slot_wal_keep_size
  std::string idle_timeout;        ///< idle_replication_slot_timeout; "" before PostgreSQL 18
  std::vector<Obstacle> prepared;  ///< transactions prepared and not decided
  std::vector<Obstacle> old_transactions;  ///< that have run for long

  std::vector<std::string> standby_slots;  ///< the physical slots that standbys stream from now
  std::string synced_slots;                ///< synchronized_standby_slots; "" before PostgreSQL 17

  /// Of a publication FOR ALL TABLES: the others whose changes the server refuses, some of them by
  /// name.
  std::vector<TableName> unidentified;
  std::uint64_t unidentified_count = 0;

  /// What the rules would take if it were a table: "foreign table shop.far".
  std::vector<std::string> left_out;
  bool has_large_objects = false;
  bool other_product = false;  ///< the target is no PostgreSQL

  /// Collations whose rules have changed under the indexes that were built by them.
  struct Collation {
    std::string name;  ///< as Column::collation has it
    std::string sql;   ///< its name with its schema; "" = the database's own
    std::string recorded;
    std::string actual;
    std::vector<TableName> tables;  ///< with a column that has it; empty for the database's own
  };
  std::vector<Collation> changed_collations;

  /// Of this machine, where large transactions wait until they commit.
  std::string spill_folder;
  bool spill_writable = true;
  std::optional<std::uint64_t> spill_free;

  /// Why the role may not write heartbeats, if the task has some and it may not.
  std::optional<BeatProblem> beat_problem;

  std::string slot_name;
  std::optional<Slot> slot;
  std::string publication_name;
  bool publication_is_given = false;  ///< the task file names it: it is only checked
  std::optional<Publication> publication;

  struct TableFacts {
    const TablePlan* plan = nullptr;
    TableName source;
    std::string name;   ///< "schema.table"
    bool gone = false;  ///< it was dropped meanwhile: nothing else is known of it
    bool unlogged = false;
    bool owned = false;         ///< a publication takes tables of the role's own only
    std::string select_denied;  ///< "" if every planned column may be read
    bool has_policy = false;    ///< that hides rows from the role
    bool may_select = false;    ///< but for that
    /// Partitions whose changes never reach the log.
    std::vector<TableName> unlogged_parts;
    std::vector<TableName> foreign_parts;
    std::vector<TableName> children;     ///< that inherit from it, and are no partitions
    std::vector<std::string> generated;  ///< columns that the change log does not carry
    /// What a removed row is told by: the columns of the replica identity, of a partitioned table
    /// those that every partition has in common.
    std::set<std::string> identity;
    std::string without_identity;  ///< the setting of the table, or of a partition, that gives none
    std::string usable_index;      ///< that could be the replica identity; "" if there is none
    bool published = false;        ///< by the task's publication
  };
  std::vector<TableFacts> tables;
};

/// `plans` must outlive the facts.
Facts gather(PgConnection& connection, const Task& task, std::span<const TablePlan> plans,
             bool is_new);

/// Facts as JSON, without a secret, and back. decode_facts() throws what read_facts() does.
std::string encode_facts(const Facts& facts);
Facts decode_facts(std::string_view text);

/// Every rule over `facts`: findings in the order of the table of rules.
std::vector<Finding> judge(const Facts& facts);

/// The checks of this kind, for the catalogue of ids.
std::vector<CatalogueRow> check_rows();

}  // namespace weir::pgsource
