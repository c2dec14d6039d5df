// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/change_batch.h"
#include "target/sqlite/types.h"
#include "target/sqlite/writer.h"
#include "target/target.h"

namespace weir::sqlite {

/// Loads chunks by prepared inserts of several rows. Each chunk is one transaction: the rows and
/// the mark.
///
/// Rows are gathered in memory without a turn at the writer, so that several loaders read while one
/// inserts. A chunk that does not fit takes its turn when the memory is full, and keeps it to its
/// end.
class InsertLoader final : public Loader {
 public:
  InsertLoader(std::shared_ptr<Writer> writer, const std::string& task, std::size_t memory);

  void begin(const TablePlan& plan, Row added) override;
  void row(Row cells) override;
  void commit(const RangeProgress& mark) override;
  void abandon() noexcept override;
  std::vector<std::string> finish(const TablePlan& plan) override;
  std::vector<std::string> finish_unique(const TablePlan& plan) override;
  std::uint64_t chunk_bytes() const override { return bytes_; }

 private:
  /// What a chunk has while it holds the turn. Its members go in reverse order.
  struct Open {
    Open(Writer& writer, const TablePlan& plan, std::size_t rows_at_once);

    Writer::Turn turn;
    SqliteTransaction transaction;
    std::optional<SqliteStatement> many;  ///< inserts rows_at_once rows
    SqliteStatement one;
  };

  void flush();
  void insert(SqliteStatement& statement, const char*& at, std::size_t rows);
  void mark(const TablePlan& plan, const char* column);

  std::shared_ptr<Writer> writer_;
  std::string task_;
  std::size_t memory_;
  const TablePlan* plan_ = nullptr;
  std::vector<Encoding> encodings_;  ///< per planned column
  std::string added_;                ///< the cells of the added columns, packed
  std::unique_ptr<char[]> buffer_;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
  std::size_t rows_ = 0;  ///< in the buffer
  std::size_t rows_at_once_ = 1;
  std::uint64_t bytes_ = 0;
  std::optional<Open> open_;
};

}  // namespace weir::sqlite
