// SPDX-License-Identifier: Apache-2.0
#include "cli/init_verb.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "mapping/task_file.h"
#include "ops/init.h"

namespace weir::cli {
namespace {

Error init_usage(std::string what, std::string why, std::string hint) {
  return usage_error("init", "usage.init", std::move(what), std::move(why), std::move(hint));
}

/// A path in a task file counts from the folder of that file, which need not be ours.
std::string absolute(const std::string& path) {
  if (path.starts_with('@')) return path;  // an abstract socket
  return std::filesystem::absolute(path).lexically_normal().string();
}

/// What the options say about one server; `prefix` is "" for the source and "target-" for the
/// target.
void take_endpoint(const Session& session, std::string_view section, std::string_view prefix,
                   ops::InitRequest& request) {
  const auto option = [&](std::string_view name) { return fmt::format("{}{}", prefix, name); };
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", section, name); };
  request.values[key("kind")] = ops::toml_text(
      session.text(section == "source" ? "source-kind" : "target-kind").value_or(""));
  for (const char* name : {"host", "user"}) {
    if (const auto value = session.text(option(name))) {
      request.values[key(name)] = ops::toml_text(*value);
    }
  }
  if (const auto socket = session.text(option("socket"))) {
    request.values[key("socket")] = ops::toml_text(absolute(*socket));
  }
  if (const auto port = session.integer(option("port"))) {
    request.values[key("port")] = std::to_string(*port);
  }
  if (const auto tls = session.text(option("tls"))) {
    request.values[key("tls")] = ops::toml_text(*tls);
  }
  if (const auto ca = session.text(option("tls-ca"))) {
    request.values[key("tls_ca")] = ops::toml_text(absolute(*ca));
  }
  const auto file = session.text(option("password-file"));
  const auto variable = session.text(option("password-env"));
  if (file) {
    request.values[key("password")] =
        fmt::format("{{ file = {} }}", ops::toml_text(absolute(*file)));
  }
  if (variable) {
    request.values[key("password")] = fmt::format("{{ env = {} }}", ops::toml_text(*variable));
  }
  if (file && variable) {
    throw init_usage(fmt::format("--{0}password-file and --{0}password-env are both given", prefix),
                     "a password is read from one place", "leave one of them out");
  }
  if (request.values.contains(key("host")) && request.values.contains(key("socket"))) {
    throw init_usage(fmt::format("--{0}host and --{0}socket are both given", prefix),
                     "a server is reached in one way", "leave one of them out");
  }
}

/// A file has no host, and a server no path.
void check_target(const std::string& kind, const ops::InitRequest& request) {
  constexpr std::string_view kSection = "target.";
  for (const auto& [key, value] : request.values) {
    if (!key.starts_with(kSection)) continue;
    const std::string name = key.substr(kSection.size());
    if (takes_key("target", kind, name)) continue;
    throw init_usage(fmt::format("a target of kind {} takes no {}", kind, name),
                     takes_key("target", kind, "path") ? "it is a file, and has a path alone"
                                                       : "it is a server, and has no path",
                     "leave that option out, or give another --target-kind");
  }
}

/// Which schemas are copied, and the database of a session that is in one.
void take_databases(const Session& session, const KindFacts& source, ops::InitRequest& request) {
  const std::vector<std::string> databases = session.texts("database");
  const std::vector<std::string> schemas = session.texts("schema");
  if (!source.one_database) {
    if (!schemas.empty()) {
      throw init_usage("--schema is given",
                       fmt::format("a {} source has databases, and no schemas "
                                   "in them",
                                   source.name),
                       "choose the databases to copy with --database");
    }
    request.databases = databases;
    return;
  }
  if (databases.size() != 1) {
    throw init_usage(
        databases.empty() ? "--database is missing" : "--database is given twice",
        fmt::format("a session of a {} source is in one database, and so is a task", source.name),
        "name the database to connect to with --database, and choose from its schemas "
        "with --schema");
  }
  request.values["source.database"] = ops::toml_text(databases.front());
  request.name_from = databases.front();
  request.databases = schemas;
}

KindFacts facts_of(const std::vector<KindFacts>& kinds, const std::optional<std::string>& name) {
  const auto found = std::ranges::find(kinds, name.value_or(""), &KindFacts::name);
  if (found == kinds.end()) throw bug("init offers a kind that has no row");
  return *found;
}

ops::InitRequest read_options(const Session& session, const Kinds& kinds) {
  ops::InitRequest request;
  take_endpoint(session, "source", "", request);
  take_endpoint(session, "target", "target-", request);
  if (const auto name = session.text("name")) request.values[".name"] = ops::toml_text(*name);
  if (const auto name = session.text("target-database")) {
    request.values["target.database"] = ops::toml_text(*name);
  }
  if (const auto path = session.text("target-path")) {
    request.values["target.path"] = ops::toml_text(absolute(*path));
  }
  check_target(session.text("target-kind").value_or(""), request);

  const bool place =
      request.values.contains("source.host") || request.values.contains("source.socket");
  if (!place || !request.values.contains("source.user")) {
    throw init_usage(place ? "--user is missing" : "neither --host nor --socket is given",
                     "the rules are made from the tables that the source holds",
                     "say how to reach the source: --host or --socket, --user, and "
                     "--password-file or --password-env if the account has a password");
  }
  const KindFacts source = facts_of(kinds.sources(), session.text("source-kind"));
  const KindFacts target = facts_of(kinds.targets(), session.text("target-kind"));
  take_databases(session, source, request);
  request.target_in_database = target.one_database;
  return request;
}

Json to_json(const ops::InitFile& file) {
  Json schemas = Json::array();
  for (const ops::InitFile::Schema& schema : file.schemas) {
    schemas.push_back({{"name", schema.name},
                       {"tables", schema.tables},
                       {"estimated_rows", schema.rows},
                       {"estimated_bytes", schema.bytes}});
  }
  Json left_out = Json::array();
  for (const ops::InitFile::LeftOut& table : file.left_out) {
    left_out.push_back({{"table", table.name.text()}, {"why", table.why}});
  }
  return {{"source_version", file.source_version},
          {"schemas", std::move(schemas)},
          {"left_out", std::move(left_out)}};
}

}  // namespace

ExitCode init(Session& session, const Backends& backends, const Kinds& kinds) {
  const ops::InitRequest request = read_options(session, kinds);
  const auto output = session.text("output");
  if (output) ops::refuse_existing(*output);

  const Task draft = ops::draft_task(request);
  const std::unique_ptr<Source> source = backends.open_source(draft);
  // A target connects when it is asked something; which names it takes it knows by itself.
  const std::unique_ptr<Target> target = backends.open_target(draft);
  const ops::InitFile file = ops::make_task_file(request, *source, *target);
  session.set_task(file.task.name);

  for (const ops::InitFile::Schema& schema : file.schemas) {
    session.say(fmt::format("{}: {} {}", schema.name, format_count(schema.tables),
                            schema.tables == 1 ? "table" : "tables"));
  }
  for (const ops::InitFile::LeftOut& table : file.left_out) {
    session.say(fmt::format("left out {}: {}", table.name.text(), table.why));
  }
  if (output) {
    ops::write_new_file(*output, file.text);
    session.say(fmt::format("{} is written", *output));
    session.hint(fmt::format("weir preflight {}", *output));
  } else if (!session.json()) {
    session.print(file.text);
  }
  Json part = to_json(file);
  part["file"] = output ? Json(absolute(*output)) : Json();
  part["text"] = output ? Json() : Json(file.text);
  return session.answer(ExitCode::ok, part);
}

}  // namespace weir::cli
