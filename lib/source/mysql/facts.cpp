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
void fields(Archive& archive, Facts::TableFacts& table) {
  archive("source", table.source);
  archive("name", table.name);
  archive("schema", table.schema);
  archive("engine", table.engine);
  archive("select_denied", table.select_denied);
  archive("moved_on", table.moved_on);
  archive("keyless", table.keyless);
  archive("lock_denied", table.lock_denied);
  archive("cascades", table.cascades);
  archive("unsure_labels", table.unsure_labels);
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
  archive("log_bin", facts.log_bin);
  archive("binlog_format", facts.binlog_format);
  archive("row_image", facts.row_image);
  archive("row_metadata", facts.row_metadata);
  archive("row_value_options", facts.row_value_options);
  archive("gtid_mode", facts.gtid_mode);
  archive("server_id", facts.server_id);
  archive("is_replica", facts.is_replica);
  archive("logs_replica_updates", facts.logs_replica_updates);
  archive("expire_seconds", facts.expire_seconds);
  archive("prepared_xa", facts.prepared_xa);
  archive("logged_schemas", facts.logged_schemas);
  archive("unlogged_schemas", facts.unlogged_schemas);
  archive("replication_denied", facts.replication_denied);
  archive("start_method_missing", facts.start_method_missing);
  archive("tables", facts.tables);
  archive("heartbeat", facts.heartbeat);
}

std::string encode_facts(const Facts& facts) { return write_facts(facts); }
Facts decode_facts(std::string_view text) { return read_facts<Facts>(text); }

}  // namespace weir::mysql
