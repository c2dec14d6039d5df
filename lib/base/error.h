// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <string>

#include "base/exit_code.h"

namespace weir {

/// "I cannot do what you asked." The one exception type of weir.
///
/// Every error names itself with a stable `id` (dotted, lowercase: `mysql.auth`), says *what*
/// happened, *why*, and what to do about it (*fix*). The texts are lowercase, without a full stop
/// at the end, and never hold a secret or row data. A failed check is a Finding and an absent
/// thing is a std::optional; neither is an Error.
class Error : public std::exception {
 public:
  Error(ExitCode code, std::string id, std::string what, std::string why = {},
        std::string fix = {});

  ExitCode code() const { return code_; }
  const std::string& id() const { return id_; }
  const std::string& summary() const { return what_; }
  const std::string& why() const { return why_; }
  const std::string& fix() const { return fix_; }

  /// `what: why` on one line, for logs and state rows.
  const char* what() const noexcept override { return line_.c_str(); }

  /// The table that it is about, as "schema.table" of the source; "" if it is about more than one.
  /// What one table has, the others need not suffer.
  const std::string& table() const { return table_; }
  Error of_table(const std::string& table) const;

  /// The same error with `context` put before the summary ("table shop.item: ...").
  Error within(const std::string& context) const;

 private:
  ExitCode code_;
  std::string id_;
  std::string what_;
  std::string why_;
  std::string fix_;
  std::string table_;
  std::string line_;
};

/// Something that cannot happen has happened. Ends the process with exit code 70.
Error bug(const std::string& what);

}  // namespace weir
