// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "model/definition.h"
#include "model/fact_json.h"
#include "ops/preflight.h"

namespace weir {

template <class Archive>
void fields(Archive& archive, KeyRange& range) {
  archive("number", range.number);
  archive("after", range.after);
  archive("upto", range.upto);
  archive("whole", range.whole);
}

template <class Archive>
void fields(Archive& archive, RangeProgress& progress) {
  archive("range", progress.range);
  archive("reached", progress.reached);
  archive("rows", progress.rows);
  archive("bytes", progress.bytes);
  archive("done", progress.done);
  archive("snapshot", progress.snapshot);
}

/// Definitions have a form of their own, which older versions wrote into the control tables.
void fields(FactWriter& archive, Table& table) {
  auto definition = fact_json::Json::parse(encode_definition(table));
  archive("definition", definition);
  archive("estimated_rows", table.estimated_rows);
  archive("estimated_bytes", table.estimated_bytes);
}

void fields(FactReader& archive, Table& table) {
  fact_json::Json definition;
  archive("definition", definition);
  table = decode_definition(definition.dump());
  archive("estimated_rows", table.estimated_rows);
  archive("estimated_bytes", table.estimated_bytes);
}

template <class Archive>
void fields(Archive& archive, TableProgress& table) {
  archive("source", table.source);
  archive("target", table.target);
  archive("full_done", table.full_done);
  archive("unique_done", table.unique_done);
  archive("definition", table.definition);
  archive("since", table.since);
  archive("rows", table.rows);
  archive("ranges", table.ranges);
}

template <class Archive>
void fields(Archive& archive, Recovered& recovered) {
  archive("source", recovered.source);
  archive("start", recovered.start);
  archive("full_end", recovered.full_end);
  archive("offset", recovered.offset);
  archive("tables", recovered.tables);
}

/// Seconds, as people would write them.
template <class Archive>
void fields(Archive& archive, ServerClock& clock) {
  const auto seconds = [&archive](const char* name, std::chrono::duration<double>& span) {
    double count = span.count();
    archive(name, count);
    span = std::chrono::duration<double>(count);
  };
  seconds("ahead", clock.ahead);
  seconds("error", clock.error);
  seconds("round_trip", clock.round_trip);
}

namespace ops {

constexpr const char* kSchema = "weir.facts/1";

template <class Archive>
void fields(Archive& archive, Surroundings& surroundings) {
  archive("source_clock", surroundings.source);
  archive("target_clock", surroundings.target);
  archive("state_folder", surroundings.state_folder);
  archive("state_free", surroundings.state_free);
}

template <class Archive>
void fields(Archive& archive, SourceTables& tables) {
  archive("visible", tables.visible);
  archive("definitions", tables.definitions);
  archive("history", tables.history);
}

template <class Archive>
void common_fields(Archive& archive, PreflightFacts& facts) {
  archive("task", facts.task);
  archive("taken", facts.taken);
  archive("source_kind", facts.source_kind);
  archive("target_kind", facts.target_kind);
  archive("source_version", facts.source_version);
  archive("target_version", facts.target_version);
  archive("tables", facts.tables);
  archive("resume", facts.resume);
  archive("surroundings", facts.surroundings);
}

void fields(FactWriter& archive, PreflightFacts& facts) {
  std::string schema = kSchema;
  archive("schema", schema);
  common_fields(archive, facts);
  auto source = fact_json::Json::parse(facts.source);
  auto target = fact_json::Json::parse(facts.target);
  archive("source", source);
  archive("target", target);
}

void fields(FactReader& archive, PreflightFacts& facts) {
  std::string schema;
  archive("schema", schema);
  if (schema != kSchema) {
    throw std::out_of_range("they are " + schema + ", and this weir reads " + kSchema);
  }
  common_fields(archive, facts);
  fact_json::Json source;
  fact_json::Json target;
  archive("source", source);
  archive("target", target);
  facts.source = source.dump();
  facts.target = target.dump();
}

std::string encode_facts(const PreflightFacts& facts) {
  return fact_json::Json::parse(write_facts(facts)).dump(2) + "\n";
}

PreflightFacts decode_facts(std::string_view text) { return read_facts<PreflightFacts>(text); }

}  // namespace ops
}  // namespace weir
