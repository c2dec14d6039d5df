// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "model/task.h"
#include "stage/context.h"
#include "store/state_store.h"

namespace weir {

/// What a lane needs of its own.
struct LaneServers {
  std::function<std::unique_ptr<Source>(const Task&)> open_source;
  std::function<std::unique_ptr<Target>(const Task&)> open_target;
  /// The task's main lane as it is to be run from now on: rules may have been added, and tables may
  /// have left, since the worker began.
  std::function<Task()> read_task;
};

/// Runs the lanes of a task beside its main lane, each in a thread of this worker, and sees to it
/// that they part from it and join it.
///
/// Every step is durable before the next begins, and each of them may be done twice: what the
/// target remembers of a lane decides, then the lane's row in the state file. All calls are for the
/// thread of the main lane, except those of TableFailures, which are for any lane's.
class Lanes final : public TableFailures {
 public:
  /// `task` is the whole task, and `halt` its main lane's. All must outlive it.
  Lanes(const TaskContext& task, Halt& halt, const LaneServers& servers);
  /// Lets every lane finish its batch.
  ~Lanes() override;
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  /// Puts right what a crash left between the target and the state file. Nothing runs yet.
  void recover(const Recovered& main);
  /// The main lane as it is to be run from here on, by the newest revision of the task file. Nobody
  /// applies it: tables that are to leave part from it first, for the rules may make something else
  /// of them by now.
  Task rules();
  /// Tables that the rules do not take any more leave the task, and come back from there once they
  /// do again. Nothing runs yet.
  void reselect(const Recovered& main);
  /// From now on lanes run, and the main lane is halted when one wants to join or to part.
  void run();
  /// Nobody applies the main lane, which is at `offset`: joins the lanes that are near.
  void meet(const Offset& offset);

  bool can_leave_out(const Task& from, const Error& error) const override;
  void leave_out(const Task& from, const Error& error, const Offset& place) override;
  /// The lane that a new table of the rules goes into.
  void add(const std::vector<TableName>& tables);

 private:
  enum class End : std::uint8_t { none, halted, stopped, failed };

  /// One lane that runs.
  struct Lane {
    LaneRow row;
    std::uint32_t revision = 0;  ///< that `task` is made from, or an older one
    Task task;
    std::unique_ptr<Source> source;
    std::unique_ptr<Target> target;
    Meter meter;
    StopRequest stop;
    Halt halt;
    Offset failed_at;
    std::atomic<bool> merged{false};  ///< its copies are part of the tables that they lay beside
    End end = End::none;              ///< under mutex_
    std::thread thread;
  };

  void keep();
  void look();
  void start(LaneRow row);
  /// Has the target forget a lane, with what it has not finished there.
  static void clear(Target& target, const std::string& lane);
  void work(Lane& lane);
  /// Tables that are gone from the source before they were copied stay behind. As failed().
  bool let_go_of_dropped(Lane& lane, const Error& error, std::chrono::seconds& pause);
  /// True if it is to be tried again.
  bool failed(Lane& lane, const Error& error, std::chrono::seconds& pause);
  /// Whether something is left that goes on without one of the lane's tables. The last one takes
  /// the task with it.
  bool has_others(const Task& from) const;
  void suspend(Lane& lane, const Error& error);
  void cancel(const LaneRow& row);
  /// Keeps in the state file where a lane that rests goes on from.
  void keep_offset(const std::string& lane, Target& target);
  /// Has the source keep its log for tables that part from the lane `from`. False if it does not:
  /// then they can only be copied anew.
  bool keep_log(const Task& from, const Task& lane, std::span<const TableName> tables);
  void split(LaneRow row);
  /// These tables of a removed lane, of which the rules take them again.
  void bring_back(LaneRow row, const std::vector<TableName>& tables);
  /// Keeps a lane for tables that part from `from`; returns its number.
  std::uint32_t add_beside(const Task& from, LaneRow row);
  void join_or_suspend(Lane& lane);
  void join(Lane& lane);
  bool is_near(const Lane& lane) const;
  static bool may_join(const Lane& lane);
  /// Forgets a lane whose thread has ended.
  void drop(Lane& lane);

  const StageContext main_;
  const LaneServers& servers_;
  const std::string root_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint32_t, std::unique_ptr<Lane>> lanes_;
  std::atomic<std::uint32_t> revision_{0};  ///< that the main lane is run by, or an older one
  bool meeting_ = false;
  bool over_ = false;
  std::thread keeper_;
};

}  // namespace weir
