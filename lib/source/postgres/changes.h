// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "client/pq.h"
#include "model/change.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "source/postgres/offset.h"
#include "source/postgres/pgoutput.h"
#include "source/postgres/relation.h"
#include "source/postgres/slot_stream.h"
#include "source/source.h"

namespace weir::pgsource {

/// Follows a server's WAL through the task's slot and publication, with pgoutput, and hands
/// selected changes on. The slot and the publication must be there.
///
/// A transaction is handed on once it has committed, and is kept until then, in a file if it is
/// large: what it does to definitions must be handed over before its first row.
class PgChangeReader final : public ChangeReader {
 public:
  /// Connects and asks for the changes of commits that end after `from`. `plans` must outlive the
  /// reader. Throws what SlotStream does, what is wrong with the slot, and Error(refused) with
  /// "postgres.publication-missing" or "postgres.publication-table".
  PgChangeReader(const Task& task, Lsn from, std::span<const TablePlan> plans);
  ~PgChangeReader() override;

  Wait wait(std::chrono::milliseconds limit) override;
  void poll(ChangeSink& sink) override;
  void wake() override { stream_->wake(); }
  Offset offset() const override { return {offset_.text(), offset_time_}; }
  bool at_end() const override { return at_end_; }
  /// The server is told within a second, also while wait() and poll() are busy elsewhere.
  void confirm(const Offset& offset) override { stream_->confirm(Lsn::parse(offset.text)); }
  std::uint64_t bytes_read() const override { return bytes_read_; }
  Time last_heard() const override { return last_heard_; }

 private:
  struct SelectedTable;
  struct Relation;
  struct Transaction;

  void ask_catalogue(const Task& task, Lsn from);
  void find_partitions(PgConnection& connection);
  void take(std::string_view message, ChangeSink& sink);
  /// Keeps a message of the transaction in hand.
  void keep(Message kind, std::string_view body, std::uint32_t xid);
  /// The same for what pg_logical_emit_message() wrote, if it is weir's.
  void keep_text(std::string_view body, std::uint32_t xid);
  /// The place of the message in the transaction.
  static std::uint64_t append(Transaction& transaction, Message kind, std::string_view body,
                              std::uint32_t xid);
  void keep_ddl(Transaction& transaction, std::uint64_t place, std::string_view content);
  void abort(const StreamAbortMessage& message);
  void begin_replay(std::unique_ptr<Transaction> transaction, const CommitMessage& commit,
                    ChangeSink& sink);
  /// Finds out what the transaction does to whole tables, which is handed over as if it came before
  /// it.
  void look_ahead(Transaction& transaction);
  /// What weir's event triggers logged in the transaction.
  void read_ddl(Transaction& transaction);
  void compare(Transaction& transaction, const RelationMessage& relation);
  void look_for_fills(Transaction& transaction, const RelationMessage& last);
  void find_truncates(Transaction& transaction);
  void replay(ChangeSink& sink);
  void replay_truncate(std::string_view message, ChangeSink& sink);
  void replay_row(std::span<char> message, ChangeSink& sink);
  void use_relation(RelationMessage message);
  SelectedTable* selected(const RelationMessage& message);
  /// Tables that were gone before the reader began, once the log is read up to there.
  void tell_gone(ChangeSink& sink);
  PgConnection& catalogue();

  const Task& task_;
  const std::string slot_;
  std::unique_ptr<SlotStream> stream_;
  std::map<TableName, std::unique_ptr<SelectedTable>> tables_;
  std::unordered_map<std::uint32_t, SelectedTable*> by_id_;
  std::unordered_map<std::uint32_t, SelectedTable*> partitions_;  ///< with ddl_triggers only
  std::unordered_map<std::uint32_t, Relation> relations_;
  TypeMap types_;
  std::unique_ptr<PgConnection> catalogue_;  ///< while look_ahead() needs it
  RowMessage row_;

  std::unique_ptr<Transaction> open_;  ///< between Begin and Commit
  std::unordered_map<std::uint32_t, std::unique_ptr<Transaction>> streamed_;
  Transaction* block_ = nullptr;  ///< of the streamed block in hand
  std::uint32_t block_xid_ = 0;
  std::unique_ptr<Transaction> replaying_;

  std::vector<TableName> gone_;
  Lsn gone_by_;  ///< where the log was when `gone_` was found out

  Lsn from_;
  Lsn offset_;
  Time offset_time_{};
  bool at_end_ = false;
  std::uint64_t bytes_read_ = 0;
  Time last_heard_{};
};

}  // namespace weir::pgsource
