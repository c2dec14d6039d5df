// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/any_session.h"

namespace weir::test {

/// How the values of a column are put into words that all servers say alike.
enum class Kind {
  integer,
  decimal,
  single,
  number,
  text,
  padded,  ///< the spaces at its end are nobody's
  bytes,
  boolean,
  date,
  moment,
  time,
  json,
  uuid,
  bits,
};

struct PairColumn {
  std::string name;
  Kind kind = Kind::text;
  std::string mysql;     ///< type and attributes; "" = that kind of server has no such column
  std::string postgres;  ///< the same
  int scale = 0;         ///< of a decimal
  /// Samples, without quotes; bytes in hexadecimal.
  std::vector<std::string> values = {};
};

struct PairTable {
  std::string name;
  std::vector<PairColumn> columns;
  std::string constraints;
};

/// One end of a pair: a server or a file, and the words that it takes. Sessions are in UTC and may
/// be taken by any thread.
class PairEnd {
 public:
  virtual ~PairEnd() = default;
  /// The section of a task file; `role` is source or target.
  virtual std::string section(const std::string& role) const = 0;
  virtual std::unique_ptr<AnySession> session() const = 0;
  virtual std::string table(const std::string& name) const { return "shop." + name; }
  /// An expression that gives the column's value as text, for canonical().
  virtual std::string shown(const PairColumn& column) const = 0;
};

/// An end that can be the source, whose tables the test makes.
class PairSource : public PairEnd {
 public:
  /// What comes before the tables.
  virtual std::string preparation() const = 0;
  /// What comes behind them.
  virtual std::string completion(const std::vector<PairTable>& tables) const = 0;
  virtual std::string type(const PairColumn& column) const = 0;
  virtual std::string literal(const PairColumn& column, const std::string& value) const = 0;
  /// What such a source needs behind the rules of the task file.
  virtual std::string settings() const { return ""; }
};

std::unique_ptr<PairSource> mariadb_end();
std::unique_ptr<PairSource> mysql9_end();  ///< tag [bootstrap]
std::unique_ptr<PairSource> postgres_end();
std::unique_ptr<PairEnd> sqlite_end();

/// What is left after the spellings of one value that servers prefer are made one.
std::string canonical(const PairColumn& column, const std::string& text);

}  // namespace weir::test
