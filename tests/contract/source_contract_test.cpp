// SPDX-License-Identifier: Apache-2.0
// What source/source.h promises, once for all kinds of source. That nothing at or before
// start_offset() is invisible takes a durable server under load: start_position_test.cpp and
// pg_start_position_test.cpp show it.
#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "contract/source_end.h"
#include "mapping/rules.h"
#include "registry/registry.h"
#include "source/source.h"
#include "support/eventually.h"

using namespace weir::test;
using weir::Cell;
using weir::ChangeReader;
using weir::Error;
using weir::ExitCode;
using weir::KeyCells;
using weir::KeyRange;
using weir::Offset;
using weir::RowChange;
using weir::SchemaChange;
using weir::TableName;
using weir::TablePlan;
using weir::Time;
using Lines = std::vector<std::string>;

namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(30);

std::string text_of(Cell cell) {
  if (cell.is_absent()) return "-";
  return cell.is_null() ? "NULL" : std::string(cell.text());
}

std::string text_of(weir::Row row) {
  std::string out;
  for (const Cell cell : row) out += (out.empty() ? "" : ",") + text_of(cell);
  return out;
}

/// The cells of a row that tell it apart; what else a log has of a row that is gone is its own
/// affair.
std::string key_of(const TablePlan& plan, weir::Row row) {
  std::string out;
  for (const std::uint32_t part : plan.key) {
    out += (out.empty() ? "" : ",") + text_of(row[plan.columns[part].source]);
  }
  return plan.key.empty() ? text_of(row) : out;
}

/// Writes down what it is handed, one line each, and looks at the offset at each step.
class Recorder final : public weir::ChangeSink {
 public:
  Recorder(weir::Source& source, const std::vector<TablePlan>& plans)
      : source_(source), plans_(plans) {}

  void read_from(const ChangeReader& reader) {
    reader_ = &reader;
    at_ = reader.offset();
  }

  void begin(Time time) override {
    CHECK_FALSE(inside_);
    move_on();
    inside_ = true;
    begun_ = time;
    lines.emplace_back("begin");
  }
  void row(const RowChange& change) override {
    CHECK(inside_);
    CHECK(same(reader_->offset(), at_));
    const TablePlan& plan = plans_[change.table];
    const std::string name = plan.source.name.table;
    switch (change.op) {
      case RowChange::Op::insert:
        lines.push_back(fmt::format("{} + {}", name, text_of(change.after)));
        if (on_insert) on_insert(change);
        return;
      case RowChange::Op::update:
        lines.push_back(
            fmt::format("{} {} > {}", name, key_of(plan, change.before), text_of(change.after)));
        return;
      case RowChange::Op::remove:
        lines.push_back(fmt::format("{} - {}", name, key_of(plan, change.before)));
        return;
    }
  }
  void schema(const SchemaChange& change) override {
    CHECK_FALSE(inside_);
    move_on();
    lines.push_back(fmt::format("{} {}", change.table.table, to_string(change.kind)));
    schemas.push_back(change);
    changed_ = true;
  }
  void commit(Time time) override {
    const Offset now_at = reader_->offset();
    CHECK(source_.reached(now_at, at_));
    if (inside_) CHECK_FALSE(source_.reached(at_, now_at));
    if (inside_ || changed_) {
      offsets.push_back(now_at);
      marks.push_back(lines.size() + (inside_ ? 1 : 0));
    }
    if (inside_) {
      CHECK(time == begun_);
      lines.emplace_back("commit");
    }
    commit_time = time;
    at_ = now_at;
    inside_ = false;
    ended_definition = std::exchange(changed_, false);
  }
  void heartbeat(Time written) override { beats.push_back(written); }

  bool inside() const { return inside_; }

  Lines lines;
  std::vector<Offset> offsets;     ///< after each transaction that had something
  std::vector<std::size_t> marks;  ///< how many lines there were then
  std::vector<SchemaChange> schemas;
  std::vector<Time> beats;
  std::function<void(const RowChange&)> on_insert;
  Time commit_time{};
  bool ended_definition = false;

 private:
  /// Between transactions the offset may move by itself, but not back.
  void move_on() {
    const Offset now_at = reader_->offset();
    CHECK(source_.reached(now_at, at_));
    at_ = now_at;
  }
  bool same(const Offset& a, const Offset& b) const {
    return source_.reached(a, b) && source_.reached(b, a);
  }

  weir::Source& source_;
  const std::vector<TablePlan>& plans_;
  const ChangeReader* reader_ = nullptr;
  Offset at_;
  Time begun_{};
  bool inside_ = false;
  bool changed_ = false;
};

/// Rows of a chunk, as text.
class CopiedRows final : public weir::RowSink {
 public:
  void row(weir::Row cells) override {
    rows.emplace_back();
    for (const Cell cell : cells) {
      rows.back().push_back(cell.has_value() ? std::optional<std::string>(cell.text())
                                             : std::nullopt);
      CHECK_FALSE(cell.is_absent());
    }
    if (on_row) on_row();
  }
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::function<void()> on_row;
};

