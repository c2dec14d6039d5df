// SPDX-License-Identifier: Apache-2.0
#include "support/pg_load.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>

namespace weir::test {
namespace {

constexpr int kWords = 1500;
constexpr int kParts = 3000;
constexpr int kSeats = 500;
constexpr int kDocs = 600;
constexpr int kAccounts = 16;

constexpr const char* kTables = R"(
CREATE SCHEMA shop;
CREATE TYPE shop.color AS ENUM ('red', 'green', 'blue');
CREATE TABLE shop.item (id bigserial PRIMARY KEY, name varchar(80) NOT NULL,
  price numeric(12,2) NOT NULL, rate numeric, made timestamptz NOT NULL DEFAULT clock_timestamp(),
  color shop.color, tags text[], note text);
CREATE INDEX ON shop.item (name);
ALTER TABLE shop.item ALTER note SET STORAGE EXTERNAL;
CREATE TABLE shop.word (k text PRIMARY KEY, n int NOT NULL);
CREATE TABLE shop.part (region int, code varchar(20), day date, qty int NOT NULL,
  PRIMARY KEY (region, code, day)) PARTITION BY LIST (region);
CREATE TABLE shop.part_0 PARTITION OF shop.part FOR VALUES IN (0, 1, 2);
CREATE TABLE shop.part_1 PARTITION OF shop.part DEFAULT PARTITION BY RANGE (day);
CREATE TABLE shop.part_1a PARTITION OF shop.part_1 FOR VALUES FROM (MINVALUE) TO ('2026-01-15');
CREATE TABLE shop.part_1b PARTITION OF shop.part_1 FOR VALUES FROM ('2026-01-15') TO (MAXVALUE);
CREATE TABLE shop.seat (id int PRIMARY KEY, no int NOT NULL UNIQUE, holder varchar(20));
ALTER TABLE shop.seat REPLICA IDENTITY USING INDEX seat_no_key;
CREATE TABLE shop.doc (id uuid PRIMARY KEY, body jsonb, large text, n int NOT NULL);
ALTER TABLE shop.doc ALTER large SET STORAGE EXTERNAL;
ALTER TABLE shop.doc REPLICA IDENTITY FULL;
CREATE TABLE shop.scratch (id bigserial PRIMARY KEY, x int NOT NULL);
CREATE TABLE shop.plus (id int PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE shop.minus (id int PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE shop.mark (id int PRIMARY KEY, n bigint NOT NULL);
INSERT INTO shop.mark VALUES (1, 0))";

/// An application goes on after these.
bool is_conflict(std::string_view text) {
  return text.find("duplicate key") != std::string_view::npos ||
         text.find("deadlock detected") != std::string_view::npos;
}

bool is_lost(std::string_view text) {
  for (const char* words :
       {"server closed the connection", "terminating connection", "the database system is",
        "Connection refused", "No such file or directory", "connection to server", "no connection",
        "could not receive data", "could not send data"}) {
    if (text.find(words) != std::string_view::npos) return true;
  }
  return false;
}

/// Makes statements from random numbers.
class Author {
 public:
  Author(std::uint64_t seed, int items) : random_(seed), items_(items) {}

  int pick(int below) { return static_cast<int>(random_() % static_cast<std::uint64_t>(below)); }
  std::string any(int below) { return std::to_string(pick(below)); }
  std::mt19937_64& random() { return random_; }

  std::string statement() {
    switch (pick(8)) {
      case 0:
      case 1:
        return item();
      case 2:
        return word();
      case 3:
        return part();
      case 4:
        return seat();
      case 5:
      case 6:
        return doc();
      default:
        return "INSERT INTO shop.scratch (x) VALUES (" + any(1000) + "), (" + any(1000) + ")";
    }
  }

  std::string transaction() {
    std::string sql = "BEGIN";
    for (int left = 1 + pick(4); left > 0; --left) {
      if (pick(6) == 0) {
        const bool keep = pick(2) == 0;
        sql += "; SAVEPOINT s; " + statement() + (keep ? "; RELEASE s" : "; ROLLBACK TO s");
      } else {
        sql += "; " + statement();
      }
    }
    const std::string account = any(kAccounts);
    return sql + "; UPDATE shop.plus SET n = n + 1 WHERE id = " + account +
           "; UPDATE shop.minus SET n = n - 1 WHERE id = " + account +
           (pick(12) == 0 ? "; ROLLBACK" : "; COMMIT");
  }

 private:
  std::string item() {
    const std::string id = std::to_string(1 + pick(items_));
    switch (pick(6)) {
      case 0:
        return "INSERT INTO shop.item (name, price, rate, color, tags, note) VALUES ('n" +
               any(5000) + "', " + any(100000) + ".25, " + any(1000) + "." + any(1000000) +
               ", 'green', ARRAY['a b', NULL, 'c\\d\"e'], repeat('x" + any(10) + "', 3000))";
      case 1:
        return "DELETE FROM shop.item WHERE id = " + id;
      case 2:
        return "UPDATE shop.item SET note = " +
               (pick(3) == 0 ? std::string("NULL") : "repeat('y" + any(10) + "', 2500)") +
               " WHERE id = " + id;
      case 3:
        return "UPDATE shop.item SET color = 'blue', name = E'tab\\t\\\\ " + any(99) +
               "' WHERE id BETWEEN " + id + " AND " + id + " + 20";
      default:
        return "UPDATE shop.item SET price = price + 1, rate = 'NaN' WHERE id = " + id;
    }
  }

  std::string word() {
    const std::string k = "'w" + any(kWords) + "'";
    switch (pick(4)) {
      case 0:
        return "DELETE FROM shop.word WHERE k = " + k;
      case 1:
        return "UPDATE shop.word SET k = 'w" + any(kWords * 2) + "' WHERE k = " + k;
      default:
        return "INSERT INTO shop.word VALUES (" + k +
               ", 1) ON CONFLICT (k) DO UPDATE SET n = shop.word.n + 1";
    }
  }

  std::string part() {
    const std::string region = any(6);
    const std::string code = "'c" + any(50) + "'";
    switch (pick(4)) {
      case 0:
        return "INSERT INTO shop.part VALUES (" + region + ", " + code + ", date '2026-01-01' + " +
               any(30) + ", 1) ON CONFLICT DO NOTHING";
      case 1:
        return "DELETE FROM shop.part WHERE region = " + region + " AND code = " + code +
               " AND day = date '2026-01-01' + " + any(30);
      case 2:  // to another partition
        return "UPDATE shop.part p SET region = " + any(6) + " WHERE region = " + region +
               " AND code = " + code + " AND day = date '2026-01-01' + " + any(30);
      default:
        return "UPDATE shop.part SET qty = qty + 1 WHERE region = " + region +
               " AND code = " + code;
    }
  }

  std::string seat() {
    const std::string id = any(kSeats);
    if (pick(3) == 0) {
      return "UPDATE shop.seat SET no = " + any(kSeats * 3) + " WHERE id = " + id;
    }
    if (pick(5) == 0) return "DELETE FROM shop.seat WHERE id = " + id;
    return "INSERT INTO shop.seat VALUES (" + id + ", " + any(kSeats * 3) + ", 'h" + any(9) +
           "') ON CONFLICT (id) DO UPDATE SET holder = EXCLUDED.holder";
  }

  std::string doc() {
    const std::string id = "md5('" + any(kDocs) + "')::uuid";
    switch (pick(5)) {
      case 0:
        return "INSERT INTO shop.doc VALUES (" + id + ", '{\"a\": [1, 2.50, \"" + any(99) +
               "\"]}', repeat('z" + any(10) + "', 2000), 1) ON CONFLICT DO NOTHING";
      case 1:
        return "DELETE FROM shop.doc WHERE id = " + id;
      case 2:
        return "UPDATE shop.doc SET id = md5('" + any(kDocs * 2) + "')::uuid WHERE id = " + id;
      default:
        return "UPDATE shop.doc SET n = n + 1 WHERE id = " + id;
    }
  }

  std::mt19937_64 random_;
  int items_;
};

}  // namespace

PgLoad::PgLoad(TempPostgres& server, const Options& options) : server_(server), options_(options) {
  server.sql("ALTER ROLE weir REPLICATION");
  PgSession owner = server.session();
  owner.sql(kTables);
  const auto series = [](int count) {
    return " FROM generate_series(0, " + std::to_string(count - 1) + ") AS i";
  };
  owner.sql(
      "INSERT INTO shop.item (name, price, rate, color, tags, note) SELECT 'n' || i, i, i / 7.0, "
      "'red', ARRAY['t' || i], CASE WHEN i % 10 = 0 THEN repeat('i' || i, 1000) END" +
      series(options_.items));
  owner.sql("INSERT INTO shop.word SELECT 'w' || i, 0" + series(kWords));
  owner.sql("INSERT INTO shop.part SELECT i % 6, 'c' || i % 50, date '2026-01-01' + i % 30, 0" +
            series(kParts) + " ON CONFLICT DO NOTHING");
  owner.sql("INSERT INTO shop.seat SELECT i, i, 'h'" + series(kSeats));
  owner.sql("INSERT INTO shop.doc SELECT md5(i::text)::uuid, '{}', repeat('d', 3000), 0" +
            series(kDocs));
  owner.sql("INSERT INTO shop.plus SELECT i, 0" + series(kAccounts));
  owner.sql("INSERT INTO shop.minus SELECT i, 0" + series(kAccounts));
}

PgLoad::~PgLoad() {
  try {
    stop();
  } catch (const std::exception&) {
  }
}

void PgLoad::start() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = false;
    error_.clear();
  }
  for (int i = 0; i < options_.writers; ++i) {
    threads_.emplace_back(
        [this, seed = options_.seed * 1000 + static_cast<std::uint64_t>(i)] { write(seed); });
  }
}

