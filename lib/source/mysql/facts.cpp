// SPDX-License-Identifier: Apache-2.0
#include "model/fact_json.h"
#include "source/mysql/checks.h"

namespace weir::mysql {

using HeartbeatState = Facts::HeartbeatFacts::State;

inline std::span<const std::string_view> fact_words(HeartbeatState) {
  static constexpr std::string_view kWords[] = {"writable", "denied", "missing", "refused"};
  return kWords;
}

template <class Archive>
void fields(Archive& archive, Facts::ReplicaFacts& replica) {
  archive("id", replica.id);
  archive("host", replica.host);
}

template <class Archive>
void fields(Archive& archive, Facts::SessionFacts& session) {
  archive("id", session.id);
  archive("account", session.account);
  archive("seconds", session.seconds);
}

template <class Archive>
void fields(Archive& archive, Facts::ShadowFacts& shadow) {
  archive("table", shadow.table);
  archive("shadow", shadow.shadow);
}

template <class Archive>
void fields(Archive& archive, Facts::ForeignKeyFacts& key) {
  archive("name", key.name);
  archive("refers_to", key.refers_to);
  archive("on_delete", key.on_delete);
  archive("on_update", key.on_update);
}

template <class Archive>
void fields(Archive& archive, Facts::TableFacts& table) {
  archive("source", table.source);
  archive("name", table.name);
  archive("schema", table.schema);
  archive("engine", table.engine);
  archive("select_denied", table.select_denied);
  archive("moved_on", table.moved_on);
  archive("columns_hidden", table.columns_hidden);
  archive("keyless", table.keyless);
  archive("lock_denied", table.lock_denied);
  archive("partitioned", table.partitioned);
  archive("read_in_order", table.read_in_order);
  archive("foreign_keys", table.foreign_keys);
  archive("unsure_labels", table.unsure_labels);
  archive("zero_dates", table.zero_dates);
}

template <class Archive>
void fields(Archive& archive, Facts::HeartbeatFacts& heartbeat) {
  archive("state", heartbeat.state);
  archive("evidence", heartbeat.evidence);
  archive("schema", heartbeat.schema);
  archive("statements", heartbeat.statements);
}

template <class Archive>
void fields(Archive& archive, Facts& facts) {
  archive("is_new", facts.is_new);
  archive("is_mariadb", facts.is_mariadb);
  archive("version", facts.version);
  archive("version_number", facts.version_number);
  archive("product", facts.product);
  archive("service", facts.service);
  archive("account", facts.account);
  archive("log_bin", facts.log_bin);
  archive("binlog_format", facts.binlog_format);
  archive("row_image", facts.row_image);
  archive("row_metadata", facts.row_metadata);
  archive("row_value_options", facts.row_value_options);
  archive("gtid_mode", facts.gtid_mode);
  archive("unordered_domains", facts.unordered_domains);
  archive("server_id", facts.server_id);
  archive("is_replica", facts.is_replica);
  archive("logs_replica_updates", facts.logs_replica_updates);
  archive("standing_channels", facts.standing_channels);
  archive("expiry_name", facts.expiry_name);
  archive("expire_seconds", facts.expire_seconds);
  archive("prepared_xa", facts.prepared_xa);
  archive("logged_schemas", facts.logged_schemas);
  archive("unlogged_schemas", facts.unlogged_schemas);
  archive("replication_denied", facts.replication_denied);
  archive("log_unreadable", facts.log_unreadable);
  archive("start_method_missing", facts.start_method_missing);
  archive("logs_cascades", facts.logs_cascades);
  archive("replica_id", facts.replica_id);
  archive("replica_id_is_given", facts.replica_id_is_given);
  archive("replicas", facts.replicas);
  archive("takes_read_lock", facts.takes_read_lock);
  archive("long_sessions", facts.long_sessions);
  archive("connections_left", facts.connections_left);
  archive("connections_limit", facts.connections_limit);
  archive("connections_wanted", facts.connections_wanted);
  archive("shadows", facts.shadows);
  archive("views", facts.views);
  archive("tables", facts.tables);
  archive("heartbeat", facts.heartbeat);
}

std::string encode_facts(const Facts& facts) { return write_facts(facts); }
Facts decode_facts(std::string_view text) { return read_facts<Facts>(text); }

}  // namespace weir::mysql
