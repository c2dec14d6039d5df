// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "model/task.h"
#include "source/log_view.h"
#include "source/mysql/binlog_event.h"

namespace weir::mysql {

/// Whether a file that begins with `head` is a binlog, encrypted or not.
bool is_binlog(std::string_view head);

/// Reads one binlog file. Names and signs of columns, labels and character sets are known only as
/// far as the file tells them. LogRequest::from is a position, or FILE:POSITION with the file's own
/// name. Throws what BinlogFile does, and Error(failed, "offset.format").
std::unique_ptr<LogReader> open_binlog_file(const std::string& path, const LogRequest& request);

/// Reads the log of the task's source, which tells more about tables whose definition still fits.
/// Does not disturb the task if it runs.
std::unique_ptr<LogReader> open_binlog(const Task& task, const LogRequest& request);

/// A table as its map in the log describes it, fit for RowDecoder. Labels that the log does not
/// name are called by their number: "#2".
Table table_from_map(const TableMap& map);

/// What the log tells about the bytes of a text column.
LogColumn::Text text_in_log(const MapColumn& column);

}  // namespace weir::mysql
