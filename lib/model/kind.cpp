// SPDX-License-Identifier: Apache-2.0
#include "model/kind.h"

namespace weir {

std::string_view to_string(Rung rung) {
  switch (rung) {
    case Rung::atomic_offset:
      return "atomic-offset";
    case Rung::two_phase:
      return "two-phase";
    case Rung::ordered_idempotent:
      return "ordered-idempotent";
    case Rung::idempotent_by_key:
      return "idempotent-by-key";
    case Rung::deterministic_object:
      return "deterministic-object";
  }
  return "unknown";
}

}  // namespace weir
