// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "base/exit_code.h"
#include "base/time.h"
#include "cli/backends.h"
#include "cli/session.h"
#include "ops/retention.h"

namespace weir::cli {

/// What `weir check-retention` does.
ExitCode check_retention(Session& session, const Backends& backends);

/// The forms of its answer. `at` is the time of the run.
std::string retention_text(const ops::RetentionReport& report, const Terminal& terminal);
std::string retention_nagios(std::span<const ops::RetentionReport> reports,
                             const ops::RetentionRequest& request);
std::string retention_prometheus(std::span<const ops::RetentionReport> reports, Time at);

/// What a monitoring plugin ends with: 0 to 3.
int nagios_code(std::span<const ops::RetentionReport> reports);

}  // namespace weir::cli
