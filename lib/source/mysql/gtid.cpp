// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/gtid.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace weir::mysql {
namespace {

using Uuid = std::array<std::uint8_t, 16>;

constexpr std::size_t kUuidText = 36;
constexpr std::size_t kLongestTag = 32;
// One past it must still fit a signed 64-bit number: that is how a server stores the end.
constexpr std::uint64_t kLargestSequence = std::numeric_limits<std::int64_t>::max() - 1;

[[noreturn]] void bad_format(std::string_view part, std::string_view why) {
  throw Error(ExitCode::failed, "gtid.format", fmt::format("'{}' is not a GTID set", part),
              std::string(why),
              "write it as the server shows it: uuid:1-5:7 for MySQL (@@gtid_executed), "
              "0-1-23 for MariaDB (@@gtid_binlog_pos)");
}

std::string uuid_text(const Uuid& uuid) {
  std::string text;
  text.reserve(kUuidText);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    fmt::format_to(std::back_inserter(text), "{:02x}", uuid[i]);
  }
  return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != kUuidText) return std::nullopt;
  Uuid uuid{};
  std::size_t at = 0;
  for (std::uint8_t& byte : uuid) {
    if (at == 8 || at == 13 || at == 18 || at == 23) {
      if (text[at++] != '-') return std::nullopt;
    }
    const char* const end = text.data() + at + 2;
    const auto [stop, error] = std::from_chars(text.data() + at, end, byte, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    at += 2;
  }
  return uuid;
}

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end;
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > kLongestTag || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
  });
}

/// The text up to `separator`, which is taken off `text` too.
std::string_view next_part(std::string_view& text, char separator) {
  const std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

template <class Intervals>
void insert_interval(Intervals& intervals, std::uint64_t first, std::uint64_t last) {
  // Everything that overlaps or touches [first, last] becomes one interval with it.
  auto from = std::lower_bound(
      intervals.begin(), intervals.end(), first,
      [](const auto& interval, std::uint64_t value) { return interval.last + 1 < value; });
  auto to = from;
  while (to != intervals.end() && to->first <= last + 1) {
    first = std::min(first, to->first);
    last = std::max(last, to->last);
    ++to;
  }
  if (from == to) {
    intervals.insert(from, {first, last});
  } else {
    *from = {first, last};
    intervals.erase(from + 1, to);
  }
}

template <class Intervals>
bool covers(const Intervals& intervals, std::uint64_t first, std::uint64_t last) {
  const auto found = std::lower_bound(
      intervals.begin(), intervals.end(), first,
      [](const auto& interval, std::uint64_t value) { return interval.last < value; });
  return found != intervals.end() && found->first <= first && last <= found->last;
}

void put_u64(std::string& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

}  // namespace

std::string Gtid::text() const {
  if (flavor == Flavor::mariadb) return fmt::format("{}-{}-{}", domain, server_id, sequence);
  if (flavor == Flavor::none) return {};
  if (tag.empty()) return fmt::format("{}:{}", uuid_text(uuid), sequence);
  return fmt::format("{}:{}:{}", uuid_text(uuid), tag, sequence);
}

GtidSet GtidSet::parse(std::string_view text) {
  std::string compact = to_lower(text);
  std::erase_if(compact, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });

  GtidSet set;
  for (std::string_view rest = compact; !rest.empty();) {
    const std::string_view whole = next_part(rest, ',');
    std::string_view part = whole;
    const std::string_view head = next_part(part, ':');

    if (const std::optional<Uuid> uuid = parse_uuid(head)) {
      if (!set.mariadb_.empty()) bad_format(whole, "a set is of MySQL or of MariaDB, not of both");
      if (part.empty()) bad_format(whole, "no transaction numbers follow the uuid");
      Source source{*uuid, {}};
      bool numbers = false;
      while (!part.empty()) {
        std::string_view interval = next_part(part, ':');
        if (is_tag(interval)) {
          source.tag = interval;
          numbers = false;
          continue;
        }
        const bool open = interval.find('-') != std::string_view::npos;
        std::uint64_t first = 0;
        if (!parse_number(next_part(interval, '-'), first)) {
          bad_format(whole, "a number, a range or a tag was expected after the colon");
        }
        std::uint64_t last = first;
        if (open && !parse_number(interval, last)) {
          bad_format(whole, "a range needs two numbers");
        }
        if (first == 0 || last < first || last > kLargestSequence) {
          bad_format(whole, "transaction numbers begin at 1 and a range goes upwards");
        }
        insert_interval(set.mysql_[source], first, last);
        numbers = true;
      }
      if (!numbers) bad_format(whole, "no transaction numbers follow the tag");
      continue;
    }

    std::string_view numbers = whole;
    std::uint32_t domain = 0;
    DomainEnd end{};
    if (std::count(whole.begin(), whole.end(), '-') != 2 ||
        !parse_number(next_part(numbers, '-'), domain) ||
        !parse_number(next_part(numbers, '-'), end.server_id) ||
        !parse_number(numbers, end.sequence)) {
      bad_format(whole, "it is neither uuid:numbers nor domain-server-number");
    }
    if (!set.mysql_.empty()) bad_format(whole, "a set is of MySQL or of MariaDB, not of both");
    if (!set.mariadb_.emplace(domain, end).second) {
      bad_format(whole, fmt::format("domain {} is in the list twice", domain));
    }
  }
  return set;
}

