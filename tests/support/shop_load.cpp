// SPDX-License-Identifier: Apache-2.0
#include "support/shop_load.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "support/eventually.h"

namespace weir::test {

namespace {

constexpr int kWords = 1500;
constexpr int kParts = 3000;
constexpr int kSeats = 500;
constexpr int kMoved = 1500;
constexpr int kBlobs = 200;
constexpr int kAccounts = 16;

constexpr const char* kTables = R"(
CREATE DATABASE shop;
USE shop;
CREATE TABLE shop.item (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL,
  price DECIMAL(12,2) NOT NULL, made DATETIME(6) NOT NULL, note TEXT, KEY (name));
CREATE TABLE shop.word (k VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT NOT NULL);
CREATE TABLE shop.part (region INT, code VARCHAR(20), day DATE, qty INT NOT NULL,
  PRIMARY KEY (region, code, day));
CREATE TABLE shop.seat (id INT PRIMARY KEY, no INT NOT NULL UNIQUE, holder VARCHAR(20) UNIQUE);
CREATE TABLE shop.moved (id INT PRIMARY KEY, v INT NOT NULL);
CREATE TABLE shop.picture (id INT PRIMARY KEY, body LONGBLOB, words MEDIUMTEXT);
CREATE TABLE shop.scratch (id BIGINT AUTO_INCREMENT PRIMARY KEY, x INT NOT NULL);
CREATE TABLE shop.plus (id INT PRIMARY KEY, n BIGINT NOT NULL);
CREATE TABLE shop.minus (id INT PRIMARY KEY, n BIGINT NOT NULL);
CREATE TABLE shop.mark (id INT PRIMARY KEY, n BIGINT NOT NULL);
INSERT INTO shop.mark VALUES (1, 0))";

/// A row as one text, the same on both servers.
struct Compared {
  const char* table;
  const char* source;
  const char* target;
};

constexpr auto kCompared = std::to_array<Compared>({
    {"item",
     "CONCAT_WS('|', id, name, price, DATE_FORMAT(made, '%Y-%m-%d %H:%i:%s.%f'), "
     "COALESCE(note, '~'))",
     "concat_ws('|', id, name, price, to_char(made, 'YYYY-MM-DD HH24:MI:SS.US'), "
     "coalesce(note, '~'))"},
    {"word", "CONCAT_WS('|', k, n)", "concat_ws('|', k, n)"},
    {"part", "CONCAT_WS('|', region, code, DATE_FORMAT(day, '%Y-%m-%d'), qty)",
     "concat_ws('|', region, code, to_char(day, 'YYYY-MM-DD'), qty)"},
    {"seat", "CONCAT_WS('|', id, no, COALESCE(holder, '~'))",
     "concat_ws('|', id, no, coalesce(holder, '~'))"},
    {"moved", "CONCAT_WS('|', id, v)", "concat_ws('|', id, v)"},
    {"picture",
     "CONCAT_WS('|', id, COALESCE(LENGTH(body), '~'), COALESCE(SHA2(body, 256), '~'), "
     "COALESCE(SHA2(words, 256), '~'))",
     "concat_ws('|', id, coalesce(length(body)::text, '~'), coalesce(encode(sha256(body), 'hex'), "
     "'~'), "
     "coalesce(encode(sha256(convert_to(words, 'UTF8')), 'hex'), '~'))"},
    {"scratch", "CONCAT_WS('|', id, x)", "concat_ws('|', id, x)"},
    {"plus", "CONCAT_WS('|', id, n)", "concat_ws('|', id, n)"},
    {"minus", "CONCAT_WS('|', id, n)", "concat_ws('|', id, n)"},
    {"mark", "CONCAT_WS('|', id, n)", "concat_ws('|', id, n)"},
});

/// The number in "mysql error 1213: ..."; 0 if there is none.
int error_number(std::string_view text) {
  constexpr std::string_view kBefore = "mysql error ";
  int out = 0;
  if (text.starts_with(kBefore)) {
    text.remove_prefix(kBefore.size());
    std::from_chars(text.data(), text.data() + text.size(), out);
  }
  return out;
}

bool is_conflict(int number) {
  // A duplicate key, a lock that took too long, a deadlock: what applications meet as well.
  return number == 1062 || number == 1205 || number == 1213;
}

bool is_lost(int number) {
  // No server, gone away, lost, shutting down, killed.
  constexpr auto kNumbers = std::to_array({2002, 2003, 2006, 2013, 2055, 1053, 1077, 1080, 1927});
  return std::find(kNumbers.begin(), kNumbers.end(), number) != kNumbers.end();
}

/// Makes statements from random numbers.
class Author {
 public:
  explicit Author(std::uint64_t seed, int items) : random_(seed), items_(items) {}

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
        return moved();
      case 6:
        return pick(3) == 0 ? picture() : item();
      default:
        return "INSERT INTO shop.scratch (x) VALUES (" + any(1000) + "), (" + any(1000) + ")";
    }
  }

  std::string transfer() {
    return "UPDATE shop.plus SET n = n + 1 WHERE id = " + any(kAccounts) +
           "; UPDATE shop.minus SET n = n - 1 WHERE id = " + any(kAccounts);
  }

 private:
  std::string item_row() {
    constexpr auto kNotes = std::to_array(
        {"NULL", "''", "'tab\\tline\\nback\\\\slash'", "'\xF0\x9F\x90\x9F \\'quoted\\''"});
    return "('thing " + any(100000) + "', " + any(100000) + ".25, NOW(6), " +
           kNotes.at(static_cast<std::size_t>(pick(4))) + ")";
  }

  std::string item() {
    const int first = pick(items_);
    switch (pick(4)) {
      case 0: {
        std::string out = "INSERT INTO shop.item (name, price, made, note) VALUES " + item_row();
        const int more = pick(40) == 0 ? 200 : pick(5);
        for (int i = 0; i < more; ++i) out += ", " + item_row();
        return out;
      }
      case 1:
        return "DELETE FROM shop.item WHERE id = " + std::to_string(first);
      default:
        return "UPDATE shop.item SET price = price + 1, note = CONCAT('again ', id) WHERE id "
               "BETWEEN " +
               std::to_string(first) + " AND " + std::to_string(first + pick(6));
    }
  }

  /// One of the spellings that are one key to the source and different texts to the target.
  std::string spelling(int number) {
    std::string out = "word-" + std::to_string(number) + "-end";
    for (char& c : out) {
      if (c >= 'a' && c <= 'z' && pick(2) == 0) c = static_cast<char>(c - 'a' + 'A');
    }
    return "'" + out + "'";
  }

  std::string word() {
    const int number = pick(kWords);
    switch (pick(5)) {
      case 0:
        return "DELETE FROM shop.word WHERE k = " + spelling(number);
      case 1:
        return "REPLACE INTO shop.word VALUES (" + spelling(number) + ", " + any(1000) + ")";
      case 2:
        return "DELETE FROM shop.word WHERE k = " + spelling(number) +
               "; INSERT INTO shop.word VALUES (" + spelling(number) + ", 0)";
      case 3:
        return "UPDATE shop.word SET k = " + spelling(number) + " WHERE k = " + spelling(number);
      default:
        return "INSERT INTO shop.word VALUES (" + spelling(number) +
               ", 1) ON DUPLICATE KEY UPDATE n = n + 1";
    }
  }

  std::string part() {
    const std::string where = " WHERE region = " + any(30) + " AND code = 'C" + any(100) + "'";
    switch (pick(4)) {
      case 0:
        return "INSERT INTO shop.part VALUES (" + any(30) + ", 'C" + any(100) +
               "', DATE '2026-01-01' + INTERVAL " + any(300) +
               " DAY, 1) ON DUPLICATE KEY UPDATE qty = qty + 1";
      case 1:
        return "DELETE FROM shop.part" + where + " LIMIT 1";
      case 2:
        return "UPDATE IGNORE shop.part SET region = region + 1, day = day + INTERVAL 1 DAY" +
               where;
      default:
        return "UPDATE shop.part SET qty = qty + 1" + where;
    }
  }

  std::string seat() {
    const std::string a = any(kSeats);
    const std::string b = any(kSeats);
    const std::string read =
        "SELECT no, holder INTO @na, @ha FROM shop.seat WHERE id = " + a +
        " FOR UPDATE; SELECT no, holder INTO @nb, @hb FROM shop.seat WHERE id = " + b +
        " FOR UPDATE; ";
    if (a == b) {
      return "UPDATE shop.seat SET holder = IF(holder IS NULL, CONCAT('guest ', id), NULL) WHERE "
             "id = " +
             a;
    }
    if (pick(4) == 0) {
      // The value leaves one row and another takes it.
      return "SELECT no, holder INTO @na, @ha FROM shop.seat WHERE id = " + a +
             " FOR UPDATE; DELETE FROM shop.seat WHERE id = " + a +
             "; INSERT INTO shop.seat VALUES (" + a + ", @na, @ha)";
    }
    return read + "UPDATE shop.seat SET no = -1 - id, holder = NULL WHERE id = " + a +
           "; UPDATE shop.seat SET no = @na, holder = @ha WHERE id = " + b +
           "; UPDATE shop.seat SET no = @nb, holder = @hb WHERE id = " + a;
  }

  std::string moved() {
    const int from = pick(2 * kMoved);
    const std::string id = std::to_string(from);
    switch (pick(4)) {
      case 0:
        return "UPDATE shop.moved SET id = id + 1 WHERE id BETWEEN " + id + " AND " +
               std::to_string(from + 3) + " ORDER BY id DESC";
      case 1:
        return "UPDATE shop.moved SET id = -1 WHERE id = " + id +
               "; UPDATE shop.moved SET id = " + id + " WHERE id = " + std::to_string(from + 7) +
               "; UPDATE shop.moved SET id = " + std::to_string(from + 7) + " WHERE id = -1";
      case 2:
        return "INSERT IGNORE INTO shop.moved VALUES (" + id + ", 0)";
      default:
        return "UPDATE IGNORE shop.moved SET id = " + any(2 * kMoved) +
               ", v = v + 1 WHERE id = " + id;
    }
  }

  std::string picture() {
    const int size = pick(30) == 0 ? 4000 : pick(100);
    return "REPLACE INTO shop.picture VALUES (" + any(kBlobs) + ", REPEAT(RANDOM_BYTES(64), " +
           std::to_string(size) + "), " +
           (pick(4) == 0 ? std::string("NULL") : "REPEAT('n\xC3\xA4h \\\\ ', " + any(300) + ")") +
           ")";
  }

  std::mt19937_64 random_;
  int items_;
};

