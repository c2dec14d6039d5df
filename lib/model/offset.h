// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/time.h"

namespace weir {

/// A position in a source's change log from which nothing is lost.
///
/// The text is written and read by the source kind that made it and is opaque to everybody else,
/// but printable: people compare it with what their server says. Offsets of one identity can be
/// ordered by asking the source (Source::compare).
struct Offset {
  std::string text;
  Time source_time{};  ///< commit time of the last transaction at or before it; epoch if unknown

  bool empty() const { return text.empty(); }
  bool operator==(const Offset& other) const { return text == other.text; }
};

/// What proves that the server is the one an offset came from (server_uuid; system id; ...).
/// Printable, comparable for equality only.
struct Identity {
  std::string text;

  bool operator==(const Identity&) const = default;
};

}  // namespace weir
