// SPDX-License-Identifier: Apache-2.0
#include "registry/registry.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/embedded/embedded_engine.h"
#include "source/mysql/log_view.h"
#include "source/mysql/source.h"
#include "source/postgres/log_view.h"
#include "source/postgres/source.h"
#include "target/mysql/target.h"
#include "target/postgres/target.h"
#include "target/sqlite/target.h"

namespace weir {
namespace {

constexpr std::size_t kLogHead = 16;

template <std::size_t N>
using Lines = std::array<std::string_view, N>;

// ---------------------------------------------------------------- what the kinds can do

constexpr Lines<3> kMysqlTested{"MariaDB 10.11", "MariaDB 11.8", "Oracle MySQL 9.7"};
constexpr Lines<9> kMysqlCan{
    "copy tables and follow every change, while the source is written to",
    "start where no transaction is missed, by GTID or by file and position",
    "resume at its offset after a crash of the worker or of either server",
    "carry TRUNCATE and changes of columns to the target at their exact place",
    "follow tables without a key, if they are of InnoDB",
    "read compressed events and transactions, and XA transactions",
    "measure the way to the target with a heartbeat row",
    "show its binlog, from the server or from a file (weir log show)",
    "carry AUTO_INCREMENT and sequences over at the end (weir cutover)",
};
constexpr Lines<5> kMysqlCannot{
    "follow a log without complete rows: binlog_format = ROW and binlog_row_image = FULL",
    "follow partial JSON updates (binlog_row_value_options)",
    "start while a prepared XA transaction is undecided",
    "see rows that a foreign key changes by ON DELETE or ON UPDATE: they are not logged",
    "carry CREATE, DROP and RENAME of tables to the target: [ddl] says what is done instead",
};

constexpr Lines<3> kPgTested{"PostgreSQL 15", "PostgreSQL 17", "PostgreSQL 18"};
constexpr Lines<12> kPgCan{
    "copy tables and follow every change, while the source is written to",
    "start where no transaction is missed, also beside a synchronous standby",
    "resume at its offset after a crash of the worker",
    "carry TRUNCATE to the target, and changes of columns before the rows that they shape",
    "follow a partitioned table as one table",
    "follow tables without a key",
    "keep large values that a change does not carry",
    "make a publication and a slot, or use a publication that is there",
    "measure the way to the target with a heartbeat message in the log",
    "go on at a standby that was promoted, if it has what the task has and its slot",
    "show what its slot holds while the task does not run (weir log show)",
    "carry identities, serials and sequences over at the end (weir cutover)",
};
constexpr Lines<4> kPgCannot{
    "follow a server without wal_level = logical, or a standby",
    "follow tables without a replica identity, or unlogged ones",
    "tell some renames from a new column: it stops there and does not guess",
    "see a new table, or a changed one to which no row is written, without event triggers",
};

constexpr Lines<6> kPgTargetCan{
    "commit rows and offset in one transaction: nothing is lost and nothing comes twice",
    "end each commit at the end of a source transaction, once it has caught up",
    "take TRUNCATE and changes of columns, at their exact place among the rows",
    "hold tables without a key, equal to the source as multisets",
    "be filled by a role that owns one schema and is no superuser",
    "go on counting where the source ends: identities and sequences (weir cutover)",
};
constexpr Lines<3> kPgTargetCannot{
    "hold a NUL character in a text: the task stops and names the column",
    "hold dates such as 0000-00-00: types.zero_dates decides, and refuses by default",
    "put rows that the server refuses aside: the task stops at the first",
};

constexpr Lines<1> kSqliteTested{"SQLite 3.40"};
constexpr Lines<6> kSqliteCan{
    "commit rows and offset in one transaction: nothing is lost and nothing comes twice",
    "be read at any time: readers neither wait for the task nor make it wait",
    "take changes of columns, and make a table anew where SQLite cannot alter it",
    "hold tables without a key, equal to the source as multisets",
    "stop by name on a full disk, and go on once there is room",
    "go on counting where an INTEGER PRIMARY KEY is the key (weir cutover)",
};
constexpr Lines<4> kSqliteCannot{
    "keep schemas apart: two tables that would get one name are refused",
    "keep unique indexes unique: they become ordinary ones",
    "hold decimals of more than 15 digits as numbers: they are texts",
    "lie on a network file system",
};

constexpr Lines<7> kMysqlTargetCan{
    "commit rows and offset in one transaction: nothing is lost and nothing comes twice",
    "keep each column type of a source that is MySQL or MariaDB too",
    "copy rows by LOAD DATA LOCAL, or by INSERT where the server does not allow it",
    "take TRUNCATE, changes of columns, soft deletes and added columns",
    "hold tables without a key, equal to the source as multisets",
    "let unique values change hands within a batch",
    "go on counting where the source ends: AUTO_INCREMENT (weir cutover)",
};
constexpr Lines<4> kMysqlTargetCannot{
    "fill tables of engines without transactions: they have to be InnoDB",
    "change a definition and store the offset in one transaction",
    "hold numbers that no DECIMAL can: NaN, infinity, too many digits",
    "have a key on columns without a limit to their length: the table rule has to give them one",
};

// ---------------------------------------------------------------- the rows

constexpr auto kSources = std::to_array<SourceKind>({
    {{.name = "mysql",
      .title = "MySQL and MariaDB",
      .tested = kMysqlTested,
      .can = kMysqlCan,
      .cannot = kMysqlCannot},
     [](const Task& task) -> std::unique_ptr<Source> {
       return std::make_unique<mysql::MysqlSource>(task);
     },
     mysql::open_binlog,
     mysql::open_binlog_file,
     mysql::is_binlog},
    {{.name = "postgres",
      .title = "PostgreSQL",
      .tested = kPgTested,
      .can = kPgCan,
      .cannot = kPgCannot,
      .one_database = true},
     [](const Task& task) -> std::unique_ptr<Source> {
       return std::make_unique<pgsource::PgSource>(task);
     },
     pgsource::open_slot_log,
     nullptr,
     nullptr},
});

constexpr auto kTargets = std::to_array<TargetKind>({
    {{.name = "postgres",
      .title = "PostgreSQL",
      .tested = kPgTested,
      .can = kPgTargetCan,
      .cannot = kPgTargetCannot,
      .one_database = true,
      .rung = Rung::atomic_offset},
     [](const Task& task) -> std::unique_ptr<Target> {
       return std::make_unique<postgres::PostgresTarget>(task);
     }},
    {{.name = "sqlite",
      .title = "an SQLite file",
      .tested = kSqliteTested,
      .can = kSqliteCan,
      .cannot = kSqliteCannot,
      .rung = Rung::atomic_offset},
     [](const Task& task) -> std::unique_ptr<Target> {
       return std::make_unique<sqlite::SqliteTarget>(task);
     }},
    {{.name = "mysql",
      .title = "MySQL and MariaDB",
      .tested = kMysqlTested,
      .can = kMysqlTargetCan,
      .cannot = kMysqlTargetCannot,
      .rung = Rung::atomic_offset},
     [](const Task& task) -> std::unique_ptr<Target> {
       return std::make_unique<mysqltarget::MysqlTarget>(task);
     }},
});

template <class Kinds>
const auto& find_kind(const Kinds& kinds, const std::string& name, const char* id,
                      const char* what) {
  const auto at =
      std::find_if(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.name == name; });
  if (at != kinds.end()) return *at;
  std::vector<std::string> known;
  for (const auto& kind : kinds) known.emplace_back(kind.name);
  throw Error(ExitCode::configuration, id, fmt::format("weir has no {} of kind {}", what, name),
              fmt::format("known kinds: {}", join(known, ", ")), "correct `kind` in the task file");
}

}  // namespace

