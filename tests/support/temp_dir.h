// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace weir::test {

/// A folder under ${TMPDIR:-/tmp} that goes away with this object. Other users may pass through it,
/// because PostgreSQL never runs as root.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const;

  /// Writes a file, with the folders that lead to it, and returns its path.
  std::string write(std::string_view name, std::string_view content) const;

 private:
  std::string path_;
};

/// The whole of a file; "" if it cannot be read.
std::string read_file(const std::string& path);

}  // namespace weir::test
