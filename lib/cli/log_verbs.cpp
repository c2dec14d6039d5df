// SPDX-License-Identifier: Apache-2.0
#include "cli/log_verbs.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "mapping/pattern.h"
#include "ops/sync.h"
#include "store/state_store.h"

namespace weir::cli {
namespace {

using Kind = LogEntry::Kind;

// Reading a local file that grows has nothing else to wait for, and this is how late a signal may
// be noticed.
constexpr std::chrono::milliseconds kLook{200};
constexpr std::int64_t kLargestExact = std::int64_t{1} << 53;  // of a JSON number, as a double
constexpr std::size_t kOffsetWidth = 18;                       // "binlog.000001:1234"

/// The size of the character that `text` begins with, 0 if it is not UTF-8.
std::size_t character_size(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const std::size_t size = first < 0x80                     ? 1
                           : first >= 0xc2 && first <= 0xdf ? 2
                           : first >= 0xe0 && first <= 0xef ? 3
                           : first >= 0xf0 && first <= 0xf4 ? 4
                                                            : 0;
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return size;
}

/// Whether `text` can be shown as text, given what is known about it.
bool shows_as_text(std::string_view text, LogColumn::Text what) {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0) return false;
    const char c = text[0];
    const bool control = (c >= 0 && c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
    if (what != LogColumn::Text::utf8 && control) return false;
    if (what == LogColumn::Text::foreign && size > 1) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string in_hex(std::string_view bytes) { return "0x" + hex(bytes); }

Json integer_value(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, number);
  const bool exact =
      problem == std::errc() && at == end && number <= kLargestExact && number >= -kLargestExact;
  return exact ? Json(number) : Json(text);
}

Json float_value(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, number);
  return problem == std::errc() && at == end ? Json(number) : Json(text);
}

Json row_values(const LogEntry& entry, Row cells) {
  Json out = Json::object();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i].is_absent()) out[entry.columns[i].name] = log_value(entry.columns[i], cells[i]);
  }
  return out;
}

Json text_or_null(std::string_view text) { return text.empty() ? Json() : Json(text); }

std::string time_text(Time time) {
  return to_rfc3339(time, time.time_since_epoch() % std::chrono::seconds(1) != Time::duration{});
}

Json to_json(const LogEntry& entry) {
  Json out{{"type", "event"},
           {"offset", entry.offset},
           {"position", entry.position == 0 ? Json() : Json(entry.position)},
           {"time", time_text(entry.time)},
           {"kind", to_string(entry.kind)},
           {"transaction", text_or_null(entry.transaction)},
           {"database", text_or_null(entry.schema)},
           {"table", text_or_null(entry.table)}};
  if (!entry.xid.empty()) out["xid"] = entry.xid;
  switch (entry.kind) {
    case Kind::query:
    case Kind::statement:
      out["sql"] = entry.text;
      break;
    case Kind::rotate:
      out["file"] = text_or_null(entry.text);
      break;
    case Kind::insert:
    case Kind::update:
    case Kind::remove:
      if (!entry.text.empty()) out["note"] = entry.text;
      if (!entry.before.empty()) out["before"] = row_values(entry, entry.before);
      if (!entry.after.empty()) out["after"] = row_values(entry, entry.after);
      break;
    default:
      break;
  }
  return out;
}

/// `text` on one line, and harmless to a terminal.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!control) {
      out += c;
    } else if (!out.ends_with(' ')) {
      out += ' ';
    }
  }
  return out;
}

std::string value_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// "id=1 name="x"", without what equals `known`.
std::string values_text(const Json& values, const Json& known) {
  std::string out;
  for (const auto& [name, value] : values.items()) {
    if (known.contains(name) && known[name] == value) continue;
    if (!out.empty()) out += ' ';
    out += one_line(name) + '=' + one_line(value_text(value));
  }
  return out;
}

/// What a line of text says after the kind of the entry.
std::string details(const LogEntry& entry) {
  switch (entry.kind) {
    case Kind::begin:
    case Kind::prepare:
    case Kind::commit:
    case Kind::rollback: {
      std::string out(entry.kind == Kind::begin ? entry.transaction : std::string_view());
      if (!entry.xid.empty()) out += (out.empty() ? "xid " : " xid ") + one_line(entry.xid);
      return out;
    }
    case Kind::query:
    case Kind::statement:
    case Kind::rotate:
      return one_line(entry.text);
    case Kind::insert:
    case Kind::update:
    case Kind::remove:
      break;
  }
  std::string out = one_line(fmt::format("{}.{}", entry.schema, entry.table));
  if (!entry.text.empty()) out.append(": ").append(entry.text);
  if (entry.columns.empty()) return out;
  const Json before = row_values(entry, entry.before);
  const Json after = row_values(entry, entry.after);
  if (!entry.before.empty()) out += "  " + values_text(before, Json::object());
  if (entry.kind == Kind::update) out += " ->";
  if (!entry.after.empty()) out += (entry.before.empty() ? "  " : " ") + values_text(after, before);
  return out;
}