/// A schema, a task and a source of one section.
class Probe {
 public:
  Probe(SourceEnd& on, const std::string& called)
      : end(on), name(called), task(end.task(name)), session(end.session()) {
    task.source.heartbeat_table = {name, "weir_heartbeat"};
    task.source.heartbeat = std::chrono::seconds(10);
    session->sql("CREATE SCHEMA " + name);
    source = open_source(task);
  }
  ~Probe() {
    reader.reset();
    try {
      end.release(task);
    } catch (const std::exception& error) {
      WARN(error.what());
    }
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  void sql(const std::string& text) { session->sql(text); }
  void make(const std::string& table, const std::string& columns) {
    sql(fmt::format("CREATE TABLE {}.{} ({})", name, table, columns));
  }

  /// What the mapping rules make of these tables.
  std::vector<TablePlan> plans_of(const std::vector<std::string>& tables) {
    std::vector<TableName> names;
    for (const std::string& table : tables) names.push_back({name, table});
    weir::TableRule rule;
    rule.match.text = "*.*";
    rule.key_all_columns = true;
    weir::Task all;
    all.tables.push_back(rule);
    weir::MappingResult result = weir::map_tables(all, source->describe(names), {});
    REQUIRE(result.plans.size() == tables.size());
    return std::move(result.plans);
  }

  /// Begins to follow these tables.
  void follow(const std::vector<std::string>& tables) {
    plans = plans_of(tables);
    source->prepare(plans);
    start = source->start_offset();
    sink.emplace(*source, plans);
    open(start);
  }
  void open(const Offset& from) {
    reader.reset();
    reader = source->open_changes(from, plans);
    sink->read_from(*reader);
  }

  /// Reads until `condition` holds outside of a transaction.
  bool read_until(const std::function<bool()>& condition) {
    return eventually(
        [&] {
          while (sink->inside() ||
                 reader->wait(std::chrono::milliseconds(5)) == ChangeReader::Wait::ready) {
            reader->poll(*sink);
            if (std::exchange(sink->ended_definition, false)) take_definition();
            if (!sink->inside() && condition()) return true;
          }
          return !sink->inside() && condition();
        },
        kPatience);
  }
  /// Everything that can be seen now.
  Lines read_all() {
    const Offset last = source->log_end();
    INFO("log end " << last.text);
    const bool reached = read_until([&] { return source->reached(reader->offset(), last); });
    INFO("read to " << reader->offset().text);
    REQUIRE(reached);
    return std::exchange(sink->lines, {});
  }

  /// What the stage does with a change that it accepts: it goes on with a reader for the new plans.
  void take_definition() {
    const SchemaChange& change = sink->schemas.back();
    if (change.definition == nullptr) return;
    weir::TableRule rule;
    rule.match.text = "*.*";
    rule.key_all_columns = true;
    weir::Task all;
    all.tables.push_back(rule);
    for (TablePlan& plan : plans) {
      if (plan.source.name != change.table) continue;
      const std::uint32_t id = plan.id;
      plan = weir::map_tables(all, {change.definition.get(), 1}, {}).plans.at(0);
      plan.id = id;
    }
    open(reader->offset());
  }

  std::vector<std::string> column(const std::string& query) {
    std::vector<std::string> out;
    for (const auto& row : session->query(query)) out.push_back(row.at(0));
    return out;
  }

  SourceEnd& end;
  std::string name;
  weir::Task task;
  std::unique_ptr<AnySession> session;
  std::unique_ptr<weir::Source> source;
  std::vector<TablePlan> plans;
  Offset start;
  std::optional<Recorder> sink;
  std::unique_ptr<ChangeReader> reader;
};

std::string error_id(const std::function<void()>& call, ExitCode* code = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    CHECK_FALSE(error.summary().empty());
    CHECK_FALSE(error.why().empty());
    CHECK_FALSE(error.fix().empty());
    if (code != nullptr) *code = error.code();
    return error.id();
  }
  return "";
}

/// Reads a table as the full stage does, in chunks of `limit` rows; the cells of its column `id`.
std::vector<std::string> read_chunks(Probe& probe, const TablePlan& plan, std::uint64_t limit,
                                     const weir::FullSettings& settings = {}) {
  const auto reader = probe.source->open_rows();
  const std::vector<KeyRange> ranges = reader->ranges(plan, settings);
  REQUIRE_FALSE(ranges.empty());
  std::vector<std::string> out;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    CHECK(ranges[i].number == i);
    KeyCells after;
    for (bool done = false; !done;) {
      CopiedRows rows;
      const weir::ChunkResult chunk = reader->read(plan, ranges[i], after, limit, rows);
      CHECK(chunk.rows == rows.rows.size());
      CHECK((ranges[i].whole || chunk.rows <= limit));
      CHECK((chunk.rows == 0) == (chunk.bytes == 0));
      for (const auto& row : rows.rows) out.push_back(row.at(0).value_or("NULL"));
      done = chunk.done;
      if (done) break;
      // Else the next chunk would be this one.
      REQUIRE(chunk.last.size() == plan.key.size());
      REQUIRE(chunk.last != after);
      after = chunk.last;
    }
  }
  return out;
}

void retention(SourceEnd& end) {
  Probe probe(end, "kept");
  probe.make("item", "id INT PRIMARY KEY");
  probe.follow({"item"});
  probe.sql("INSERT INTO kept.item VALUES (1)");
  CHECK(probe.read_all().size() == 3);
  const Offset at = probe.reader->offset();
  const weir::Identity own = probe.source->identity();
  const auto first = probe.source->retention(at, own);
  if (!first) return;  // a kind that cannot tell
  CHECK_FALSE(first->gap);
  REQUIRE(first->behind);
  REQUIRE(first->margin);
  CHECK_FALSE(first->policy.empty());
  CHECK_FALSE(first->oldest.empty());
  probe.sql("INSERT INTO kept.item VALUES (2)");
  const auto second = probe.source->retention(at, own);
  REQUIRE(second);
  CHECK(second->behind > first->behind);
  CHECK(second->margin == first->margin);
  CHECK_FALSE(second->end == first->end);
  CHECK(second->server_now >= first->server_now);
  // Whoever asks takes nothing away.
  CHECK(second->oldest == first->oldest);
  CHECK(probe.read_all() == Lines{"begin", "item + 2", "commit"});

  probe.reader.reset();
  probe.sql("INSERT INTO kept.item VALUES (3)");
  end.lose_log(probe.task);
  const auto lost = probe.source->retention(at, own);
  REQUIRE(lost);
  REQUIRE(lost->gap);
  CHECK(lost->gap->severity == weir::Severity::critical);
  const auto refused = probe.source->can_resume(at, own);
  REQUIRE(refused);
  CHECK(lost->gap->id == refused->id);
}

