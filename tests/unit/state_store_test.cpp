// SPDX-License-Identifier: Apache-2.0
#include "store/state_store.h"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "client/sqlite.h"
#include "support/eventually.h"
#include "support/temp_dir.h"

using namespace weir;
using namespace std::chrono_literals;
using weir::test::eventually;
using weir::test::TempDir;

namespace {

/// A forked process that runs `body`; killed with this object.
class Forked {
 public:
  explicit Forked(const std::function<void()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    try {
      body();
      _exit(0);
    } catch (...) {
      _exit(1);
    }
  }
  ~Forked() {
    if (pid_ > 0) kill_and_reap();
  }
  Forked(const Forked&) = delete;
  Forked& operator=(const Forked&) = delete;

  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  void kill_and_reap() {
    kill(pid_, SIGKILL);
    wait();
  }

 private:
  pid_t pid_;
};

/// Every file of a folder with its size and time of change.
std::map<std::string, std::string> listing(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    struct stat found {};
    stat(entry.path().c_str(), &found);
    out[entry.path().filename()] = std::to_string(found.st_size) + " " +
                                   std::to_string(found.st_mtim.tv_sec) + "." +
                                   std::to_string(found.st_mtim.tv_nsec);
  }
  return out;
}

mode_t mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(stat(path.c_str(), &found) == 0);
  return found.st_mode & 0777;
}

/// The id of the error that `call` throws, "" if none.
std::string error_id(const std::function<void()>& call, ExitCode* code = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (code != nullptr) *code = error.code();
    return error.id();
  }
  return {};
}

