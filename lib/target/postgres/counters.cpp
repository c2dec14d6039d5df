// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/counters.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "target/postgres/loader.h"

namespace weir::postgres {
namespace {

constexpr std::size_t kNameBytes = 63;
/// Of the largest key that is looked at: a numeric may have many more, or be no number.
constexpr std::size_t kDigits = 30;
/// So many other names are tried for a sequence that is to be made.
constexpr int kNames = 10;
constexpr const char* kLockTimeout = "SET LOCAL lock_timeout = '10s'";

struct IntegerType {
  std::string_view name;  ///< pg_type.typname
  std::string_view shown;
  CounterNumber largest;
};
constexpr std::array<IntegerType, 3> kIntegers{{
    {"int2", "smallint", 32767},
    {"int4", "integer", 2147483647},
    {"int8", "bigint", 9223372036854775807},
}};

const IntegerType* integer_type(std::string_view name) {
  const auto at = std::find_if(kIntegers.begin(), kIntegers.end(), [name](const IntegerType& type) {
    return type.name == name || type.shown == name;
  });
  return at == kIntegers.end() ? nullptr : &*at;
}

/// `like`, as far as a sequence with these numbers at most can be so. Without bounds of somebody's
/// choice it keeps `kept`, or takes what an ordinary one has.
CounterState shaped(const CounterState& like, CounterNumber most, const CounterState* kept) {
  CounterState out;
  out.increment = like.increment;
  out.cycles = like.cycles;
  if (like.own_bounds) {
    out.smallest = std::clamp(like.smallest, -most - 1, most);
    out.largest = std::clamp(like.largest, -most - 1, most);
    out.own_bounds = true;
  } else if (kept != nullptr && kept->goes_down() == like.goes_down()) {
    out.smallest = kept->smallest;
    out.largest = kept->largest;
    out.own_bounds = kept->own_bounds;
  } else {
    out.smallest = like.goes_down() ? -most - 1 : 1;
    out.largest = like.goes_down() ? -1 : most;
  }
  return out;
}

bool same_shape(const CounterState& a, const CounterState& b) {
  return a.increment == b.increment && a.cycles == b.cycles && a.smallest == b.smallest &&
         a.largest == b.largest;
}

/// Says how a counter that is there is to count.
void shape(FoundCounter& found, const CounterState& like, CounterNumber most) {
  found.wanted = shaped(like, most, &found.state);
  found.reshape = !same_shape(found.state, found.wanted);
}

/// The number of the sequence that is nearest to `next`: the server takes none beyond the bounds.
CounterNumber within(const CounterState& state, CounterNumber next) {
  return std::clamp(next, state.smallest, state.largest);
}

std::string options(const CounterState& state, CounterNumber next) {
  std::string out = fmt::format("START WITH {}", to_string(within(state, next)));
  if (state.increment != 1) out += " INCREMENT BY " + to_string(state.increment);
  if (state.own_bounds && (state.goes_down() || state.smallest != 1)) {
    out += " MINVALUE " + to_string(state.smallest);
  }
  if (state.own_bounds) out += " MAXVALUE " + to_string(state.largest);
  if (state.cycles) out += " CYCLE";
  return out;
}

std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += c;
    out += c;
  }
  return out + '\'';
}

std::string setval(const std::string& name, const CounterState& state, CounterNumber next) {
  const CounterNumber given = within(state, next);
  // A sequence that is used up has handed out its last number.
  return fmt::format("SELECT setval({}, {}, {})", literal(name), to_string(given),
                     given == next ? "false" : "true");
}

/// One place and what is there.
class Finder {
 public:
  explicit Finder(PgConnection& connection) : connection_(connection) {}

  FoundCounter find(const CounterPlace& place) {
    return place.column.empty() ? sequence(place) : column(place);
  }

