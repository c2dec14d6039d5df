// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "cli/terminal.h"
#include "model/finding.h"

namespace weir::cli {

/// JSON whose keys stay in the order in which they were added.
using Json = nlohmann::ordered_json;

/// Rows under column names, as wide as their longest cell and two spaces apart. An empty cell is
/// shown as `-`, so that the columns can be counted by a script.
class TextTable {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Heading {
    std::string name;
    Align align = Align::left;
  };

  explicit TextTable(std::vector<Heading> headings) : headings_(std::move(headings)) {}
  /// Takes one cell for each heading.
  void add(std::vector<std::string> cells);
  std::string text(bool header = true) const;

 private:
  std::vector<Heading> headings_;
  std::vector<std::vector<std::string>> rows_;
};

/// `warning[mysql.retention]: ...` with evidence, why and fix below, newline included.
std::string finding_text(const Terminal& terminal, Stream stream, const Finding& finding);
/// `error[task.unknown]: ...` with why and fix below, newline included; without them where a
/// finding has just told them.
std::string error_text(const Terminal& terminal, const Error& error, bool with_details = true);

Json to_json(const Finding& finding);
Json to_json(const Error& error);

/// What every JSON document begins with: schema, verb, task, ok, findings. An empty verb or
/// task is null.
Json envelope(std::string_view verb, std::string_view task, bool ok,
              std::span<const Finding> findings);

/// The document, indented, and the same on one line. Text that is not UTF-8 is made so.
std::string json_document(const Json& json);
std::string json_line(const Json& json);

}  // namespace weir::cli
