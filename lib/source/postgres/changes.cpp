// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/changes.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "mapping/ddl.h"
#include "model/finding.h"
#include "source/postgres/catalog.h"
#include "source/postgres/ddl_trigger.h"
#include "source/postgres/heartbeat.h"
#include "source/postgres/slot.h"
#include "source/postgres/start.h"
#include "source/postgres/transaction_buffer.h"
#include "source/postgres/value.h"

namespace weir::pgsource {
namespace {

constexpr std::uint32_t kNoPlace = 0xffffffff;

/// An ordinary transaction never sees a file; of streamed ones there may be many at a time.
constexpr std::size_t kBufferMemory = std::size_t{8} << 20;
constexpr std::size_t kStreamedMemory = std::size_t{256} << 10;
/// So much of a transaction is handed over at a time, so that somebody who stops the task does not
/// wait for all of it.
constexpr std::size_t kReplayBytes = std::size_t{1} << 20;

std::uint32_t id_of(std::string_view text) {
  std::uint32_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

/// A column that is there although one of its name was dropped in the transaction; "" if none is.
std::string made_again(std::span<const CatalogueColumn> columns) {
  for (const CatalogueColumn& gone : columns) {
    const auto is_again = [&](const CatalogueColumn& column) {
      return !column.dropped && column.name == gone.name;
    };
    if (gone.dropped_now && std::any_of(columns.begin(), columns.end(), is_again)) return gone.name;
  }
  return "";
}

TableName name_of(const RelationMessage& message) { return {message.schema, message.table}; }

}  // namespace

/// A selected table: the plan, and how its rows are turned into cells.
struct PgChangeReader::SelectedTable {
  const TablePlan* plan = nullptr;
  std::vector<bool> wanted;
  std::vector<TextFix> fixes;
  std::vector<std::uint32_t> key;  ///< places in Table::columns of what tells rows apart
  std::vector<Cell> before;
  std::vector<Cell> after;
  std::uint32_t relation = 0;  ///< its id as far as it is known
  Lsn since;                   ///< what commits up to here came with the copy
};

/// A table as the rows that come now have it.
struct PgChangeReader::Relation {
  /// A column that came later in the same transaction.
  struct Missing {
    std::uint32_t place = 0;
    Cell fill;            ///< what rows hold that were there before it
    std::string problem;  ///< why that cannot be told; "" if it can
  };
  RelationMessage message;
  SelectedTable* table = nullptr;     ///< null if nobody wants its changes
  std::vector<std::uint32_t> places;  ///< of its columns in Table::columns, or kNoPlace
  std::vector<Missing> missing;
  std::string unfit;        ///< why its rows do not fit the plan; "" if they do
  bool identifies = false;  ///< the replica identity holds the key
};

/// A transaction that has not been handed over.
struct PgChangeReader::Transaction {
  explicit Transaction(std::size_t memory) : buffer(memory) {}