std::string to_line(const LogEntry& entry) {
  std::string line = fmt::format(
      "{}  {:<{}}  {:<9}  {}", to_rfc3339(std::chrono::floor<std::chrono::seconds>(entry.time)),
      one_line(entry.offset), kOffsetWidth, to_string(entry.kind), details(entry));
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

/// Prints entries. With patterns, what surrounds the rows of a transaction is held back until one
/// of them is printed.
class Printer final : public LogSink {
 public:
  Printer(Session& session, std::vector<TablePattern> patterns, std::optional<std::int64_t> limit)
      : session_(session), patterns_(std::move(patterns)), left_(limit) {}

  bool wants(const TableName& table) override {
    return patterns_.empty() ||
           std::any_of(patterns_.begin(), patterns_.end(),
                       [&table](const TablePattern& pattern) { return pattern.matches(table); });
  }

  bool done() const override { return left_ && *left_ <= 0; }

  void entry(const LogEntry& entry) override {
    switch (entry.kind) {
      case Kind::begin:
        // What is held back here belongs to a transaction of which nothing was wanted.
        held_.clear();
        wanted_ = patterns_.empty();
        hold_or_print(entry);
        return;
      case Kind::query:
        held_.resize(std::min<std::size_t>(held_.size(), 1));
        hold_or_print(entry);
        return;
      case Kind::prepare:
      case Kind::commit:
      case Kind::rollback:
        if (wanted_ || patterns_.empty()) print(entry);
        held_.clear();
        wanted_ = patterns_.empty();
        return;
      case Kind::rotate:
        if (patterns_.empty()) print(entry);
        return;
      case Kind::statement:
        if (!patterns_.empty() && (entry.table.empty() ||
                                   !wants({std::string(entry.schema), std::string(entry.table)}))) {
          return;
        }
        break;
      case Kind::insert:
      case Kind::update:
      case Kind::remove:
        break;
    }
    for (const std::string& line : held_) session_.print(line);
    held_.clear();
    wanted_ = true;
    print(entry);
    if (left_) --*left_;
  }

 private:
  std::string text(const LogEntry& entry) const {
    return session_.json() ? json_line(to_json(entry)) : to_line(entry);
  }

  void print(const LogEntry& entry) { session_.print(text(entry)); }

  void hold_or_print(const LogEntry& entry) {
    if (patterns_.empty()) {
      print(entry);
    } else {
      held_.push_back(text(entry));
    }
  }

  Session& session_;
  std::vector<TablePattern> patterns_;
  std::optional<std::int64_t> left_;
  std::vector<std::string> held_;
  bool wanted_ = false;  ///< a row of the transaction in hand was printed
};

Error bad_value(std::string_view option, const std::string& value, const Error& error) {
  return Error(ExitCode::usage, "usage.bad-value",
               fmt::format("--{} cannot be '{}'", option, value),
               error.why().empty() ? error.summary() : error.why(), error.fix());
}

std::vector<TablePattern> read_patterns(const Session& session) {
  std::vector<TablePattern> patterns;
  for (const std::string& text : session.texts("table")) {
    Pattern pattern;
    pattern.text = text;
    try {
      patterns.emplace_back(pattern);
    } catch (const Error& error) {
      throw bad_value("table", text, error);
    }
  }
  return patterns;
}

/// Whether `argument` can only be meant as a file: "./x", "binlog.000042".
bool looks_like_log_file(const std::string& argument) {
  const std::size_t dot = argument.rfind('.');
  return argument.find('/') != std::string::npos ||
         (dot != std::string::npos && dot + 1 < argument.size() &&
          argument.find_first_not_of("0123456789", dot + 1) == std::string::npos);
}

std::unique_ptr<LogReader> open_file(const std::string& path, const LogRequest& request,
                                     const LogBackends& backends) {
  std::unique_ptr<LogReader> reader = backends.open_log_file(path, request);
  if (reader != nullptr) return reader;
  throw Error(ExitCode::failed, "log.not-a-log", fmt::format("{} is no change log", path),
              "it does not begin as a binlog does, and its name does not end in .toml as that of "
              "a task file does",
              "give a binlog file, a task file, or the name of a registered task");
}

/// The task's own offset, once it is sure that the source still has its log from there on.
std::string offset_of(const Task& task, StateStore& store, const LogBackends& backends) {
  const auto stored = store.offset(task.name);
  if (!stored) {
    throw Error(ExitCode::not_found, "log.no-offset",
                fmt::format("task {} has no offset yet", task.name),
                "it has not been started, or has not come as far as to keep one",
                "say where to begin: --from FILE:POSITION, or LSN for a PostgreSQL");
  }
  const auto gap = backends.open_source(task)->can_resume(stored->offset, stored->identity);
  if (gap && gap->severity == Severity::critical) {
    const std::string& evidence = gap->evidence;
    throw Error(ExitCode::refused, gap->id, gap->what,
                evidence.empty() ? gap->why : fmt::format("{} ({})", gap->why, evidence),
                "say where to begin: --from FILE:POSITION, or LSN for a PostgreSQL");
  }
  return stored->offset.text;
}

std::unique_ptr<LogReader> open_log(Session& session, const LogBackends& backends) {
  const std::string& argument = session.argument();
  LogRequest request;
  request.from = session.text("from").value_or("");
  request.values = session.flag("values");
  request.follow = session.flag("follow");
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  if (!store->task(argument) && !argument.ends_with(".toml")) {
    std::error_code problem;
    const bool exists = std::filesystem::exists(argument, problem);
    if (exists || problem) return open_file(argument, request, backends);
    if (looks_like_log_file(argument)) {
      throw Error(ExitCode::not_found, "log.no-file", fmt::format("there is no file {}", argument),
                  "it is no registered task either",
                  "check the path; weir sync list shows the registered tasks");
    }
  }
  const Task task = ops::find_task(argument, *store);
  session.set_task(task.name);
  if (request.from.empty()) request.from = offset_of(task, *store, backends);
  return backends.open_log(task, request);
}

void show(LogReader& reader, Printer& printer) {
  while (!printer.done() && reader.read(printer) == LogReader::Read::event) {
  }
}

void follow(LogReader& reader, Printer& printer, Session& session) {
  const StopSignal stop;
  auto last = LogReader::Read::end;
  while (!printer.done() && !stop.requested()) {
    if (last == LogReader::Read::end || !reader.wait(std::chrono::milliseconds(0))) {
      session.terminal().flush();
      if (!reader.wait(kLook)) continue;
    }
    last = reader.read(printer);
    if (last == LogReader::Read::over) {
      session.say("the file ends here: the log goes on in the next one");
      return;
    }
  }
}

}  // namespace

