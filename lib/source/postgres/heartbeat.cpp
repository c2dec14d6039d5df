// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/heartbeat.h"

#include <chrono>

#include <fmt/format.h>

#include "base/error.h"
#include "source/postgres/offset.h"

namespace weir::pgsource {
namespace {

constexpr std::string_view kBeatPrefix = "weir.heartbeat";

/// A beat is worth no wait: who waits for it is the end of a worker.
constexpr std::chrono::seconds kPatience{8};

}  // namespace

std::string beat_content(std::string_view slot, Time written) {
  return fmt::format("{} {}", slot, to_rfc3339(written, true));
}

std::optional<Time> read_beat(const TextMessage& message, std::string_view slot) {
  if (!message.transactional || message.prefix != kBeatPrefix) return {};
  const std::size_t space = message.content.find(' ');
  if (message.content.substr(0, space) != slot || space == std::string_view::npos) return {};
  try {
    return parse_rfc3339(message.content.substr(space + 1));
  } catch (const Error&) {
    return {};  // somebody else's hand: it tells nothing about the task
  }
}

PgHeartbeat::PgHeartbeat(const Task& task) : source_(task.source), slot_(root_slot(task)) {}

void PgHeartbeat::beat(Time written) {
  try {
    if (!connection_) {
      connection_.emplace(source_, PgConnection::Role::source);
      // No beat is worth the wait for a standby, and nothing is lost with one.
      connection_->execute_within("SET synchronous_commit = local", kPatience);
    }
    connection_->execute_within(
        fmt::format("SELECT pg_catalog.pg_logical_emit_message(true, {}, {})",
                    connection_->quote(kBeatPrefix),
                    connection_->quote(beat_content(slot_, written))),
        kPatience);
  } catch (const Error&) {
    connection_.reset();
    throw;
  }
}

std::optional<BeatProblem> beat_problem(PgConnection& connection) {
  // From PostgreSQL 17 on the function has one more argument.
  const PgResult row = connection.query(
      "SELECT p.oid::regprocedure, quote_ident(current_user) FROM pg_proc p WHERE p.proname = "
      "'pg_logical_emit_message' AND p.pronamespace = 'pg_catalog'::regnamespace AND "
      "p.proargtypes[2] = 'text'::regtype AND NOT has_function_privilege(p.oid, 'EXECUTE')");
  if (row.rows() == 0) return {};
  return BeatProblem{
      fmt::format("the role {} lacks EXECUTE on {}", row.text(0, 1), row.text(0, 0)),
      fmt::format("GRANT EXECUTE ON FUNCTION {} TO {}", row.text(0, 0), row.text(0, 1))};
}

}  // namespace weir::pgsource
