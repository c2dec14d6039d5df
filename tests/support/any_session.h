// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "support/mysql_server.h"

namespace weir::test {

/// One connection to a server or a file of any kind, independent of weir's own client. One thread
/// at a time. Throws std::runtime_error.
class AnySession {
 public:
  virtual ~AnySession() = default;
  /// Runs one statement, or several with `;` between them.
  virtual void sql(std::string_view text) = 0;
  virtual Rows query(std::string_view text) = 0;
  std::string value(std::string_view text) { return query(text).at(0).at(0); }
};

template <class Session>
class SessionOf final : public AnySession {
 public:
  explicit SessionOf(Session session) : session_(std::move(session)) {}
  void sql(std::string_view text) override { session_.sql(text); }
  Rows query(std::string_view text) override { return session_.query(text); }

 private:
  Session session_;
};

template <class Session>
std::unique_ptr<AnySession> any_session(Session session) {
  return std::make_unique<SessionOf<Session>>(std::move(session));
}

}  // namespace weir::test
