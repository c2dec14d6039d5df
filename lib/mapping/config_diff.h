// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir {

/// A task file by its text and by where it stands: relative paths count from there.
struct ConfigText {
  std::string text;
  std::string file;
};

/// One thing that two task files say differently.
struct ConfigChange {
  enum class Kind : std::uint8_t {
    changed,  ///< a key has another value; one that is not there has its default
    added,    ///< a [[table]] rule that only the second file has
    removed,  ///< one that only the first has
    moved,    ///< the rules that both have are tried in another order
  };
  Kind kind = Kind::changed;
  std::string section;  ///< SectionRow::name: "full", "table", "table.columns"
  std::string name;     ///< KeyRow::name; "" for a whole rule and for the order of rules
  std::string rule;     ///< the `match` of the rule it is in, as the file has it; else ""
  std::string before;   ///< as TOML; "" for a key without a value
  std::string after;

  /// "full.chunk_rows", "table \"shop.*\": columns.rename": for people.
  std::string title() const;
};
std::string to_string(ConfigChange::Kind kind);

/// What the second file says differently, by meaning: order, spacing, comments, a default that is
/// spelled out, and other units for the same span are no difference. Rules are told apart by their
/// `match`. In the order of weir.toml(5). Both texts must be task files that parse_task() takes.
std::vector<ConfigChange> diff_config(const ConfigText& before, const ConfigText& after);

}  // namespace weir
