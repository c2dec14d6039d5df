// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/log_view.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "client/pq.h"
#include "source/postgres/ddl_trigger.h"
#include "source/postgres/offset.h"
#include "source/postgres/pgoutput.h"
#include "source/postgres/relation.h"
#include "source/postgres/slot.h"
#include "source/postgres/value.h"

namespace weir::pgsource {
namespace {

using Kind = LogEntry::Kind;

/// Turns hexadecimal digits into bytes, in place.
std::span<char> unhex(char* text, std::size_t size) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    text[i / 2] = static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  }
  return {text, size / 2};
}

class SlotLog final : public LogReader {
 public:
  SlotLog(const Task& task, const LogRequest& request)
      : task_(task),
        from_(Lsn::parse(request.from)),
        values_(request.values),
        connection_(task.source, PgConnection::Role::source) {
    if (request.follow) {
      throw Error(ExitCode::unsupported, "postgres.log-follow",
                  "the log of a PostgreSQL source cannot be followed",
                  "looking at a slot begins at its own place each time, so the server would decode "
                  "the same log over and over",
                  "run it without --follow, and again with --from and the last offset it showed");
    }
    check_slot();
    copy_.emplace(connection_.copy_out(
        fmt::format("COPY (SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes({}, "
                    "pg_current_wal_flush_lsn(), NULL, 'proto_version', '1', 'messages', 'true', "
                    "'publication_names', {})) TO "
                    "STDOUT",
                    connection_.quote(slot_name(task)),
                    connection_.quote(pg_identifier(publication_name(task))))));
  }

  Read read(LogSink& sink) override {
    if (!copy_->next()) return Read::end;
    const std::span<char> message = unhex(copy_->data(), copy_->size());
    switch (message_kind({message.data(), message.size()})) {
      case Message::begin:
        begin(read_begin({message.data(), message.size()}), sink);
        break;
      case Message::commit:
        if (wanted_) end(Kind::commit, sink);
        break;
      case Message::relation:
        announce(read_relation({message.data(), message.size()}));
        break;
      case Message::insert:
      case Message::update:
      case Message::remove:
        if (wanted_) row(message, sink);
        break;
      case Message::truncate:
        if (wanted_) truncate(read_truncate({message.data(), message.size()}), sink);
        break;
      case Message::text:
        if (wanted_) definition(read_text({message.data(), message.size()}), sink);
        break;
      default:
        break;
    }
    return Read::event;
  }

  /// There is nothing to wait for: what the slot held when it was looked at is all.
  bool wait(std::chrono::milliseconds) override { return false; }

 private:
  struct Relation {
    RelationMessage message;
    std::vector<LogColumn> columns;
    std::vector<TextFix> fixes;
  };

  void check_slot() {
    const std::string name = slot_name(task_);
    const auto slot = read_slot(connection_, name);
    if (!slot) {
      throw Error(ExitCode::refused, "postgres.slot-missing",
                  fmt::format("the source has no replication slot {}", name),
                  "a PostgreSQL server shows its log through a slot only",
                  "start the task once, which makes the slot, or correct source.slot");
    }
    if (slot->active) {
      throw Error(
          ExitCode::refused, "postgres.slot-busy",
          fmt::format("somebody reads from the slot {} now", name),
          slot->held_by_weir ? "a slot serves one reader at a time, and the task runs"
                             : fmt::format("a slot serves one reader at a time: {}", slot->holder),
          fmt::format("`weir sync stop {}`, look, and start it again: the slot keeps the log "
                      "meanwhile",
                      task_.name));
    }
  }

  LogEntry entry(Kind kind) const {
    LogEntry out;
    out.kind = kind;
    out.offset = offset_;
    out.time = time_;
    out.transaction = transaction_;
    return out;
  }

  void begin(const BeginMessage& message, LogSink& sink) {
    wanted_ = message.commit >= from_;
    offset_ = message.commit.text();
    time_ = message.time;
    transaction_ = std::to_string(message.xid);
    if (wanted_) end(Kind::begin, sink);
  }

  void end(Kind kind, LogSink& sink) const { sink.entry(entry(kind)); }

