// SPDX-License-Identifier: Apache-2.0
// Every source with every target, through all that a task goes through, under writers. What is on
// both sides is compared by SQL that weir did not write; a new pair is one line at the end.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/pair_end.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/onlooker.h"
#include "support/seed.h"
#include "support/task_run.h"

using namespace weir::test;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kItems = 3000;
constexpr int kKinds = 120;
constexpr int kWords = 200;
constexpr int kLarge = 30;
constexpr int kSeats = 60;
constexpr int kWriters = 2;
/// Where rows go whose key changes, in the tables whose keys are numbers.
constexpr int kAway = 10000;

std::string all_bytes() {
  std::string out;
  for (int i = 0; i < 256; ++i) out += fmt::format("{:02X}", i);
  return out;
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

const std::vector<std::string> kTexts = {
    "",
    "plain",
    "it's \"quoted\" `so`",
    "two\nlines\r\nand\ta tab",
    "back\\slash \\N \\. \\\\ \\x41 at the end \\",
    "\U0001F600 four bytes \U0001D11E",
    "\u00e9 and e\u0301",
    "NULL",
    "'; DROP TABLE shop.item; --",
    "spaces at the end  ",
    " and at the start",
    "\x01\x1a\x7f control\b\f\v",
    "$1 {0} %s ?",
    repeated("long '\\\U0001F600\n", 20),
};

const std::vector<std::string> kDocuments = {
    "{}",
    "[]",
    "null",
    "true",
    R"("a \"text\" with \\ and \n and \u00e9")",
    R"({"a": 1, "b": [true, null, "x"], "ü": "😀", "": {"deep": [[[1.25]]]}})",
    "123456789012345678",
    "-0.5",
    "1.5e10",
    "18446744073709551615",
    R"({"quotes": "it's", "percent": "%s", "zero": 0})",
};

const std::vector<std::string> kMoments = {
    "2024-02-29 12:34:56.789012", "1970-01-01 00:00:01.000001", "2038-01-19 03:14:07.999999",
    "2026-03-29 01:30:00.000000", "2026-10-25 00:59:59.500000",
};

const std::vector<std::string> kWideMoments = {
    "0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999", "1582-10-10 01:02:03.000004",
    "1900-01-01 23:59:59.100000", "2000-01-01 00:00:00.000000",
};

