// SPDX-License-Identifier: Apache-2.0
//
// Changes good input in a thousand small ways and gives it to everything that reads what weir did
// not write itself. Nothing may come out of it but a result or a weir::Error, and that soon.
//
//   weir-fuzz                      all targets, WEIR_FUZZ_SECONDS in all (4), from WEIR_FUZZ_SEED
//   (1) weir-fuzz TARGET ITERATION     one input again, as a failure has named it
//
// Iteration n of a target is the same for the same seed, whatever came before.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "mapping/task_file.h"
#include "model/change_batch.h"
#include "model/key_range.h"
#include "source/mysql/binlog_event.h"
#include "source/mysql/gtid.h"
#include "source/mysql/heartbeat.h"
#include "source/mysql/json_binary.h"
#include "source/mysql/log_view.h"
#include "source/mysql/offset.h"
#include "source/mysql/row_decoder.h"
#include "source/mysql/statement.h"

using namespace weir;
using namespace weir::mysql;

namespace {

using Random = std::mt19937_64;

/// Longer than any input may take, on a machine that does other things as well.
constexpr unsigned kHang = 10;  // seconds
/// What no input may make weir ask for; the sanitizers' own memory does not fit below it.
constexpr rlim_t kMemory = rlim_t{2} << 30;
constexpr std::size_t kLongestInput = std::size_t{64} << 10;
constexpr std::size_t kMagic = 4;
constexpr std::size_t kHeader = 19;

std::size_t pick(Random& random, std::size_t below) {
  return below == 0 ? 0 : static_cast<std::size_t>(random() % below);
}

std::string read_corpus(const std::string& name) {
  std::ifstream file(std::string(WEIR_SOURCE_DIR "/tests/fuzz/corpus/") + name, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.empty()) throw std::runtime_error("cannot read the corpus file " + name);
  return text;
}

/// One small change anywhere at or after `from`. `other` is what pieces are taken from.
void mutate(std::string& bytes, std::string_view other, Random& random, std::size_t from = 0) {
  static constexpr std::array<std::uint64_t, 12> kEdges{0,
                                                        1,
                                                        0x7f,
                                                        0x80,
                                                        0xff,
                                                        0x7fff,
                                                        0xffff,
                                                        0x7fffffff,
                                                        0xffffffff,
                                                        0xfffffffe,
                                                        0x7fffffffffffffff,
                                                        0xffffffffffffffff};
  static constexpr std::string_view kMarks = "\"'`.,:;=-+{}[]()\\\n\t #*/%0aZ\xc3\xff";
  if (bytes.size() <= from) bytes.resize(from + 1);
  const std::size_t at = from + pick(random, bytes.size() - from);
  const std::size_t left = bytes.size() - at;
  switch (pick(random, 9)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << pick(random, 8));
      break;
    case 1:
      bytes[at] = static_cast<char>(random());
      break;
    case 2: {
      const std::uint64_t edge = kEdges[pick(random, kEdges.size())];
      const std::size_t size = std::min<std::size_t>(std::size_t{1} << pick(random, 4), left);
      std::memcpy(bytes.data() + at, &edge, size);
      break;
    }
    case 3:
      bytes.erase(at, 1 + pick(random, std::min<std::size_t>(left, 16)));
      break;
    case 4:
      bytes.insert(at, 1 + pick(random, 16), static_cast<char>(random()));
      break;
    case 5:
      bytes.insert(at, 1, kMarks[pick(random, kMarks.size())]);
      break;
    case 6:
      bytes.insert(at, bytes.substr(at, 1 + pick(random, 64)));
      break;
    case 7:
      if (!other.empty()) {
        const std::size_t piece = pick(random, other.size());
        bytes.insert(at, other.substr(piece, 1 + pick(random, 64)));
      }
      break;
    default:
      bytes.resize(at);
      break;
  }
  bytes.resize(std::min(bytes.size(), kLongestInput));
}

void mutate_some(std::string& bytes, std::string_view other, Random& random) {
  for (std::size_t i = 1 + pick(random, 4); i > 0; --i) mutate(bytes, other, random);
}

/// The events of a binlog, each whole.
std::vector<std::string> events_of(const std::string& file) {
  std::vector<std::string> events;
  for (std::size_t at = kMagic; at + kHeader <= file.size();) {
    std::uint32_t size = 0;
    std::memcpy(&size, file.data() + at + 9, sizeof size);
    if (size < kHeader || size > file.size() - at) throw std::runtime_error("a damaged corpus");
    events.push_back(file.substr(at, size));
    at += size;
  }
  return events;
}

