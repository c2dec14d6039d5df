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

#include "support/mysql_server.h"
#include "support/temp_postgres.h"

namespace weir::test {

/// The schema `shop`: tables with keys of every shape, and writers that change them in
/// transactions of every shape until they are stopped.
///
/// Each transaction that commits adds 1 to shop.plus and takes 1 from shop.minus, so that whoever
/// sees both sums differ has seen half a transaction. TRUNCATE, which is none, leaves them alone.
class ShopLoad {
 public:
  struct Options {
    std::uint64_t seed = 1;
    int writers = 4;
    int items = 20000;  ///< rows of the largest table at the start
    /// The mean wait of a writer between two transactions.
    std::chrono::microseconds pause = std::chrono::milliseconds(8);
  };

  /// Makes the tables and fills them; nobody writes yet. The server must outlive the object, but
  /// may be restarted: the writers come back.
  ShopLoad(const MySqlServer& server, const Options& options);
  ~ShopLoad();
  ShopLoad(const ShopLoad&) = delete;
  ShopLoad& operator=(const ShopLoad&) = delete;

  void start();
  /// Ends the writers. Throws std::runtime_error if one met an error that it should not.
  void stop();

  /// Transactions whose COMMIT the server has confirmed.
  std::uint64_t commits() const { return commits_; }
  std::uint64_t rollbacks() const { return rollbacks_; }

 private:
  void write(std::uint64_t seed);
  bool stopped();
  bool pause(std::mt19937_64& random);

  const MySqlServer& server_;
  Options options_;
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> rollbacks_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = true;
  std::string error_;
  std::vector<std::thread> threads_;
};

/// Adds 1 to shop.mark on the source, and returns what it is then. A target that shows this number
/// has everything that was committed before the call.
std::string set_mark(MySqlSession& source);
/// What shop.mark is on the target; "" if the server does not answer now.
std::string get_mark(const TempPostgres& target);
std::string get_mark(const MySqlServer& target);

/// Every table of the schema as both servers count and digest it, in an order that each of them
/// makes. "" if they agree, else what differs, with rows.
std::string differences(MySqlSession& source, PgSession& target);
std::string differences(MySqlSession& source, MySqlSession& target);

}  // namespace weir::test
