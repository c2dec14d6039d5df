// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weir {

/// What a target promises about a crash (the design's section 8).
enum class Rung : std::uint8_t {
  atomic_offset,
  two_phase,
  ordered_idempotent,
  idempotent_by_key,
  deterministic_object,
};

/// "atomic-offset" and the like.
std::string_view to_string(Rung rung);

/// What is known of a kind of source or target before any server is asked.
///
/// The lines of `can` and `cannot` are for people who choose: lowercase, without a full stop. What
/// stands under `can` is shown by a test, and `tested` names the versions that the tests ran on.
struct KindFacts {
  std::string_view name;   ///< as `kind` in the task file
  std::string_view title;  ///< the products that it stands for
  std::span<const std::string_view> tested;
  std::span<const std::string_view> can;
  std::span<const std::string_view> cannot;
  /// A session is in one database, which the task file has to name.
  bool one_database = false;
  std::optional<Rung> rung = {};  ///< of a target
};

}  // namespace weir