PairTable kinds() {
  using enum Kind;
  const std::string nines(35, '9');
  const std::string more(30, '9');
  return {"kinds",
          {
              {"id", integer, "INT", "int"},
              {"tiny", integer, "TINYINT", "smallint", 0, {"-128", "127", "0"}},
              {"utiny", integer, "TINYINT UNSIGNED", "", 0, {"0", "255"}},
              {"small", integer, "SMALLINT", "smallint", 0, {"-32768", "32767", "-1"}},
              {"usmall", integer, "SMALLINT UNSIGNED", "", 0, {"65535", "0"}},
              {"medium", integer, "MEDIUMINT", "int", 0, {"-8388608", "8388607"}},
              {"umedium", integer, "MEDIUMINT UNSIGNED", "", 0, {"16777215", "0"}},
              {"whole", integer, "INT", "int", 0, {"-2147483648", "2147483647", "0"}},
              {"uwhole", integer, "INT UNSIGNED", "oid", 0, {"4294967295", "0"}},
              {"big",
               integer,
               "BIGINT",
               "bigint",
               0,
               {"-9223372036854775808", "9223372036854775807", "-1"}},
              {"ubig",
               integer,
               "BIGINT UNSIGNED",
               "numeric(20,0)",
               0,
               {"18446744073709551615", "9223372036854775808", "9223372036854775807", "0"}},
              {"price",
               decimal,
               "DECIMAL(12,2)",
               "numeric(12,2)",
               2,
               {"9999999999.99", "-9999999999.99", "0.01", "0.00", "12.30"}},
              {"fine",
               decimal,
               "DECIMAL(15,6)",
               "numeric(15,6)",
               6,
               {"123456789.123456", "-0.000001", "999999999.999999", "0.1"}},
              {"count", decimal, "DECIMAL(18,0)", "numeric(18,0)", 0, {"999999999999999999", "-1"}},
              {"huge",
               decimal,
               "DECIMAL(65,30)",
               "numeric(65,30)",
               30,
               {nines + "." + more, "-" + nines + "." + more, "0." + std::string(29, '0') + "1"}},
              {"free",
               decimal,
               "DECIMAL(65,30)",
               "numeric",
               30,
               {"12345678901234567890.123456789", "-0.5", "100", "0"}},
              {"half",
               single,
               "FLOAT",
               "real",
               0,
               {"3.402823e38", "-3.402823e38", "1.17549435e-38", "16777216", "0.1", "-2.5", "0"}},
              {"twice",
               number,
               "DOUBLE",
               "double precision",
               0,
               {"1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308",
                "0.1", "1e22", "9007199254740993", "0.30000000000000004", "0"}},
              {"flag", boolean, "TINYINT(1)", "boolean", 0, {"true", "false"}},
              {"name", text, "VARCHAR(300)", "varchar(300)", 0, kTexts},
              {"body", text, "LONGTEXT", "text", 0, kTexts},
              {"code", padded, "CHAR(10)", "char(10)", 0, {"a", "  x", "\u00e9\U0001F600", ""}},
              {"raw",
               bytes,
               "VARBINARY(300)",
               "bytea",
               0,
               {all_bytes(), "", "00", "5C", "275C0A0D1A00FF", "20"}},
              {"blob_", bytes, "LONGBLOB", "bytea", 0, {repeated(all_bytes(), 9), "", "FF00"}},
              {"day",
               date,
               "DATE",
               "date",
               0,
               {"0001-01-01", "9999-12-31", "2024-02-29", "1582-10-10", "1900-01-01"}},
              {"at_", moment, "DATETIME(6)", "timestamp(6)", 0, kWideMoments},
              {"at_second", moment, "DATETIME", "timestamp(0)", 0, {"2024-02-29 12:34:56"}},
              {"stamp", moment, "TIMESTAMP(6) NULL", "timestamptz(6)", 0, kMoments},
              {"wide_stamp", moment, "", "timestamptz", 0, kWideMoments},
              {"clock",
               time,
               "TIME(6)",
               "time(6)",
               0,
               {"00:00:00", "23:59:59.999999", "12:34:56.5", "24:00:00"}},
              {"long_clock", time, "TIME", "", 0, {"-838:59:59", "838:59:59", "-00:00:01"}},
              {"doc", json, "JSON", "json", 0, kDocuments},
              {"docb", json, "JSON", "jsonb", 0, kDocuments},
              {"mark_",
               uuid,
               "UUID",
               "uuid",
               0,
               {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "9f1b6c3e-4d2a-4c6b-8e1f-0123456789ab", "018f3e5c-7a1b-7c3d-9e5f-0123456789ab"}},
              {"color",
               text,
               "ENUM('red', 'it''s \\\\', 'grün')",
               "shop.color",
               0,
               {"red", "it's \\", "grün"}},
              {"bits", bits, "BIT(10)", "bit(10)", 0, {"0000000000", "1111111111", "0101010101"}},
              {"tags",
               text,
               "",
               "text[]",
               0,
               {"{}", "{a,NULL,\"b c\"}", R"({"it's","back\\slash","\"q\"",""})"}},
              {"net", text, "", "inet", 0, {"10.0.0.0/8", "fe80::/10", "192.168.1.0/24"}},
          },
          "PRIMARY KEY (id)"};
}

const std::string kLetter = "VARCHAR(40) CHARACTER SET utf8mb4 ";

/// The columns of all others hold no samples: their rows are written by hand.
std::vector<PairTable> make_tables() {
  using enum Kind;
  const PairColumn id{"id", integer, "INT", "int"};
  const PairColumn n{"n", integer, "INT NOT NULL", "int NOT NULL"};
  return {
      kinds(),
      {"item",
       {id,
        {"name", text, kLetter + "NOT NULL", "varchar(40) NOT NULL"},
        {"price", decimal, "DECIMAL(12,2) NOT NULL", "numeric(12,2) NOT NULL", 2}},
       "PRIMARY KEY (id)"},
      {"word",
       {{"k1", text, kLetter + "COLLATE utf8mb4_general_ci", "varchar(40)"},
        {"k2", text, kLetter + "COLLATE utf8mb4_general_ci", "varchar(40)"},
        n},
       "PRIMARY KEY (k1, k2)"},
      {"exact", {{"k", text, kLetter + "EXACT", "varchar(40)"}, n}, "PRIMARY KEY (k)"},
      {"large",
       {id, n, {"body", text, "LONGTEXT", "text"}, {"note", text, "LONGTEXT", "text"}},
       "PRIMARY KEY (id)"},
      {"seat",
       {id,
        {"place", integer, "INT NOT NULL", "int NOT NULL"},
        {"label", text, kLetter, "varchar(40)"},
        n,
        {"body", text, "LONGTEXT", "text"}},
       "PRIMARY KEY (id), UNIQUE (place), UNIQUE (label)"},
      {"plus", {id, n}, "PRIMARY KEY (id)"},
      {"minus", {id, n}, "PRIMARY KEY (id)"},
      {"mark", {id, n}, "PRIMARY KEY (id)"},
  };
}

/// Keys that some way of comparing takes for each other.
const std::vector<std::string> kExact = {
    "a",      "A",          "a ",         "a  ",    "\u00e9", "e\u0301", "e",          "ss",
    "\u00df", "",           " ",          "\\",     "'",      "\"",      "\\N",        "\t",
    "a\nb",   "a\\nb",      "%",          "_",      "\\.",    "x",       "\U0001F600", "NULL",
    "null",   "\U0001D11E", "\U0001F601", "\u0130", "i",      "I",
};

/// What writes on a source, and the tables that it writes to.
class PairLoad {
 public:
  PairLoad(const PairSource& source, const std::vector<PairTable>& tables, std::uint64_t seed)
      : source_(source), tables_(tables), seed_(seed) {
    const std::unique_ptr<AnySession> session = source_.session();
    session->sql(source_.preparation());
    for (const PairTable& table : tables_) {
      std::string columns;
      for (const PairColumn& column : own_columns(table)) {
        columns += column.name + ' ' + source_.type(column) + ", ";
      }
      session->sql(
          fmt::format("CREATE TABLE shop.{} ({}{})", table.name, columns, table.constraints));
    }
    session->sql(source_.completion(tables_));
    std::mt19937_64 random(seed);
    const auto fill = [&](const std::string& table, int count, const auto& row) {
      for (int from = 0; from < count; from += 500) {
        std::string sql = "INSERT INTO shop." + table + " VALUES ";
        for (int i = from; i < std::min(count, from + 500); ++i) {
          sql += (i == from ? "(" : ", (") + row(i) + ')';
        }
        session->sql(sql);
      }
    };
    fill("kinds", kKinds, [&](int i) { return fmt::format("{}{}", i, samples(i)); });
    fill("item", kItems, [](int i) { return fmt::format("{0}, 'item {0}', {0}.25", i); });
    fill("word", kWords, [](int i) { return fmt::format("'k{}', '', 0", i); });
    fill("exact", static_cast<int>(kExact.size()) * 2 / 3, [&](int i) { return exact(i) + ", 0"; });
    fill("large", kLarge, [&](int i) {
      return fmt::format("{}, 0, {}, {}", i, large_text(random), large_text(random));
    });
    fill("seat", kSeats, [&](int i) {
      return fmt::format("{0}, {0}, {1}, 0, {2}", i,
                         i % 5 == 0 ? std::string("NULL") : fmt::format("'seat {}'", i),
                         large_text(random));
    });
    for (const char* table : {"plus", "minus"}) {
      fill(table, kWriters, [](int i) { return fmt::format("{}, 0", i); });
    }
    session->sql("INSERT INTO shop.mark VALUES (1, 0)");
  }
  ~PairLoad() { end(); }
  PairLoad(const PairLoad&) = delete;
  PairLoad& operator=(const PairLoad&) = delete;

  void start() {
    stop_ = false;
    for (int i = 0; i < kWriters; ++i) {
      threads_.emplace_back([this, i] { write(i); });
    }
    ++round_;
  }
  /// Ends the writers. An error that they should not have met fails the test.
  void stop() {
    end();
    INFO(error_);
    REQUIRE(error_.empty());
  }
  int commits() const { return commits_; }
  /// Columns that the source has.
  std::vector<PairColumn> own_columns(const PairTable& table) const {
    std::vector<PairColumn> out = table.columns;
    std::erase_if(out, [&](const PairColumn& column) { return source_.type(column).empty(); });
    return out;
  }

 private:
  /// One writer, which has rows of its own, so that none meets another's.
  struct Writer {
    int id;
    std::mt19937_64 random;
    AnySession& session;

    int pick(int below) { return static_cast<int>(random() % static_cast<std::uint64_t>(below)); }
    int own(int below) { return pick(below / kWriters) * kWriters + id; }
    void sql(const std::string& text) { session.sql(text); }
  };

  void end() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  bool pause(std::mt19937_64& random) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, std::chrono::microseconds(random() % 20000),
                              [this] { return stop_; });
  }

  void write(int id) {
    try {
      const std::unique_ptr<AnySession> session = source_.session();
      Writer writer{id,
                    std::mt19937_64(seed_ * 1000 + static_cast<std::uint64_t>(id + 10 * round_)),
                    *session};
      while (pause(writer.random)) {
        try {
          transaction(writer);
        } catch (const std::exception& e) {
          const std::string_view text = e.what();
          // An application goes on after these.
          if (text.find("eadlock") == std::string_view::npos) throw;
          session->sql("ROLLBACK");
        }
      }
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      error_ = e.what();
    }
  }

  void transaction(Writer& at) {
    at.sql("BEGIN");
    for (int left = 1 + at.pick(4); left > 0; --left) {
      switch (at.pick(6)) {
        case 0:
          kind(at);
          break;
        case 1:
          word(at);
          break;
        case 2:
          exact_word(at);
          break;
        case 3:
          large(at);
          break;
        case 4:
          seat(at);
          break;
        default:
          item(at);
      }
    }
    at.sql(fmt::format("UPDATE shop.plus SET n = n + 1 WHERE id = {}", at.id));
    at.sql(fmt::format("UPDATE shop.minus SET n = n - 1 WHERE id = {}", at.id));
    if (at.pick(12) == 0) {
      at.sql("ROLLBACK");
    } else {
      at.sql("COMMIT");
      ++commits_;
    }
  }

  /// `, value` for each column of kinds behind the key.
  std::string samples(int seed) const {
    std::string out;
    std::size_t shift = 0;
    for (const PairColumn& column : own_columns(tables_[0])) {
      if (!column.values.empty())
        out += ", " + sample(column, static_cast<std::size_t>(seed) + shift++);
    }
    return out;
  }
  std::string sample(const PairColumn& column, std::size_t seed) const {
    const std::size_t place = seed % (column.values.size() + 1);
    return place == column.values.size() ? "NULL" : source_.literal(column, column.values[place]);
  }
  std::string exact(int i) const {
    return source_.literal(tables_[3].columns[0], kExact[static_cast<std::size_t>(i)]);
  }
  static std::string large_text(std::mt19937_64& random) {
    return fmt::format("REPEAT('{:016x} it''s ', {})", random(), 100 + random() % 1500);
  }

  static void remove(Writer& at, const std::string& table, int id) {
    at.sql(fmt::format("DELETE FROM shop.{} WHERE id = {}", table, id));
  }
  static void move(Writer& at, const std::string& table, int from, int to) {
    remove(at, table, to);
    at.sql(fmt::format("UPDATE shop.{} SET id = {} WHERE id = {}", table, to, from));
  }
  static void move_either_way(Writer& at, const std::string& table, int id) {
    if (at.pick(2) == 0) {
      move(at, table, id, id + kAway);
    } else {
      move(at, table, id + kAway, id);
    }
  }

  void kind(Writer& at) {
    const int id = at.own(kKinds);
    const std::vector<PairColumn> columns = own_columns(tables_[0]);
    std::string set;
    switch (at.pick(5)) {
      case 0:
        remove(at, "kinds", id);
        at.sql(fmt::format("INSERT INTO shop.kinds VALUES ({}{})", id, samples(at.pick(1000))));
        return;
      case 1:
        return move_either_way(at, "kinds", id);
      case 2:
        return remove(at, "kinds", id + kAway);
      case 3: {
        const PairColumn& column =
            columns[1 + static_cast<std::size_t>(at.pick(static_cast<int>(columns.size()) - 1))];
        set = column.name + " = " + sample(column, at.random());
        break;
      }
      default:
        for (std::size_t i = 1; i < columns.size(); ++i) {
          set += (i > 1 ? ", " : "") + columns[i].name + " = " + sample(columns[i], at.random());
        }
    }
    at.sql(fmt::format("UPDATE shop.kinds SET {} WHERE id = {}", set, id));
  }

  void item(Writer& at) {
    const int id = at.own(kItems);
    switch (at.pick(5)) {
      case 0:
        return remove(at, "item", id);
      case 1:
        remove(at, "item", id);
        at.sql(fmt::format("INSERT INTO shop.item VALUES ({}, 'new', 0.5)", id));
        return;
      case 2:
        return move_either_way(at, "item", id);
      default:
        for (int i = 0; i < 10; ++i) {
          at.sql(fmt::format("UPDATE shop.item SET price = price + 1 WHERE id = {}",
                             (id + i * kWriters) % kItems));
        }
    }
  }

  void word(Writer& at) {
    const int i = at.own(kWords);
    const auto is = [i](const char* k2) {
      return fmt::format(" WHERE k1 IN ('k{0}', 'K{0}') AND k2 = '{1}'", i, k2);
    };
    switch (at.pick(6)) {
      case 0:
        at.sql("DELETE FROM shop.word" + is(""));
        at.sql(fmt::format("INSERT INTO shop.word VALUES ('K{}', '', 0)", i));
        return;
      case 1:
        at.sql("UPDATE shop.word SET k1 = UPPER(k1), n = n + 1" + is(""));
        return;
      case 2:
        at.sql("UPDATE shop.word SET k1 = LOWER(k1), n = n + 1" + is(""));
        return;
      case 3:
        at.sql("DELETE FROM shop.word" + is("it''s"));
        at.sql("UPDATE shop.word SET k2 = 'it''s'" + is(""));
        return;
      case 4:
        at.sql("DELETE FROM shop.word" + is(""));
        at.sql("UPDATE shop.word SET k2 = ''" + is("it''s"));
        return;
      default:
        at.sql("UPDATE shop.word SET n = n + 1" + is(""));
    }
  }

  void exact_word(Writer& at) {
    const int keys = static_cast<int>(kExact.size());
    const std::string one = exact(at.own(keys));
    const std::string other = exact(at.own(keys));
    switch (at.pick(4)) {
      case 0:
        at.sql("DELETE FROM shop.exact WHERE k = " + one);
        at.sql("INSERT INTO shop.exact VALUES (" + one + ", 0)");
        return;
      case 1:
        if (one == other) return;
        at.sql("DELETE FROM shop.exact WHERE k = " + other);
        at.sql("UPDATE shop.exact SET k = " + other + " WHERE k = " + one);
        return;
      default:
        at.sql("UPDATE shop.exact SET n = n + 1 WHERE k = " + one);
    }
  }

  void large(Writer& at) {
    const int id = at.own(kLarge);
    const auto set = [&](const std::string& what) {
      at.sql(fmt::format("UPDATE shop.large SET {} WHERE id IN ({}, {})", what, id, id + kAway));
    };
    switch (at.pick(8)) {
      case 0:
        remove(at, "large", id);
        at.sql(fmt::format("INSERT INTO shop.large VALUES ({}, 0, {}, NULL)", id,
                           large_text(at.random)));
        return;
      case 1:
        return set("body = " + large_text(at.random));
      case 2:
        return set("note = " + (at.pick(3) == 0 ? "NULL" : large_text(at.random)));
      case 3:  // a new key, and nothing of the large values
        move_either_way(at, "large", id);
        return set("n = n + 1");
      default:
        return set("n = n + 1");
    }
  }

  void seat(Writer& at) {
    const int one = at.own(kSeats);
    const int other = at.own(kSeats);
    const Rows rows = at.session.query(fmt::format(
        "SELECT id, place, COALESCE(label, 'NULL') FROM shop.seat WHERE id IN ({}, {}) ORDER BY id",
        one, other));
    const auto set = [&](const std::string& id, const std::string& place,
                         const std::string& label) {
      at.sql(fmt::format("UPDATE shop.seat SET place = {}, label = {}, n = n + 1 WHERE id = {}",
                         place, label == "NULL" ? label : '\'' + label + '\'', id));
    };
    const std::string nowhere = std::to_string(-1 - at.id);
    switch (at.pick(5)) {
      case 0: {
        if (rows.size() < 2) return;
        set(rows[0][0], nowhere, "NULL");
        set(rows[1][0], rows[0][1], rows[0][2]);
        set(rows[0][0], rows[1][1], rows[1][2]);
        return;
      }
      case 1: {  // what one had, the other gets
        if (rows.size() < 2) return;
        remove(at, "seat", std::stoi(rows[0][0]));
        set(rows[1][0], rows[0][1], rows[0][2]);
        return;
      }
      case 2: {
        remove(at, "seat", one);
        const int place = 1000 + next_place_++;
        at.sql(fmt::format("INSERT INTO shop.seat VALUES ({0}, {1}, 'p{1}', 0, {2})", one, place,
                           large_text(at.random)));
        return;
      }
      case 3: {  // keys change hands
        if (rows.size() < 2) return;
        move(at, "seat", one, kAway + at.id);
        move(at, "seat", other, one);
        move(at, "seat", kAway + at.id, other);
        return;
      }
      default:
        at.sql(fmt::format("UPDATE shop.seat SET n = n + 1 WHERE id = {}", one));
    }
  }

  const PairSource& source_;
  const std::vector<PairTable>& tables_;
  std::uint64_t seed_;
  int round_ = 0;
  std::atomic<int> next_place_{0};
  std::atomic<int> commits_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = true;
  std::string error_;
  std::vector<std::thread> threads_;
};