std::string integrity(const std::string& folder) {
  SqliteDatabase db(folder + "/weir.db", {});
  SqliteStatement row = db.prepare("PRAGMA integrity_check");
  return row.step() ? std::string(row.text(0)) : std::string();
}

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = getenv(name)) old_ = old;
    set(value);
  }
  ~Variable() { set(old_ ? old_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

Time at(std::int64_t seconds, std::int64_t micros = 0) {
  return Time{} + std::chrono::seconds(seconds) + std::chrono::microseconds(micros);
}

Sample sample_at(Time time) {
  Sample sample;
  sample.at = time;
  return sample;
}

constexpr std::int64_t kNoon = 1'767'268'800;  // 2026-01-01T12:00:00Z

}  // namespace

TEST_CASE("a state file of the first layout is read as it is, and brought up to date by a writer",
          "[state]") {
  TempDir dir;
  open_state(dir.path(), false)->put_task("t", "/t");
  open_state(dir.path(), false)->add_sample("t", sample_at(at(kNoon)));
  {
    SqliteDatabase db(dir / "weir.db", {});
    db.execute(
        "ALTER TABLE sample DROP COLUMN heartbeat_age_s;"
        "ALTER TABLE sample DROP COLUMN heartbeat_delay_s; DROP TABLE retention; DROP TABLE waiver;"
        "DROP TABLE offset_history; DROP TABLE checklist_item; DROP TABLE checklist;"
        "DROP TABLE lane_table; DROP TABLE lane;"
        "DROP TABLE ddl;"
        "DROP TABLE revision;"
        "PRAGMA user_version = 1");
  }
  const auto samples = open_state(dir.path(), true)->samples("t", 10);
  REQUIRE(samples.size() == 1);
  CHECK(samples[0].at == at(kNoon));
  CHECK_FALSE(samples[0].heartbeat_age_s);
  CHECK(open_state(dir.path(), true)->retention("t", 10).empty());
  CHECK(open_state(dir.path(), true)->waivers("t").empty());
  CHECK(open_state(dir.path(), true)->offsets("t", 10, Time{}).empty());
  CHECK(open_state(dir.path(), true)->checklists("t", "", 10).empty());
  CHECK(open_state(dir.path(), true)->ddl("t", 10, false).empty());
  CHECK(open_state(dir.path(), true)->revisions("t", 10).empty());
  CHECK(open_state(dir.path(), true)->newest_revision("t") == 0);
  CHECK(SqliteDatabase(dir / "weir.db", {}).integer("PRAGMA user_version") == 1);

  const auto store = open_state(dir.path(), false);
  CHECK(store->samples("t", 10).size() == 1);
  Sample in = sample_at(at(kNoon + 60));
  in.heartbeat_age_s = 3.5;
  store->add_sample("t", in);
  CHECK(store->samples("t", 1)[0].heartbeat_age_s == 3.5);
}

TEST_CASE("folder and files are for their owner alone", "[state]") {
  TempDir dir;
  const mode_t old = umask(0);
  {
    const auto store = open_state(dir / "a/b/state", false);
    store->put_task("t", "/t");
    CHECK(mode_of(dir / "a") == 0700);
    CHECK(mode_of(dir / "a/b/state") == 0700);
    CHECK(mode_of(dir / "a/b/state/weir.db") == 0600);
    CHECK(mode_of(dir / "a/b/state/weir.db-wal") == 0600);
    CHECK(mode_of(dir / "a/b/state/weir.db-shm") == 0600);
  }
  umask(old);
  chmod((dir / "a/b/state/weir.db").c_str(), 0644);
  open_state(dir / "a/b/state", false);
  CHECK(mode_of(dir / "a/b/state/weir.db") == 0600);
}

TEST_CASE("a newer schema is refused and stays as it is", "[state]") {
  TempDir dir;
  open_state(dir.path(), false)->put_task("t", "/t");
  {
    SqliteDatabase db(dir / "weir.db", {});
    db.execute("PRAGMA user_version = 99");
  }
  const auto before = listing(dir.path());
  for (const bool read_only : {false, true}) {
    ExitCode code = ExitCode::ok;
    CHECK(error_id([&] { open_state(dir.path(), read_only); }, &code) == "state.newer");
    CHECK(code == ExitCode::refused);
  }
  CHECK(listing(dir.path()) == before);
}

TEST_CASE("a file that is not a database is an error that says so", "[state]") {
  TempDir dir;
  dir.write("weir.db", std::string(8192, 'x'));
  CHECK(error_id([&] { open_state(dir.path(), false); }) == "state.io");
  CHECK(error_id([&] { open_state(dir.path(), true); }) == "state.io");
  const std::string blocked = dir.write("blocked", "");
  CHECK(error_id([&] { open_state(blocked + "/state", false); }) == "folder.create");
}

TEST_CASE("reading never creates, changes or locks anything", "[state]") {
  TempDir dir;
  const std::string folder = dir / "state";
  const auto absent = open_state(folder, true);
  CHECK(absent->tasks().empty());
  CHECK_FALSE(std::filesystem::exists(folder));

  open_state(folder, false)->put_task("t", "/t");
  // The reader from before the file was there follows it.
  CHECK(absent->tasks().size() == 1);
  const auto stopped = listing(folder);
  CHECK(stopped.size() == 1);  // a clean end leaves no WAL
  {
    const auto reader = open_state(folder, true);
    CHECK(reader->task("t"));
    CHECK(error_id([&] { reader->put_task("u", "/u"); }) == "weir.bug");
  }
  CHECK(listing(folder) == stopped);

  const auto writer = open_state(folder, false);
  const auto reader = open_state(folder, true);
  for (int i = 0; i < 50; ++i) {
    const std::string text = std::to_string(i);
    writer->set_stage("t", Stage::full, text);
    const auto written = listing(folder);
    CHECK(reader->task("t")->detail == text);
    CHECK(open_state(folder, true)->task("t")->detail == text);
    CHECK(absent->task("t")->detail == text);
    CHECK(listing(folder) == written);
  }
}

TEST_CASE("a reader outlives its writers", "[state]") {
  TempDir dir;
  const auto reader = open_state(dir.path(), true);
  for (int i = 0; i < 20; ++i) {
    const std::string name = "t" + std::to_string(i);
    {
      const auto writer = open_state(dir.path(), false);
      writer->put_task(name, "/t");
      CHECK(reader->task(name));
    }
    CHECK(reader->task(name));
    CHECK(reader->tasks().size() == static_cast<std::size_t>(i) + 1);
  }
}

TEST_CASE("what is read is one commit, whatever writers come and go meanwhile", "[state]") {
  TempDir dir;
  constexpr std::uint64_t kRounds = 60;
  std::vector<TableRow> rows(500);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].source = {"s", std::to_string(i)};
  {
    const auto store = open_state(dir.path(), false);
    store->put_task("t", "/t");
    store->put_tables("t", rows);
  }
  Forked writer([&] {
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      for (TableRow& row : rows) row.copied_rows = round;
      // Its end moves the log into the file, under the hands of a reader that takes no locks.
      open_state(dir.path(), false)->put_tables("t", rows);
    }
  });
  const auto reader = open_state(dir.path(), true);
  std::uint64_t last = 0;
  int torn = 0;
  const bool finished = eventually([&] {
    const auto tables = reader->tables("t");
    for (const TableRow& row : tables) torn += row.copied_rows != tables[0].copied_rows ? 1 : 0;
    if (tables.size() != rows.size() || tables[0].copied_rows < last) ++torn;
    last = tables[0].copied_rows;
    return last == kRounds;
  });
  CHECK(finished);
  CHECK(torn == 0);
  CHECK(writer.wait() == 0);
}