 private:
  /// Where a sequence stands and how it counts.
  void read(FoundCounter& found, const std::string& oid, const std::string& name) {
    const PgResult row = connection_.query(
        "SELECT seqincrement, seqmin, seqmax, seqcycle, seqtypid::regtype FROM pg_sequence WHERE "
        "seqrelid = $1::oid",
        {oid});
    CounterState& state = found.state;
    state.increment = parse_counter_number(row.text(0, 0));
    state.smallest = parse_counter_number(row.text(0, 1));
    state.largest = parse_counter_number(row.text(0, 2));
    state.cycles = row.text(0, 3) == "t";
    const IntegerType* type = integer_type(row.text(0, 4));
    most_ = type == nullptr ? kIntegers.back().largest : type->largest;
    state.own_bounds = state.goes_down() ? state.largest != -1 || state.smallest != -most_ - 1
                                         : state.smallest != 1 || state.largest != most_;
    const PgResult where = connection_.query("SELECT last_value, is_called FROM " + name);
    state.next = parse_counter_number(where.text(0, 0));
    if (where.text(0, 1) == "t") state.next += state.increment;
    found.name = name;
    found.kind = FoundCounter::Kind::counts;
  }

  FoundCounter sequence(const CounterPlace& place) {
    FoundCounter found;
    const std::string name = qualified(place.name);
    const PgResult row = connection_.query(
        "SELECT c.oid, c.relkind FROM pg_class c WHERE c.oid = to_regclass($1)", {name});
    if (row.rows() > 0 && row.text(0, 1) != "S") {
      found.why = fmt::format("{} is there and is no sequence", place.name.text());
      found.fix = "give the table that has the name another target name";
      return found;
    }
    if (row.rows() > 0) {
      read(found, std::string(row.text(0, 0)), name);
      shape(found, place.like, most_);
      return found;
    }
    found.name = name;
    found.wanted = shaped(place.like, kIntegers.back().largest, nullptr);
    found.why = "there is no such sequence yet";
    found.can_make =
        connection_.scalar("SELECT 1 FROM pg_namespace WHERE nspname = $1", {place.name.schema})
            .has_value();
    if (!found.can_make) {
      found.why = fmt::format("there is no schema {}", place.name.schema);
      found.fix = fmt::format("CREATE SCHEMA {}", pg_identifier(place.name.schema));
    }
    return found;
  }

  FoundCounter column(const CounterPlace& place) {
    FoundCounter found;
    const std::string table = qualified(place.name);
    const PgResult row = connection_.query(
        "SELECT t.typname, a.attnotnull, a.atthasdef, s.oid, n.nspname, s.relname FROM "
        "pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN LATERAL (SELECT d.objid AS "
        "oid FROM pg_depend d WHERE a.attidentity <> '' AND d.classid = 'pg_class'::regclass AND "
        "d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = "
        "a.attnum AND d.deptype = 'i' UNION SELECT d.refobjid FROM pg_attrdef f JOIN pg_depend d "
        "ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = "
        "'pg_class'::regclass AND d.refobjid <> f.adrelid WHERE f.adrelid = a.attrelid AND f.adnum "
        "= a.attnum) u ON true LEFT JOIN pg_class s ON s.oid = u.oid AND s.relkind = 'S' LEFT JOIN "
        "pg_namespace n ON n.oid = s.relnamespace WHERE a.attrelid = to_regclass($1) AND a.attname "
        "= $2 AND NOT a.attisdropped ORDER BY s.oid LIMIT 1",
        {table, place.column});
    if (row.rows() == 0) {
      found.why = "the target has no such column";
      return found;
    }
    const IntegerType* type = integer_type(row.text(0, 0));
    const bool is_number = type != nullptr || row.text(0, 0) == "numeric";
    const CounterNumber most = type == nullptr ? kIntegers.back().largest : type->largest;
    if (!row.is_null(0, 3)) {
      const TableName name{std::string(row.text(0, 4)), std::string(row.text(0, 5))};
      read(found, std::string(row.text(0, 3)), qualified(name));
      shape(found, place.like, most_);
      // The sequence may be wider than the column.
      found.wanted.smallest = std::max(found.wanted.smallest, -most - 1);
      found.wanted.largest = std::min(found.wanted.largest, most);
    } else {
      found.wanted = shaped(place.like, most, nullptr);
      found.why = "the target column counts nothing";
      plain(found, place, type != nullptr, is_number, row.text(0, 1) == "t", row.text(0, 2) == "t");
    }
    if (!is_number) return found;
    const auto last = connection_.scalar(fmt::format("SELECT trunc({}({})::numeric) FROM {}",
                                                     found.wanted.goes_down() ? "min" : "max",
                                                     pg_identifier(place.column), table));
    if (last && last->size() <= kDigits &&
        last->find_first_not_of("-0123456789") == std::string::npos) {
      found.last_key = parse_counter_number(*last);
    }
    return found;
  }