void identity(SourceEnd& end) {
  Probe probe(end, "ident");
  const weir::Identity own = probe.source->identity();
  CHECK_FALSE(own.text.empty());
  CHECK(open_source(end.task("ident"))->identity() == own);
  CHECK_THAT(probe.source->version(), Catch::StartsWith(end.product()));
  CHECK_FALSE(open_source(end.elsewhere("ident"))->identity() == own);

  probe.make("item", "id INT PRIMARY KEY");
  probe.follow({"item"});
  probe.sql("INSERT INTO ident.item VALUES (1)");
  CHECK(probe.read_all().size() == 3);
  // A reader whose server goes away says so, by an id that tells the stage to come back. It keeps
  // telling what is durable, for which a server may wait before it goes.
  auto reading = std::async(std::launch::async, [&]() -> std::string {
    try {
      while (probe.reader->wait(kPatience) == ChangeReader::Wait::ready) {
        probe.reader->poll(*probe.sink);
        probe.reader->confirm(probe.reader->offset());
      }
    } catch (const Error& error) {
      return error.id();
    }
    return "nothing";
  });
  end.restart();
  CHECK_THAT(reading.get(), Catch::EndsWith(".lost"));
  const Offset at = probe.reader->offset();
  probe.session = end.session();
  probe.sql("INSERT INTO ident.item VALUES (2)");
  probe.source = open_source(probe.task);
  probe.sink.emplace(*probe.source, probe.plans);
  CHECK(probe.source->identity() == own);
  CHECK_FALSE(probe.source->can_resume(at, own));
  probe.open(at);
  CHECK(probe.read_all() == Lines{"begin", "item + 2", "commit"});

  const auto other = probe.source->can_resume(at, {own.text + " of another"});
  REQUIRE(other);
  CHECK(other->id == "source.identity-changed");
  CHECK(other->severity == weir::Severity::critical);
  CHECK_THAT(other->evidence, Catch::Contains(own.text));
  CHECK(other->ways.size() == 1);
}

