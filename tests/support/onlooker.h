// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace weir::test {

/// What one look at a target showed.
struct Sight {
  std::string state;
  std::string wrong;  ///< "" if nothing was
};

/// Looks at a target again and again, in a thread of its own, until it is stopped.
class Onlooker {
 public:
  /// `open` makes a session, and `look` makes a Sight with it. Both run in the other thread; what
  /// they throw ends it.
  template <class Open, class Look>
  Onlooker(Open open, Look look)
      : thread_([this, open = std::move(open), look = std::move(look)] {
          try {
            auto session = open();
            while (!stop_) note(look(session));
          } catch (const std::exception& e) {
            if (error_.empty()) error_ = e.what();
          }
        }) {}
  ~Onlooker() { stop(); }
  Onlooker(const Onlooker&) = delete;
  Onlooker& operator=(const Onlooker&) = delete;

  /// The first thing that was wrong; "" if nothing was.
  std::string stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return error_;
  }
  /// Different states that were seen; valid after stop().
  std::size_t states() const { return states_.size(); }

 private:
  void note(Sight sight) {
    states_.insert(std::move(sight.state));
    if (error_.empty()) error_ = std::move(sight.wrong);
  }

  std::atomic<bool> stop_{false};
  std::string error_;
  std::set<std::string> states_;
  std::thread thread_;
};

/// Looks at two tables in one snapshot: each transaction adds to one what it takes from the other.
template <class Session>
Sight two_sums(Session& session, const std::string& plus, const std::string& minus) {
  const std::string first = "(SELECT SUM(n) FROM " + plus + ")";
  const std::string second = "(SELECT SUM(n) FROM " + minus + ")";
  const auto rows =
      session.query("SELECT " + first + ", " + second + ", " + first + " + " + second);
  const auto& row = rows.at(0);
  if (row.at(2) == "0") return {row.at(0), ""};
  return {row.at(0), "half a transaction: " + row.at(0) + " and " + row.at(1)};
}

}  // namespace weir::test
