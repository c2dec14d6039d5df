// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

namespace weir::test {

/// What the contracts are tried on. MariaDB 10.11 and PostgreSQL 15 are the installed ones; the
/// other servers come from servers.sh: tag [bootstrap].
enum class Release : std::uint8_t {
  mariadb_10_11,
  mariadb_11_8,
  mysql_9,
  postgres_15,
  postgres_17,
  postgres_18,
  sqlite
};

/// An end on a new server of that release. `Mysql<Server>` is made from the options of the server,
/// `Postgres` from its release, and both from how version() begins.
template <class End, template <class Server> class Mysql, class Postgres>
std::unique_ptr<End> end_on_server(Release release) {
  switch (release) {
    case Release::mariadb_10_11:
      return std::make_unique<Mysql<TempMariaDb>>(TempMariaDb::Options{}, "MariaDB 10.11");
    case Release::mariadb_11_8:
      return std::make_unique<Mysql<TempMariaDb>>(
          TempMariaDb::Options{.release = TempMariaDb::Release::v11_8}, "MariaDB 11.8");
    case Release::mysql_9:
      return std::make_unique<Mysql<TempMySql>>(TempMySql::Options{}, "MySQL 9");
    case Release::postgres_15:
      return std::make_unique<Postgres>(TempPostgres::Release::installed, "PostgreSQL 15");
    case Release::postgres_17:
      return std::make_unique<Postgres>(TempPostgres::Release::v17, "PostgreSQL 17");
    case Release::postgres_18:
      return std::make_unique<Postgres>(TempPostgres::Release::v18, "PostgreSQL 18");
    case Release::sqlite:
      break;
  }
  throw std::logic_error("no server has this release");
}

/// What `make` made for that release; it stays until another one is asked for.
template <class End>
End& kept_end(Release release, std::unique_ptr<End> (*make)(Release)) {
  static std::unique_ptr<End> running;
  static Release which{};
  if (!running || which != release) {
    running.reset();
    running = make(release);
    which = release;
  }
  return *running;
}

}  // namespace weir::test