void PgLoad::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (!error_.empty()) throw std::runtime_error(error_);
}

bool PgLoad::pause(std::mt19937_64& random) {
  const auto most = static_cast<std::uint64_t>(options_.pause.count()) * 2 + 1;
  const std::chrono::microseconds span(random() % most);
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, span, [this] { return stop_; });
}

void PgLoad::write(std::uint64_t seed) {
  Author author(seed, options_.items);
  std::optional<PgSession> session;
  while (pause(author.random())) {
    try {
      if (!session) session.emplace(server_.conninfo());
      const std::string sql = author.transaction();
      session->sql(sql);
      if (sql.ends_with("COMMIT")) ++commits_;
    } catch (const std::exception& e) {
      const std::string_view text = e.what();
      if (is_conflict(text)) {
        try {
          session->sql("ROLLBACK");
        } catch (const std::exception&) {
          session.reset();
        }
      } else if (is_lost(text)) {
        session.reset();
      } else {
        const std::lock_guard lock(mutex_);
        error_ = text;
        return;
      }
    }
  }
}

std::string set_pg_mark(const TempPostgres& source) {
  return source.session().value("UPDATE shop.mark SET n = n + 1 RETURNING n");
}

std::string get_pg_mark(const TempPostgres& target) {
  try {
    return target.session().value("SELECT n FROM shop.mark");
  } catch (const std::exception&) {
    return "";
  }
}

