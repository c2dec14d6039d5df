// SPDX-License-Identifier: Apache-2.0
#include "model/change.h"

namespace weir {

std::string to_string(SchemaChange::Kind kind) {
  switch (kind) {
    case SchemaChange::Kind::create_table:
      return "create_table";
    case SchemaChange::Kind::drop_table:
      return "drop_table";
    case SchemaChange::Kind::rename_table:
      return "rename_table";
    case SchemaChange::Kind::truncate_table:
      return "truncate_table";
    case SchemaChange::Kind::add_column:
      return "add_column";
    case SchemaChange::Kind::drop_column:
      return "drop_column";
    case SchemaChange::Kind::rename_column:
      return "rename_column";
    case SchemaChange::Kind::change_type:
      return "change_type";
    case SchemaChange::Kind::change_key:
      return "change_key";
    case SchemaChange::Kind::default_value:
      return "default";
    case SchemaChange::Kind::comment:
      return "comment";
    case SchemaChange::Kind::index:
      return "index";
    case SchemaChange::Kind::drop_rows:
      return "drop_rows";
    case SchemaChange::Kind::shadow:
      return "shadow";
    case SchemaChange::Kind::other:
      return "other";
  }
  return "other";
}

}  // namespace weir
