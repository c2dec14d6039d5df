// SPDX-License-Identifier: Apache-2.0
#include "model/fact_json.h"
#include "target/sqlite/checks.h"

namespace weir::sqlite {

inline std::span<const std::string_view> fact_words(FileState) {
  static constexpr std::string_view kWords[] = {"missing", "unreadable", "database", "other"};
  return kWords;
}

template <class Archive>
void fields(Archive& archive, TableColumn& column) {
  archive("name", column.name);
  archive("declared", column.declared);
  archive("not_null", column.not_null);
  archive("generated", column.generated);
  archive("default_sql", column.default_sql);
}

template <class Archive>
void fields(Archive& archive, ExistingTable& table) {
  archive("is_table", table.is_table);
  archive("strict", table.strict);
  archive("has_rowid", table.has_rowid);
  archive("columns", table.columns);
  archive("key", table.key);
}

template <class Archive>
void fields(Archive& archive, Facts::TableFacts& table) {
  archive("source", table.source);
  archive("target", table.target);
  archive("started", table.started);
  archive("exists", table.exists);
  archive("has_rows", table.has_rows);
  archive("has_key", table.has_key);
  archive("table", table.table);
}

template <class Archive>
void fields(Archive& archive, Facts& facts) {
  archive("path", facts.path);
  archive("folder", facts.folder);
  archive("folder_exists", facts.folder_exists);
  archive("folder_writable", facts.folder_writable);
  archive("file", facts.file);
  archive("file_writable", facts.file_writable);
  archive("open_error", facts.open_error);
  archive("lock_error", facts.lock_error);
  archive("network", facts.network);
  archive("free_bytes", facts.free_bytes);
  archive("wanted_bytes", facts.wanted_bytes);
  archive("is_new", facts.is_new);
  archive("tables", facts.tables);
}

std::string encode_facts(const Facts& facts) { return write_facts(facts); }
Facts decode_facts(std::string_view text) { return read_facts<Facts>(text); }

}  // namespace weir::sqlite
