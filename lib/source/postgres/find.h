// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "client/pq.h"
#include "model/offset_request.h"
#include "model/task.h"

namespace weir::pgsource {

/// Source::find_offset(), claim() and let_go(). A slot does not go back: what it has passed is not
/// sent again.
FoundOffset find_place(PgConnection& connection, const Task& task, const OffsetRequest& request);
Offset claim_place(PgConnection& connection, const Task& task, const FoundOffset& found);
std::string let_go_before(PgConnection& connection, const Task& task, const Offset& offset);

}  // namespace weir::pgsource
