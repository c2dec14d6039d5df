// SPDX-License-Identifier: Apache-2.0
#include "support/temp_mariadb.h"

#include <stdexcept>

#include "support/server_files.h"

namespace weir::test {

namespace {

/// What mariadb-install-db does, without its search for programs, which finds those of the machine
/// and not those of a tree.
std::string install_script(const std::string& share) {
  std::string script = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n";
  for (const char* name : {"_system_tables", "_performance_tables", "_system_tables_data",
                           "maria_add_gis_sp_bootstrap", "_sys_schema"}) {
    // Releases before 11 call them mysql_system_tables and so on.
    std::string text;
    for (const char* product : {"", "mysql", "mariadb"}) {
      if (text.empty()) text = read_file(share + '/' + product + name + ".sql");
    }
    if (text.empty()) throw std::runtime_error("no script " + std::string(name) + " in " + share);
    script += text;
  }
  return script;
}

MySqlProduct product(TempMariaDb::Release release) {
  MySqlProduct product;
  std::string share = "/usr/share/mysql";
  if (release == TempMariaDb::Release::v11_8) {
    const std::string tree = server_tree("trixie");
    share = tree + "/usr/share/mariadb";
    product.name = "mariadb-11.8";
    product.server = {tree + "/run/bin/mariadbd", "--no-defaults", "--basedir=" + tree + "/usr",
                      "--character-sets-dir=" + share + "/charsets",
                      "--plugin-dir=" + tree + "/usr/lib/mysql/plugin"};
  } else {
    product.name = "mariadb";
    product.server = {"/usr/sbin/mariadbd", "--no-defaults"};
  }
  product.server.push_back("--lc-messages-dir=" + share);
  product.server.emplace_back("--innodb-log-file-size=48M");
  product.initialise = {"--bootstrap",
                        "--user=root",
                        "--log-warnings=0",
                        "--enforce-storage-engine=",
                        "--max-allowed-packet=8M",
                        "--net-buffer-length=16K",
                        "--innodb-buffer-pool-size=64M"};
  product.initialise_script = install_script(share);
  return product;
}

}  // namespace

TempMariaDb::TempMariaDb(const Options& options)
    : MySqlServer(product(options.release), options.durable, options.args) {}

}  // namespace weir::test