TEST_CASE("a killed writer's last commits are read without touching its files", "[state]") {
  TempDir dir;
  open_state(dir.path(), false)->put_task("t", "/t");
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  Forked writer([&] {
    const auto store = open_state(dir.path(), false);
    for (int i = 0; i < 100; ++i) store->add_event("t", {now(), "info", "x", "", "text"});
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  });
  char mark = 0;
  REQUIRE(read(ready[0], &mark, 1) == 1);
  close(ready[0]);
  close(ready[1]);
  writer.kill_and_reap();

  const auto dead = listing(dir.path());
  REQUIRE(dead.count("weir.db-wal") == 1);
  const Clock::time_point begin = Clock::now();
  const auto reader = open_state(dir.path(), true);
  CHECK(reader->count_events("t", "x", Time{}) == 100);
  CHECK(Clock::now() - begin < 500ms);
  CHECK(listing(dir.path()) == dead);

  // The next writer takes over, and the same reader follows it.
  const auto next = open_state(dir.path(), false);
  next->add_event("t", {now(), "info", "x", "", "text"});
  CHECK(reader->count_events("t", "x", Time{}) == 101);
}

TEST_CASE("a WAL whose index is missing is never rebuilt by a reader", "[state]") {
  TempDir dir;
  const auto writer = open_state(dir / "live", false);
  writer->put_task("t", "/t");
  std::filesystem::create_directory(dir / "copy");
  for (const char* name : {"/weir.db", "/weir.db-wal"}) {
    std::filesystem::copy_file(dir / "live" + name, dir / "copy" + name);
  }
  const auto before = listing(dir / "copy");
  CHECK(error_id([&] { open_state(dir / "copy", true); }) == "state.io");
  CHECK(listing(dir / "copy") == before);
  CHECK(open_state(dir / "copy", false)->task("t"));
  CHECK(open_state(dir / "copy", true)->task("t"));
}

TEST_CASE("processes open, write and read one new state at once", "[state]") {
  TempDir dir;
  const std::string folder = dir / "state";
  constexpr int kWriters = 4;
  constexpr int kEvents = 40;
  std::vector<std::unique_ptr<Forked>> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(std::make_unique<Forked>([&, i] {
      const auto store = open_state(folder, false);
      const std::string task = "t" + std::to_string(i);
      store->put_task(task, "/t");
      store->put_task("shared", "/t");
      for (int k = 0; k < kEvents; ++k) {
        store->add_event("shared", {now(), "info", task, "", std::to_string(k)});
        store->put_offset(task, {std::to_string(k), {}}, {"id"});
        store->add_sample(task, sample_at(now()));
      }
    }));
  }
  // Readers come and go meanwhile; what they see only grows.
  std::size_t seen = 0;
  const auto patient = open_state(folder, true);
  bool grows = true;
  const bool complete = eventually([&] {
    const std::size_t fresh = open_state(folder, true)->events("shared", SIZE_MAX).size();
    const std::size_t held = patient->events("shared", SIZE_MAX).size();
    grows = grows && fresh >= seen && held >= fresh;
    seen = held;
    return seen == kWriters * kEvents;
  });
  CHECK(complete);
  CHECK(grows);
  for (const auto& writer : writers) CHECK(writer->wait() == 0);
  const auto store = open_state(folder, true);
  for (int i = 0; i < kWriters; ++i) {
    const std::string task = "t" + std::to_string(i);
    CHECK(store->count_events("shared", task, Time{}) == kEvents);
    CHECK(store->offset(task)->offset.text == std::to_string(kEvents - 1));
  }
  CHECK(integrity(folder) == "ok");
}

