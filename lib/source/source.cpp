// SPDX-License-Identifier: Apache-2.0
#include "source/source.h"

namespace weir {

FoundOffset Source::find_offset(const OffsetRequest& /*request*/) {
  throw Error(ExitCode::unsupported, "offset.kind", "this source cannot find a place in its log",
              "its kind has no log that could be searched", "begin the task anew instead");
}

}  // namespace weir
