// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "support/child_process.h"

namespace weir::test {

/// The tree that tests/support/servers.sh made for a Debian suite, "sid" or "trixie".
/// Throws std::runtime_error if it is not there.
std::string server_tree(const std::string& suite);

/// A TCP port of 127.0.0.1 that nobody listens on now.
std::uint16_t free_port();

/// Copies a freshly initialised data folder to `to`.
///
/// `make` fills it, once for all processes that share $WEIR_TEST_TEMPLATES, or once for this
/// process if that is not set: initialising costs seconds, copying a fraction of one.
void copy_template(const std::string& name, const std::function<void(const std::string&)>& make,
                   const std::string& to);

/// Gives `path` and all in it to `account`, if there is one.
void give_to(const std::string& path, const std::optional<Account>& account);

}  // namespace weir::test