TEST_CASE("kill -9 in the middle of writes leaves a sound file and whole commits", "[state]") {
  TempDir dir;
  open_state(dir.path(), false)->put_task("t", "/t");
  std::size_t events = 0;
  for (int round = 0; round < 8; ++round) {
    Forked writer([&] {
      const auto store = open_state(dir.path(), false);
      for (int i = 0;; ++i) {
        TableRow first;
        first.source = {"s", "first"};
        first.copied_rows = static_cast<std::uint64_t>(i);
        TableRow second = first;
        second.source.table = "second";
        const std::vector<TableRow> rows{first, second};
        store->put_tables("t", rows);
        store->add_event("t", {now(), "info", "x", "", ""});
      }
    });
    const auto reader = open_state(dir.path(), true);
    REQUIRE(eventually([&] {
      return reader->count_events("t", "x", Time{}) >=
             events + 5 + static_cast<std::size_t>(round) * 3;
    }));
    writer.kill_and_reap();

    CHECK(integrity(dir.path()) == "ok");
    const auto store = open_state(dir.path(), false);
    const auto tables = store->tables("t");
    REQUIRE(tables.size() == 2);
    CHECK(tables[0].copied_rows == tables[1].copied_rows);
    const std::size_t now_there = store->count_events("t", "x", Time{});
    CHECK(now_there >= events + 5);
    events = now_there;
  }
}

TEST_CASE("a lock that stays is reported as busy after five seconds", "[state]") {
  TempDir dir;
  const auto store = open_state(dir.path(), false);
  store->put_task("t", "/t");
  SqliteDatabase other(dir / "weir.db", {});
  SqliteTransaction held(other);
  const Clock::time_point begin = Clock::now();
  ExitCode code = ExitCode::ok;
  CHECK(error_id([&] { store->set_stage("t", Stage::full, ""); }, &code) == "state.busy");
  CHECK(code == ExitCode::state_conflict);
  CHECK(Clock::now() - begin >= 4s);
  CHECK(store->task("t"));  // readers go on
}

TEST_CASE("the state folder is found in order of nearness", "[state]") {
  const Variable own("WEIR_STATE_DIR", "/own");
  const Variable service("STATE_DIRECTORY", "/service:/second");
  const Variable xdg("XDG_STATE_HOME", "/xdg");
  const Variable home("HOME", "/home/me");
  CHECK(state_folder("/given/../given/") == "/given/");
  CHECK(state_folder("rel") == (std::filesystem::current_path() / "rel").string());
  CHECK(state_folder("") == "/own");
  const Variable no_own("WEIR_STATE_DIR", "");
  CHECK(state_folder("") == "/service");
  const Variable no_service("STATE_DIRECTORY", nullptr);
  CHECK(state_folder("") == "/xdg/weir");
  const Variable relative_xdg("XDG_STATE_HOME", "xdg");
  CHECK(state_folder("") == "/home/me/.local/state/weir");
}

TEST_CASE("an SQLite transaction that is not committed leaves nothing", "[sqlite]") {
  TempDir dir;
  open_state(dir.path(), false);
  SqliteDatabase db(dir / "weir.db", {});
  db.execute("CREATE TABLE x (a INTEGER, b REAL, c TEXT, d TEXT)");
  {
    SqliteTransaction transaction(db);
    db.prepare("INSERT INTO x VALUES (?, ?, ?, ?)").bind(1).bind(2.5).bind("c").bind(nullptr).run();
    CHECK(db.changes() == 1);
  }
  CHECK(db.integer("SELECT count(*) FROM x") == 0);
  {
    SqliteTransaction transaction(db);
    SqliteStatement put = db.prepare("INSERT INTO x VALUES (?, ?, ?, ?)");
    put.bind(-1).bind(2.5).bind(std::string_view()).bind(nullptr).run();
    put.bind(true).bind(0.5).bind(std::string("a\0b", 3)).bind("d").run();
    transaction.commit();
  }
  SqliteStatement row = db.prepare("SELECT a, b, c, d FROM x ORDER BY rowid");
  REQUIRE(row.step());
  CHECK(row.integer(0) == -1);
  CHECK(row.real(1) == 2.5);
  CHECK_FALSE(row.is_null(2));
  CHECK(row.is_null(3));
  REQUIRE(row.step());
  CHECK(row.text(2) == std::string_view("a\0b", 3));
  CHECK_FALSE(row.step());
  CHECK(error_id([&] { db.execute("SELECT nonsense"); }) == "sqlite.io");
  CHECK(error_id([&] { SqliteDatabase(dir / "absent/x.db", {}); }) == "sqlite.io");
}