std::string cut(const std::string& text) {
  return text.size() > 160 ? fmt::format("{}... [{}]", text.substr(0, 160), text.size()) : text;
}

/// A pair with a task between them.
class Pair {
 public:
  Pair(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target)
      : source_(std::move(source)),
        target_(std::move(target)),
        seed_(choose_seed()),
        load_(*source_, tables_, seed_),
        here_(source_->session()),
        task_(source_->section("source"), target_->section("target"), {.rest = R"(
[[table]]
match = "shop.*"
[full]
chunk_rows = 100
rate_limit = "1500 rows/s"
[failover]
limit = 1000
)" + source_->settings()}),
        random_(seed_) {
    WARN("WEIR_TEST_SEED=" << seed_);
  }

  void run() {
    load_.start();
    start("");
    REQUIRE(task_.await([&] { return stage_is(weir::Stage::full) && items() > 0; }));
    kill();
    CHECK(items() < kItems);
    REQUIRE(task_.await([&] { return stage_is(weir::Stage::incremental); }));
    check_same("after the full stage");

    Onlooker onlooker([this] { return target_->session(); },
                      [this](const std::unique_ptr<AnySession>& session) {
                        return two_sums(*session, target_->table("plus"), target_->table("minus"));
                      });
    load_.start();
    for (int i = 0; i < 2; ++i) {
      const auto moment = Clock::now() + std::chrono::milliseconds(random_() % 1000);
      task_.await([&] { return Clock::now() >= moment; });
      kill();
      wait_for_mark();
    }
    check_same("after the worker was killed");

    load_.start();
    await_commits(30);
    CHECK(task_.stop().code == 0);
    await_commits(60);
    start("caught-up");
    await_commits(30);
    check_same("after a restart");

    CHECK(onlooker.stop() == "");
    CHECK(onlooker.states() > 10);
    CHECK(target_->session()->value("SELECT SUM(n) FROM " + target_->table("plus")) ==
          std::to_string(load_.commits()));
    CHECK(task_.stop().code == 0);
    // A comparison that sees nothing would pass all of the above.
    target_->session()->sql(
        fmt::format("UPDATE {} SET n = n + 1 WHERE id = 1", target_->table("mark")));
    CHECK(differences().size() == 2);
  }

 private:
  void start(std::string_view goal) {
    const TaskRun::Result started = task_.start(goal);
    INFO(started.text());
    REQUIRE(started.code == 0);
  }

  bool stage_is(weir::Stage stage) const {
    const auto row = weir::open_state(task_.state_dir(), true)->task(task_.name());
    return row && row->state == weir::TaskState::running && row->stage == stage;
  }

  int items() const {
    try {
      return std::stoi(target_->session()->value("SELECT COUNT(*) FROM " + target_->table("item")));
    } catch (const std::exception&) {
      return 0;  // there is no such table yet
    }
  }

  void kill() {
    const pid_t killed = task_.kill_worker();
    REQUIRE(task_.await([&] {
      const pid_t worker = task_.worker();
      return worker > 0 && worker != killed;
    }));
  }

  void await_commits(int count) {
    const int goal = load_.commits() + count;
    REQUIRE(eventually([&] { return load_.commits() >= goal; }));
  }

  void wait_for_mark() {
    here_->sql("UPDATE shop.mark SET n = n + 1");
    const std::string mark = here_->value("SELECT n FROM shop.mark");
    const std::string sql = "SELECT n FROM " + target_->table("mark");
    REQUIRE(task_.await([&] { return target_->session()->value(sql) == mark; }));
  }

  void check_same(const char* when) {
    load_.stop();
    wait_for_mark();
    INFO(when);
    const std::vector<std::string> lines = differences();
    for (const std::string& line : lines) UNSCOPED_INFO(line);
    CHECK(lines.empty());
  }

  /// Rows on one side only, a few of each table.
  std::vector<std::string> differences() {
    std::vector<std::string> out;
    const std::unique_ptr<AnySession> there = target_->session();
    for (const PairTable& table : tables_) {
      const std::vector<PairColumn> columns = load_.own_columns(table);
      const Rows expected = rows(*here_, *source_, table.name, columns);
      const Rows found = rows(*there, *target_, table.name, columns);
      for (std::size_t i = 0; i < columns.size(); ++i) {
        // An expression that always gives NULL would find everything equal.
        const std::string name = table.name + "." + columns[i].name;
        if (std::any_of(expected.begin(), expected.end(),
                        [i](const auto& row) { return row[i] != "NULL"; })) {
          seen_values_.insert(name);
        } else if (!seen_values_.contains(name)) {
          out.push_back(name + ": no values");
        }
      }
      only(out, table.name, columns, "source", expected, found);
      only(out, table.name, columns, "target", found, expected);
    }
    return out;
  }

  static Rows rows(AnySession& session, const PairEnd& end, const std::string& table,
                   const std::vector<PairColumn>& columns) {
    std::string sql;
    for (const PairColumn& column : columns) {
      sql += (sql.empty() ? "SELECT " : ", ") + end.shown(column);
    }
    Rows out = session.query(sql + " FROM " + end.table(table));
    for (auto& row : out) {
      for (std::size_t i = 0; i < columns.size(); ++i) row[i] = canonical(columns[i], row[i]);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  static void only(std::vector<std::string>& out, const std::string& table,
                   const std::vector<PairColumn>& columns, const char* side, const Rows& has,
                   const Rows& lacks) {
    constexpr std::size_t kShown = 4;
    Rows rows;
    std::set_difference(has.begin(), has.end(), lacks.begin(), lacks.end(),
                        std::back_inserter(rows));
    for (std::size_t i = 0; i < std::min(rows.size(), kShown); ++i) {
      std::string line =
          fmt::format("{}: only on the {} ({} of {}):", table, side, i + 1, rows.size());
      // With the same key on the other side, what differs is enough.
      const auto twin = std::find_if(lacks.begin(), lacks.end(),
                                     [&](const auto& row) { return row[0] == rows[i][0]; });
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (c > 0 && twin != lacks.end() && (*twin)[c] == rows[i][c]) continue;
        line += fmt::format(" {}={}", columns[c].name, cut(rows[i][c]));
      }
      out.push_back(line);
    }
  }

  const std::vector<PairTable> tables_ = make_tables();
  std::unique_ptr<PairSource> source_;
  std::unique_ptr<PairEnd> target_;
  std::uint64_t seed_;
  PairLoad load_;
  std::unique_ptr<AnySession> here_;
  TaskRun task_;
  std::set<std::string> seen_values_;  ///< columns that were compared by more than NULL
  std::mt19937_64 random_;
};

void check(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target) {
  Pair(std::move(source), std::move(target)).run();
}

}  // namespace

TEST_CASE("pair: MariaDB to PostgreSQL", "[pairs][server]") {
  check(mariadb_end(), postgres_end());
}
TEST_CASE("pair: MariaDB to MariaDB", "[pairs][server]") { check(mariadb_end(), mariadb_end()); }
TEST_CASE("pair: MariaDB to SQLite", "[pairs][server]") { check(mariadb_end(), sqlite_end()); }
TEST_CASE("pair: MySQL 9 to PostgreSQL", "[pairs][server][bootstrap]") {
  check(mysql9_end(), postgres_end());
}
TEST_CASE("pair: MySQL 9 to MariaDB", "[pairs][server][bootstrap]") {
  check(mysql9_end(), mariadb_end());
}
TEST_CASE("pair: MySQL 9 to SQLite", "[pairs][server][bootstrap]") {
  check(mysql9_end(), sqlite_end());
}
TEST_CASE("pair: PostgreSQL to PostgreSQL", "[pairs][server]") {
  check(postgres_end(), postgres_end());
}
TEST_CASE("pair: PostgreSQL to MariaDB", "[pairs][server]") {
  check(postgres_end(), mariadb_end());
}
TEST_CASE("pair: PostgreSQL to SQLite", "[pairs][server]") { check(postgres_end(), sqlite_end()); }