void fill(MySqlSession& session, int items) {
  // Only MariaDB has tables of numbers.
  session.sql("SET @@session." +
              std::string(session.value("SELECT version()").find("MariaDB") == std::string::npos
                              ? "cte_max_recursion_depth"
                              : "max_recursive_iterations") +
              " = 1000000");
  const auto from_sequence = [&](const std::string& table, const std::string& row, int rows) {
    session.sql("INSERT INTO shop." + table +
                " WITH RECURSIVE s(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < " +
                std::to_string(rows) + ") SELECT " + row + " FROM s");
  };
  from_sequence("item", "seq, CONCAT('thing ', seq), seq + 0.5, NOW(6), NULL", items);
  from_sequence("word", "CONCAT('Word-', seq, '-End'), 0", kWords / 2);
  from_sequence("part",
                "seq MOD 30, CONCAT('C', seq MOD 100), DATE '2026-01-01' + INTERVAL (seq MOD 300) "
                "DAY, 1",
                kParts / 10);
  from_sequence("seat", "seq - 1, seq, IF(seq MOD 3 = 0, NULL, CONCAT('guest ', seq - 1))", kSeats);
  from_sequence("moved", "2 * seq, 0", kMoved);
  from_sequence("picture", "seq - 1, REPEAT(RANDOM_BYTES(64), seq), 'w'", kBlobs);
  from_sequence("scratch", "seq, 0", 100);
  from_sequence("plus", "seq - 1, 0", kAccounts);
  from_sequence("minus", "seq - 1, 0", kAccounts);
}

