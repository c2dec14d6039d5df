// SPDX-License-Identifier: Apache-2.0
#include "model/fact_json.h"
#include "target/postgres/checks.h"

namespace weir::postgres {

template <class Archive>
void fields(Archive& archive, Facts::ExistingColumn& column) {
  archive("type", column.type);
  archive("modifier", column.modifier);
  archive("shown", column.shown);
  archive("not_null", column.not_null);
  archive("has_default", column.has_default);
  archive("generated", column.generated);
  archive("always", column.always);
}

template <class Archive>
void fields(Archive& archive, Facts::TableFacts& table) {
  archive("source", table.source);
  archive("target", table.target);
  archive("started", table.started);
  archive("schema_exists", table.schema_exists);
  archive("can_create", table.can_create);
  archive("exists", table.exists);
  archive("is_table", table.is_table);
  archive("is_partitioned", table.is_partitioned);
  archive("has_rows", table.has_rows);
  archive("can_write", table.can_write);
  archive("owned", table.owned);
  archive("can_drop", table.can_drop);
  archive("can_truncate", table.can_truncate);
  archive("triggers", table.triggers);
  archive("has_key", table.has_key);
  archive("columns", table.columns);
}

template <class Archive>
void fields(Archive& archive, Facts& facts) {
  archive("version", facts.version);
  archive("read_only", facts.read_only);
  archive("control_exists", facts.control_exists);
  archive("can_create_schema", facts.can_create_schema);
  archive("owns_control", facts.owns_control);
  archive("utf8", facts.utf8);
  archive("encoding", facts.encoding);
  archive("role", facts.role);
  archive("control_schema", facts.control_schema);
  archive("keeps_zero_dates", facts.keeps_zero_dates);
  archive("foreign_types", facts.foreign_types);
  archive("same_product", facts.same_product);
  archive("connections_left", facts.connections_left);
  archive("connections_wanted", facts.connections_wanted);
  archive("connection_limits", facts.connection_limits);
  archive("is_new", facts.is_new);
  archive("write_problem", facts.write_problem);
  archive("may_leave_out_triggers", facts.may_leave_out_triggers);
  archive("alters", facts.alters);
  archive("truncates", facts.truncates);
  archive("tables", facts.tables);
}

std::string encode_facts(const Facts& facts) { return write_facts(facts); }
Facts decode_facts(std::string_view text) { return read_facts<Facts>(text); }

}  // namespace weir::postgres