std::string pg_differences(const TempPostgres& source, const TempPostgres& target,
                           const std::string& schema) {
  PgSession from = source.session("postgres");
  PgSession to = target.session("postgres");
  for (PgSession* session : {&from, &to}) {
    session->sql("SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET lc_monetary = 'C'");
  }
  std::string out;
  const Rows tables = from.query(
      "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
      "n.nspname = '" +
      schema + "' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1");
  for (const auto& row : tables) {
    const std::string table = schema + ".\"" + row.at(0) + '"';
    const std::string digest =
        "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\")) FROM " +
        table + " t";
    std::optional<Rows> there;
    try {
      there = to.query(digest);
    } catch (const std::exception& e) {
      out += table + ": " + e.what() + '\n';
      continue;
    }
    if (from.query(digest) == *there) continue;
    std::multiset<std::string> left;
    std::multiset<std::string> right;
    for (const auto& r : from.query("SELECT t::text FROM " + table + " t")) left.insert(r.at(0));
    for (const auto& r : to.query("SELECT t::text FROM " + table + " t")) right.insert(r.at(0));
    const auto show = [&](const char* side, const auto& has, const auto& lacks) {
      std::vector<std::string> only;
      std::set_difference(has.begin(), has.end(), lacks.begin(), lacks.end(),
                          std::back_inserter(only));
      out += table + ": " + std::to_string(only.size()) + " rows only on the " + side + '\n';
      for (std::size_t i = 0; i < std::min<std::size_t>(only.size(), 5); ++i) {
        out += "  " + only[i].substr(0, 300) + '\n';
      }
    };
    show("source", left, right);
    show("target", right, left);
  }
  return out;
}

}  // namespace weir::test