/// One transaction; true if it was to commit and did.
bool transact(MySqlSession& session, Author& author) {
  session.sql("BEGIN");
  const int before = author.pick(3);
  for (int i = 0; i < before; ++i) session.sql(author.statement());
  if (author.pick(4) == 0) {
    session.sql("SAVEPOINT half_way");
    session.sql(author.statement());
    if (author.pick(2) == 0) session.sql(author.transfer());
    session.sql("ROLLBACK TO SAVEPOINT half_way");
  }
  session.sql(author.transfer());
  if (author.pick(2) == 0) session.sql(author.statement());
  const bool commit = author.pick(10) != 0;
  session.sql(commit ? "COMMIT" : "ROLLBACK");
  return commit;
}

}  // namespace

ShopLoad::ShopLoad(const MySqlServer& server, const Options& options)
    : server_(server), options_(options) {
  MySqlSession session = server.session();
  session.sql(kTables);
  fill(session, options.items);
  session.sql("ANALYZE TABLE shop.item");
}

ShopLoad::~ShopLoad() {
  try {
    stop();
  } catch (const std::runtime_error&) {
    // Whoever did not ask does not want to know.
  }
}

void ShopLoad::start() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = false;
  }
  for (int i = 0; i < options_.writers; ++i) {
    const std::uint64_t seed = options_.seed * 1000 + static_cast<std::uint64_t>(i);
    threads_.emplace_back([this, seed] {
      try {
        write(seed);
      } catch (const std::exception& e) {
        const std::lock_guard lock(mutex_);
        error_ = e.what();
      }
    });
  }
}

