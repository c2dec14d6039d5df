// SPDX-License-Identifier: Apache-2.0
#include "model/fact_json.h"
#include "source/postgres/checks.h"

namespace weir::pgsource {

template <class Archive>
void fields(Archive& archive, Lsn& lsn) {
  archive("value", lsn.value);
}

template <class Archive>
void fields(Archive& archive, Slot& slot) {
  archive("plugin", slot.plugin);
  archive("database", slot.database);
  archive("temporary", slot.temporary);
  archive("active", slot.active);
  archive("holder", slot.holder);
  archive("held_by_weir", slot.held_by_weir);
  archive("restart", slot.restart);
  archive("confirmed", slot.confirmed);
  archive("wal_status", slot.wal_status);
  archive("invalidation", slot.invalidation);
  archive("failover", slot.failover);
}

template <class Archive>
void fields(Archive& archive, Publication::Table& table) {
  archive("left_out", table.left_out);
  archive("filtered", table.filtered);
}

template <class Archive>
void fields(Archive& archive, Publication& publication) {
  archive("via_root", publication.via_root);
  archive("all_tables", publication.all_tables);
  archive("stored_columns", publication.stored_columns);
  archive("left_out", publication.left_out);
  archive("tables", publication.tables);
}

template <class Archive>
void fields(Archive& archive, BeatProblem& problem) {
  archive("evidence", problem.evidence);
  archive("grant", problem.grant);
}

template <class Archive>
void fields(Archive& archive, Obstacle& obstacle) {
  archive("shown", obstacle.shown);
  archive("end", obstacle.end);
}

template <class Archive>
void fields(Archive& archive, Facts::Collation& collation) {
  archive("name", collation.name);
  archive("sql", collation.sql);
  archive("recorded", collation.recorded);
  archive("actual", collation.actual);
  archive("tables", collation.tables);
}

template <class Archive>
void fields(Archive& archive, Facts::TableFacts& table) {
  archive("source", table.source);
  archive("name", table.name);
  archive("gone", table.gone);
  archive("unlogged", table.unlogged);
  archive("owned", table.owned);
  archive("select_denied", table.select_denied);
  archive("has_policy", table.has_policy);
  archive("may_select", table.may_select);
  archive("unlogged_parts", table.unlogged_parts);
  archive("foreign_parts", table.foreign_parts);
  archive("children", table.children);
  archive("generated", table.generated);
  archive("identity", table.identity);
  archive("without_identity", table.without_identity);
  archive("usable_index", table.usable_index);
  archive("published", table.published);
}

template <class Archive>
void fields(Archive& archive, Facts& facts) {
  archive("is_new", facts.is_new);
  archive("version", facts.version);
  archive("in_recovery", facts.in_recovery);
  archive("role", facts.role);
  archive("database", facts.database);
  archive("encoding", facts.encoding);
  archive("wal_level", facts.wal_level);
  archive("may_replicate", facts.may_replicate);
  archive("may_create", facts.may_create);
  archive("slots", facts.slots);
  archive("slots_free", facts.slots_free);
  archive("senders", facts.senders);
  archive("senders_free", facts.senders_free);
  archive("snapshots", facts.snapshots);
  archive("connections_free", facts.connections_free);
  archive("connections_wanted", facts.connections_wanted);
  archive("connection_limits", facts.connection_limits);
  archive("replication_problem", facts.replication_problem);
  archive("wal_sender_timeout", facts.wal_sender_timeout);
  archive("wal_sender_millis", facts.wal_sender_millis);
  archive("keep_size", facts.keep_size);
  archive("idle_timeout", facts.idle_timeout);
  archive("prepared", facts.prepared);
  archive("old_transactions", facts.old_transactions);
  archive("standby_slots", facts.standby_slots);
  archive("synced_slots", facts.synced_slots);
  archive("unidentified", facts.unidentified);
  archive("unidentified_count", facts.unidentified_count);
  archive("left_out", facts.left_out);
  archive("has_large_objects", facts.has_large_objects);
  archive("other_product", facts.other_product);
  archive("changed_collations", facts.changed_collations);
  archive("spill_folder", facts.spill_folder);
  archive("spill_writable", facts.spill_writable);
  archive("spill_free", facts.spill_free);
  archive("beat_problem", facts.beat_problem);
  archive("slot_name", facts.slot_name);
  archive("slot", facts.slot);
  archive("publication_name", facts.publication_name);
  archive("publication_is_given", facts.publication_is_given);
  archive("publication", facts.publication);
  archive("tables", facts.tables);
}

std::string encode_facts(const Facts& facts) { return write_facts(facts); }
Facts decode_facts(std::string_view text) { return read_facts<Facts>(text); }

}  // namespace weir::pgsource
