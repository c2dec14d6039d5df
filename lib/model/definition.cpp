// SPDX-License-Identifier: Apache-2.0
#include "model/definition.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kIndexKinds = std::to_array<std::pair<Index::Kind, std::string_view>>({
    {Index::Kind::ordinary, "ordinary"},
    {Index::Kind::unique, "unique"},
    {Index::Kind::fulltext, "fulltext"},
    {Index::Kind::spatial, "spatial"},
    {Index::Kind::expression, "expression"},
});

TypeKind type_kind(std::string_view name) {
  const auto kinds = type_kinds();
  const auto at = std::find_if(kinds.begin(), kinds.end(),
                               [name](const TypeKindRow& row) { return row.name == name; });
  if (at == kinds.end()) throw std::out_of_range(std::string(name));
  return at->kind;
}

Index::Kind index_kind(std::string_view name) {
  const auto at = std::find_if(kIndexKinds.begin(), kIndexKinds.end(),
                               [name](const auto& row) { return row.second == name; });
  if (at == kIndexKinds.end()) throw std::out_of_range(std::string(name));
  return at->first;
}

/// Most fields of most columns say nothing: only what does is written.
void put(Json& json, const char* name, const std::string& value) {
  if (!value.empty()) json[name] = value;
}
void put(Json& json, const char* name, bool value) {
  if (value) json[name] = true;
}
void put(Json& json, const char* name, std::uint64_t value) {
  if (value != 0) json[name] = value;
}

Json encode_column(const Column& column) {
  Json json = {{"name", column.name}, {"kind", to_string(column.type.kind)}};
  put(json, "native", column.type.native);
  put(json, "length", column.type.length);
  put(json, "precision", std::uint64_t{column.type.precision});
  put(json, "scale", std::uint64_t{column.type.scale});
  if (!column.type.members.empty()) json["members"] = column.type.members;
  put(json, "nullable", column.nullable);
  put(json, "generated", column.generated);
  put(json, "invisible", column.invisible);
  put(json, "auto_increment", column.auto_increment);
  put(json, "left_out", column.left_out);
  put(json, "charset", column.charset);
  put(json, "collation", column.collation);
  if (column.default_value) json["default"] = *column.default_value;
  put(json, "comment", column.comment);
  return json;
}

Column decode_column(const Json& json) {
  const auto text = [&json](const char* name) { return json.value(name, std::string()); };
  const auto flag = [&json](const char* name) { return json.value(name, false); };
  Column column;
  column.name = json.at("name").get<std::string>();
  column.type.kind = type_kind(json.at("kind").get<std::string>());
  column.type.native = text("native");
  column.type.length = json.value("length", std::uint64_t{0});
  column.type.precision = json.value("precision", std::uint16_t{0});
  column.type.scale = json.value("scale", std::uint16_t{0});
  column.type.members = json.value("members", std::vector<std::string>());
  column.nullable = flag("nullable");
  column.generated = flag("generated");
  column.invisible = flag("invisible");
  column.auto_increment = flag("auto_increment");
  column.left_out = flag("left_out");
  column.charset = text("charset");
  column.collation = text("collation");
  if (json.contains("default")) column.default_value = json.at("default").get<std::string>();
  column.comment = text("comment");
  return column;
}

Json encode_index(const Index& index) {
  Json parts = Json::array();
  for (const IndexPart& part : index.parts) parts.push_back({part.column, part.prefix});
  const auto kind = std::find_if(kIndexKinds.begin(), kIndexKinds.end(),
                                 [&](const auto& row) { return row.first == index.kind; });
  return {{"name", index.name}, {"kind", kind->second}, {"parts", std::move(parts)}};
}

Index decode_index(const Json& json, std::size_t columns) {
  Index index;
  index.name = json.at("name").get<std::string>();
  index.kind = index_kind(json.at("kind").get<std::string>());
  for (const Json& part : json.at("parts")) {
    index.parts.push_back({part.at(0).get<std::uint32_t>(), part.at(1).get<std::uint32_t>()});
    if (index.parts.back().column >= columns) throw std::out_of_range(index.name);
  }
  return index;
}

