// SPDX-License-Identifier: Apache-2.0
#include "model/fact_json.h"
#include "target/mysql/checks.h"

namespace weir::mysqltarget {

template <class Archive>
void fields(Archive& archive, ExistingColumn& column) {
  archive("name", column.name);
  archive("data_type", column.data_type);
  archive("column_type", column.column_type);
  archive("charset", column.charset);
  archive("collation", column.collation);
  archive("characters", column.characters);
  archive("octets", column.octets);
  archive("precision", column.precision);
  archive("scale", column.scale);
  archive("second_digits", column.second_digits);
  archive("nullable", column.nullable);
  archive("has_default", column.has_default);
  archive("generated", column.generated);
  archive("on_update", column.on_update);
}

template <class Archive>
void fields(Archive& archive, ColumnShape& shape) {
  archive("type", shape.type);
  archive("charset", shape.charset);
  archive("collation", shape.collation);
  archive("replaced", shape.replaced);
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
  archive("has_rows", table.has_rows);
  archive("can_write", table.can_write);
  archive("has_key", table.has_key);
  archive("alter_denied", table.alter_denied);
  archive("drop_denied", table.drop_denied);
  archive("engine", table.engine);
  archive("triggers", table.triggers);
  archive("uniques", table.uniques);
  archive("columns", table.columns);
  archive("planned", table.planned);
  archive("shapes", table.shapes);
}

template <class Archive>
void fields(Archive& archive, Facts& facts) {
  archive("mariadb", facts.mariadb);
  archive("version", facts.version);
  archive("shown_version", facts.shown_version);
  archive("read_only", facts.read_only);
  archive("local_infile", facts.local_infile);
  archive("binlog", facts.binlog);
  archive("binlog_format", facts.binlog_format);
  archive("max_packet", facts.max_packet);
  archive("binlog_cache", facts.binlog_cache);
  archive("can_keep_control", facts.can_keep_control);
  archive("control_why", facts.control_why);
  archive("account", facts.account);
  archive("control_schema", facts.control_schema);
  archive("is_new", facts.is_new);
  archive("write_problem", facts.write_problem);
  archive("alters", facts.alters);
  archive("truncates", facts.truncates);
  archive("connections_most", facts.connections_most);
  archive("connections_left", facts.connections_left);
  archive("connections_wanted", facts.connections_wanted);
  archive("native", facts.native);
  archive("tables", facts.tables);
}

std::string encode_facts(const Facts& facts) { return write_facts(facts); }
Facts decode_facts(std::string_view text) { return read_facts<Facts>(text); }

}  // namespace weir::mysqltarget
