// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "source/mysql/binlog_event.h"

namespace weir::mysql {

/// Decodes the body of a TABLE_MAP event. `id_size` is 4 or 6 bytes, by the format description;
/// `mariadb` decides which columns the optional metadata counts as text. Throws
/// Error(failed, "binlog.malformed"), or Error(unsupported, "binlog.column-type").
TableMap parse_table_map(const EventHeader& header, std::string_view body, std::size_t id_size,
                         bool mariadb);

}  // namespace weir::mysql