Json log_value(const LogColumn& column, const Cell& cell) {
  if (cell.is_null()) return nullptr;
  const std::string_view text = cell.text();
  switch (column.kind) {
    case TypeKind::boolean:
      return text == "1";
    case TypeKind::int8:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::uint32:
    case TypeKind::uint64:
    case TypeKind::year:
      return integer_value(text);
    case TypeKind::float32:
    case TypeKind::float64:
      return float_value(text);
    case TypeKind::bytes:
    case TypeKind::geometry:
    case TypeKind::vector:
      return in_hex(text);
    case TypeKind::text:
    case TypeKind::json:
    case TypeKind::enumeration:
    case TypeKind::set:
    case TypeKind::array:
    case TypeKind::other:
      return shows_as_text(text, column.text) ? Json(text) : Json(in_hex(text));
    case TypeKind::decimal:
    case TypeKind::bits:
    case TypeKind::date:
    case TypeKind::time:
    case TypeKind::datetime:
    case TypeKind::timestamp:
    case TypeKind::uuid:
    case TypeKind::inet:
    case TypeKind::interval:
      break;
  }
  return Json(text);
}

ExitCode log_show(Session& session, const LogBackends& backends) {
  Printer printer(session, read_patterns(session), session.integer("limit"));
  const std::string from = session.text("from").value_or("");
  try {
    const std::unique_ptr<LogReader> reader = open_log(session, backends);
    if (session.flag("follow")) {
      follow(*reader, printer, session);
    } else {
      show(*reader, printer);
    }
  } catch (const Error& error) {
    const bool about_from = error.id() == "offset.format" || error.id() == "gtid.format";
    if (from.empty() || !about_from) throw;
    throw bad_value("from", from, error);
  }
  return ExitCode::ok;
}

}  // namespace weir::cli