Json encode_table(const Table& table);
Table decode_table(const Json& json);

Json encode_shadow(const Shadow& shadow) {
  Json json = {{"table", encode_table(shadow.table)}};
  Json origins = Json::array();
  for (const ColumnOrigin& origin : shadow.origins) {
    Json one = Json::object();
    if (origin.before != ColumnOrigin::kNew) one["before"] = origin.before;
    if (origin.fill)
      one["fill"] = std::vector<std::uint8_t>(origin.fill->begin(), origin.fill->end());
    put(one, "fill_unknown", origin.fill_unknown);
    origins.push_back(std::move(one));
  }
  json["origins"] = std::move(origins);
  put(json, "problem", shadow.problem);
  return json;
}

Shadow decode_shadow(const Json& json) {
  Shadow shadow;
  shadow.table = decode_table(json.at("table"));
  for (const Json& one : json.at("origins")) {
    ColumnOrigin& origin = shadow.origins.emplace_back();
    origin.before = one.value("before", ColumnOrigin::kNew);
    if (one.contains("fill")) {
      const auto bytes = one.at("fill").get<std::vector<std::uint8_t>>();
      origin.fill.emplace(bytes.begin(), bytes.end());
    }
    origin.fill_unknown = one.value("fill_unknown", std::string());
  }
  shadow.problem = json.value("problem", std::string());
  if (shadow.problem.empty() && shadow.origins.size() != shadow.table.columns.size()) {
    throw std::out_of_range("origins");
  }
  return shadow;
}

Json encode_table(const Table& table) {
  Json json = {{"schema", table.name.schema}, {"table", table.name.table}};
  Json columns = Json::array();
  for (const Column& column : table.columns) columns.push_back(encode_column(column));
  json["columns"] = std::move(columns);
  json["key"] = table.key;
  put(json, "key_is_primary", table.key_is_primary);
  put(json, "key_name", table.key_name);
  Json indexes = Json::array();
  for (const Index& index : table.indexes) indexes.push_back(encode_index(index));
  json["indexes"] = std::move(indexes);
  put(json, "engine", table.engine);
  put(json, "charset", table.charset);
  put(json, "collation", table.collation);
  put(json, "comment", table.comment);
  put(json, "gone", table.gone);
  for (const Shadow& shadow : table.shadows) json["shadows"].push_back(encode_shadow(shadow));
  return json;
}

Table decode_table(const Json& json) {
  Table table;
  table.name = {json.at("schema").get<std::string>(), json.at("table").get<std::string>()};
  for (const Json& column : json.at("columns")) table.columns.push_back(decode_column(column));
  table.key = json.at("key").get<std::vector<std::uint32_t>>();
  for (const std::uint32_t place : table.key) {
    if (place >= table.columns.size()) throw std::out_of_range("key");
  }
  table.key_is_primary = json.value("key_is_primary", false);
  table.key_name = json.value("key_name", std::string());
  for (const Json& index : json.at("indexes")) {
    table.indexes.push_back(decode_index(index, table.columns.size()));
  }
  table.engine = json.value("engine", std::string());
  table.charset = json.value("charset", std::string());
  table.collation = json.value("collation", std::string());
  table.comment = json.value("comment", std::string());
  table.gone = json.value("gone", false);
  if (json.contains("shadows")) {
    for (const Json& shadow : json.at("shadows")) table.shadows.push_back(decode_shadow(shadow));
  }
  return table;
}

}  // namespace

std::string encode_definition(const Table& table) {
  // A comment may hold bytes that are no text; it is for people, so that is no reason to fail.
  return encode_table(table).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Table decode_definition(std::string_view text) {
  try {
    return decode_table(Json::parse(text));
  } catch (const std::exception& error) {
    throw Error(ExitCode::failed, "definition.format",
                "cannot read a table's definition in the control tables", error.what(),
                "use the weir that wrote it, or restore the control tables");
  }
}

}  // namespace weir
