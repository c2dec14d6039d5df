// SPDX-License-Identifier: Apache-2.0
#include "model/lane.h"

namespace weir {

std::string lane_name(const std::string& task, std::uint32_t number) {
  return task + "/" + std::to_string(number);
}

std::string root_name(const std::string& name) { return name.substr(0, name.find('/')); }

}  // namespace weir