  void announce(RelationMessage message) {
    Relation& relation = relations_[message.id];
    relation = {};
    // The rows of the command are still under way on the first connection.
    if (!has_types(message, types_)) {
      PgConnection catalogue(task_.source, PgConnection::Role::source);
      read_types(catalogue, message, types_);
    }
    for (const RelationColumn& column : message.columns) {
      const auto type = types_.find({column.type, column.modifier});
      const bool known = type != types_.end();
      relation.columns.push_back(
          {column.name, known ? type->second.kind : TypeKind::other, LogColumn::Text::utf8});
      relation.fixes.push_back(known ? text_fix(type->second) : nullptr);
    }
    relation.message = std::move(message);
  }

  const Relation& relation(std::uint32_t id) const {
    const auto found = relations_.find(id);
    if (found != relations_.end()) return found->second;
    throw Error(ExitCode::failed, "postgres.unknown-relation",
                fmt::format("a row came of a table that was not announced, at {}", offset_),
                fmt::format("its id is {}", id), "report it with the version of the server");
  }

  void row(std::span<char> message, LogSink& sink) {
    read_row(message, row_);
    const Relation& table = relation(row_.relation);
    if (!sink.wants({table.message.schema, table.message.table})) return;
    LogEntry out = entry(row_.op == RowChange::Op::insert   ? Kind::insert
                         : row_.op == RowChange::Op::update ? Kind::update
                                                            : Kind::remove);
    out.schema = table.message.schema;
    out.table = table.message.table;
    before_.clear();
    after_.clear();
    if (values_) {
      if (row_.before != RowMessage::Before::nothing) turn(table, row_.old_cells, before_);
      if (row_.op != RowChange::Op::remove) turn(table, row_.new_cells, after_);
      for (std::size_t i = 0; row_.before == RowMessage::Before::key && i < before_.size(); ++i) {
        if (!table.message.columns[i].identity) before_[i] = Cell::absent();
      }
      out.columns = table.columns;
      out.before = before_;
      out.after = after_;
    }
    sink.entry(out);
  }

  void turn(const Relation& table, const std::vector<TupleCell>& from, std::vector<Cell>& to) {
    if (from.size() != table.columns.size()) {
      throw Error(ExitCode::failed, "postgres.row-unfit",
                  fmt::format("a row of {}.{} at {} has another number of columns than its table",
                              table.message.schema, table.message.table, offset_),
                  fmt::format("{} and {}", from.size(), table.columns.size()),
                  "report it with the version of the server");
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
      const TupleCell& cell = from[i];
      const TextFix fix = table.fixes[i];
      to.push_back(cell.kind == TupleCell::Kind::null        ? Cell::null()
                   : cell.kind == TupleCell::Kind::unchanged ? Cell::absent()
                   : fix == nullptr                          ? Cell(cell.text, cell.size)
                                                             : fix(cell.text, cell.size));
    }
  }

  /// What weir's event triggers logged; messages of others are none of ours.
  void definition(const TextMessage& message, LogSink& sink) const {
    if (!message.transactional || message.prefix != kDdlPrefix) return;
    const DdlMessage ddl = read_ddl_message(message.content);
    if (ddl.kind == DdlMessage::Kind::drop_column) return;  // a definition without it follows
    LogEntry out = entry(Kind::statement);
    out.schema = ddl.schema;
    out.table = ddl.name;
    out.text = ddl.sql;
    sink.entry(out);
  }

  void truncate(const TruncateMessage& message, LogSink& sink) {
    for (const std::uint32_t id : message.relations) {
      const Relation& table = relation(id);
      const std::string text =
          fmt::format("TRUNCATE {}.{}{}", table.message.schema, table.message.table,
                      message.restart_identity ? " RESTART IDENTITY" : "");
      LogEntry out = entry(Kind::statement);
      out.schema = table.message.schema;
      out.table = table.message.table;
      out.text = text;
      sink.entry(out);
    }
  }

  const Task task_;
  Lsn from_;
  bool values_;
  PgConnection connection_;
  std::optional<PgCopyOut> copy_;
  TypeMap types_;
  std::unordered_map<std::uint32_t, Relation> relations_;
  RowMessage row_;
  std::vector<Cell> before_;
  std::vector<Cell> after_;
  bool wanted_ = false;  ///< the transaction in hand is after `from_`
  std::string offset_;
  std::string transaction_;
  Time time_{};
};

}  // namespace

std::unique_ptr<LogReader> open_slot_log(const Task& task, const LogRequest& request) {
  return std::make_unique<SlotLog>(task, request);
}

}  // namespace weir::pgsource