/// Decodes what the events hold as far as anything in weir does.
class Taker final : public BinlogHandler {
 public:
  std::size_t rows() const { return rows_; }
  /// JSON documents in binary form, out of the table `docs`.
  std::vector<std::string> documents;

  void on_rotate(std::string_view, std::uint64_t) override {}
  void on_format(const EventHeader&, std::string_view) override {}
  void on_gtid(const EventHeader&, const GtidEvent& event) override {
    set_.add(event.gtid);
    set_.text();
  }
  void on_query(const EventHeader&, const QueryEvent& event) override {
    classify(event.sql, event.schema);
  }
  void on_table_map(const EventHeader&, const std::shared_ptr<const TableMap>& map) override {
    decoders_.erase(map->id);
  }
  void on_rows(const EventHeader&, const RowsEvent& event, const TableMap& map) override {
    beats_.find(event, map);
    if (event.partial_json) return;
    auto& decoder = decoders_[event.table_id];
    if (decoder == nullptr) {
      const std::vector<std::shared_ptr<const Charset>> charsets(map.columns.size());
      decoder = std::make_unique<RowDecoder>(map, table_from_map(map),
                                             std::vector<bool>(map.columns.size(), true), charsets,
                                             TypeSettings{{ZeroDatePolicy::Kind::keep, ""}, false});
    }
    collect(event, map);
    std::vector<Cell> cells(map.columns.size());
    const char* at = event.rows.data();
    const char* const end = at + event.rows.size();
    while (at < end) {
      const char* const begin = at;
      if (event.kind != RowsEvent::Kind::insert) {
        at = decoder->decode(at, end, event.before_columns, cells, arena_);
        touch(cells);
      }
      if (event.kind != RowsEvent::Kind::remove) {
        at = decoder->decode(at, end, event.after_columns, cells, arena_);
        touch(cells);
      }
      if (at > end) throw std::logic_error("a row ends behind its event");
      if (at == begin) throw std::logic_error("a row takes no bytes, so there is no last one");
      ++rows_;
      arena_.clear();
    }
  }
  void on_xid(const EventHeader&) override {}
  void on_xa_prepare(const EventHeader&, std::string_view, bool) override {}
  void on_heartbeat(const EventHeader&, std::string_view, std::uint64_t) override {}
  void on_statement_text(const EventHeader&, std::string_view sql) override { classify(sql, "s"); }
  void on_other(const EventHeader&, std::string_view) override {}

 private:
  /// Reads every byte, so that a sanitizer sees a view that leads outside.
  void touch(std::span<const Cell> cells) {
    for (const Cell& cell : cells) {
      for (const char c : cell.text()) sum_ = sum_ + static_cast<unsigned char>(c);
    }
  }

  void collect(const RowsEvent& event, const TableMap& map) {
    constexpr std::size_t kBefore = 1 + 4;  // bitmap of NULLs, id
    if (map.table != "docs" || event.kind != RowsEvent::Kind::insert) return;
    std::string_view rows = event.rows;
    while (rows.size() > kBefore + 4) {
      std::uint32_t size = 0;
      std::memcpy(&size, rows.data() + kBefore, sizeof size);
      if (size > rows.size() - kBefore - 4) return;
      documents.emplace_back(rows.substr(kBefore + 4, size));
      rows.remove_prefix(kBefore + 4 + size);
    }
  }

  std::unordered_map<std::uint64_t, std::unique_ptr<RowDecoder>> decoders_;
  BeatFinder beats_{{"fuzz", "plain"}, "shop"};
  GtidSet set_;
  Arena arena_;
  std::size_t rows_ = 0;
  volatile unsigned sum_ = 0;
};

/// Something that reads, with the good inputs from which bad ones are made.
class Target {
 public:
  virtual ~Target() = default;
  virtual std::string_view name() const = 0;
  /// Makes an input out of `random` and has it read.
  virtual void run(Random& random) = 0;
  /// The input of the last run().
  const std::string& input() const { return input_; }

 protected:
  std::string input_;
};

class BinlogTarget final : public Target {
 public:
  BinlogTarget(std::string_view name, const std::string& file)
      : name_(name), events_(events_of(read_corpus(file))) {
    BinlogDecoder decoder;
    for (const std::string& event : events_) decoder.feed(event, good_);
    if (good_.rows() < 20) throw std::runtime_error("the corpus has lost its rows");
  }

