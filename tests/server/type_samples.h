// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "support/mysql_server.h"

namespace weir::test {

/// How the values of a column are put into words that both servers say alike.
enum class Form {
  boolean,
  integer,
  decimal,
  number,
  bits,
  text,
  bytes,
  year,
  short_year,  ///< two digits on the source, four on the target
  date,
  time,
  datetime,
  timestamp,
  uuid,
  inet,
  geometry,
  vector,
};

struct SampleColumn {
  std::string name;
  std::string definition;  ///< type and attributes
  Form form;
  std::vector<std::string> values;  ///< SQL expressions; none = the server computes the column
};

/// A table that begins with `id int primary key`.
struct SampleTable {
  std::string name;
  std::vector<SampleColumn> columns;
  /// Values that a strict server does not take, such as the enumeration's index 0.
  bool lenient = false;
  /// Made with the column formats that MariaDB had before 10.1, which old tables keep.
  bool old_temporal = false;

  /// As many as the column with the most values has, and one of NULL alone.
  std::size_t rows() const;
};

/// Tables with every column type of this server at its extremes.
std::vector<SampleTable> type_samples(MySqlServer& server);

/// Tables `(id int, k TYPE primary key, v int)`, one for each type that a key may have. The last
/// value is no row's: a key to change to.
std::vector<SampleTable> key_samples(MySqlServer& server);

/// One table: dates of no calendar, in every type that can hold them.
SampleTable zero_date_samples();

/// One table: what types.tinyint1 = "boolean" makes a boolean, beside what it does not.
SampleTable boolean_samples();

/// One table: text that PostgreSQL cannot hold.
SampleTable nul_samples();

std::string create_statement(const std::string& schema, const SampleTable& table);

/// `INSERT` of all rows: row i gets the key `base` + i and the samples of row (i + shift) % rows.
std::string insert_statements(const std::string& schema, const SampleTable& table, unsigned base,
                              std::size_t shift = 0);
/// `UPDATE` of the rows base + i to the samples of row i.
std::string update_statements(const std::string& schema, const SampleTable& table, unsigned base);

/// An expression over the column that gives the same text on both servers if the value is the same.
std::string on_source(const SampleColumn& column, bool is_mariadb);
std::string on_target(const SampleColumn& column);
/// A number as the same text whatever spelling a server prefers.
std::string canonical(Form form, const std::string& text);

}  // namespace weir::test