std::string GtidSet::text() const {
  std::string out;
  for (const auto& [domain, end] : mariadb_) {
    fmt::format_to(std::back_inserter(out), "{}{}-{}-{}", out.empty() ? "" : ",", domain,
                   end.server_id, end.sequence);
  }
  const Uuid* previous = nullptr;
  for (const auto& [source, intervals] : mysql_) {
    if (previous == nullptr || *previous != source.uuid) {
      if (previous != nullptr) out += ',';
      out += uuid_text(source.uuid);
    }
    previous = &source.uuid;
    if (!source.tag.empty()) out += ':' + source.tag;
    for (const Interval& interval : intervals) {
      fmt::format_to(std::back_inserter(out), ":{}", interval.first);
      if (interval.last != interval.first) {
        fmt::format_to(std::back_inserter(out), "-{}", interval.last);
      }
    }
  }
  return out;
}

Gtid::Flavor GtidSet::flavor() const {
  if (!mysql_.empty()) return Gtid::Flavor::mysql;
  return mariadb_.empty() ? Gtid::Flavor::none : Gtid::Flavor::mariadb;
}

void GtidSet::add(const Gtid& gtid) {
  switch (gtid.flavor) {
    case Gtid::Flavor::none:
      break;
    case Gtid::Flavor::mysql:
      insert_interval(mysql_[{gtid.uuid, gtid.tag}], gtid.sequence, gtid.sequence);
      break;
    case Gtid::Flavor::mariadb:
      mariadb_[gtid.domain] = {gtid.server_id, gtid.sequence};
      break;
  }
}

bool GtidSet::contains(const Gtid& gtid) const {
  switch (gtid.flavor) {
    case Gtid::Flavor::none:
      return false;
    case Gtid::Flavor::mysql: {
      const auto found = mysql_.find({gtid.uuid, gtid.tag});
      return found != mysql_.end() && covers(found->second, gtid.sequence, gtid.sequence);
    }
    case Gtid::Flavor::mariadb: {
      const auto found = mariadb_.find(gtid.domain);
      return found != mariadb_.end() && gtid.sequence <= found->second.sequence;
    }
  }
  return false;
}

bool GtidSet::contains(const GtidSet& other) const {
  for (const auto& [source, intervals] : other.mysql_) {
    const auto found = mysql_.find(source);
    if (found == mysql_.end()) return false;
    for (const Interval& interval : intervals) {
      if (!covers(found->second, interval.first, interval.last)) return false;
    }
  }
  for (const auto& [domain, end] : other.mariadb_) {
    const auto found = mariadb_.find(domain);
    if (found == mariadb_.end() || found->second.sequence < end.sequence) return false;
  }
  return true;
}

std::string GtidSet::encode_for_dump() const {
  if (!mariadb_.empty()) throw bug("a MariaDB position was to be sent by COM_BINLOG_DUMP_GTID");
  // Servers before 8.3 know the plain form alone, so it is used wherever it can say everything.
  const bool tagged = std::any_of(mysql_.begin(), mysql_.end(),
                                  [](const auto& entry) { return !entry.first.tag.empty(); });
  const std::uint64_t count = mysql_.size();
  std::string out;
  put_u64(out, tagged ? std::uint64_t{1} << 56 | count << 8 | 1 : count);
  for (const auto& [source, intervals] : mysql_) {
    out.append(source.uuid.begin(), source.uuid.end());
    if (tagged) {
      // A variable-length integer, whose one-byte form holds the value above a zero bit.
      out += static_cast<char>(source.tag.size() << 1);
      out += source.tag;
    }
    put_u64(out, intervals.size());
    for (const Interval& interval : intervals) {
      put_u64(out, interval.first);
      put_u64(out, interval.last + 1);
    }
  }
  return out;
}

}  // namespace weir::mysql
