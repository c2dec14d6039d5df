// SPDX-License-Identifier: Apache-2.0
#include "mapping/catalogue.h"

#include <array>

namespace weir {
namespace {

using enum CheckGroup;
using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"mapping.collision", check, critical,
     "several source tables would be written to one target table",
     "rows of one table would overwrite or delete rows of another",
     "give each a target of its own, or exclude all but one", "weir preflight TASK --mapping-only",
     mapping},
    {"mapping.column-collision", check, critical,
     "two columns of a table would have one name on the target",
     "a target table cannot hold two columns of one name",
     "give one of them another name, with columns.rename or in add_columns or deletes",
     "weir.toml(5)", mapping},
    {"mapping.control-schema", check, critical,
     "a table would go where weir keeps its own tables, under a name that begins with weir_",
     "such names in that schema are for the task's own tables: offset, progress, identity",
     "give the table another target in its rule, or set control_schema in [target] where the kind "
     "has one",
     "weir-control(7)", mapping},
    {"mapping.key-dropped", check, critical, "a column of the key is dropped by the rule",
     "without it the target cannot tell which row a change is about",
     "take the column out of columns.drop, or say another key", "weir.toml(5)", mapping},
    {"mapping.key-nullable", check, critical, "a column of the key that the rule names may be NULL",
     "NULL equals nothing, so a change of such a row would find no row or make a second one",
     "make the column NOT NULL on the source, or say another key", "weir.toml(5)", mapping},
    {"mapping.name-invalid", check, critical,
     "a name on the target is empty, or one that the target does not allow",
     "the target could not make a table, column or schema of that name",
     "give it another name in the rule, with target or columns.rename",
     "weir preflight TASK --mapping-only", mapping},
    {"mapping.name-too-long", check, critical, "a name is longer than the target allows",
     "the target would refuse it or cut it, and two cut names may be one",
     "give it a shorter name in the rule, with target or columns.rename",
     "weir preflight TASK --mapping-only", mapping},
    {"mapping.no-columns", check, critical, "every column of a table without a key is dropped",
     "its rows are told apart by the columns that are copied, and there is none",
     "take a column out of columns.drop", "weir.toml(5)", mapping},
    {"mapping.no-key", check, critical, "a table has no usable key",
     "without a primary key, or a unique key without nullable or prefix parts, a change does not "
     "say which row it is about",
     "say key = [\"COLUMN\"] in the rule if columns identify a row, key = \"all-columns\" if only "
     "whole rows can be told apart, or exclude the table",
     "weir.toml(5)", mapping},
    {"mapping.nothing", check, critical, "no table is selected",
     "none of the tables that the account sees matches a rule, so there is nothing to sync",
     "check the patterns, and that the account may read the tables: a table without any privilege "
     "is invisible",
     "weir preflight TASK --mapping-only; weir.toml(5)", mapping},
    {"mapping.rule-shadowed", check, critical,
     "a rule takes no table, for earlier rules took all that it matches",
     "the first rule that matches a table takes it, so nothing that this one says is done",
     "put it before the other rule, or exclude its tables there",
     "weir preflight TASK --mapping-only", mapping},
    {"mapping.rule-unused", check, critical, "a rule takes no table",
     "a rule that takes nothing is most often a misspelt name or a missing privilege",
     "correct its pattern, grant the account SELECT on the tables, or remove the rule",
     "weir preflight TASK --mapping-only", mapping},
    {"mapping.unknown-column", check, critical,
     "a rule names a column that the tables it takes do not have",
     "what the rule asks for would silently not be done",
     "correct the name, or remove it from the rule",
     "weir preflight TASK --mapping-only; weir.toml(5)", mapping},
    {"task-file.invalid", error, critical,
     "the task file has mistakes, each listed with its line and column",
     "a key that weir does not know or cannot take would silently not be heeded, so none is passed "
     "over",
     "correct the places that are named; weir.toml(5) describes every key, and weir init writes a "
     "file to begin with",
     "weir.toml(5); weir init"},
    {"task-file.password", error, critical, "the task file holds a password itself",
     "whoever may read the file reads the password, and task files are copied, shown and kept in "
     "repositories",
     "change that password, for others may have read it; then write password = { file = \"PATH\" "
     "}, { env = \"NAME\" } or { command = \"COMMAND\" }",
     "weir.toml(5)"},
    {"task-file.pattern", error, critical,
     "a table pattern is not a glob or regex that weir can read",
     "a pattern must be readable before any table is selected by it",
     "correct the pattern: in a glob * stands for any characters and ? for one, schema and table "
     "matched apart; { regex = \"...\" } is the other form",
     "weir.toml(5); weir preflight TASK --mapping-only"},
    {"task-file.unreadable", error, critical, "the task file cannot be read",
     "without it weir knows neither the servers nor the tables",
     "check the path, and that the account that runs weir may read the file", "weir sync list"},
});

}  // namespace

std::span<const CatalogueRow> mapping_catalogue() { return kRows; }

}  // namespace weir