  TransactionBuffer buffer;
  /// Definitions and truncations, which must be known before its first row is handed over.
  std::vector<std::pair<std::uint64_t, RelationMessage>> relations;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> truncates;
  std::vector<std::pair<std::uint64_t, DdlMessage>> ddl;
  /// Where the first change of each subtransaction is, by id. Ids grow with time, and a
  /// subtransaction's own ones are greater than its own.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> subtransactions;
  /// What is to be handed over before it, the next one last.
  std::vector<SchemaChange> pending;
  /// By table: the columns of the catalogue, where rows came before a change of definition.
  std::unordered_map<std::uint32_t, std::vector<CatalogueColumn>> columns;
  /// Where a table is emptied for the last time: earlier rows of it are gone.
  std::unordered_map<std::uint32_t, std::uint64_t> emptied;
  /// That is handed over at its place.
  bool empties_inside = false;
  std::uint64_t rows = 0;  ///< at most so many
  std::uint32_t xid = 0;
  bool is_old = false;  ///< what it did is at or before the place that the task began from
  bool begun = false;   ///< the sink has seen begin()
  Time beat{};          ///< when the task's own beat in it was written; epoch if there is none
  CommitMessage commit;
};

PgChangeReader::PgChangeReader(const Task& task, Lsn from, std::span<const TablePlan> plans)
    : task_(task), slot_(root_slot(task)), from_(from), offset_(from), last_heard_(now()) {
  for (const TablePlan& plan : plans) {
    auto table = std::make_unique<SelectedTable>();
    const std::vector<Column>& columns = plan.source.columns;
    table->plan = &plan;
    table->wanted.assign(columns.size(), false);
    table->before.resize(columns.size());
    table->after.resize(columns.size());
    for (const Column& column : columns) table->fixes.push_back(text_fix(column.type));
    for (const PlannedColumn& column : plan.columns) {
      if (!column.added()) table->wanted[column.source] = true;
    }
    for (const std::uint32_t part : plan.key) table->key.push_back(plan.columns[part].source);
    if (!plan.since.empty()) table->since = Lsn::parse(plan.since.text);
    // Of a table that is gone nothing can come; another one of its name is none of ours.
    if (!plan.source.gone) tables_.emplace(plan.source.name, std::move(table));
  }
  ask_catalogue(task, from);
  stream_ = std::make_unique<SlotStream>(task, from);
}

PgChangeReader::~PgChangeReader() = default;

void PgChangeReader::ask_catalogue(const Task& task, Lsn from) {
  PgConnection connection(task.source, PgConnection::Role::source);
  const std::string slot = slot_name(task);
  if (const auto gap =
          slot_gap(read_slot(connection, slot), slot, task.source.database, {from.text(), {}})) {
    throw refusal(*gap);
  }
  const std::string name = publication_name(task);
  const auto publication = read_publication(connection, name);
  if (!publication) {
    throw Error(ExitCode::refused, "postgres.publication-missing",
                fmt::format("the source has no publication {}", name),
                "the server sends the changes of published tables only, and has sent none since it "
                "was dropped",
                "start the task anew with empty target tables, or correct source.publication");
  }
  if (task.source.ddl_triggers) ensure_ddl_triggers(connection);
  const PgResult ids = connection.query(
      "SELECT n.nspname, c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'");
  for (std::size_t i = 0; i < ids.rows(); ++i) {
    const auto found = tables_.find({std::string(ids.text(i, 0)), std::string(ids.text(i, 1))});
    if (found == tables_.end()) continue;
    found->second->relation = id_of(ids.text(i, 2));
    by_id_[found->second->relation] = found->second.get();
  }
  if (task.source.ddl_triggers) find_partitions(connection);
  for (const auto& [table, selected] : tables_) {
    // One that was dropped or renamed meanwhile has its last changes in the log all the same.
    if (selected->relation == 0) gone_.push_back(table);
    if (selected->relation == 0 || publication->tables.contains(table)) continue;
    throw Error(ExitCode::refused, "postgres.publication-table",
                fmt::format("{} is not in the publication {}", table.text(), name),
                "the server has not sent its changes since it was taken out; a partitioned table "
                "is in only with publish_via_partition_root",
                fmt::format("ALTER PUBLICATION {} ADD TABLE {}, and start the task anew if the "
                            "table was changed while it was out",
                            pg_identifier(name), qualified(table)));
  }
  if (!gone_.empty()) gone_by_ = take_log_end(connection);
}

void PgChangeReader::find_partitions(PgConnection& connection) {
  const PgResult rows = connection.query(
      "SELECT c.oid, t.relid::oid FROM pg_class c, pg_partition_tree(c.oid) t WHERE c.relkind = "
      "'p' AND NOT c.relispartition AND t.relid <> c.oid");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto root = by_id_.find(id_of(rows.text(i, 0)));
    if (root != by_id_.end()) partitions_[id_of(rows.text(i, 1))] = root->second;
  }
}

ChangeReader::Wait PgChangeReader::wait(std::chrono::milliseconds limit) {
  return replaying_ != nullptr ? Wait::ready : stream_->wait(limit);
}

void PgChangeReader::poll(ChangeSink& sink) {
  if (replaying_ != nullptr) return replay(sink);
  if (!gone_.empty() && offset_ >= gone_by_ && open_ == nullptr && block_ == nullptr) {
    return tell_gone(sink);
  }
  const PgMessage message = stream_->take();
  if (message.empty()) return;
  bytes_read_ += message.bytes().size();
  last_heard_ = now();
  const StreamFrame frame = read_frame(message.bytes());
  at_end_ = frame.kind == StreamFrame::Kind::keepalive;
  if (frame.kind == StreamFrame::Kind::data) return take(frame.data, sink);
  stream_->received(frame.end);
  if (frame.wants_reply) stream_->answer();
  // A transaction that is streamed and has yet to commit will be sent again from here.
  if (open_ == nullptr && block_ == nullptr) offset_ = std::max(offset_, frame.end);
}

void PgChangeReader::tell_gone(ChangeSink& sink) {
  SchemaChange change;
  change.kind = SchemaChange::Kind::drop_table;
  change.table = std::move(gone_.back());
  gone_.pop_back();
  change.sql = fmt::format("DROP TABLE {}", change.table.text());
  change.unreadable = "the catalogue no longer has it; it may have got another name";
  change.time = now();
  sink.schema(change);
  sink.commit(change.time);
}

void PgChangeReader::take(std::string_view message, ChangeSink& sink) {
  const Message kind = message_kind(message);
  const auto expect = [&](bool right) {
    if (right) return;
    throw Error(ExitCode::failed, "postgres.message-order",
                fmt::format("a message '{}' came out of order after offset {}",
                            static_cast<char>(kind), offset_.text()),
                "transactions begin and end in another way than the protocol says",
                "report it with the version of the server; the task cannot pass this place");
  };
  const bool in_transaction = open_ != nullptr || block_ != nullptr;
  switch (kind) {
    case Message::begin: {
      expect(!in_transaction);
      const BeginMessage begin = read_begin(message);
      open_ = std::make_unique<Transaction>(kBufferMemory);
      open_->is_old = begin.commit < from_;
      return;
    }
    case Message::commit:
      expect(open_ != nullptr);
      return begin_replay(std::exchange(open_, nullptr), read_commit(message), sink);
    case Message::stream_start: {
      expect(!in_transaction);
      block_xid_ = read_stream_start(message);
      std::unique_ptr<Transaction>& transaction = streamed_[block_xid_];
      if (transaction == nullptr) transaction = std::make_unique<Transaction>(kStreamedMemory);
      block_ = transaction.get();
      block_->xid = block_xid_;
      return;
    }
    case Message::stream_stop:
      expect(block_ != nullptr);
      block_ = nullptr;
      return;
    case Message::stream_abort:
      expect(!in_transaction);
      return abort(read_stream_abort(message));
    case Message::stream_commit: {
      expect(!in_transaction);
      const auto [xid, commit] = read_stream_commit(message);
      auto transaction = streamed_.extract(xid);
      expect(!transaction.empty());
      transaction.mapped()->is_old = commit.begin < from_;
      return begin_replay(std::move(transaction.mapped()), commit, sink);
    }
    case Message::relation:
    case Message::insert:
    case Message::update:
    case Message::remove:
    case Message::truncate: {
      expect(in_transaction);
      if (block_ == nullptr) return keep(kind, message.substr(1), 0);
      const std::uint32_t xid = streamed_xid(message);
      return keep(kind, message.substr(1 + kStreamedXidSize), xid);
    }
    case Message::text: {
      if (!in_transaction) return;  // somebody else's
      if (block_ == nullptr) return keep_text(message.substr(1), 0);
      const std::uint32_t xid = streamed_xid(message);
      return keep_text(message.substr(1 + kStreamedXidSize), xid);
    }
    case Message::origin:
    case Message::type:
      return;
  }
}

std::uint64_t PgChangeReader::append(Transaction& transaction, Message kind, std::string_view body,
                                     std::uint32_t xid) {
  const std::uint64_t place = transaction.buffer.end();
  if (xid != 0 && xid != transaction.xid) {
    auto& known = transaction.subtransactions;
    const auto at = std::lower_bound(known.begin(), known.end(), xid, [&](const auto& a, auto b) {
      return a.first - transaction.xid < b - transaction.xid;  // ids wrap around
    });
    if (at == known.end() || at->first != xid) known.insert(at, {xid, place});
  }
  transaction.buffer.append(static_cast<char>(kind), body);
  return place;
}

void PgChangeReader::keep_text(std::string_view body, std::uint32_t xid) {
  Transaction& transaction = block_ != nullptr ? *block_ : *open_;
  if (transaction.is_old) return;
  const std::string whole = static_cast<char>(Message::text) + std::string(body);
  const TextMessage text = read_text(whole);
  if (const auto beat = read_beat(text, slot_)) transaction.beat = *beat;
  // Those of others may be many and large, and are none of ours.
  if (!task_.source.ddl_triggers || !text.transactional || text.prefix != kDdlPrefix) return;
  keep_ddl(transaction, append(transaction, Message::text, body, xid), text.content);
}

void PgChangeReader::keep(Message kind, std::string_view body, std::uint32_t xid) {
  Transaction& transaction = block_ != nullptr ? *block_ : *open_;
  if (transaction.is_old) return;
  const std::uint64_t place = append(transaction, kind, body, xid);
  if (kind != Message::relation && kind != Message::truncate) {
    ++transaction.rows;
    return;
  }
  const std::string whole = static_cast<char>(kind) + std::string(body);
  if (kind == Message::truncate) {
    for (const std::uint32_t id : read_truncate(whole).relations) {
      transaction.truncates.emplace_back(place, id);
    }
    return;
  }
  // The server tells the same again whenever its caches were invalidated.
  RelationMessage relation = read_relation(whole);
  const auto last = std::find_if(transaction.relations.rbegin(), transaction.relations.rend(),
                                 [&](const auto& r) { return r.second.id == relation.id; });
  if (last == transaction.relations.rend() || last->second != relation) {
    transaction.relations.emplace_back(place, std::move(relation));
  }
}

void PgChangeReader::abort(const StreamAbortMessage& message) {
  const auto found = streamed_.find(message.xid);
  if (found == streamed_.end()) return;
  if (message.subxid == message.xid) {
    streamed_.erase(found);
    return;
  }
  // While a subtransaction runs nobody but itself and its own ones change anything, so what
  // follows its first change is theirs.
  Transaction& transaction = *found->second;
  auto& known = transaction.subtransactions;
  const auto at = std::find_if(known.rbegin(), known.rend(),
                               [&](const auto& sub) { return sub.first == message.subxid; });
  if (at == known.rend()) return;
  const std::uint64_t place = at->second;
  known.erase(std::prev(at.base()), known.end());
  transaction.buffer.truncate(place);
  const auto is_gone = [place](const auto& entry) { return entry.first >= place; };
  std::erase_if(transaction.relations, is_gone);
  std::erase_if(transaction.truncates, is_gone);
  std::erase_if(transaction.ddl, is_gone);
}

void PgChangeReader::begin_replay(std::unique_ptr<Transaction> transaction,
                                  const CommitMessage& commit, ChangeSink& sink) {
  transaction->commit = commit;
  if (!transaction->is_old) look_ahead(*transaction);
  replaying_ = std::move(transaction);
  replay(sink);
}

PgConnection& PgChangeReader::catalogue() {
  if (catalogue_ == nullptr) {
    catalogue_ = std::make_unique<PgConnection>(task_.source, PgConnection::Role::source);
  }
  return *catalogue_;
}

void PgChangeReader::keep_ddl(Transaction& transaction, std::uint64_t place,
                              std::string_view content) {
  DdlMessage message = read_ddl_message(content);
  const auto is_ours = [this](std::uint32_t id) {
    return by_id_.contains(id) || partitions_.contains(id);
  };
  const auto table = by_id_.find(message.table);
  if (message.kind == DdlMessage::Kind::definition && table != by_id_.end()) {
    // As if rows of this form followed.
    RelationMessage relation;
    relation.id = message.table;
    relation.schema = message.schema;
    relation.table = message.name;
    relation.identity = 'n';
    const std::vector<Column>& known = table->second->plan->source.columns;
    for (const ColumnFacts& column : message.columns) {
      const bool in_log =
          !column.generated || std::any_of(known.begin(), known.end(),
                                           [&](const Column& c) { return c.name == column.name; });
      if (column.dropped || !in_log) continue;
      relation.columns.push_back({false, column.name, column.type, column.modifier});
    }
    transaction.relations.emplace_back(place, std::move(relation));
  } else {
    message.columns.clear();
  }
  if (is_ours(message.table) || is_ours(message.root) || message.created) {
    transaction.ddl.emplace_back(place, std::move(message));
  }
}

void PgChangeReader::read_ddl(Transaction& transaction) {
  std::unordered_map<std::uint32_t, std::map<int, std::string>> dropped;
  for (auto& [place, message] : transaction.ddl) {
    const auto own = by_id_.find(message.table);
    const auto root = by_id_.find(message.root);
    const auto part = partitions_.find(message.table);
    SchemaChange change;
    change.sql = message.sql;
    change.table = {message.schema, message.name};
    switch (message.kind) {
      case DdlMessage::Kind::drop_column:
        dropped[message.table][message.column] = message.column_name;
        continue;
      case DdlMessage::Kind::drop_table:
        if (own != by_id_.end()) {
          change.kind = SchemaChange::Kind::drop_table;
          change.table = own->second->plan->source.name;
        } else {
          change.kind = SchemaChange::Kind::drop_rows;
          change.table = part->second->plan->source.name;
        }
        break;
      case DdlMessage::Kind::definition: {
        if (root != by_id_.end()) partitions_[message.table] = root->second;
        const SelectedTable* whole = own != by_id_.end()         ? own->second
                                     : part != partitions_.end() ? part->second
                                                                 : nullptr;
        if (message.moves_partitions && whole != nullptr) {
          change.kind = SchemaChange::Kind::drop_rows;
          change.table = whole->plan->source.name;
        } else if (message.created && message.root == 0 && own == by_id_.end()) {
          change.kind = SchemaChange::Kind::create_table;
        } else {
          continue;
        }
        break;
      }
    }
    const auto table = tables_.find(change.table);
    if (table != tables_.end() && transaction.commit.end <= table->second->since) continue;
    transaction.pending.push_back(std::move(change));
  }
  // How each table is left, with what tells a rename from a new column for sure.
  for (auto& [place, message] : transaction.ddl) {
    if (message.columns.empty()) continue;
    const auto relation =
        std::find_if(transaction.relations.begin(), transaction.relations.end(),
                     [at = place](const auto& entry) { return entry.first == at; });
    if (!has_types(relation->second, types_)) read_types(catalogue(), relation->second, types_);
    std::vector<CatalogueColumn>& columns = transaction.columns[message.table];
    columns.clear();
    const std::map<int, std::string>& now = dropped[message.table];
    for (ColumnFacts& facts : message.columns) {
      CatalogueColumn column = catalogue_column(std::move(facts), types_);
      if (const auto gone = now.find(column.number); gone != now.end()) {
        column.dropped_now = true;
        column.name = gone->second;
      }
      // One that was gone before was none of the columns that are known.
      if (!column.dropped || column.dropped_now) columns.push_back(std::move(column));
    }
  }
}

void PgChangeReader::look_ahead(Transaction& transaction) {
  read_ddl(transaction);
  // How rows are announced last is how the table is left: all rows are handed over like that.
  std::vector<std::uint32_t> done;
  for (auto last = transaction.relations.rbegin(); last != transaction.relations.rend(); ++last) {
    const RelationMessage& relation = last->second;
    if (std::find(done.begin(), done.end(), relation.id) != done.end()) continue;
    done.push_back(relation.id);
    compare(transaction, relation);
    look_for_fills(transaction, relation);
  }
  find_truncates(transaction);
  std::reverse(transaction.pending.begin(), transaction.pending.end());
  catalogue_.reset();
}

void PgChangeReader::compare(Transaction& transaction, const RelationMessage& relation) {
  const auto known = relations_.find(relation.id);
  if (known != relations_.end() && known->second.message == relation) return;
  SelectedTable* table = selected(relation);
  if (table == nullptr || transaction.commit.end <= table->since) return;
  const Table& source = table->plan->source;
  SchemaChange change;
  change.table = source.name;
  if (source.name != name_of(relation)) {
    change.kind = SchemaChange::Kind::rename_table;
    change.new_name = name_of(relation);
    change.sql =
        fmt::format("ALTER TABLE {} RENAME TO {}", source.name.text(), change.new_name.text());
    transaction.pending.push_back(std::move(change));
    return;
  }
  if (table->relation != 0 && table->relation != relation.id) {
    change.kind = SchemaChange::Kind::drop_table;
    change.sql = fmt::format("DROP TABLE {0}; CREATE TABLE {0}", source.name.text());
    change.unreadable = "another table has its name; it may have got another one";
    transaction.pending.push_back(std::move(change));
    return;
  }
  if (!has_types(relation, types_)) read_types(catalogue(), relation, types_);
  const auto logged = transaction.columns.find(relation.id);
  if (logged != transaction.columns.end()) {
    const std::string column = made_again(logged->second);
    if (!column.empty()) {
      change.kind = SchemaChange::Kind::change_type;
      change.sql = fmt::format("ALTER TABLE {0} DROP COLUMN {1}, ADD COLUMN {1}",
                               source.name.text(), column);
      change.unreadable = fmt::format(
          "the column {} was dropped and made again under its name, so its values are others",
          column);
      transaction.pending.push_back(std::move(change));
      return;
    }
  }
  if (fits(source, relation, types_)) return;
  const auto columns = logged != transaction.columns.end()
                           ? logged->second
                           : read_columns(catalogue(), relation.id, types_);
  for (SchemaChange& found : compare_relation(source, relation, types_, columns)) {
    transaction.pending.push_back(std::move(found));
  }
}

void PgChangeReader::look_for_fills(Transaction& transaction, const RelationMessage& last) {
  const SelectedTable* table = selected(last);
  if (table == nullptr) return;
  for (const auto& [place, relation] : transaction.relations) {
    if (relation.id != last.id || relation == last) continue;
    if (!has_types(relation, types_)) read_types(catalogue(), relation, types_);
    if (transaction.columns.contains(last.id)) continue;
    transaction.columns.emplace(last.id, read_columns(catalogue(), last.id, types_));
  }
}

void PgChangeReader::find_truncates(Transaction& transaction) {
  std::vector<std::uint32_t> done;
  std::vector<SchemaChange> changes;
  bool all_apply = true;
  for (const auto& [place, id] : transaction.truncates) {
    if (std::find(done.begin(), done.end(), id) != done.end()) continue;
    done.push_back(id);
    // Announced in this transaction, or before it.
    const auto told =
        std::find_if(transaction.relations.begin(), transaction.relations.end(),
                     [&id = id](const auto& relation) { return relation.second.id == id; });
    const auto known = relations_.find(id);
    const SelectedTable* table = told != transaction.relations.end() ? selected(told->second)
                                 : known != relations_.end()         ? known->second.table
                                                                     : nullptr;
    if (table == nullptr || transaction.commit.end <= table->since) continue;
    // Where the target's table is not emptied, it keeps those rows as well as earlier ones.
    const bool applies =
        ddl_settings(task_, table->plan->source.name).truncate_table == DdlAction::apply;
    all_apply = all_apply && applies;
    if (applies) {
      const auto last = std::find_if(transaction.truncates.rbegin(), transaction.truncates.rend(),
                                     [&id = id](const auto& entry) { return entry.second == id; });
      transaction.emptied[id] = last->first;
    }
    SchemaChange change;
    change.kind = SchemaChange::Kind::truncate_table;
    change.table = table->plan->source.name;
    change.sql = fmt::format("TRUNCATE {}", change.table.text());
    changes.push_back(std::move(change));
  }
  // One that is all of its transaction needs no other around it, which some targets do faster.
  // Where one of several is not applied, the policies are asked one by one.
  transaction.empties_inside = all_apply && (changes.size() > 1 || transaction.rows > 0);
  if (transaction.empties_inside) return;
  std::move(changes.begin(), changes.end(), std::back_inserter(transaction.pending));
}

void PgChangeReader::replay(ChangeSink& sink) {
  Transaction& transaction = *replaying_;
  if (!transaction.pending.empty()) {
    // The sink may want another reader after each of these, which then begins with this
    // transaction.
    offset_ = std::max(offset_, transaction.commit.begin);
    SchemaChange change = std::move(transaction.pending.back());
    transaction.pending.pop_back();
    change.time = transaction.commit.time;
    sink.schema(change);
    sink.commit(transaction.commit.time);
    return;
  }
  for (std::size_t bytes = 0; bytes < kReplayBytes;) {
    const std::span<char> message = transaction.buffer.next();
    if (message.empty()) {
      offset_ = std::max(offset_, transaction.commit.end);
      offset_time_ = transaction.commit.time;
      stream_->received(offset_);
      const Time time = transaction.commit.time;
      const Time beat = transaction.beat;
      replaying_.reset();
      if (beat != Time{}) sink.heartbeat(beat);
      sink.commit(time);
      return;
    }
    bytes += message.size();
    switch (static_cast<Message>(message[0])) {
      case Message::relation:
        use_relation(read_relation({message.data(), message.size()}));
        break;
      case Message::truncate:
        if (transaction.empties_inside) replay_truncate({message.data(), message.size()}, sink);
        break;
      case Message::text:
        break;
      default:
        replay_row(message, sink);
    }
  }
}

PgChangeReader::SelectedTable* PgChangeReader::selected(const RelationMessage& message) {
  // By its id first, for it may have another name now.
  const auto known = by_id_.find(message.id);
  if (known != by_id_.end()) return known->second;
  const auto found = tables_.find(name_of(message));
  if (found == tables_.end()) return nullptr;
  SelectedTable* const table = found->second.get();
  if (table->relation == 0) {
    // The catalogue no longer has it by this name, but the log may have it by another one yet.
    table->relation = message.id;
    by_id_[message.id] = table;
  }
  return table;
}

void PgChangeReader::use_relation(RelationMessage message) {
  Relation& relation = relations_[message.id];
  const auto& told = replaying_->relations;
  const auto last = std::find_if(told.rbegin(), told.rend(),
                                 [&](const auto& entry) { return entry.second.id == message.id; });
  const bool is_last = last == told.rend() || last->second == message;
  if (relation.message == message && is_last && relation.unfit.empty()) return;
  relation = {};
  relation.table = selected(message);
  relation.message = std::move(message);
  if (relation.table == nullptr) return;
  const std::vector<Column>& columns = relation.table->plan->source.columns;
  std::vector<bool> identity(columns.size());
  std::vector<bool> found(columns.size());
  const auto catalogue = replaying_->columns.find(relation.message.id);
  const bool is_earlier = !is_last && catalogue != replaying_->columns.end();
  ColumnMatch match;
  if (is_earlier) {
    match = match_columns(relation.message, last->second, types_, catalogue->second);
    relation.unfit = match.ambiguous;
  }
  for (std::size_t i = 0; i < relation.message.columns.size(); ++i) {
    const RelationColumn& column = relation.message.columns[i];
    relation.places.push_back(kNoPlace);
    if (is_earlier && match.became[i] == ColumnMatch::kDropped) continue;
    const std::string& name = is_earlier ? last->second.columns[match.became[i]].name : column.name;
    const auto at = std::find_if(columns.begin(), columns.end(),
                                 [&](const Column& known) { return known.name == name; });
    if (at == columns.end()) continue;
    const auto place = static_cast<std::uint32_t>(at - columns.begin());
    relation.places.back() = place;
    found[place] = true;
    identity[place] = column.identity;
    const auto type = types_.find({column.type, column.modifier});
    if (type != types_.end() && type->second.kind != at->type.kind) {
      relation.unfit = fmt::format("the type of {} was changed", column.name);
    }
  }
  for (std::uint32_t i = 0; i < columns.size(); ++i) {
    if (found[i]) continue;
    Relation::Missing& missing = relation.missing.emplace_back();
    missing.place = i;
    if (!is_earlier) continue;
    for (const CatalogueColumn& column : catalogue->second) {
      if (column.dropped || column.name != columns[i].name) continue;
      if (column.fill) missing.fill = Cell(*column.fill);
      missing.problem = column.fill_unknown;
    }
  }
  if (is_last && !fits(relation.table->plan->source, relation.message, types_)) {
    relation.unfit = "its definition is another one";
  }
  const std::vector<std::uint32_t>& key = relation.table->key;
  relation.identifies = !key.empty() && std::all_of(key.begin(), key.end(),
                                                    [&](std::uint32_t i) { return identity[i]; });
}

void PgChangeReader::replay_truncate(std::string_view message, ChangeSink& sink) {
  Transaction& transaction = *replaying_;
  for (const std::uint32_t id : read_truncate(message).relations) {
    const auto last = transaction.emptied.find(id);
    if (last == transaction.emptied.end() || last->second != transaction.buffer.place()) continue;
    if (!std::exchange(transaction.begun, true)) sink.begin(transaction.commit.time);
    sink.truncate(relations_.at(id).table->plan->id);
  }
}

void PgChangeReader::replay_row(std::span<char> message, ChangeSink& sink) {
  read_row(message, row_);
  const auto found = relations_.find(row_.relation);
  if (found == relations_.end()) {
    throw Error(ExitCode::failed, "postgres.unknown-relation",
                fmt::format("a row came of a table that was not announced, after offset {}",
                            offset_.text()),
                fmt::format("its id is {}", row_.relation),
                "report it with the version of the server; the task cannot pass this place");
  }
  const Relation& relation = found->second;
  if (relation.table == nullptr) return;
  Transaction& transaction = *replaying_;
  if (!transaction.emptied.empty()) {
    const auto emptied = transaction.emptied.find(row_.relation);
    const bool is_gone =
        emptied != transaction.emptied.end() && transaction.buffer.place() < emptied->second;
    if (is_gone) return;
  }
  SelectedTable& table = *relation.table;
  const TablePlan& plan = *table.plan;
  const auto stop = [&](const char* id, const std::string& why, const std::string& fix) {
    throw Error(ExitCode::refused, id,
                fmt::format("cannot apply a change of {} after offset {}", plan.source.name.text(),
                            offset_.text()),
                why, fix)
        .of_table(plan.source.name.text());
  };
  if (transaction.commit.end <= table.since) return;
  const auto unfit = [&](const std::string& problem) {
    stop("postgres.row-unfit", "the row has another definition than the task goes by: " + problem,
         "start the task anew from a fresh copy of this table; rows that come before a change of "
         "their table's definition, in one transaction with it, cannot always be told");
  };
  if (!relation.unfit.empty()) unfit(relation.unfit);
  const bool is_insert = row_.op == RowChange::Op::insert;
  const bool is_update = row_.op == RowChange::Op::update;
  if (!is_insert && row_.before != RowMessage::Before::row) {
    const std::string cure = fmt::format(
        "ALTER TABLE {} REPLICA IDENTITY FULL on the source, and start the task anew from a fresh "
        "copy of this table: what is in the log already does not say which row is meant",
        qualified(name_of(relation.message)));
    if (plan.key.empty()) {
      stop("postgres.identity", "its rows have no key, and the log does not hold them as they were",
           cure);
    }
    if (!relation.identifies) {
      stop("postgres.identity",
           "its replica identity lacks a part of the key that the task goes by", cure);
    }
  }
  const std::size_t count = relation.places.size();
  const bool has_old = row_.before != RowMessage::Before::nothing;
  if ((row_.op != RowChange::Op::remove && row_.new_cells.size() != count) ||
      (has_old && row_.old_cells.size() != count)) {
    stop("postgres.row-unfit",
         fmt::format("its row does not have the {} columns that were announced", count),
         "start the task again; if it stops here again, report it with the version of the server");
  }
  const auto turn = [&](const TupleCell& cell, std::uint32_t place) {
    switch (cell.kind) {
      case TupleCell::Kind::null:
        return Cell::null();
      case TupleCell::Kind::unchanged:
        return Cell::absent();
      case TupleCell::Kind::text:
        break;
    }
    if (!table.wanted[place]) return Cell::absent();
    const TextFix fix = table.fixes[place];
    return fix == nullptr ? Cell(cell.text, cell.size) : fix(cell.text, cell.size);
  };
  std::fill(table.before.begin(), table.before.end(), Cell::absent());
  for (std::size_t i = 0; has_old && i < count; ++i) {
    const std::uint32_t place = relation.places[i];
    if (place == kNoPlace) continue;
    // Of a row told by its key, the rest is NULL for want of anything better.
    const bool told =
        row_.before == RowMessage::Before::row || relation.message.columns[i].identity;
    if (told) table.before[place] = turn(row_.old_cells[i], place);
  }
  if (row_.op != RowChange::Op::remove) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t place = relation.places[i];
      if (place == kNoPlace) continue;
      Cell cell = turn(row_.new_cells[i], place);
      // A value that is stored apart and was not touched does not come along.
      if (row_.new_cells[i].kind == TupleCell::Kind::unchanged) cell = table.before[place];
      table.after[place] = cell;
    }
    // The target's rows have such a column filled in by now.
    for (const Relation::Missing& missing : relation.missing) {
      table.after[missing.place] = is_insert ? missing.fill : Cell::absent();
      if (is_insert && !missing.problem.empty()) unfit(missing.problem);
    }
  }
  if (is_update && !has_old) {
    for (const std::uint32_t place : table.key) table.before[place] = table.after[place];
  }
  const auto lacks = [&](const std::vector<Cell>& cells) {
    return std::any_of(table.key.begin(), table.key.end(),
                       [&](std::uint32_t place) { return cells[place].is_absent(); });
  };
  if ((!is_insert && lacks(table.before)) ||
      (row_.op != RowChange::Op::remove && lacks(table.after))) {
    stop("postgres.row-without-key", "the log does not hold the key of the row",
         "start the task anew from a fresh copy of this table, and report it with the version of "
         "the server");
  }
  if (!std::exchange(transaction.begun, true)) sink.begin(transaction.commit.time);
  RowChange change;
  change.op = row_.op;
  change.table = plan.id;
  if (!is_insert) change.before = table.before;
  if (row_.op != RowChange::Op::remove) change.after = table.after;
  sink.row(change);
}

}  // namespace weir::pgsource