void tables(SourceEnd& end) {
  Probe probe(end, "tabs");
  probe.make("zebra", "id INT PRIMARY KEY");
  probe.make("apple", "a INT NOT NULL, b VARCHAR(20) NOT NULL, c DECIMAL(7,3), PRIMARY KEY (b, a)");
  probe.make("loose", "a INT, b INT");
  probe.make("almost", "a INT, b INT NOT NULL, UNIQUE (a)");
  probe.make("second", "a INT, b INT NOT NULL, UNIQUE (a), UNIQUE (b)");
  probe.sql("CREATE VIEW tabs.view_of AS SELECT id FROM tabs.zebra");

  const std::vector<TableName> all = probe.source->tables();
  CHECK(std::is_sorted(all.begin(), all.end()));
  Lines own;
  for (const TableName& name : all) {
    if (name.schema == "tabs") own.push_back(name.table);
    const bool system = name.schema == "mysql" || name.schema == "sys" ||
                        name.schema == "information_schema" ||
                        name.schema == "performance_schema" || name.schema.starts_with("pg_");
    CHECK_FALSE(system);
  }
  CHECK(own == Lines{"almost", "apple", "loose", "second", "zebra"});

  const std::vector<TableName> names = {{"tabs", "zebra"},
                                        {"tabs", "apple"},
                                        {"tabs", "loose"},
                                        {"tabs", "almost"},
                                        {"tabs", "second"}};
  const std::vector<weir::Table> found = probe.source->describe(names);
  REQUIRE(found.size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(found[i].name == names[i]);
  CHECK(found[0].key_is_primary);
  CHECK(found[1].key == std::vector<std::uint32_t>{1, 0});
  REQUIRE(found[1].columns.size() == 3);
  CHECK(found[1].columns[1].name == "b");
  CHECK(found[1].columns[1].type.kind == weir::TypeKind::text);
  CHECK(found[1].columns[1].type.length == 20);
  CHECK_FALSE(found[1].columns[1].nullable);
  CHECK(found[1].columns[2].type.kind == weir::TypeKind::decimal);
  CHECK(found[1].columns[2].type.precision == 7);
  CHECK(found[1].columns[2].type.scale == 3);
  CHECK(found[1].columns[2].nullable);
  // A key that may be NULL tells no rows apart.
  CHECK(found[2].key.empty());
  CHECK(found[3].key.empty());
  CHECK(found[4].key == std::vector<std::uint32_t>{1});
  CHECK_FALSE(found[4].key_is_primary);

  ExitCode code = ExitCode::ok;
  const std::vector<TableName> gone = {{"tabs", "zebra"}, {"tabs", "nobody"}};
  CHECK_FALSE(error_id([&] { probe.source->describe(gone); }, &code).empty());
  CHECK(code == ExitCode::not_found);
}

void preparation(SourceEnd& end) {
  Probe probe(end, "prep");
  probe.make("item", "id INT PRIMARY KEY");
  const std::vector<TablePlan> plans = probe.plans_of({"item"});
  const auto refusals = [&](bool is_new) {
    std::string out;
    const std::string facts = probe.source->gather(probe.task, plans, is_new);
    for (const weir::Finding& finding : probe.source->judge(plans, facts)) {
      if (finding.severity == weir::Severity::critical) out += finding.id + ' ';
    }
    return out;
  };
  CHECK(refusals(true) == "");
  probe.source->prepare(plans);
  // A start that got no further is taken up again.
  CHECK(refusals(true) == "");
  probe.source->prepare(plans);
  const Offset start = probe.source->start_offset();
  CHECK_FALSE(start.empty());
  CHECK_FALSE(probe.source->can_resume(start, probe.source->identity()));
  CHECK(refusals(false) == "");
}

void chunks(SourceEnd& end) {
  Probe probe(end, "chunk");
  probe.make("few", "id INT PRIMARY KEY, note VARCHAR(20)");
  probe.make("pair", "id INT NOT NULL, k " + end.folding_text("chunk") +
                         " NOT NULL, n INT NOT NULL, PRIMARY KEY (k, n)");
  probe.make("wide", "id BIGINT PRIMARY KEY");
  std::vector<TablePlan> plans = probe.plans_of({"few", "pair", "wide"});
  for (const std::uint64_t limit : {1, 2, 100}) {
    CHECK(read_chunks(probe, plans[0], limit).empty());
  }
  probe.sql("INSERT INTO chunk.few VALUES (-7, NULL)");
  for (const std::uint64_t limit : {1, 2, 100}) {
    CHECK(read_chunks(probe, plans[0], limit) == Lines{"-7"});
  }
  probe.sql("INSERT INTO chunk.few VALUES (1, ''), (2, 'x'), (3, NULL), (4, 'y')");
  for (const std::uint64_t limit : {1, 2, 3, 5, 100}) {
    CHECK(read_chunks(probe, plans[0], limit) == Lines{"-7", "1", "2", "3", "4"});
  }
  // Keys whose first part the server takes for the same, in every way that a chunk can end.
  probe.sql(
      "INSERT INTO chunk.pair VALUES (1, 'b', 1), (2, 'B', 2), (3, 'b', 3), (4, 'a', 2), (5, 'A', "
      "1), (6, 'A', 3), (7, 'c', -1), (8, 'C', -2), (9, '', 0), (10, 'it''s', 0)");
  const std::vector<std::string> in_order = probe.column("SELECT id FROM chunk.pair ORDER BY k, n");
  REQUIRE(in_order.size() == 10);
  for (const std::uint64_t limit : {1, 2, 3, 4, 7, 10, 11}) {
    INFO("limit " << limit);
    CHECK(read_chunks(probe, plans[1], limit) == in_order);
  }
  // Several ranges, between the least and the greatest key that there is.
  std::string rows = fmt::format("INSERT INTO chunk.wide VALUES (-9223372036854775808), ({})",
                                 std::numeric_limits<std::int64_t>::max());
  for (int i = -200; i < 200; ++i) rows += fmt::format(", ({})", i * 40'000'000'000'000'001LL);
  probe.sql(rows);
  const std::vector<std::string> wide = probe.column("SELECT id FROM chunk.wide ORDER BY id");
  plans[2].source.estimated_rows = 402;
  weir::FullSettings settings;
  settings.chunk_rows = 10;
  CHECK(probe.source->open_rows()->ranges(plans[2], settings).size() > 1);
  CHECK(read_chunks(probe, plans[2], 10, settings) == wide);
}

void keys_of_every_type(SourceEnd& end) {
  Probe probe(end, "keyed");
  const std::vector<ContractTable> made = end.key_tables("keyed");
  Lines names;
  for (const ContractTable& table : made) {
    probe.sql(table.create);
    probe.sql(table.fill);
    names.push_back(table.name);
  }
  REQUIRE(made.size() > 15);
  for (const TablePlan& plan : probe.plans_of(names)) {
    INFO(plan.source.name.table << ' ' << plan.source.columns[1].type.native);
    REQUIRE(plan.key.size() == 1);
    const std::vector<std::string> in_order =
        probe.column(fmt::format("SELECT id FROM keyed.{} ORDER BY k", plan.source.name.table));
    // A type whose order nobody can walk is one chunk, and then in no order.
    const bool whole = probe.source->open_rows()->ranges(plan, {}).at(0).whole;
    std::vector<std::string> found = read_chunks(probe, plan, 2);
    if (whole) {
      std::vector<std::string> sorted = in_order;
      std::sort(sorted.begin(), sorted.end());
      std::sort(found.begin(), found.end());
      CHECK(found == sorted);
    } else {
      CHECK(found == in_order);
    }
  }
}

void tables_without_a_key(SourceEnd& end) {
  Probe probe(end, "loose");
  probe.make("pile", "a INT, b VARCHAR(20)");
  probe.sql("INSERT INTO loose.pile VALUES (1, 'x'), (1, 'x'), (2, NULL)");
  probe.follow({"pile"});
  probe.sql("INSERT INTO loose.pile VALUES (3, 'before')");
  const auto rows = probe.source->open_rows();
  const std::vector<KeyRange> ranges = rows->ranges(probe.plans[0], {});
  REQUIRE(ranges.size() == 1);
  CHECK(ranges[0].whole);
  CopiedRows copied;
  copied.on_row = [&] {
    if (copied.rows.size() == 1) end.session()->sql("INSERT INTO loose.pile VALUES (4, 'during')");
  };
  const weir::ChunkResult chunk = rows->read(probe.plans[0], ranges[0], {}, 1, copied);
  CHECK(chunk.rows == 4);
  CHECK(chunk.done);
  REQUIRE_FALSE(chunk.snapshot.empty());
  CHECK(probe.source->reached(chunk.snapshot, probe.start));
  // The copy has exactly what is at or before its place, and the log the rest.
  probe.plans[0].since = chunk.snapshot;
  probe.open(probe.start);
  CHECK(probe.read_all() == Lines{"begin", "pile + 4,during", "commit"});
  // Only the table that has it passes over what is before.
  probe.plans[0].since = {};
  probe.open(probe.start);
  CHECK(probe.read_all() ==
        Lines{"begin", "pile + 3,before", "commit", "begin", "pile + 4,during", "commit"});
}

void order_of_changes(SourceEnd& end) {
  Probe probe(end, "ordered");
  probe.make("item", "id INT PRIMARY KEY, name VARCHAR(20), n INT");
  probe.make("other", "id INT PRIMARY KEY");
  probe.make("unwanted", "id INT PRIMARY KEY");
  probe.follow({"item", "other"});
  const Time before = weir::now() - std::chrono::seconds(2);
  probe.sql("INSERT INTO ordered.item VALUES (1, 'one', 1), (2, NULL, NULL)");
  probe.sql("INSERT INTO ordered.unwanted VALUES (1)");
  probe.sql("UPDATE ordered.item SET name = '' WHERE id = 1");
  probe.sql("UPDATE ordered.item SET id = 3 WHERE id = 2");
  probe.sql("DELETE FROM ordered.item WHERE id = 3");
  probe.sql("BEGIN");
  probe.sql("INSERT INTO ordered.other VALUES (1)");
  probe.sql("INSERT INTO ordered.item VALUES (4, 'a', 0)");
  probe.sql("SAVEPOINT a");
  probe.sql("INSERT INTO ordered.item VALUES (5, 'b', 0)");
  probe.sql("ROLLBACK TO SAVEPOINT a");
  probe.sql("UPDATE ordered.item SET n = n + 1 WHERE id = 4");
  probe.sql("DELETE FROM ordered.other WHERE id = 1");
  probe.sql("COMMIT");
  probe.sql("BEGIN");
  probe.sql("INSERT INTO ordered.item VALUES (6, 'c', 0)");
  probe.sql("ROLLBACK");
  CHECK(probe.read_all() ==
        Lines{"begin", "item + 1,one,1", "item + 2,NULL,NULL", "commit", "begin", "item 1 > 1,,1",
              "commit", "begin", "item 2 > 3,NULL,NULL", "commit", "begin", "item - 3", "commit",
              "begin", "other + 1", "item + 4,a,0", "item 4 > 4,a,1", "other - 1", "commit"});
  CHECK(probe.sink->commit_time > before);
  CHECK(probe.sink->commit_time < weir::now() + std::chrono::seconds(2));
  CHECK(probe.reader->bytes_read() > 0);
  CHECK(probe.reader->last_heard() > before);

  // Two transactions that overlap come one after the other, in the order of their commits.
  const auto second = end.session();
  probe.sql("BEGIN");
  probe.sql("INSERT INTO ordered.item VALUES (10, 'first', 0)");
  second->sql("BEGIN");
  second->sql("INSERT INTO ordered.item VALUES (20, 'second', 0)");
  probe.sql("INSERT INTO ordered.item VALUES (11, 'first', 0)");
  second->sql("COMMIT");
  probe.sql("COMMIT");
  CHECK(probe.read_all() == Lines{"begin", "item + 20,second,0", "commit", "begin",
                                  "item + 10,first,0", "item + 11,first,0", "commit"});
}

/// A lane reads by itself from wherever its parent can go on.
void lanes(SourceEnd& end) {
  Probe probe(end, "branched");
  probe.make("item", "id INT PRIMARY KEY");
  probe.follow({"item"});
  probe.sql("INSERT INTO branched.item VALUES (1)");
  CHECK(probe.read_all() == Lines{"begin", "item + 1", "commit"});
  const Offset held = probe.reader->offset();
  probe.reader->confirm(held);
  probe.sql("INSERT INTO branched.item VALUES (2)");

  // The parent is held where it is, with its reader open.
  weir::Task task = probe.task;
  task.name = "branched/1";
  const auto source = open_source(task);
  source->branch(probe.task);
  source->branch(probe.task);
  CHECK_FALSE(source->can_resume(held, source->identity()));
  Recorder sink(*source, probe.plans);
  std::unique_ptr<ChangeReader> reader = source->open_changes(held, probe.plans);
  sink.read_from(*reader);
  const auto lane_reads = [&](const Lines& wanted) {
    CHECK(eventually(
        [&] {
          while (sink.inside() ||
                 reader->wait(std::chrono::milliseconds(5)) == ChangeReader::Wait::ready) {
            reader->poll(sink);
          }
          return sink.lines.size() >= wanted.size();
        },
        kPatience));
    CHECK(std::exchange(sink.lines, {}) == wanted);
  };
  // Both at once, and what one of them has done with holds nothing for the other.
  CHECK(probe.read_all() == Lines{"begin", "item + 2", "commit"});
  probe.sql("INSERT INTO branched.item VALUES (3)");
  CHECK(probe.read_all() == Lines{"begin", "item + 3", "commit"});
  const Offset parent_at = probe.reader->offset();
  probe.reader->confirm(parent_at);
  probe.reader.reset();
  lane_reads({"begin", "item + 2", "commit", "begin", "item + 3", "commit"});
  const Offset lane_at = reader->offset();
  reader.reset();
  CHECK_FALSE(source->can_resume(held, source->identity()));
  probe.sql("INSERT INTO branched.item VALUES (4)");
  probe.open(parent_at);
  CHECK(probe.read_all() == Lines{"begin", "item + 4", "commit"});
  reader = source->open_changes(lane_at, probe.plans);
  sink.read_from(*reader);
  lane_reads({"begin", "item + 4", "commit"});
  reader->confirm(reader->offset());

  // It goes, and takes nothing of the task's along; also right after its reader, and twice.
  reader.reset();
  source->release();
  source->release();
  open_source(task)->release();
  CHECK_FALSE(probe.source->can_resume(probe.reader->offset(), probe.source->identity()));
  probe.source->release();
  probe.sql("INSERT INTO branched.item VALUES (5)");
  CHECK(probe.read_all() == Lines{"begin", "item + 5", "commit"});
}

/// A lane adds a table while the task reads, which never sees its rows.
void lane_of_its_own_tables(SourceEnd& end) {
  Probe probe(end, "added");
  probe.make("item", "id INT PRIMARY KEY");
  probe.make("later", "id INT PRIMARY KEY, n INT");
  probe.follow({"item"});
  probe.sql("INSERT INTO added.item VALUES (1)");
  CHECK(probe.read_all() == Lines{"begin", "item + 1", "commit"});
  probe.sql("INSERT INTO added.later VALUES (1, 1)");

  weir::Task task = probe.task;
  task.name = "added/1";
  const auto source = open_source(task);
  const std::vector<TablePlan> plans = probe.plans_of({"later"});
  source->prepare(plans);
  source->prepare(plans);
  const Offset start = source->start_offset();
  // A log that names tables tells everybody of a change to one.
  const auto own_lines = [&] {
    Lines lines = probe.read_all();
    std::erase(lines, "later add_column");
    return lines;
  };
  Recorder sink(*source, plans);
  auto reader = source->open_changes(start, plans);
  sink.read_from(*reader);
  probe.sql("BEGIN");
  probe.sql("INSERT INTO added.later VALUES (2, 2)");
  probe.sql("INSERT INTO added.item VALUES (2)");
  probe.sql("COMMIT");
  probe.sql("UPDATE added.later SET n = 3 WHERE id = 1");
  probe.sql("ALTER TABLE added.later ADD COLUMN more INT");
  probe.sql("INSERT INTO added.item VALUES (3)");
  CHECK(own_lines() == Lines{"begin", "item + 2", "commit", "begin", "item + 3", "commit"});
  CHECK(eventually(
      [&] {
        while (sink.inside() ||
               reader->wait(std::chrono::milliseconds(5)) == ChangeReader::Wait::ready) {
          reader->poll(sink);
        }
        return sink.lines.size() >= 6;
      },
      kPatience));
  const Lines wanted = {"begin", "later + 2,2", "commit", "begin", "later 1 > 1,3", "commit"};
  REQUIRE(sink.lines.size() >= wanted.size());
  sink.lines.resize(wanted.size());
  CHECK(sink.lines == wanted);
  reader.reset();
  source->release();
  // The task, and a reader of it that begins anew, know nothing of it.
  probe.open(probe.reader->offset());
  probe.sql("INSERT INTO added.later VALUES (4, 4, 4)");
  probe.sql("INSERT INTO added.item VALUES (4)");
  CHECK(probe.read_all() == Lines{"begin", "item + 4", "commit"});
}

void resuming(SourceEnd& end) {
  Probe probe(end, "resumed");
  probe.make("item", "id INT PRIMARY KEY, n INT");
  probe.follow({"item"});
  for (int i = 1; i <= 6; ++i) {
    probe.sql(fmt::format("INSERT INTO resumed.item VALUES ({0}, 0), ({0}0, 0)", i));
    probe.sql(fmt::format("UPDATE resumed.item SET n = {0} WHERE id = {0}", i));
  }
  const Lines all = probe.read_all();
  const std::vector<Offset> offsets = std::exchange(probe.sink->offsets, {});
  const std::vector<std::size_t> marks = std::exchange(probe.sink->marks, {});
  REQUIRE(offsets.size() == 12);
  REQUIRE(marks.back() == all.size());
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    INFO("from " << offsets[i].text);
    CHECK_FALSE(probe.source->can_resume(offsets[i], probe.source->identity()));
    probe.open(offsets[i]);
    CHECK(probe.source->reached(probe.reader->offset(), offsets[i]));
    const Lines rest(all.begin() + static_cast<std::ptrdiff_t>(marks[i]), all.end());
    CHECK(probe.read_all() == rest);
  }
  // One that goes away in the middle of a transaction has not passed it.
  probe.sql("BEGIN");
  for (int i = 100; i < 400; ++i)
    probe.sql(fmt::format("INSERT INTO resumed.item VALUES ({}, 0)", i));
  probe.sql("COMMIT");
  std::size_t rows = 0;
  struct Left {};
  probe.sink->on_insert = [&](const RowChange& change) {
    if (std::stoi(text_of(change.after[0])) >= 100 && ++rows == 150) throw Left();
  };
  bool left = false;
  try {
    probe.read_all();
  } catch (const Left&) {
    left = true;
  }
  REQUIRE(left);
  const Offset inside = probe.reader->offset();
  probe.sink->on_insert = {};
  probe.sink.emplace(*probe.source, probe.plans);
  probe.open(inside);
  CHECK(probe.read_all().size() == 302);

  // What is confirmed need not be kept, and what follows it still comes.
  probe.reader->confirm(probe.reader->offset());
  const Offset confirmed = probe.reader->offset();
  probe.sql("INSERT INTO resumed.item VALUES (999, 9)");
  probe.open(confirmed);
  CHECK(probe.read_all() == Lines{"begin", "item + 999,9", "commit"});
}

void lost_logs(SourceEnd& end) {
  Probe probe(end, "lost");
  probe.make("item", "id INT PRIMARY KEY");
  probe.follow({"item"});
  probe.sql("INSERT INTO lost.item VALUES (1)");
  CHECK(probe.read_all().size() == 3);
  const Offset at = probe.reader->offset();
  probe.sql("INSERT INTO lost.item VALUES (2)");
  probe.reader.reset();
  end.lose_log(probe.task);
  const auto gap = probe.source->can_resume(at, probe.source->identity());
  REQUIRE(gap);
  CHECK(gap->severity == weir::Severity::critical);
  for (const std::string& part : {gap->id, gap->what, gap->why, gap->fix, gap->evidence}) {
    CHECK_FALSE(part.empty());
  }
  // From where to where, and every way out as a command.
  REQUIRE(gap->gap);
  CHECK(gap->gap->from == at.text);
  CHECK_FALSE(gap->gap->to.empty());
  CHECK_FALSE(gap->gap->missing.empty());
  CHECK(gap->ways.size() >= 2);
  for (const weir::WayOut& way : gap->ways) {
    CHECK_FALSE(way.consequence.empty());
    CHECK_THAT(way.command, Catch::Contains("weir "));
  }
  // Nor is it passed over by who does not ask.
  ExitCode code = ExitCode::ok;
  const std::string id = error_id(
      [&] {
        probe.open(at);
        while (probe.reader->wait(kPatience) == ChangeReader::Wait::ready) {
          probe.reader->poll(*probe.sink);
        }
      },
      &code);
  INFO(id);
  CHECK(code == ExitCode::refused);
  CHECK(probe.sink->lines.empty());
}

void waking(SourceEnd& end) {
  Probe probe(end, "woken");
  probe.make("item", "id INT PRIMARY KEY");
  probe.follow({"item"});
  CHECK(probe.read_all().empty());
  // What else the server says meanwhile is none of this test's business.
  const auto wait = [&] {
    for (;;) {
      const ChangeReader::Wait why = probe.reader->wait(kPatience);
      if (why != ChangeReader::Wait::ready) return why;
      probe.reader->poll(*probe.sink);
    }
  };
  auto waiting = std::async(std::launch::async, wait);
  probe.reader->wake();
  REQUIRE(waiting.wait_for(kPatience / 2) == std::future_status::ready);
  CHECK(waiting.get() == ChangeReader::Wait::woken);
  // Before anybody waits.
  probe.reader->wake();
  CHECK(wait() == ChangeReader::Wait::woken);
  CHECK(eventually([&] {
    const ChangeReader::Wait why = probe.reader->wait(std::chrono::milliseconds(10));
    if (why == ChangeReader::Wait::ready) probe.reader->poll(*probe.sink);
    return why == ChangeReader::Wait::timed_out;
  }));
}

void log_ends(SourceEnd& end) {
  Probe probe(end, "ends");
  probe.make("item", "id INT PRIMARY KEY");
  probe.follow({"item"});
  const auto open = end.session();
  open->sql("BEGIN");
  open->sql("INSERT INTO ends.item VALUES (1)");
  probe.sql("INSERT INTO ends.item VALUES (2)");
  // Before the end of who still runs, and after all that a read can have seen.
  const auto asked = std::chrono::steady_clock::now();
  const Offset at = probe.source->log_end();
  CHECK(std::chrono::steady_clock::now() - asked < std::chrono::seconds(10));
  CHECK(probe.read_until([&] { return probe.source->reached(probe.reader->offset(), at); }));
  CHECK(std::exchange(probe.sink->lines, {}) == Lines{"begin", "item + 2", "commit"});
  open->sql("ROLLBACK");
  // Nobody writes from here on.
  const Offset idle = probe.source->log_end();
  CHECK(probe.read_until([&] { return probe.source->reached(probe.reader->offset(), idle); }));
  CHECK(probe.read_until([&] { return probe.reader->at_end(); }));
  CHECK(probe.sink->lines.empty());
}

void definitions(SourceEnd& end) {
  Probe probe(end, "defs");
  probe.make("item", "id INT PRIMARY KEY, n INT");
  probe.follow({"item"});
  probe.sql("INSERT INTO defs.item VALUES (1, 1)");
  probe.sql("ALTER TABLE defs.item ADD COLUMN note VARCHAR(20)");
  probe.sql("INSERT INTO defs.item VALUES (2, 2, 'x')");
  CHECK(probe.read_all() == Lines{"begin", "item + 1,1", "commit", "item add_column", "begin",
                                  "item + 2,2,x", "commit"});
  REQUIRE(probe.sink->schemas.size() == 1);
  const SchemaChange& added = probe.sink->schemas[0];
  REQUIRE(added.definition);
  REQUIRE(added.definition->columns.size() == 3);
  CHECK(added.definition->columns[2].name == "note");
  REQUIRE(added.origins.size() == 3);
  CHECK(added.origins[1].before == 1);
  CHECK(added.origins[2].before == weir::ColumnOrigin::kNew);
  CHECK(added.unreadable.empty());
  // Who stops before it meets it again. Who stops after it may, where it was not a transaction of
  // its own.
  probe.sql("TRUNCATE TABLE defs.item");
  probe.sql("INSERT INTO defs.item VALUES (3, 3, 'y')");
  const Lines rest = {"item truncate_table", "begin", "item + 3,3,y", "commit"};
  const Offset before = probe.reader->offset();
  CHECK(probe.read_all() == rest);
  REQUIRE(probe.sink->offsets.size() == 5);
  const Offset after = probe.sink->offsets[3];
  probe.open(before);
  CHECK(probe.read_all() == rest);
  probe.open(after);
  const Lines found = probe.read_all();
  CHECK((found == rest || found == Lines(rest.begin() + 1, rest.end())));
}

void values_agree(SourceEnd& end) {
  using Values = std::vector<std::optional<std::string>>;
  Probe probe(end, "vals");
  const std::vector<ContractTable> made = end.type_tables("vals");
  Lines names;
  for (const ContractTable& table : made) {
    probe.sql(table.create);
    names.push_back(table.name);
  }
  probe.follow(names);
  std::map<std::pair<std::uint32_t, std::string>, Values> logged;
  probe.sink->on_insert = [&](const RowChange& change) {
    Values& values = logged[{change.table, text_of(change.after[0])}];
    for (const weir::PlannedColumn& column : probe.plans[change.table].columns) {
      const Cell cell = change.after[column.source];
      values.push_back(cell.has_value() ? std::optional<std::string>(cell.text()) : std::nullopt);
    }
  };
  for (const ContractTable& table : made) probe.sql(table.fill);
  probe.read_all();
  std::size_t count = 0;
  for (const TablePlan& plan : probe.plans) {
    const auto reader = probe.source->open_rows();
    CopiedRows read;
    CHECK(reader->read(plan, reader->ranges(plan, {}).at(0), {}, 100'000, read).done);
    REQUIRE_FALSE(read.rows.empty());
    std::vector<bool> filled(plan.columns.size());
    for (const Values& row : read.rows) {
      ++count;
      const auto other = logged.find({plan.id, row.at(0).value_or("")});
      REQUIRE(other != logged.end());
      REQUIRE(other->second.size() == row.size());
      for (std::size_t i = 0; i < row.size(); ++i) {
        filled[i] = filled[i] || row[i].has_value();
        if (row[i] == other->second[i]) continue;
        INFO(plan.source.name.table << '.' << plan.columns[i].name << " id "
                                    << row[0].value_or(""));
        CHECK(row[i].value_or("NULL").substr(0, 200) ==
              other->second[i].value_or("NULL").substr(0, 200));
        CHECK(row[i].has_value() == other->second[i].has_value());
        CHECK(row[i].value_or("").size() == other->second[i].value_or("").size());
      }
    }
    // A column that is NULL in each row would show nothing.
    for (std::size_t i = 0; i < filled.size(); ++i) {
      INFO(plan.source.name.table << '.' << plan.columns[i].name);
      CHECK(filled[i]);
    }
  }
  CHECK(count == logged.size());
}

void beats(SourceEnd& end) {
  Probe probe(end, "beats");
  probe.make("item", "id INT PRIMARY KEY");
  const auto heart = probe.source->open_heartbeat();
  if (heart == nullptr) {
    // A kind without a heartbeat says so to who chooses.
    const std::vector<weir::SourceKind> kinds(weir::source_kinds().begin(),
                                              weir::source_kinds().end());
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const weir::SourceKind& each) {
      return each.name == probe.task.source.kind;
    });
    REQUIRE(kind != kinds.end());
    CHECK(std::find(kind->cannot.begin(), kind->cannot.end(), "send a heartbeat") !=
          kind->cannot.end());
    return;
  }
  // Makes the table, if there has to be one.
  const Time first = weir::now();
  heart->beat(first);
  probe.follow({"item"});
  const Time second = first + std::chrono::microseconds(1);
  heart->beat(second);
  probe.sql("INSERT INTO beats.item VALUES (1)");
  const Time third = first + std::chrono::seconds(1);
  heart->beat(third);
  CHECK(probe.read_all() == Lines{"begin", "item + 1", "commit"});
  CHECK(probe.sink->beats == std::vector<Time>{second, third});
}

/// Each promise is a section; each section begins with a schema and a task of its own.
void check_source(Release release) {
  SourceEnd& end = source_end(release);
  SECTION("tables are listed and described, and a key is one that tells rows apart") {
    tables(end);
  }
  SECTION("a source is made ready once or twice, and then nothing refuses a task") {
    preparation(end);
  }
  SECTION("chunks cover a table exactly once") { chunks(end); }
  SECTION("keys of every type are walked in the server's order") { keys_of_every_type(end); }
  SECTION("a table without a key is copied from one exact place") { tables_without_a_key(end); }
  SECTION("changes come in order and in whole transactions, and the offset moves at their ends") {
    order_of_changes(end);
  }
  SECTION("each offset gives the rest and nothing twice") { resuming(end); }
  SECTION("a lane goes its own way from where its task is") { lanes(end); }
  SECTION("a lane adds tables whose rows its task never sees") { lane_of_its_own_tables(end); }
  SECTION("a log that is gone is refused by name") { lost_logs(end); }
  SECTION("how long the log is kept is told, and asking changes nothing") { retention(end); }
  SECTION("a waiting reader can be woken") { waking(end); }
  SECTION("the end of the log waits for nobody and is reached by an idle server") { log_ends(end); }
  SECTION("definitions come between transactions, at their place") { definitions(end); }
  SECTION("copy and log agree on each value of each type") { values_agree(end); }
  SECTION("a beat comes back and its row does not") { beats(end); }
  SECTION("a server is known again after a restart, and told from another one") { identity(end); }
}

}  // namespace

TEST_CASE("source contract: MariaDB 10.11", "[contract][sourcecontract][server]") {
  check_source(Release::mariadb_10_11);
}

TEST_CASE("source contract: MariaDB 11.8", "[contract][sourcecontract][server][bootstrap]") {
  check_source(Release::mariadb_11_8);
}

TEST_CASE("source contract: MySQL 9", "[contract][sourcecontract][server][bootstrap]") {
  check_source(Release::mysql_9);
}

TEST_CASE("source contract: PostgreSQL 15", "[contract][sourcecontract][server]") {
  check_source(Release::postgres_15);
}

TEST_CASE("source contract: PostgreSQL 17", "[contract][sourcecontract][server][bootstrap]") {
  check_source(Release::postgres_17);
}

TEST_CASE("source contract: PostgreSQL 18", "[contract][sourcecontract][server][bootstrap]") {
  check_source(Release::postgres_18);
}
