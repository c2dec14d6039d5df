// SPDX-License-Identifier: Apache-2.0
#include "support/temp_mysql.h"

#include "support/server_files.h"

namespace weir::test {

namespace {

MySqlProduct product(bool gtid) {
  const std::string tree = server_tree("sid");
  const std::string share = tree + "/usr/share/mysql";
  MySqlProduct product;
  product.name = "mysql-9";
  product.server = {tree + "/run/bin/mysqld",
                    "--no-defaults",
                    "--basedir=" + tree + "/usr",
                    "--lc-messages-dir=" + share,
                    "--character-sets-dir=" + share + "/charsets",
                    "--plugin-dir=" + tree + "/usr/lib/mysql/plugin",
                    "--mysqlx=OFF",
                    "--secure-file-priv=NULL",
                    "--innodb-redo-log-capacity=64M"};
  product.server.emplace_back(gtid ? "--gtid-mode=ON" : "--gtid-mode=OFF");
  product.server.emplace_back(gtid ? "--enforce-gtid-consistency=ON"
                                   : "--enforce-gtid-consistency=OFF");
  product.initialise = {"--initialize-insecure", "--user=root", "--innodb-buffer-pool-size=64M"};
  return product;
}

}  // namespace

TempMySql::TempMySql(const Options& options)
    : MySqlServer(product(options.gtid), options.durable, options.args) {}

}  // namespace weir::test
