// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "client/pq.h"
#include "source/postgres/offset.h"

namespace weir::pgsource {

/// How long a start waits for transactions that were there before it.
constexpr std::chrono::minutes kStartPatience{5};

/// Which of the transactions that run now are waited for.
enum class WaitFor : std::uint8_t {
  /// Those that may have a commit in the WAL already. One that is seen at something that no commit
  /// does (waiting for its client, for a lock, for a table's page) has none yet.
  committing,
  all,
};

/// Returns once the transactions that run now, as `which` says, have ended and are visible to every
/// read that begins later. Throws Error(failed, "postgres.start-wait") after `limit`, naming one.
void wait_for_transactions(PgConnection& connection, WaitFor which,
                           std::chrono::milliseconds limit);

/// A place P such that every transaction whose commit is in the WAL before P is visible to every
/// read that begins after this returns.
///
/// A commit is in the WAL before others see its rows, and stays so for as long as a synchronous
/// standby takes to answer. So the place is taken first, from what is on disk (else a crash could
/// take it back and the WAL go on differently at the same place), and then whoever holds a
/// transaction number is waited for: the server gives up the lock on the number only after the
/// transaction is visible.
Lsn take_start_position(PgConnection& connection, std::chrono::milliseconds limit);

/// A place at or after the commit of everything that a read up to now can have seen, and which the
/// log will reach even if nobody writes any more.
Lsn take_log_end(PgConnection& connection);

/// What a start has to wait for, described for people, and the statement that ends it.
struct Obstacle {
  std::string shown;
  std::string end;
};

/// The transactions that a new slot would have to wait for, and which have run for longer than
/// `age`.
std::vector<Obstacle> old_transactions(PgConnection& connection, std::chrono::seconds age);

/// All of them in one line.
std::string shown(const std::vector<Obstacle>& obstacles);
std::string end_statements(const std::vector<Obstacle>& obstacles);

}  // namespace weir::pgsource
