// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/table.h"

namespace weir {

/// Wide enough for every number that a counter hands out, BIGINT UNSIGNED included, and for the
/// sum of two.
__extension__ typedef __int128 CounterNumber;

std::string to_string(CounterNumber number);
/// Throws Error(failed, "counter.number") for a text that is no whole number.
CounterNumber parse_counter_number(std::string_view text);

/// How a counter counts, and where it stands.
struct CounterState {
  CounterNumber next = 1;  ///< what it hands out next; beyond its bounds if it is used up
  CounterNumber increment = 1;
  CounterNumber smallest = 1;
  CounterNumber largest = 1;
  bool cycles = false;
  /// The bounds were chosen by somebody: they are not just those of the counter's type.
  bool own_bounds = false;

  bool operator==(const CounterState&) const = default;

  bool goes_down() const { return increment < 0; }
  /// Whether `a` comes after `b` in the direction in which it counts, or is the same.
  bool reached(CounterNumber a, CounterNumber b) const { return goes_down() ? a <= b : a >= b; }
  bool used_up() const { return goes_down() ? next < smallest : next > largest; }
};

/// What hands out numbers on a source: the counter of a column, or a sequence by itself.
struct Counter {
  TableName name;      ///< the table, or the sequence itself
  std::string column;  ///< of the table; "" for a sequence by itself
  TableName sequence;  ///< where a column's numbers come from; empty if that has no name of its own
  CounterState state;
};

/// Where a counter is carried to: a column of a target table, or a sequence.
struct CounterPlace {
  TableName name;
  std::string column;  ///< "" for a sequence by itself
  CounterState like;   ///< of the counter on the source

  std::string text() const { return column.empty() ? name.text() : name.text() + "." + column; }
};

/// What a target has at a place.
struct FoundCounter {
  enum class Kind : std::uint8_t {
    counts,     ///< it has a counter, which can be set
    automatic,  ///< it finds the next number from the rows: there is nothing to set
    missing,    ///< a plain column, or no such sequence
  };
  Kind kind = Kind::missing;
  std::string name;    ///< what counts there; two places may share it
  CounterState state;  ///< as it is; of Kind::counts
  /// As it will be, but for `next`: how the source's counts, as far as this target can. Also of
  /// Kind::missing if it can be made.
  CounterState wanted;
  bool reshape = false;                   ///< more than its `next` has to change for that
  std::optional<CounterNumber> last_key;  ///< of the column, the furthest in the direction of
                                          ///< `wanted`; empty without rows
  bool can_make = false;                  ///< Kind::missing: counter_sql() makes it
  std::string why;  ///< Kind::automatic and Kind::missing: lowercase, without a full stop
  std::string fix;  ///< Kind::missing that cannot be made: what to do by hand, or ""
};

}  // namespace weir
