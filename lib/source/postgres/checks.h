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
  std::uint64_t slots_free = 0;
  std::uint64_t senders_free = 0;
  std::string keep_size;              ///< max_slot_wal_keep_size
  std::string idle_timeout;           ///< idle_replication_slot_timeout; "" before PostgreSQL 18
  std::vector<std::string> prepared;  ///< transactions prepared and not decided
  std::string old_transactions;       ///< "" if none has run for long

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
    bool owned = false;                  ///< a publication takes tables of the role's own only
    std::string select_denied;           ///< "" if every planned column may be read
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
