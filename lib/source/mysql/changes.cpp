// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/changes.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "source/mysql/dump.h"
#include "source/mysql/online.h"
#include "source/mysql/statement.h"

namespace weir::mysql {
namespace {

constexpr std::size_t kArenaLimit = std::size_t{256} << 10;
constexpr std::size_t kKnownMaps = 16'384;
constexpr std::size_t kPreparedLimit = std::size_t{64} << 20;

bool all_present(const std::uint8_t* bitmap, std::uint32_t columns) {
  for (std::uint32_t i = 0; i + 8 <= columns; i += 8) {
    if (bitmap[i / 8] != 0xff) return false;
  }
  const std::uint8_t rest = static_cast<std::uint8_t>((1U << (columns % 8)) - 1);
  return columns % 8 == 0 || (bitmap[columns / 8] & rest) == rest;
}

/// Of a definition whose columns are those of the one before.
std::vector<ColumnOrigin> same_columns(const Table& table) {
  std::vector<ColumnOrigin> out;
  for (std::uint32_t i = 0; i < table.columns.size(); ++i) out.push_back({i, {}, {}});
  return out;
}

Time seconds(std::uint32_t timestamp) { return Time(std::chrono::seconds(timestamp)); }

/// How far a time zone is from UTC, if its name says so: "+05:45", "UTC".
std::optional<std::chrono::seconds> utc_offset(std::string_view zone) {
  if (equals_ignoring_case(zone, "UTC")) return std::chrono::seconds(0);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return {};
  int hours = 0;
  int minutes = 0;
  const char* const at = zone.data();
  if (std::from_chars(at + 1, at + 3, hours).ptr != at + 3 ||
      std::from_chars(at + 4, at + 6, minutes).ptr != at + 6) {
    return {};
  }
  const std::chrono::seconds offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return zone[0] == '-' ? -offset : offset;
}

}  // namespace

/// A selected table while its rows are read: the plan, and how the current definition is decoded.
struct BinlogReader::SelectedTable {
  const TablePlan* plan = nullptr;
  std::shared_ptr<const Table> definition;  ///< after the last change; null if it cannot be told
  std::vector<bool> wanted;
  std::vector<std::shared_ptr<const Charset>> charsets;
  std::shared_ptr<const TableMap> map;
  std::optional<RowDecoder> decoder;
  std::vector<Cell> before;
  std::vector<Cell> after;
  std::optional<LogPosition> since;  ///< TablePlan::since, until the log is past it
};

/// The rows of one XA transaction between PREPARE and COMMIT.
struct BinlogReader::PreparedXa {
  struct Rows {
    RowsEvent event;  ///< its views point into the strings beside it
    std::string rows;
    std::string before_columns;
    std::string after_columns;
    std::shared_ptr<const TableMap> map;
    SelectedTable* table = nullptr;
  };
  std::string id;
  LogPosition before;  ///< where a resumed task must begin to see it again
  std::vector<std::unique_ptr<Rows>> events;
  std::size_t bytes = 0;
};

BinlogReader::BinlogReader(const Endpoint& endpoint, std::uint32_t server_id, const Offset& from,
                           std::span<const TablePlan> plans, const TypeSettings& types)
    : connection_(endpoint, MysqlConnection::Role::source),
      server_id_(server_id),
      is_mariadb_(connection_.is_mariadb()),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      types_(types),
      position_(LogPosition::parse(from.text)),
      applied_(applied_position(from.text)),
      last_heard_(now()) {
  const AskServer ask = [this](std::string_view charset, std::string_view bytes,
                               std::string& utf8) {
    try {
      const auto value = connection_.scalar(
          fmt::format("SELECT CONVERT(_{} X'{}' USING utf8mb4)", charset, hex(bytes)));
      if (value) utf8 = *value;
      return value.has_value();
    } catch (const Error& error) {
      if (error.id() != "mysql.query") throw;
      return false;  // the bytes are no text in this set
    }
  };
  std::map<std::string, std::shared_ptr<const Charset>> known;
  for (const TablePlan& plan : plans) {
    auto table = std::make_unique<SelectedTable>();
    table->plan = &plan;
    if (!plan.since.empty()) table->since = applied_position(plan.since.text);
    table->definition = std::make_shared<const Table>(plan.source);
    const std::size_t count = plan.source.columns.size();
    table->wanted.assign(count, false);
    table->charsets.resize(count);
    table->before.resize(count);
    table->after.resize(count);
    for (const PlannedColumn& column : plan.columns) {
      if (column.added()) continue;
      table->wanted[column.source] = true;
      const std::string& charset = plan.source.columns[column.source].charset;
      if (charset.empty()) continue;
      const auto [it, is_new] = known.try_emplace(charset);
      if (is_new) it->second = open_charset(charset, ask);
      table->charsets[column.source] = it->second;
    }
    tables_.emplace(plan.source.name, std::move(table));
  }
  alter_context_.is_mariadb = is_mariadb_;
  alter_context_.server_version = connection_.server_version_number();
  alter_context_.types = types_;
  collations_ = read_collations(connection_);
  alter_context_.collations = collations_;
  if (is_mariadb_) {
    const auto old_mode = connection_.scalar("SELECT @@old_mode");
    const bool always = alter_context_.server_version < 100601;
    alter_context_.utf8_is_utf8mb3 =
        always || old_mode.value_or("").find("UTF8_IS_UTF8MB3") != std::string::npos;
  }
  request_log(position_);
}

BinlogReader::~BinlogReader() { close(wake_fd_); }

void BinlogReader::request_log(const LogPosition& from) {
  DumpRequest request;
  request.from = from;
  request.server_id = server_id_;
  request_dump(connection_, request);
}

void BinlogReader::explain_server_error(const Error& error) const {
  explain_dump_error(connection_, error, server_id_, position_.text());
}

ChangeReader::Wait BinlogReader::wait(std::chrono::milliseconds limit) {
  if (connection_.has_buffered()) return Wait::ready;
  pollfd fds[] = {{connection_.socket(), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  const int ready = ::poll(fds, 2, static_cast<int>(limit.count()));
  if (ready > 0 && (fds[1].revents & POLLIN) != 0) {
    std::uint64_t count = 0;
    while (read(wake_fd_, &count, sizeof count) < 0 && errno == EINTR) {
    }
    return Wait::woken;
  }
  return ready > 0 ? Wait::ready : Wait::timed_out;
}

void BinlogReader::wake() {
  const std::uint64_t one = 1;
  while (write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void BinlogReader::poll(ChangeSink& sink) {
  std::string_view packet;
  try {
    packet = connection_.read_packet();
  } catch (const Error& error) {
    explain_server_error(error);
  }
  last_heard_ = now();
  bytes_read_ += packet.size();
  if (packet.empty() || packet[0] != 0) {
    throw Error(ExitCode::source_unreachable, "mysql.lost",
                "the server ended the change log stream",
                "it shut down, or an administrator killed the session",
                "check that the server runs; weir reconnects by itself while a task runs");
  }
  const std::string_view event = packet.substr(1);
  std::uint32_t end = 0;
  if (event.size() >= 19) std::memcpy(&end, event.data() + 13, sizeof end);
  event_end_ = end;
  sink_ = &sink;
  at_end_ = false;
  decoder_.feed(event, *this);
}

Offset BinlogReader::offset() const {
  // An XA transaction that is prepared but not decided must be read again after a restart, the
  // transactions since then must not be applied again.
  const LogPosition& from = prepared_.empty() ? position_ : prepared_.front()->before;
  const LogPosition& applied = applied_ && !reached(position_, *applied_) ? *applied_ : position_;
  return {offset_text(from, applied), pending_time_};
}

void BinlogReader::on_rotate(std::string_view file, std::uint64_t position) {
  // The server announces the file it reads at the start of a stream too, with the position of the
  // file's first event where the stream begins by GTID.
  if (file == position_.file) return;
  position_.file = file;
  position_.position = position;
}

void BinlogReader::on_format(const EventHeader&, std::string_view) {}

void BinlogReader::on_gtid(const EventHeader& header, const GtidEvent& event) {
  gtid_end_ = event_end_;
  pending_gtid_ = event.anonymous ? Gtid{} : event.gtid;
  pending_time_ = event.commit_time == Time{} ? seconds(header.timestamp) : event.commit_time;
  standalone_ = event.standalone;
  in_transaction_ = is_mariadb_ && !event.standalone;
  in_xa_ = event.xa == GtidEvent::Xa::prepare;
}

Time BinlogReader::commit_time(const EventHeader& header) const {
  return pending_time_ == Time{} ? seconds(header.timestamp) : pending_time_;
}

void BinlogReader::pass_gtid() {
  if (pending_gtid_.flavor != Gtid::Flavor::none && position_.by_gtid()) {
    position_.gtids.add(pending_gtid_);
  }
  if (event_end_ != 0) position_.position = event_end_;
  gtid_end_ = 0;
  pending_gtid_ = {};
}

void BinlogReader::end_transaction(Time time) {
  pass_gtid();
  // A server gives a table a new number each time it opens it, for months.
  if (by_id_.size() > kKnownMaps) by_id_.clear();
  in_transaction_ = false;
  standalone_ = false;
  in_xa_ = false;
  delivered_ = false;
  if (const auto beat = std::exchange(beat_, {})) sink_->heartbeat(*beat);
  sink_->commit(time);
}

void BinlogReader::begin_if_needed() {
  if (std::exchange(delivered_, true)) return;
  sink_->begin(pending_time_);
}

void BinlogReader::on_query(const EventHeader& header, const QueryEvent& event) {
  const Time time = commit_time(header);
  pending_time_ = time;
  Statement statement = classify(event.sql, event.schema, event.sql_mode);
  const auto stop = [&](const char* id, const std::string& what, const std::string& why,
                        const std::string& fix) {
    throw Error(ExitCode::refused, id, fmt::format("{} after offset {}", what, position_.text()),
                why, fix);
  };
  switch (statement.kind) {
    case Statement::Kind::begin:
      in_transaction_ = true;
      return;
    case Statement::Kind::commit:
      end_transaction(time);
      return;
    case Statement::Kind::savepoint:
      return;
    case Statement::Kind::rollback:
      if (!delivered_) {
        end_transaction(time);
        return;
      }
      [[fallthrough]];
    case Statement::Kind::rollback_to:
      if (!delivered_) return;
      stop("mysql.logged-rollback", "the log holds a transaction that was rolled back",
           "it mixed transactional and other tables, so which of its rows stand cannot be told",
           "compare the tables it touched, then start the task anew from a fresh copy of them");
      return;
    case Statement::Kind::xa_start:
      in_transaction_ = true;
      in_xa_ = true;
      return;
    case Statement::Kind::xa_end:
      xa_id_ = std::move(statement.xid);
      return;
    case Statement::Kind::xa_prepare:
      return;  // the XA_PREPARE event says it
    case Statement::Kind::xa_commit:
    case Statement::Kind::xa_rollback: {
      const auto at = std::find_if(prepared_.begin(), prepared_.end(),
                                   [&](const auto& xa) { return xa->id == statement.xid; });
      if (at == prepared_.end()) {
        if (statement.kind == Statement::Kind::xa_commit && !is_applied()) {
          stop("mysql.xa-unknown", "an XA transaction commits whose changes were logged earlier",
               "it was prepared before the offset this task started from",
               "start the task anew; preflight names XA transactions that are still prepared");
        }
        end_transaction(time);
        return;
      }
      const std::unique_ptr<PreparedXa> xa = std::move(*at);
      prepared_.erase(at);
      if (statement.kind == Statement::Kind::xa_commit) {
        deliver_prepared(*xa);
      }
      end_transaction(time);
      return;
    }
    case Statement::Kind::data:
      stop(
          "mysql.statement-format", "a row change was logged as a statement",
          fmt::format("a session left binlog_format=ROW: {}", event.sql.substr(0, 60)),
          "find the session that sets binlog_format; compare the tables it changed, then start the "
          "task anew from a fresh copy of them");
      return;
    case Statement::Kind::unknown:
      stop("mysql.unknown-statement", "the log holds a statement that weir does not know",
           fmt::format("it begins with: {}", event.sql.substr(0, 60)),
           "report it with the statement; until then the task cannot pass this place");
      return;
    case Statement::Kind::definition:
      drop_applied(statement.changes);
      follow_online(header, event, statement.changes);
      read_definitions(header, event, statement.changes);
      apply_definitions(time, std::move(statement.changes));
      return;
    case Statement::Kind::drop_database: {
      std::vector<SchemaChange> drops;
      for (const auto& [name, table] : tables_) {
        if (name.schema != statement.schema) continue;
        SchemaChange change;
        change.kind = SchemaChange::Kind::drop_table;
        change.table = name;
        change.sql = event.sql;
        drops.push_back(std::move(change));
      }
      drop_applied(drops);
      apply_definitions(time, std::move(drops));
      return;
    }
    case Statement::Kind::harmless:
      if (!in_transaction_) end_transaction(time);
      return;
  }
}

void BinlogReader::drop_applied(std::vector<SchemaChange>& changes) {
  if (is_applied()) changes.clear();
  std::erase_if(changes, [this](const SchemaChange& change) {
    const auto table = tables_.find(change.table);
    return table != tables_.end() && came_with_copy(*table->second);
  });
}

AlterContext BinlogReader::context_of(const EventHeader& header, const QueryEvent& event) const {
  constexpr std::uint64_t kFirstWithTimestampFlag = 101000;  // MariaDB
  AlterContext context = alter_context_;
  context.schema = event.schema;
  context.sql_mode = event.sql_mode;
  context.client_collation = event.client_collation;
  context.connection_collation = event.connection_collation;
  context.explicit_timestamps = event.explicit_timestamps;
  if (!event.explicit_timestamps && is_mariadb_ &&
      context.server_version >= kFirstWithTimestampFlag) {
    context.explicit_timestamps = false;
  }
  context.utc_offset = utc_offset(event.time_zone);
  context.utf8mb4_collation = event.utf8mb4_collation;
  for (std::size_t i = 0; i + 4 <= event.charset_collations.size(); i += 4) {
    std::uint16_t own = 0;
    std::uint16_t other = 0;
    std::memcpy(&own, event.charset_collations.data() + i, sizeof own);
    std::memcpy(&other, event.charset_collations.data() + i + 2, sizeof other);
    context.charset_collations.emplace_back(own, other);
  }
  context.time = seconds(header.timestamp) + std::chrono::microseconds(event.micros.value_or(0));
  context.time_micros = event.micros.has_value();
  return context;
}

void BinlogReader::follow_online(const EventHeader& header, const QueryEvent& event,
                                 std::vector<SchemaChange>& changes) {
  for (SchemaChange& change : changes) {
    const bool appears = change.kind == SchemaChange::Kind::rename_table;
    const TableName& name = appears ? change.new_name : change.table;
    if (!name.table.starts_with('_') || tables_.contains(name)) continue;
    std::vector<TableName> selected;
    for (const auto& [table, known] : tables_) selected.push_back(table);
    const auto online = online_table(name, selected);
    if (!online) {
      if (const auto other = online_name(name)) change.serves = other->bases.front();
      continue;
    }
    change.serves = online->base;
    if (appears || online->role != OnlineRole::shadow) continue;
    const SelectedTable& table = *tables_.at(online->base);
    if (table.definition != nullptr) follow_shadow(context_of(header, event), change);
  }
  find_cut_over(changes);
  find_half_cut_over(changes);
}

void BinlogReader::follow_shadow(const AlterContext& context, SchemaChange& change) {
  using Kind = SchemaChange::Kind;
  SelectedTable& table = *tables_.at(change.serves);
  if (came_with_copy(table) || change.kind == Kind::truncate_table) return;
  auto after = std::make_shared<Table>(*table.definition);
  const auto known = std::find_if(after->shadows.begin(), after->shadows.end(),
                                  [&](const Shadow& s) { return s.table.name == change.table; });
  if (change.kind == Kind::create_table) {
    if (known != after->shadows.end()) after->shadows.erase(known);
    after->shadows.push_back(create_shadow(change.table, *table.definition, change.sql, context));
  } else if (known == after->shadows.end()) {
    return;
  } else if (change.kind == Kind::drop_table) {
    after->shadows.erase(known);
  } else {
    alter_shadow(*known, change.sql, context);
  }
  change.kind = Kind::shadow;
  change.table = after->name;
  change.origins = same_columns(*after);
  change.definition = after;
  table.definition = std::move(after);
}

void BinlogReader::find_cut_over(std::vector<SchemaChange>& changes) {
  using Kind = SchemaChange::Kind;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].kind != Kind::rename_table) continue;
    const auto selected = tables_.find(changes[i].table);
    if (selected == tables_.end() || selected->second->definition == nullptr) continue;
    const auto came = std::find_if(changes.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                   changes.end(), [&](const SchemaChange& change) {
                                     return change.kind == Kind::rename_table &&
                                            change.new_name == changes[i].table;
                                   });
    if (came == changes.end()) continue;
    const std::vector<Shadow>& shadows = selected->second->definition->shadows;
    const auto shadow = std::find_if(shadows.begin(), shadows.end(), [&](const Shadow& each) {
      return each.table.name == came->table;
    });
    if (shadow == shadows.end()) continue;
    SchemaChange change = cut_over(*selected->second->definition, *shadow, changes[i].sql);
    selected->second->definition = change.definition;
    changes.erase(came);
    changes[i] = std::move(change);
  }
}

void BinlogReader::find_half_cut_over(std::vector<SchemaChange>& changes) {
  using Kind = SchemaChange::Kind;
  if (changes.size() != 1 || changes[0].kind != Kind::rename_table) return;
  SchemaChange& change = changes[0];
  const auto left = tables_.find(change.table);
  const auto came = tables_.find(change.new_name);
  if (left != tables_.end() && left->second->definition != nullptr &&
      !left->second->definition->shadows.empty() && change.serves == change.table) {
    // The first of two statements: the shadow is to come in its place.
    auto after = std::make_shared<Table>(*left->second->definition);
    after->gone = true;
    change.kind = Kind::shadow;
    change.new_name = {};
    change.origins = same_columns(*after);
    change.definition = after;
    left->second->definition = std::move(after);
    return;
  }
  if (came == tables_.end() || came->second->definition == nullptr ||
      !came->second->definition->gone) {
    return;
  }
  const Table& base = *came->second->definition;
  const auto shadow = std::find_if(base.shadows.begin(), base.shadows.end(),
                                   [&](const Shadow& s) { return s.table.name == change.table; });
  if (shadow == base.shadows.end()) return;
  SchemaChange whole = cut_over(base, *shadow, change.sql);
  came->second->definition = whole.definition;
  change = std::move(whole);
}

void BinlogReader::read_definitions(const EventHeader& header, const QueryEvent& event,
                                    std::vector<SchemaChange>& changes) {
  for (SchemaChange& change : changes) {
    using Kind = SchemaChange::Kind;
    const bool replaces = change.kind == Kind::create_table || change.kind == Kind::drop_table ||
                          change.kind == Kind::rename_table;
    if (replaces) {
      // Another table may bear the name from here on.
      for (const TableName& name : {change.table, change.new_name}) {
        if (const auto at = tables_.find(name); at != tables_.end()) at->second->definition.reset();
      }
    }
    const bool alters =
        !replaces && change.kind != Kind::truncate_table && change.kind != Kind::drop_rows;
    const bool is_read = change.definition != nullptr || !change.unreadable.empty();
    const auto selected = tables_.find(change.table);
    if (!alters || is_read || selected == tables_.end()) continue;
    SelectedTable& table = *selected->second;
    if (table.definition == nullptr) {
      change.unreadable = "the table was replaced before, or a change of it could not be read";
      continue;
    }
    Altered altered = alter_table(*table.definition, event.sql, context_of(header, event));
    if (altered.unchanged) continue;
    change.definition = altered.table;
    change.origins = std::move(altered.origins);
    change.unreadable = std::move(altered.unreadable);
    table.definition = std::move(altered.table);
  }
}

void BinlogReader::apply_definitions(Time time, std::vector<SchemaChange> changes) {
  for (SchemaChange& change : changes) {
    change.time = time;
    sink_->schema(change);
  }
  // CREATE TABLE ... SELECT has its definition inside the transaction that fills the table.
  if (!in_transaction_) end_transaction(time);
}

const BinlogReader::KnownMap& BinlogReader::known(const TableMap& map) const {
  const auto entry = by_id_.find(map.id);
  if (entry == by_id_.end() || entry->second.first.get() != &map) {
    throw bug("rows of a table map that was not announced");
  }
  return entry->second;
}

void BinlogReader::use_map(SelectedTable& table, const std::shared_ptr<const TableMap>& map) {
  if (table.map == map) return;
  table.decoder.emplace(*map, table.plan->source, table.wanted, table.charsets, types_);
  table.map = map;
}

void BinlogReader::deliver_prepared(const PreparedXa& xa) {
  for (const auto& rows : xa.events) {
    if (is_applied() || came_with_copy(*rows->table)) continue;
    deliver(rows->event, *rows->table, rows->map);
  }
}

void BinlogReader::on_table_map(const EventHeader&, const std::shared_ptr<const TableMap>& map) {
  auto& entry = by_id_[map->id];
  if (entry.first == map) return;
  const auto found = tables_.find(TableName{map->schema, map->table});
  entry = {map, found == tables_.end() ? nullptr : found->second.get()};
}

void BinlogReader::on_rows(const EventHeader&, const RowsEvent& event, const TableMap& map) {
  const KnownMap& entry = known(map);
  SelectedTable* table = entry.second;
  if (table == nullptr) {
    if (beats_ && beats_->is_table(map)) {
      if (const auto beat = beats_->find(event, map)) beat_ = beat;
    }
    return;
  }
  if (!in_xa_ && (is_applied() || came_with_copy(*table))) return;
  const auto stop = [&](const char* id, const std::string& why, const std::string& fix) {
    throw Error(ExitCode::refused, id,
                fmt::format("cannot apply a change of {} after offset {}",
                            table->plan->source.name.text(), position_.text()),
                why, fix)
        .of_table(table->plan->source.name.text());
  };
  if (event.partial_json) {
    stop(
        "mysql.partial-json", "the source logs JSON updates as differences (PARTIAL_UPDATE_ROWS)",
        "SET GLOBAL binlog_row_value_options = '', reconnect the writers, and start the task anew");
  }
  for (const std::uint8_t* bitmap : {event.before_columns, event.after_columns}) {
    if (bitmap != nullptr && !all_present(bitmap, event.column_count)) {
      stop("mysql.row-image",
           "the row images are not complete: the session that wrote them used "
           "binlog_row_image = MINIMAL or NOBLOB",
           "SET GLOBAL binlog_row_image = 'FULL', reconnect the writers, and start the task anew");
    }
  }
  if (!in_xa_) {
    deliver(event, *table, entry.first);
    return;
  }
  if (collecting_ == nullptr) {
    collecting_ = std::make_unique<PreparedXa>();
    collecting_->before = position_;
  }
  auto rows = std::make_unique<PreparedXa::Rows>();
  const std::size_t bitmap_bytes = (event.column_count + 7) / 8;
  const auto keep = [bitmap_bytes](const std::uint8_t* bitmap,
                                   std::string& copy) -> const std::uint8_t* {
    if (bitmap == nullptr) return nullptr;
    copy.assign(reinterpret_cast<const char*>(bitmap), bitmap_bytes);
    return reinterpret_cast<const std::uint8_t*>(copy.data());
  };
  rows->event = event;
  rows->rows = event.rows;
  rows->event.rows = rows->rows;
  rows->event.before_columns = keep(event.before_columns, rows->before_columns);
  rows->event.after_columns = keep(event.after_columns, rows->after_columns);
  rows->map = entry.first;
  rows->table = table;
  collecting_->bytes += event.rows.size();
  collecting_->events.push_back(std::move(rows));
  std::size_t held = collecting_->bytes;
  for (const auto& xa : prepared_) held += xa->bytes;
  if (held > kPreparedLimit) {
    stop("mysql.xa-too-large",
         fmt::format(
             "XA transactions that are prepared but not committed hold more than {} of changes",
             format_bytes(kPreparedLimit)),
         "commit or roll back the XA transactions that XA RECOVER shows on the source; the task "
         "then goes on");
  }
}

bool BinlogReader::is_at_or_before(const LogPosition& place) const {
  // MySQL's set names each transaction. A position beside it may be ahead by those that are written
  // to the log and not committed yet.
  if (place.by_gtid() && pending_gtid_.flavor == Gtid::Flavor::mysql) {
    return place.gtids.contains(pending_gtid_);
  }
  LogPosition begin;
  begin.file = position_.file;
  begin.position = gtid_end_ != 0 ? gtid_end_ : position_.position;
  const bool before = !reached(begin, place);
  // Each is right as long as the log is the one that the place was taken from; together they
  // notice.
  if (place.by_gtid() && pending_gtid_.flavor != Gtid::Flavor::none &&
      place.gtids.contains(pending_gtid_) != before) {
    throw Error(
        ExitCode::refused, "mysql.log-order",
        fmt::format("cannot tell whether the target holds the transaction {}",
                    pending_gtid_.text()),
        fmt::format("it begins at {}, the target is at {}, and GTIDs and positions do not agree "
                    "which is first",
                    begin.text(), place.text()),
        "start the task anew from a fresh copy; the log was rebuilt, or its GTIDs do not count up");
  }
  return before;
}

bool BinlogReader::is_applied() {
  if (!applied_) return false;
  if (!is_at_or_before(*applied_)) applied_.reset();
  return applied_.has_value();
}

bool BinlogReader::came_with_copy(SelectedTable& table) {
  if (!table.since) return false;
  if (!is_at_or_before(*table.since)) table.since.reset();
  return table.since.has_value();
}

void BinlogReader::deliver(const RowsEvent& event, SelectedTable& table,
                           const std::shared_ptr<const TableMap>& map) {
  const auto of_table = [&](const auto& decode) {
    try {
      decode();
    } catch (const Error& error) {
      throw error.of_table(table.plan->source.name.text());
    }
  };
  of_table([&] { use_map(table, map); });
  begin_if_needed();
  if (arena_.used() > kArenaLimit) arena_.clear();
  const char* at = event.rows.data();
  const char* end = at + event.rows.size();
  const auto decode = [&](const std::uint8_t* columns, std::vector<Cell>& cells) {
    of_table([&] { at = table.decoder->decode(at, end, columns, cells, arena_); });
  };
  RowChange change;
  change.table = table.plan->id;
  while (at < end) {
    switch (event.kind) {
      case RowsEvent::Kind::insert:
        change.op = RowChange::Op::insert;
        decode(event.after_columns, table.after);
        change.after = table.after;
        break;
      case RowsEvent::Kind::update:
        change.op = RowChange::Op::update;
        decode(event.before_columns, table.before);
        decode(event.after_columns, table.after);
        change.before = table.before;
        change.after = table.after;
        break;
      case RowsEvent::Kind::remove:
        change.op = RowChange::Op::remove;
        decode(event.before_columns, table.before);
        change.before = table.before;
        break;
    }
    sink_->row(change);
    if (arena_.used() > kArenaLimit) arena_.clear();
  }
}

void BinlogReader::on_xid(const EventHeader& header) { end_transaction(commit_time(header)); }

void BinlogReader::on_xa_prepare(const EventHeader& header, std::string_view, bool one_phase) {
  std::unique_ptr<PreparedXa> xa = std::move(collecting_);
  if (xa != nullptr && one_phase) {
    deliver_prepared(*xa);
  } else if (!one_phase) {
    // Kept even without rows of ours: its XA COMMIT must find it.
    if (xa == nullptr) {
      xa = std::make_unique<PreparedXa>();
      xa->before = position_;
    }
    xa->id = xa_id_;
    prepared_.push_back(std::move(xa));
  }
  end_transaction(commit_time(header));
}

void BinlogReader::on_heartbeat(const EventHeader&, std::string_view file, std::uint64_t position) {
  at_end_ = true;
  if (in_transaction_ || file.empty()) return;
  position_.file = file;
  if (position > 0) position_.position = position;
}

void BinlogReader::on_statement_text(const EventHeader&, std::string_view) {}
void BinlogReader::on_other(const EventHeader&, std::string_view) {}

}  // namespace weir::mysql
