// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/temp_postgres.h"

namespace weir::test {

/// The schema `shop` in the database `dw` of a PostgreSQL: tables with keys and replica identities
/// of every shape, a partitioned one, large values, and writers that change them in transactions of
/// every shape until they are stopped.
///
/// Each transaction that commits adds 1 to shop.plus and takes 1 from shop.minus, so that whoever
/// sees both sums differ has seen half a transaction.
class PgLoad {
 public:
  struct Options {
    std::uint64_t seed = 1;
    int writers = 4;
    int items = 10000;  ///< rows of the largest table at the start
    /// The mean wait of a writer between two transactions.
    std::chrono::microseconds pause = std::chrono::milliseconds(8);
  };

  /// Makes the tables and fills them; nobody writes yet. Gives the role weir REPLICATION. The
  /// server must outlive the object, but may be restarted: the writers come back.
  PgLoad(TempPostgres& server, const Options& options);
  ~PgLoad();
  PgLoad(const PgLoad&) = delete;
  PgLoad& operator=(const PgLoad&) = delete;

  void start();
  /// Ends the writers. Throws std::runtime_error if one met an error that it should not.
  void stop();

  /// Transactions whose COMMIT the server has confirmed.
  std::uint64_t commits() const { return commits_; }

 private:
  void write(std::uint64_t seed);
  bool pause(std::mt19937_64& random);

  const TempPostgres& server_;
  Options options_;
  std::atomic<std::uint64_t> commits_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = true;
  std::string error_;
  std::vector<std::thread> threads_;
};

/// Adds 1 to shop.mark on the source, and returns what it is then. A target that shows this number
/// has everything that was committed before the call.
std::string set_pg_mark(const TempPostgres& source);
/// What shop.mark is on the target; "" if the server does not answer now.
std::string get_pg_mark(const TempPostgres& target);

/// Every table of the schema as both servers count and digest it. "" if they agree, else what
/// differs, with rows.
std::string pg_differences(const TempPostgres& source, const TempPostgres& target,
                           const std::string& schema = "shop");

}  // namespace weir::test