  std::string_view name() const override { return name_; }
  const std::vector<std::string>& documents() const { return good_.documents; }

  void run(Random& random) override {
    // The format first, mostly whole, else nothing after it is understood; then a part of the log.
    const std::size_t begin = 1 + pick(random, events_.size() - 1);
    const std::size_t count = std::min(events_.size() - begin, 1 + pick(random, 12));
    std::vector<std::string> events{events_.front()};
    for (std::size_t i = 0; i < count; ++i) events.push_back(events_[begin + i]);
    if (pick(random, 4) == 0) std::swap(events[1 + pick(random, count)], events.back());
    for (std::size_t i = 1 + pick(random, 3); i > 0; --i) {
      const bool format_too = pick(random, 16) == 0;
      std::string& event = format_too ? events[0] : events[1 + pick(random, count)];
      const std::string& other = events_[pick(random, events_.size())];
      // A header that contradicts the event is refused at once: rather look behind it.
      const std::size_t from = pick(random, 8) == 0 ? 0 : kHeader;
      mutate(event, other, random, from);
      if (from == kHeader) {
        const auto size = static_cast<std::uint32_t>(event.size());
        std::memcpy(event.data() + 9, &size, sizeof size);
      }
    }
    input_.clear();
    for (const std::string& event : events) input_ += event;
    Taker taker;
    BinlogDecoder decoder;
    for (const std::string& event : events) {
      // A copy of its own, so that a sanitizer sees a read behind the end.
      const std::vector<char> exact(event.begin(), event.end());
      decoder.feed({exact.data(), exact.size()}, taker);
    }
  }

 private:
  std::string_view name_;
  std::vector<std::string> events_;
  Taker good_;
};

/// Anything that takes one run of bytes.
class BytesTarget final : public Target {
 public:
  BytesTarget(std::string_view name, std::vector<std::string> good, void (*read)(std::string_view))
      : name_(name), good_(std::move(good)), read_(read) {
    for (const std::string& input : good_) read_(input);
  }

  std::string_view name() const override { return name_; }
  void run(Random& random) override {
    input_ = good_[pick(random, good_.size())];
    mutate_some(input_, good_[pick(random, good_.size())], random);
    const std::vector<char> exact(input_.begin(), input_.end());
    read_({exact.data(), exact.size()});
  }

 private:
  std::string_view name_;
  std::vector<std::string> good_;
  void (*read_)(std::string_view);
};

/// What was read and written must read the same again.
void same(const std::string& a, const std::string& b) {
  if (a != b) throw std::logic_error("it reads otherwise when written: " + a + " and " + b);
}

std::vector<std::unique_ptr<Target>> make_targets() {
  std::vector<std::unique_ptr<Target>> targets;
  auto mysql = std::make_unique<BinlogTarget>("mysql-binlog", "mysql.binlog");
  std::vector<std::string> documents = mysql->documents();
  if (documents.size() < 8) throw std::runtime_error("the corpus has lost its documents");
  targets.push_back(std::move(mysql));
  targets.push_back(std::make_unique<BinlogTarget>("mariadb-binlog", "maria.binlog"));
  const auto add = [&](std::string_view name, std::vector<std::string> good,
                       void (*read)(std::string_view)) {
    targets.push_back(std::make_unique<BytesTarget>(name, std::move(good), read));
  };
  add("json", std::move(documents), [](std::string_view bytes) {
    std::string text;
    json_to_text(bytes, text);
  });
  add("gtid",
      {"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:9-12,4e11fa47-71ca-11e1-9e33-c80aa9429562:23",
       "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:blue:1-3:green:7", "0-1-5,1-2-9,4294967295-7-1"},
      [](std::string_view text) {
        const GtidSet set = GtidSet::parse(text);
        same(set.text(), GtidSet::parse(set.text()).text());
        if (set.flavor() == Gtid::Flavor::mysql) set.encode_for_dump();
      });
  add("offset",
      {"bin.000007:1234", "bin.000007:1234 gtid 0-1-42,7-1-3",
       "mysql-bin.999999:4 gtid 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:tag:7"},
      [](std::string_view text) {
        const LogPosition position = LogPosition::parse(text);
        same(position.text(), LogPosition::parse(position.text()).text());
        reached(position, position);
      });
  add("task-file", {read_corpus("task.toml")},
      [](std::string_view text) { parse_task(text, "task.toml"); });
  add("statement",
      {"ALTER TABLE `a`.`b` ADD COLUMN (c int DEFAULT 'x''y', d json), DROP e, RENAME TO f.g",
       "CREATE /*!50001 TEMPORARY */ TABLE IF NOT EXISTS a (id int) -- x\n SELECT 1",
       "RENAME TABLE a TO b, c.d TO e.f", "XA COMMIT X'6f6e65',X'74776f',7",
       "DROP TABLE IF EXISTS `a``b`, c /* generated by server */", "TRUNCATE a.b",
       "SET STATEMENT max_statement_time = 1 FOR ALTER TABLE a EXCHANGE PARTITION p WITH TABLE b"},
      [](std::string_view text) { classify(text, "shop"); });
  add("key", {"=1,=abc%2C%00,=", "=2026-01-02 03:04:05,=%FF", ""}, [](std::string_view text) {
    const std::string key = encode_key(decode_key(text));
    same(key, encode_key(decode_key(key)));
  });
  add("time", {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456Z", "1970-01-01T00:00:00Z"},
      [](std::string_view text) {
        const std::string time = to_rfc3339(parse_rfc3339(text), true);
        same(time, to_rfc3339(parse_rfc3339(time), true));
      });
  return targets;
}

// What a signal's handler may print; filled before each run.
char where_text[200];
std::size_t where_size = 0;

void on_signal(int number) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, where_text, where_size);
  signal(number, SIG_DFL);
  raise(number);
}

