// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "client/pq.h"
#include "target/postgres/control.h"
#include "target/postgres/encode.h"
#include "target/target.h"

namespace weir::postgres {

/// Loads chunks by COPY. Each chunk is one transaction: the rows and the mark.
class CopyLoader final : public Loader {
 public:
  /// `same_product`: the source is a PostgreSQL too, and what it has an index on fits into one
  /// here.
  CopyLoader(const Endpoint& endpoint, const std::string& task, bool same_product);

  void begin(const TablePlan& plan, Row added) override;
  void row(Row cells) override;
  CopyFormat copy_format() const override { return copy_format_; }
  void copied(std::string_view row) override;
  void commit(const RangeProgress& mark) override;
  void abandon() noexcept override;
  std::uint64_t refused_row() const override { return refused_row_; }
  std::vector<std::string> finish(const TablePlan& plan) override;
  std::vector<std::string> finish_unique(const TablePlan& plan) override;
  std::uint64_t chunk_bytes() const override { return buffer_.sent(); }

 private:
  /// How rows of the same product may come, by the plan and by what the target table is now.
  CopyFormat format_for(const TablePlan& plan);
  void begin_copy(CopyFormat format);
  bool created_here(const TablePlan& plan);
  void build_key(const TablePlan& plan);
  /// Builds the key and plain indexes, or the unique ones, and sets `mark` with them.
  std::vector<std::string> build_and_mark(const TablePlan& plan, bool unique, const char* mark);

  PgConnection connection_;
  Control control_;
  std::string task_;
  bool same_product_;
  CopyBuffer buffer_;
  const TablePlan* plan_ = nullptr;
  bool triggers_left_out_ = false;
  std::vector<Encoding> encodings_;
  CopyFormat copy_format_ = CopyFormat::none;
  std::string copy_sql_;
  CopyFormat begun_ = CopyFormat::none;  ///< the format of the COPY that is open
  std::uint64_t refused_row_ = 0;
  std::string added_;  ///< the added columns as COPY text, separators and newline included
};

/// "schema"."table" of a name.
std::string qualified(const TableName& name);

}  // namespace weir::postgres