std::span<const SourceKind> source_kinds() { return kSources; }
std::span<const TargetKind> target_kinds() { return kTargets; }
std::vector<KindFacts> source_facts() { return {kSources.begin(), kSources.end()}; }
std::vector<KindFacts> target_facts() { return {kTargets.begin(), kTargets.end()}; }

std::unique_ptr<Source> open_source(const Task& task) {
  return find_kind(kSources, task.source.kind, "registry.source-kind", "source").open(task);
}

std::unique_ptr<Target> open_target(const Task& task) {
  return find_kind(kTargets, task.target.kind, "registry.target-kind", "target").open(task);
}

std::unique_ptr<LogReader> open_log(const Task& task, const LogRequest& request) {
  const SourceKind& kind = find_kind(kSources, task.source.kind, "registry.source-kind", "source");
  if (kind.open_log == nullptr) {
    throw Error(ExitCode::unsupported, "log.kind",
                fmt::format("weir cannot show the log of {}", kind.title),
                "this kind of source has no log that can be looked at without moving in it",
                "use the server's own tools");
  }
  return kind.open_log(task, request);
}

std::unique_ptr<LogReader> open_log_file(const std::string& path, const LogRequest& request) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string head(kLogHead, '\0');
  if (file) file.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (!file.is_open() || file.bad()) {
    throw Error(ExitCode::failed, "log.file", fmt::format("cannot read {}", path),
                std::generic_category().message(errno), "check the path and the permissions");
  }
  head.resize(static_cast<std::size_t>(file.gcount()));
  for (const SourceKind& kind : kSources) {
    if (kind.is_log != nullptr && kind.is_log(head)) return kind.open_log_file(path, request);
  }
  return nullptr;
}

std::unique_ptr<Engine> open_engine(const std::string& state_folder) {
  return std::make_unique<EmbeddedEngine>(state_folder + "/run");
}

}  // namespace weir