std::uint64_t variable(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Runs one iteration. False, and why on stderr, if it did not end as it should.
bool run_one(Target& target, std::uint64_t seed, std::uint64_t iteration) {
  const int size = std::snprintf(
      where_text, sizeof where_text, "weir-fuzz: WEIR_FUZZ_SEED=%llu weir-fuzz %.40s %llu\n",
      static_cast<unsigned long long>(seed), std::string(target.name()).c_str(),
      static_cast<unsigned long long>(iteration));
  where_size = static_cast<std::size_t>(size);
  std::seed_seq mixed{seed,
                      seed >> 32,
                      iteration,
                      iteration >> 32,
                      static_cast<std::uint64_t>(target.name()[0]),
                      static_cast<std::uint64_t>(target.name().size())};
  Random random(mixed);
  std::string fault;
  alarm(kHang);
  try {
    target.run(random);
  } catch (const Error& error) {
    if (error.code() == ExitCode::bug) fault = std::string("met a bug: ") + error.what();
    if (error.summary().empty() || error.id().empty()) fault = "an error without a name or text";
  } catch (const std::exception& error) {
    fault = std::string("another exception came out: ") + error.what();
  }
  alarm(0);
  if (fault.empty()) return true;
  const std::string name = "weir-fuzz-" + std::string(target.name()) + ".input";
  std::ofstream(name, std::ios::binary) << target.input();
  std::fprintf(stderr, "%.*sweir-fuzz: %s; the input is in %s\n", size, where_text, fault.c_str(),
               name.c_str());
  return false;
}

int run_all(std::vector<std::unique_ptr<Target>>& targets, std::uint64_t seed) {
  const std::chrono::seconds total(variable("WEIR_FUZZ_SECONDS", 4));
  const Clock::time_point end = Clock::now() + total;
  std::fprintf(stderr, "weir-fuzz: WEIR_FUZZ_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::vector<std::uint64_t> done(targets.size(), 0);
  bool good = true;
  while (good && Clock::now() < end) {
    for (std::size_t i = 0; i < targets.size() && good; ++i) {
      for (int n = 0; n < 50 && good; ++n) good = run_one(*targets[i], seed, done[i]++);
    }
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    std::fprintf(stderr, "weir-fuzz: %-15s %llu inputs\n", std::string(targets[i]->name()).c_str(),
                 static_cast<unsigned long long>(done[i]));
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
#ifndef WEIR_SANITIZED
    const rlimit limit{kMemory, kMemory};
    setrlimit(RLIMIT_AS, &limit);
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL}) signal(number, on_signal);
#endif
    signal(SIGALRM, on_signal);
    const std::uint64_t seed = variable("WEIR_FUZZ_SEED", 1);
    auto targets = make_targets();
    if (argc == 1) return run_all(targets, seed);
    for (const auto& target : targets) {
      if (argc == 3 && target->name() == argv[1]) {
        return run_one(*target, seed, std::strtoull(argv[2], nullptr, 10)) ? 0 : 1;
      }
    }
    std::fprintf(stderr, "usage: weir-fuzz [TARGET ITERATION]\n");
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weir-fuzz: %s\n", error.what());
    return 1;
  }
}
