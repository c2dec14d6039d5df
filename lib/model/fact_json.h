// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/time.h"
#include "model/facts.h"
#include "model/finding.h"
#include "model/offset.h"
#include "model/table.h"

/// Facts to JSON and back, from one list of their fields.
///
/// Whatever has fields says them once, beside its definition or in the file that needs them:
///
///     template <class Archive>
///     void fields(Archive& archive, Facts& facts) {
///       archive("log_bin", facts.log_bin);
///     }
///
/// and an enum its words, in the order of its values: `fact_words(FileState)`. A heavy header: for
/// the few files that gather and judge.
namespace weir {

class FactWriter;
class FactReader;

template <class Archive>
void fields(Archive& archive, TableName& name) {
  archive("schema", name.schema);
  archive("table", name.table);
}

template <class Archive>
void fields(Archive& archive, Offset& offset) {
  archive("text", offset.text);
  archive("source_time", offset.source_time);
}

template <class Archive>
void fields(Archive& archive, Identity& identity) {
  archive("text", identity.text);
}

template <class Archive>
void fields(Archive& archive, LogGap& gap) {
  archive("from", gap.from);
  archive("to", gap.to);
  archive("from_time", gap.from_time);
  archive("to_time", gap.to_time);
  archive("missing", gap.missing);
  archive("before_anew", gap.before_anew);
}

template <class Archive>
void fields(Archive& archive, WayOut& way) {
  archive("consequence", way.consequence);
  archive("command", way.command);
}

template <class Archive>
void fields(Archive& archive, Finding& finding) {
  archive("id", finding.id);
  archive("severity", finding.severity);
  archive("what", finding.what);
  archive("why", finding.why);
  archive("fix", finding.fix);
  archive("evidence", finding.evidence);
  archive("table", finding.table);
  archive("gap", finding.gap);
  archive("ways", finding.ways);
}

inline std::span<const std::string_view> fact_words(Severity) {
  static constexpr std::string_view kWords[] = {"ok", "info", "warning", "unknown", "critical"};
  return kWords;
}

namespace fact_json {

using Json = nlohmann::ordered_json;

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_set : std::false_type {};
template <class T>
struct is_set<std::set<T>> : std::true_type {};
template <class T>
struct is_map : std::false_type {};
template <class K, class V>
struct is_map<std::map<K, V>> : std::true_type {};

template <class T>
concept Plain = std::integral<T> || std::floating_point<T> || std::same_as<T, std::string>;

template <class T>
Json write(T& value);
template <class T>
void read(const Json& json, T& value);

}  // namespace fact_json

/// Collects fields into an object.
class FactWriter {
 public:
  template <class T>
  void operator()(const char* name, T& value) {
    json_[name] = fact_json::write(value);
  }
  fact_json::Json take() { return std::move(json_); }

 private:
  fact_json::Json json_ = fact_json::Json::object();
};

/// Fills fields from an object. One that it lacks is an error: an older file does not know what a
/// newer check asks, and must not be taken for one that says so.
class FactReader {
 public:
  explicit FactReader(const fact_json::Json& json) : json_(json) {}
  template <class T>
  void operator()(const char* name, T& value) {
    fact_json::read(json_.at(name), value);
  }

 private:
  const fact_json::Json& json_;
};

namespace fact_json {

template <class T>
Json write(T& value) {
  using Value = std::remove_cv_t<T>;
  if constexpr (std::same_as<Value, Json>) {
    return value;
  } else if constexpr (Plain<Value>) {
    return Json(value);
  } else if constexpr (std::same_as<Value, Time>) {
    return value == Time{} ? Json() : Json(to_rfc3339(value, true));
  } else if constexpr (std::is_enum_v<Value>) {
    return Json(fact_words(value)[static_cast<std::size_t>(value)]);
  } else if constexpr (is_optional<Value>::value) {
    return value ? write(*value) : Json();
  } else if constexpr (is_vector<Value>::value) {
    Json out = Json::array();
    for (auto&& part : value) out.push_back(write(part));
    return out;
  } else if constexpr (is_set<Value>::value) {
    Json out = Json::array();
    for (const auto& part : value) out.push_back(write(part));
    return out;
  } else if constexpr (is_map<Value>::value) {
    Json out = Json::array();
    for (auto& [key, part] : value) {
      auto copy = key;
      out.push_back({write(copy), write(part)});
    }
    return out;
  } else {
    FactWriter writer;
    fields(writer, value);
    return writer.take();
  }
}

template <class T>
void read(const Json& json, T& value) {
  if constexpr (std::same_as<T, Json>) {
    value = json;
  } else if constexpr (Plain<T>) {
    json.get_to(value);
  } else if constexpr (std::same_as<T, Time>) {
    value = Time{};
    if (!json.is_null()) value = parse_rfc3339(json.get<std::string>());
  } else if constexpr (std::is_enum_v<T>) {
    const auto word = json.get<std::string>();
    const auto words = fact_words(T{});
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] != word) continue;
      value = static_cast<T>(i);
      return;
    }
    throw std::out_of_range(word + " is no word for it");
  } else if constexpr (is_optional<T>::value) {
    value.reset();
    if (!json.is_null()) read(json, value.emplace());
  } else if constexpr (is_vector<T>::value) {
    value.clear();
    for (const Json& part : json) read(part, value.emplace_back());
  } else if constexpr (is_set<T>::value) {
    value.clear();
    for (const Json& part : json) {
      typename T::value_type read_part{};
      read(part, read_part);
      value.insert(std::move(read_part));
    }
  } else if constexpr (is_map<T>::value) {
    value.clear();
    for (const Json& part : json) {
      typename T::key_type key{};
      read(part.at(0), key);
      read(part.at(1), value[std::move(key)]);
    }
  } else {
    FactReader reader(json);
    fields(reader, value);
  }
}

}  // namespace fact_json

/// Facts as one line of JSON.
template <class T>
std::string write_facts(T facts) {
  return fact_json::write(facts).dump(-1, ' ', false, fact_json::Json::error_handler_t::replace);
}

/// The reverse. Throws Error(configuration, "facts.format").
template <class T>
T read_facts(std::string_view text) {
  try {
    T facts;
    fact_json::read(fact_json::Json::parse(text), facts);
    return facts;
  } catch (const std::exception& error) {
    throw facts_format(error.what());
  }
}

}  // namespace weir
