// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "model/lane.h"
#include "server/pair_end.h"
#include "store/state_store.h"
#include "support/task_run.h"

namespace weir::test {

inline constexpr int kRows = 600;
inline constexpr int kWriters = 2;

/// Writers that change every table they know of, by key; each has its own half of the keys.
class Writers {
 public:
  explicit Writers(const PairSource& source) : source_(source) {
    for (int i = 0; i < kWriters; ++i) threads_.emplace_back([this, i] { write(i); });
  }
  ~Writers() { stop(); }
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  void add(const std::string& table) {
    const std::lock_guard lock(mutex_);
    tables_.push_back(table);
  }
  /// Says what went wrong; "" if nothing did.
  std::string stop() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    return error_;
  }
  int commits() const { return commits_; }

 private:
  bool waited_for_over() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(2), [this] { return over_; });
  }

  void write(int number) {
    try {
      const std::unique_ptr<AnySession> session = source_.session();
      std::mt19937 random(number + 1);
      // As fast as they can, they would starve the task on a small machine.
      while (!waited_for_over()) {
        std::vector<std::string> tables;
        {
          const std::lock_guard lock(mutex_);
          tables = tables_;
        }
        session->sql("BEGIN");
        try {
          for (const std::string& table : tables) change(*session, table, number, random);
        } catch (const std::exception& error) {
          // Two writers may lock the gaps between each other's keys.
          if (std::string(error.what()).find("eadlock") == std::string::npos) throw;
          session->sql("ROLLBACK");
          continue;
        }
        session->sql("COMMIT");
        ++commits_;
      }
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex_);
      error_ = error.what();
    }
  }

  static void change(AnySession& session, const std::string& table, int number,
                     std::mt19937& random) {
    const int id = static_cast<int>(random() % (kRows / kWriters)) * kWriters + number;
    switch (random() % 3) {
      case 0:
        session.sql(fmt::format("UPDATE shop.{} SET n = n + 1 WHERE id = {}", table, id));
        break;
      case 1:
        session.sql(fmt::format("DELETE FROM shop.{} WHERE id = {}", table, id));
        break;
      default:
        session.sql(fmt::format("DELETE FROM shop.{} WHERE id = {}", table, id));
        session.sql(fmt::format("INSERT INTO shop.{} VALUES ({}, {}, 'again')", table, id,
                                random() % 1000));
    }
  }

  const PairSource& source_;
  std::mutex mutex_;
  std::vector<std::string> tables_;
  std::string error_;
  std::condition_variable changed_;
  bool over_ = false;
  std::atomic<int> commits_{0};
  std::vector<std::thread> threads_;
};

/// A task over a pair, its writers, and what becomes of its tables.
class Ground {
 public:
  Ground(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target,
         const std::string& rules = "", const std::string& first = "")
      : source_(std::move(source)),
        target_(std::move(target)),
        here_(source_->session()),
        task_(source_->section("source"), target_->section("target"),
              {.rest = rules + "[[table]]\nmatch = \"shop.*\"\n[full]\nchunk_rows = 100\n"
                               "rate_limit = \"3000 rows/s\"\n[failover]\nlimit = 1000\n"}) {
    here_->sql(source_->preparation());
    if (!first.empty()) here_->sql(first);
    make("item");
    make("mark");
    load_ = std::make_unique<Writers>(*source_);
    load_->add("item");
    const TaskRun::Result started = task_.start("caught-up");
    INFO(started.text());
    REQUIRE(started.code == 0);
  }

  TaskRun& task() { return task_; }
  AnySession& here() { return *here_; }
  std::unique_ptr<AnySession> there() const { return target_->session(); }
  std::string there(const std::string& table) const { return target_->table(table); }
  Writers& load() { return *load_; }

  void make(const std::string& table) {
    tables_.push_back(table);
    here_->sql(
        fmt::format("CREATE TABLE shop.{} (id INT PRIMARY KEY, n INT, w VARCHAR(20))", table));
    for (int from = 0; from < kRows; from += 300) {
      std::string sql = "INSERT INTO shop." + table + " VALUES ";
      for (int i = from; i < from + 300; ++i)
        sql += fmt::format("{}({}, 0, 'w')", i == from ? "" : ", ", i);
      here_->sql(sql);
    }
  }

  std::vector<weir::LaneRow> lanes() const {
    return weir::open_state(task_.state_dir(), true)->lanes(task_.name());
  }
  std::uint32_t plan(weir::LaneRow row) const {
    row.task = task_.name();
    return weir::open_state(task_.state_dir(), false)->add_lane(row);
  }
  void put(const weir::LaneRow& row) const {
    weir::open_state(task_.state_dir(), false)->put_lane(row);
  }
  void await_lanes(std::size_t count) {
    REQUIRE(task_.await([&] { return lanes().size() == count; }));
  }
  weir::LaneRow await_state(weir::LaneRow::State state) {
    weir::LaneRow found;
    REQUIRE(task_.await([&] {
      for (const weir::LaneRow& row : lanes()) {
        if (row.state == state) found = row;
      }
      return found.number > 0;
    }));
    return found;
  }
  void kill() {
    const pid_t killed = task_.kill_worker();
    REQUIRE(task_.await([&] {
      const pid_t worker = task_.worker();
      return worker > 0 && worker != killed;
    }));
  }

  /// Everything that the source has by now is on the target.
  void await_mark() {
    here_->sql("UPDATE shop.mark SET n = n + 1 WHERE id = 1");
    const std::string mark = here_->value("SELECT n FROM shop.mark WHERE id = 1");
    const std::string sql = "SELECT n FROM " + there("mark") + " WHERE id = 1";
    REQUIRE(task_.await([&] { return there()->value(sql) == mark; }));
  }
  void check_same(const std::vector<std::string>& but = {}) {
    CHECK(load_->stop() == "");
    await_mark();
    for (const std::string& table : tables_) {
      if (std::find(but.begin(), but.end(), table) != but.end()) continue;
      INFO(table);
      const std::string columns = "SELECT id, n, w FROM ";
      CHECK(here_->query(columns + "shop." + table + " ORDER BY id") ==
            there()->query(columns + there(table) + " ORDER BY id"));
    }
  }

 private:
  std::unique_ptr<PairSource> source_;
  std::unique_ptr<PairEnd> target_;
  std::unique_ptr<AnySession> here_;
  std::vector<std::string> tables_;
  TaskRun task_;
  std::unique_ptr<Writers> load_;
};

}  // namespace weir::test