void ShopLoad::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (!error_.empty()) throw std::runtime_error("a writer failed: " + error_);
}

bool ShopLoad::stopped() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

bool ShopLoad::pause(std::mt19937_64& random) {
  const auto most = static_cast<std::uint64_t>(2 * options_.pause.count() + 1);
  const std::chrono::microseconds length(static_cast<std::int64_t>(random() % most));
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, length, [this] { return stop_; });
}

void ShopLoad::write(std::uint64_t seed) {
  Author author(seed, options_.items);
  while (!stopped()) {
    try {
      MySqlSession session = server_.session();
      session.sql("SET innodb_lock_wait_timeout = 2, lock_wait_timeout = 10");
      while (pause(author.random())) {
        try {
          if (author.pick(200) == 0) session.sql("TRUNCATE TABLE shop.scratch");
          ++(transact(session, author) ? commits_ : rollbacks_);
        } catch (const std::runtime_error& e) {
          if (!is_conflict(error_number(e.what()))) throw;
          session.sql("ROLLBACK");
          ++rollbacks_;
        }
      }
    } catch (const std::runtime_error& e) {
      if (!is_lost(error_number(e.what()))) throw;
      pause(author.random());
    }
  }
}

std::string set_mark(MySqlSession& source) {
  source.sql("UPDATE shop.mark SET n = n + 1");
  return source.value("SELECT n FROM shop.mark");
}

std::string get_mark(const TempPostgres& target) {
  try {
    return target.session().value("SELECT n FROM shop.mark");
  } catch (const std::runtime_error&) {
    return "";
  }
}

std::string get_mark(const MySqlServer& target) {
  try {
    return target.session().value("SELECT n FROM shop.mark");
  } catch (const std::runtime_error&) {
    return "";
  }
}

namespace {

/// Count and digest of a table as a MySQL or MariaDB makes them.
Rows digest(MySqlSession& server, const Compared& compared) {
  return server.query(
      "SELECT COUNT(*), COALESCE(SHA2(GROUP_CONCAT(h ORDER BY h SEPARATOR ''), 256), '') FROM "
      "(SELECT SHA2(" +
      std::string(compared.source) + ", 256) AS h FROM shop." + compared.table + ") AS digests");
}

Rows texts(MySqlSession& server, const Compared& compared) {
  return server.query("SELECT " + std::string(compared.source) + " FROM shop." + compared.table);
}

/// What tells two tables apart whose digests differ.
std::string difference(const Compared& compared, const Rows& here, const Rows& there, Rows left,
                       Rows right) {
  constexpr std::size_t kShown = 5;
  std::string out = std::string("shop.") + compared.table + ": " + here[0][0] +
                    " rows on the source, " + there[0][0] + " on the target\n";
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  const auto show = [&](const Rows& from, const Rows& without, const char* where) {
    Rows only;
    std::set_difference(from.begin(), from.end(), without.begin(), without.end(),
                        std::back_inserter(only));
    for (std::size_t i = 0; i < std::min(kShown, only.size()); ++i) {
      out += std::string("  only on the ") + where + ": " + only[i][0] + '\n';
    }
  };
  show(left, right, "source");
  show(right, left, "target");
  return out;
}

}  // namespace

std::string differences(MySqlSession& source, PgSession& target) {
  source.sql("SET SESSION group_concat_max_len = 1073741824");
  std::string out;
  for (const Compared& compared : kCompared) {
    const std::string table = std::string("shop.") + compared.table;
    const Rows here = digest(source, compared);
    const Rows there = target.query(
        "SELECT count(*), coalesce(encode(sha256(string_agg(h, '' ORDER BY h COLLATE "
        "\"C\")::bytea), 'hex'), '') FROM (SELECT encode(sha256(convert_to(" +
        std::string(compared.target) + ", 'UTF8')), 'hex') AS h FROM " + table + ") AS digests");
    if (here == there) continue;
    out += difference(compared, here, there, texts(source, compared),
                      target.query("SELECT " + std::string(compared.target) + " FROM " + table));
  }
  return out;
}

std::string differences(MySqlSession& source, MySqlSession& target) {
  // MySQL wants a database for a subquery, though none of its names needs one.
  for (MySqlSession* session : {&source, &target}) {
    session->sql("USE shop; SET SESSION group_concat_max_len = 1073741824");
  }
  std::string out;
  for (const Compared& compared : kCompared) {
    const Rows here = digest(source, compared);
    const Rows there = digest(target, compared);
    if (here == there) continue;
    out += difference(compared, here, there, texts(source, compared), texts(target, compared));
  }
  return out;
}

}  // namespace weir::test
