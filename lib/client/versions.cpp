// SPDX-License-Identifier: Apache-2.0
#include "client/versions.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <sqlite3.h>

namespace weir {

std::vector<std::pair<std::string, std::string>> library_versions() {
  const int pq = PQlibVersion();
  return {{"libmariadb", mysql_get_client_info()},
          {"libpq", fmt::format("{}.{}", pq / 10000, pq % 10000)},
          {"sqlite", sqlite3_libversion()}};
}

}  // namespace weir