  /// What is to be done about a column without a counter.
  void plain(FoundCounter& found, const CounterPlace& place, bool is_integer, bool is_number,
             bool not_null, bool has_default) {
    if (!is_number) {
      found.why = "the target column is no number";
    } else if (has_default) {
      found.why = "the target column has a default that is no sequence";
      found.fix = fmt::format("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", qualified(place.name),
                              pg_identifier(place.column));
    } else if (is_integer && !not_null) {
      found.why = "the target column may be NULL, which no identity may";
      found.fix = fmt::format("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", qualified(place.name),
                              pg_identifier(place.column));
    } else if (is_integer) {
      found.can_make = true;
    } else {
      found.name = free_name(place);
      found.can_make = !found.name.empty();
    }
  }

  /// A name for the sequence of a column that is too wide for an identity.
  std::string free_name(const CounterPlace& place) {
    for (int i = 0; i < kNames; ++i) {
      const std::string end = i == 0 ? "_seq" : fmt::format("_seq{}", i);
      const std::string whole = place.name.table + "_" + place.column;
      std::size_t size = std::min(whole.size(), kNameBytes - end.size());
      // Not in the middle of a character.
      while (size < whole.size() && (static_cast<unsigned char>(whole[size]) & 0xc0) == 0x80)
        --size;
      const std::string full = qualified({place.name.schema, whole.substr(0, size) + end});
      if (!connection_.scalar("SELECT to_regclass($1)", {full})) return full;
    }
    return "";
  }

  PgConnection& connection_;
  CounterNumber most_ = kIntegers.back().largest;
};

}  // namespace

bool can_be_identity(std::string_view type) {
  const std::string word = to_lower(type);
  return word == "int" || integer_type(word) != nullptr;
}

std::vector<FoundCounter> find_counters(PgConnection& connection,
                                        std::span<const CounterPlace> places) {
  Finder finder(connection);
  std::vector<FoundCounter> out;
  for (const CounterPlace& place : places) out.push_back(finder.find(place));
  return out;
}

std::vector<std::string> counter_sql(const CounterPlace& place, const FoundCounter& found,
                                     CounterNumber next) {
  std::vector<std::string> out;
  const CounterState& wanted = found.wanted;
  if (found.kind == FoundCounter::Kind::counts) {
    if (!found.reshape) return {setval(found.name, wanted, next)};
    const std::string first = to_string(within(wanted, next));
    out.push_back(
        fmt::format("ALTER SEQUENCE {} INCREMENT BY {} MINVALUE {} MAXVALUE {} START WITH {} "
                    "RESTART WITH {} {}",
                    found.name, to_string(wanted.increment), to_string(wanted.smallest),
                    to_string(wanted.largest), first, first, wanted.cycles ? "CYCLE" : "NO CYCLE"));
    if (within(wanted, next) != next) out.push_back(setval(found.name, wanted, next));
    return out;
  }
  if (!found.can_make) return out;
  const std::string table = qualified(place.name);
  const std::string column = pg_identifier(place.column);
  if (place.column.empty()) {
    out.push_back(fmt::format("CREATE SEQUENCE {} {}", found.name, options(wanted, next)));
  } else if (found.name.empty()) {
    out.push_back(
        fmt::format("ALTER TABLE {} ALTER COLUMN {} ADD GENERATED BY DEFAULT AS IDENTITY ({})",
                    table, column, options(wanted, next)));
  } else {
    out.push_back(fmt::format("CREATE SEQUENCE {} {} OWNED BY {}.{}", found.name,
                              options(wanted, next), table, column));
    out.push_back(fmt::format("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT nextval({})", table,
                              column, literal(found.name)));
  }
  if (within(wanted, next) == next) return out;
  out.push_back(found.name.empty()
                    ? fmt::format("SELECT setval(pg_get_serial_sequence({}, {}), {}, true)",
                                  literal(table), literal(place.column),
                                  to_string(within(wanted, next)))
                    : setval(found.name, wanted, next));
  return out;
}

void run_counter_sql(PgConnection& connection, std::span<const std::string> statements) {
  connection.execute("BEGIN");
  try {
    connection.execute(kLockTimeout);
    for (const std::string& statement : statements) connection.execute(statement);
    connection.execute("COMMIT");
  } catch (...) {
    connection.rollback();
    throw;
  }
}

}  // namespace weir::postgres
