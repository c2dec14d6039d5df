// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/mysql.h"
#include "model/change_batch.h"
#include "source/mysql/alter.h"
#include "source/mysql/binlog_event.h"
#include "source/mysql/charset.h"
#include "source/mysql/heartbeat.h"
#include "source/mysql/offset.h"
#include "source/mysql/row_decoder.h"
#include "source/source.h"

namespace weir::mysql {

/// Follows a server's binlog over the replication protocol and hands selected changes on.
class BinlogReader final : public ChangeReader, private BinlogHandler {
 public:
  /// Connects and asks for the log from `from` on. `server_id` is how the server knows us; no other
  /// replica may use it.
  BinlogReader(const Endpoint& endpoint, std::uint32_t server_id, const Offset& from,
               std::span<const TablePlan> plans, const TypeSettings& types);
  ~BinlogReader() override;

  /// Tells the sink of beats from here on.
  void watch(BeatFinder beats) { beats_ = std::move(beats); }

  Wait wait(std::chrono::milliseconds limit) override;
  void poll(ChangeSink& sink) override;
  void wake() override;
  Offset offset() const override;
  /// A server keeps its binlog by age, whoever has read it.
  void confirm(const Offset&) override {}
  bool at_end() const override { return at_end_; }
  std::uint64_t bytes_read() const override { return bytes_read_; }
  Time last_heard() const override { return last_heard_; }

 private:
  struct SelectedTable;
  struct PreparedXa;

  void on_rotate(std::string_view file, std::uint64_t position) override;
  void on_format(const EventHeader& header, std::string_view server_version) override;
  void on_gtid(const EventHeader& header, const GtidEvent& event) override;
  void on_query(const EventHeader& header, const QueryEvent& event) override;
  void on_table_map(const EventHeader& header, const std::shared_ptr<const TableMap>& map) override;
  void on_rows(const EventHeader& header, const RowsEvent& event, const TableMap& map) override;
  void on_xid(const EventHeader& header) override;
  void on_xa_prepare(const EventHeader& header, std::string_view xid, bool one_phase) override;
  void on_heartbeat(const EventHeader& header, std::string_view file,
                    std::uint64_t position) override;
  void on_statement_text(const EventHeader& header, std::string_view sql) override;
  void on_other(const EventHeader& header, std::string_view name) override;

  void request_log(const LogPosition& from);
  [[noreturn]] void explain_server_error(const Error& error) const;
  /// The map as it was announced, and the selected table it is of.
  using KnownMap = std::pair<std::shared_ptr<const TableMap>, SelectedTable*>;
  const KnownMap& known(const TableMap& map) const;
  void deliver(const RowsEvent& event, SelectedTable& table,
               const std::shared_ptr<const TableMap>& map);
  /// Whether the transaction in hand is at or before `place`, which lies between two.
  bool is_at_or_before(const LogPosition& place) const;
  /// Whether it was applied before this reader was opened: it is read again only for the sake of an
  /// XA transaction that was prepared before it.
  bool is_applied();
  /// Whether the transaction in hand is at or before the place that the table was copied at.
  bool came_with_copy(SelectedTable& table);
  void begin_if_needed();
  /// The transaction (or single statement) that the last GTID event announced is over.
  void end_transaction(Time time);
  /// Moves the position past the transaction in hand.
  void pass_gtid();
  void use_map(SelectedTable& table, const std::shared_ptr<const TableMap>& map);
  void deliver_prepared(const PreparedXa& xa);
  /// What statements make of the definitions of selected tables.
  void read_definitions(const EventHeader& header, const QueryEvent& event,
                        std::vector<SchemaChange>& changes);
  /// Statements on the tables that tools for online schema changes make beside a selected one.
  void follow_online(const EventHeader& header, const QueryEvent& event,
                     std::vector<SchemaChange>& changes);
  /// A statement on a shadow becomes a change of the selected table that it is for.
  void follow_shadow(const AlterContext& context, SchemaChange& change);
  /// RENAME TABLE x TO y, shadow TO x becomes the change of x that it comes to.
  void find_cut_over(std::vector<SchemaChange>& changes);
  /// The same in two statements, with no table x in between.
  void find_half_cut_over(std::vector<SchemaChange>& changes);
  AlterContext context_of(const EventHeader& header, const QueryEvent& event) const;
  /// Takes out what is in the target already.
  void drop_applied(std::vector<SchemaChange>& changes);
  void apply_definitions(Time time, std::vector<SchemaChange> changes);
  Time commit_time(const EventHeader& header) const;

  MysqlConnection connection_;
  std::uint32_t server_id_;
  bool is_mariadb_;
  int wake_fd_;
  BinlogDecoder decoder_;
  ChangeSink* sink_ = nullptr;

  std::map<TableName, std::unique_ptr<SelectedTable>> tables_;
  std::unordered_map<std::uint64_t, std::pair<std::shared_ptr<const TableMap>, SelectedTable*>>
      by_id_;
  TypeSettings types_;
  std::vector<Collation> collations_;
  AlterContext alter_context_;  ///< what it says of the server
  Arena arena_;

  LogPosition position_;                ///< after the last transaction end
  std::optional<LogPosition> applied_;  ///< see is_applied(); empty once the log is past it
  std::uint64_t event_end_ = 0;         ///< end of the event in hand, from its outer header
  std::uint64_t gtid_end_ = 0;  ///< end of the transaction's GTID event; 0 if there was none
  Gtid pending_gtid_;
  Time pending_time_{};
  bool standalone_ = false;  ///< MariaDB: the next statement is the whole transaction
  bool in_transaction_ = false;
  bool delivered_ = false;  ///< the sink has seen begin() of this transaction

  bool in_xa_ = false;  ///< the rows that follow wait for XA COMMIT
  std::string xa_id_;
  std::unique_ptr<PreparedXa> collecting_;
  std::vector<std::unique_ptr<PreparedXa>> prepared_;  ///< oldest first

  std::optional<BeatFinder> beats_;
  std::optional<Time> beat_;  ///< in the transaction in hand

  bool at_end_ = false;
  std::uint64_t bytes_read_ = 0;
  Time last_heard_{};
};

}  // namespace weir::mysql
