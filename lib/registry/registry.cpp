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

constexpr auto kSources = std::to_array<SourceKind>({
    {"mysql", "MySQL 8 and 9, MariaDB 10.5 and later",
     [](const Task& task) -> std::unique_ptr<Source> {
       return std::make_unique<mysql::MysqlSource>(task);
     },
     mysql::open_binlog, mysql::open_binlog_file, mysql::is_binlog},
    {"postgres", "PostgreSQL 15 and later",
     [](const Task& task) -> std::unique_ptr<Source> {
       return std::make_unique<pgsource::PgSource>(task);
     },
     pgsource::open_slot_log, nullptr, nullptr},
});

constexpr auto kTargets = std::to_array<TargetKind>({
    {"postgres", "PostgreSQL 12 and later",
     [](const Task& task) -> std::unique_ptr<Target> {
       return std::make_unique<postgres::PostgresTarget>(task);
     }},
    {"sqlite", "an SQLite file",
     [](const Task& task) -> std::unique_ptr<Target> {
       return std::make_unique<sqlite::SqliteTarget>(task);
     }},
    {"mysql", "MySQL 8 and 9, MariaDB 10.5 and later",
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
