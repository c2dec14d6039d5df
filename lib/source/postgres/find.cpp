// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/find.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "base/time.h"
#include "source/postgres/offset.h"
#include "source/postgres/slot.h"
#include "source/postgres/start.h"

namespace weir::pgsource {
namespace {

Error not_in_log(const std::string& place, std::string why, std::string fix) {
  return Error(ExitCode::refused, "offset.not-in-log",
               fmt::format("the source's log has no place {}", place), std::move(why),
               std::move(fix));
}

Lsn log_end(PgConnection& connection) {
  return Lsn::parse(connection.scalar("SELECT pg_current_wal_flush_lsn()").value_or("0/0"));
}

FoundOffset check_place(PgConnection& connection, const std::optional<Slot>& slot,
                        const std::string& name, const std::string& asked, Lsn lsn) {
  const Lsn end = log_end(connection);
  if (lsn > end) {
    throw not_in_log(asked,
                     fmt::format("it ends at {}; a place beyond it is one of another server, or of "
                                 "this one before it was restored from a backup",
                                 end.text()),
                     "give a place of this source: weir offset history TASK shows those of the "
                     "task");
  }
  if (slot && slot->confirmed && lsn < *slot->confirmed) {
    throw Error(ExitCode::refused, "offset.slot-passed",
                fmt::format("the replication slot {} has left {} behind", name, lsn.text()),
                fmt::format("a slot does not go back: the server sends what follows {}",
                            slot->confirmed->text()),
                fmt::format("the first place that it can give is --to lsn:{}; what was before has "
                            "to be copied anew",
                            slot->confirmed->text()));
  }
  return {{lsn.text(), {}}, "", false};
}

/// The place of the newest sample at or before `time`.
FoundOffset find_time(PgConnection& connection, const std::optional<Slot>& slot,
                      const std::string& name, const OffsetRequest& request) {
  const std::string asked = "time:" + to_rfc3339(request.time);
  const OffsetSample* best = nullptr;
  for (const OffsetSample& sample : request.samples) {
    if (sample.offset.empty() && !sample.end.file.empty()) continue;
    if (sample.at <= request.time && (best == nullptr || sample.at >= best->at)) best = &sample;
  }
  if (best == nullptr) {
    throw not_in_log(asked,
                     request.samples.empty()
                         ? "a PostgreSQL log is not searched by time, and weir saw none of it yet"
                         : fmt::format("a PostgreSQL log is not searched by time, and weir saw it "
                                       "first at {}",
                                       to_rfc3339(request.samples.front().at)),
                     "weir offset history TASK shows the places that weir knows; while a task is "
                     "stopped, check-retention adds some");
  }
  const Lsn lsn = best->offset.empty() ? Lsn{best->end.position} : Lsn::parse(best->offset.text);
  FoundOffset out = check_place(connection, slot, name, asked, lsn);
  out.offset.source_time = best->offset.empty() ? best->at : best->offset.source_time;
  out.note = fmt::format(
      "the place was seen at {} by this machine's clock, {} before the time that was asked for",
      to_rfc3339(best->at), format_duration(request.time - best->at));
  return out;
}

}  // namespace

FoundOffset find_place(PgConnection& connection, const Task& task, const OffsetRequest& request) {
  const std::string name = slot_name(task);
  const std::optional<Slot> slot = read_slot(connection, name);
  switch (request.kind) {
    case OffsetRequest::Kind::now: {
      FoundOffset out{{log_end(connection).text(), now()}, "", false};
      if (slot && slot->usable()) return out;
      out.renews = true;
      out.note = fmt::format(
          "{}; a new one is made, and the place is the one at which it begins",
          slot ? fmt::format("the source has let go of the log of the slot {}, which is dropped",
                             name)
               : fmt::format("the slot {} is gone", name));
      return out;
    }
    case OffsetRequest::Kind::lsn:
      return check_place(connection, slot, name, "lsn:" + request.text, Lsn::parse(request.text));
    case OffsetRequest::Kind::time:
      if (request.time > now()) {
        throw not_in_log("time:" + to_rfc3339(request.time), "that time is still to come",
                         "give a time that has been, or --to now");
      }
      return find_time(connection, slot, name, request);
    case OffsetRequest::Kind::gtid:
    case OffsetRequest::Kind::file:
      break;
  }
  throw Error(ExitCode::unsupported, "offset.kind",
              "a PostgreSQL source has neither GTIDs nor positions in files",
              "its places are lsn:16/B374D848, time:TIME and now",
              "see pg_replication_slots on the source, or weir offset history TASK");
}

Offset claim_place(PgConnection& connection, const Task& task, const FoundOffset& found) {
  if (!found.renews) return found.offset;
  const std::string name = slot_name(task);
  if (const auto slot = read_slot(connection, name)) {
    if (slot->usable()) {
      throw Error(ExitCode::state_conflict, "offset.moved",
                  fmt::format("the replication slot {} can be read after all", name),
                  "somebody made a new one meanwhile", "nothing was changed; plan anew");
    }
    connection.query("SELECT pg_drop_replication_slot($1)", {name});
  }
  create_slot(connection, name, kStartPatience);
  const auto slot = read_slot(connection, name);
  const Lsn end = log_end(connection);
  const Lsn begin = slot && slot->confirmed ? std::max(*slot->confirmed, end) : end;
  return {begin.text(), now()};
}

std::string let_go_before(PgConnection& connection, const Task& task, const Offset& offset) {
  const std::string name = slot_name(task);
  const std::optional<Slot> slot = read_left_slot(connection, name);
  if (!slot || !slot->confirmed || *slot->confirmed >= Lsn::parse(offset.text)) return "";
  try {
    connection.query("SELECT pg_replication_slot_advance($1, $2::pg_lsn)", {name, offset.text});
  } catch (const Error& error) {
    if (error.code() == ExitCode::source_unreachable) throw;
    return fmt::format(
        "the slot {} keeps its log until the task starts: it could not be moved on ({})", name,
        error.why());
  }
  return "";
}

}  // namespace weir::pgsource
