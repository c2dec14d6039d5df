// SPDX-License-Identifier: Apache-2.0
#include "contract/target_end.h"

#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "support/sqlite_file.h"
#include "support/temp_postgres.h"

namespace weir::test {

namespace {

constexpr const char* kUntouched = "weir_untouched";
/// weir's account on a MySQL, which the onlooker does not use.
constexpr const char* kAccount = "contract";

weir::Task empty_task(const std::string& name, const std::string& kind) {
  weir::Task task;
  task.name = name;
  task.source.kind = "contract";
  task.target.kind = kind;
  return task;
}

template <class Server>
class MysqlEnd final : public TargetEnd {
 public:
  MysqlEnd(typename Server::Options options, std::string product)
      : product_(std::move(product)), server_(with_files(std::move(options))) {
    server_.sql(fmt::format(
        "CREATE USER {0}@localhost IDENTIFIED BY ''; GRANT ALL ON *.* TO {0}@localhost", kAccount));
  }

  std::string product() const override { return product_; }
  weir::Task task(const std::string& name) const override {
    weir::Task task = empty_task(name, "mysql");
    task.target.socket = server_.socket();
    task.target.user = kAccount;
    return task;
  }
  weir::Task untouched_task() const override {
    weir::Task out = task("nobody");
    out.target.control_schema = kUntouched;
    return out;
  }
  bool is_untouched() override {
    return query(fmt::format("SELECT 1 FROM information_schema.schemata WHERE schema_name = '{}'",
                             kUntouched))
        .empty();
  }
  std::string table(const std::string& name) const override { return "shop." + name; }
  void sql(const std::string& text) override { server_.sql(text); }
  Rows query(const std::string& text) override { return server_.query(text); }
  std::string hex(const std::string& column) const override {
    return fmt::format("HEX({})", column);
  }
  bool end_sessions() override {
    for (const auto& row : query(fmt::format(
             "SELECT id FROM information_schema.processlist WHERE user = '{}'", kAccount))) {
      sql("KILL " + row[0]);
    }
    return true;
  }

 private:
  static typename Server::Options with_files(typename Server::Options options) {
    options.args.emplace_back("--local-infile=ON");
    return options;
  }

  std::string product_;
  Server server_;
};

class PostgresEnd final : public TargetEnd {
 public:
  PostgresEnd(TempPostgres::Release release, std::string product)
      : product_(std::move(product)), server_(options(release)) {}

  std::string product() const override { return product_; }
  weir::Task task(const std::string& name) const override {
    weir::Task task = empty_task(name, "postgres");
    task.target.socket = server_.socket_dir();
    task.target.port = server_.port();
    task.target.user = server_.user();
    task.target.database = server_.database();
    return task;
  }
  weir::Task untouched_task() const override {
    weir::Task out = task("nobody");
    out.target.control_schema = kUntouched;
    return out;
  }
  bool is_untouched() override {
    return query(fmt::format("SELECT 1 FROM pg_namespace WHERE nspname = '{}'", kUntouched))
        .empty();
  }
  std::string table(const std::string& name) const override { return "shop." + name; }
  void sql(const std::string& text) override { server_.sql(text); }
  Rows query(const std::string& text) override { return server_.query(text); }
  std::string hex(const std::string& column) const override {
    return fmt::format("upper(encode(convert_to({}::text, 'UTF8'), 'hex'))", column);
  }
  bool end_sessions() override {
    query(fmt::format(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{}'",
        server_.user()));
    return true;
  }

 private:
  static TempPostgres::Options options(TempPostgres::Release release) {
    TempPostgres::Options out;
    out.release = release;
    return out;
  }

  std::string product_;
  TempPostgres server_;
};

class SqliteEnd final : public TargetEnd {
 public:
  std::string product() const override { return "SQLite 3"; }
  weir::Task task(const std::string& name) const override {
    weir::Task task = empty_task(name, "sqlite");
    task.target.path = file_.path();
    return task;
  }
  weir::Task untouched_task() const override {
    weir::Task out = task("nobody");
    out.target.path = file_.folder() + "/untouched.db";
    return out;
  }
  bool is_untouched() override {
    return !std::filesystem::exists(file_.folder() + "/untouched.db");
  }
  std::string table(const std::string& name) const override { return name; }
  std::string tasks() const override { return "weir_task"; }
  void sql(const std::string& text) override { file_.session().sql(text); }
  Rows query(const std::string& text) override { return file_.session().query(text); }
  std::string hex(const std::string& column) const override {
    return fmt::format("hex({})", column);
  }
  bool end_sessions() override { return false; }
  bool keeps_unique() const override { return false; }

 private:
  SqliteFile file_;
};

std::unique_ptr<TargetEnd> make(Release release) {
  if (release == Release::sqlite) return std::make_unique<SqliteEnd>();
  return end_on_server<TargetEnd, MysqlEnd, PostgresEnd>(release);
}

}  // namespace

TargetEnd& target_end(Release release) { return kept_end<TargetEnd>(release, make); }

}  // namespace weir::test
