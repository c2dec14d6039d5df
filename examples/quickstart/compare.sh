# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Compares a MariaDB database with a PostgreSQL schema, without weir: each server computes a row count
# and a digest of every table from its own data, and the two must be equal. Source this file.
#
#   compare_tables DATABASE SCHEMA    one line a table: NAME ROWS_SOURCE ROWS_TARGET equal|different
#                                     1 if any differs
#
# The caller defines two functions that run SQL from stdin and print rows with tabs between fields:
# source_sql and target_sql.
#
# A row's text is its fields with "|" between them, "~" for NULL; the digest of a table is the sum of
# the first 60 bits of each row's md5, so that neither server's sort order takes part. A field's text
# depends on both types: the tables below are the whole of that knowledge.

# The MariaDB expression that gives the text of column $1 of type $2, as compared with type $3.
compare_source_text() {
  local c="\`$1\`"
  case $2:$3 in
    date:*)
      # A date that no calendar has arrives as NULL: zero_dates = "null".
      echo "IF(MONTH($c) = 0 OR DAYOFMONTH($c) = 0, NULL, DATE_FORMAT($c, '%Y-%m-%d'))"
      ;;
    datetime:* | timestamp:*)
      echo "IF(MONTH($c) = 0, NULL, DATE_FORMAT($c, '%Y-%m-%d %H:%i:%s.%f'))"
      ;;
    time:text | time:varchar) echo "$c" ;;
    time:*) echo "CAST(TIME_TO_SEC($c) AS DECIMAL(20, 6))" ;;
    year:*) echo "$c + 0" ;;
    float:* | double:*) echo "CAST($c AS DECIMAL(40, 10))" ;;
    bit:*) echo "TRIM(LEADING '0' FROM BIN($c))" ;;
    binary:* | varbinary:* | tinyblob:* | blob:* | mediumblob:* | longblob:*) echo "HEX($c)" ;;
    point:point) echo "CONCAT(ST_X($c) + 0e0, ',', ST_Y($c) + 0e0)" ;;
    point:* | geometry:*) echo "HEX(ST_AsWKB($c))" ;;
    *) echo "$c" ;;
  esac
}

# The PostgreSQL expression that gives the same text from column $1 of type $2, which holds a
# MariaDB column of type $3.
compare_target_text() {
  local c="\"$1\""
  case $3:$2 in
    date:*) echo "to_char($c, 'YYYY-MM-DD')" ;;
    datetime:* | timestamp:*) echo "to_char($c, 'YYYY-MM-DD HH24:MI:SS.US')" ;;
    time:text | time:varchar) echo "$c" ;;
    time:*) echo "extract(epoch FROM $c)::numeric(20, 6)" ;;
    float:* | double:*) echo "$c::float8::numeric(40, 10)" ;;
    bit:bit | bit:varbit) echo "ltrim($c::text, '0')" ;;
    bit:bool) echo "CASE WHEN $c THEN '1' ELSE '' END" ;;
    bit:bytea) echo "ltrim((('x' || encode($c, 'hex'))::varbit)::text, '0')" ;;
    bit:int* | bit:numeric) echo "ltrim($c::bigint::bit(64)::text, '0')" ;;
    *:bool) echo "$c::int" ;;
    *:bytea) echo "upper(encode($c, 'hex'))" ;;
    point:point) echo "$c[0]::text || ',' || $c[1]::text" ;;
    inet6:inet | inet4:inet) echo "host($c)" ;;
    *) echo "$c" ;;
  esac
}

compare_tables() {
  local database=$1 schema=$2 different=0 table column type other
  local -A source_columns=() target_type=()
  while IFS=$'\t' read -r table column type; do
    source_columns[$table]+="$column $type"$'\n'
  done < <(source_sql <<<"SELECT c.table_name, c.column_name, c.data_type
    FROM information_schema.columns c JOIN information_schema.tables t
      ON t.table_schema = c.table_schema AND t.table_name = c.table_name
    WHERE c.table_schema = '$database' AND t.table_type = 'BASE TABLE'
    ORDER BY c.table_name, c.ordinal_position")
  while IFS=$'\t' read -r table column type; do
    target_type[$table.$column]=$type
  done < <(target_sql <<<"SELECT table_name, column_name, udt_name
    FROM information_schema.columns WHERE table_schema = '$schema'")
  if [ ${#source_columns[@]} -eq 0 ]; then
    echo "compare: no tables in $database" >&2
    return 1
  fi

  local ours theirs theirs_rows ours_rows rest
  for table in $(printf '%s\n' "${!source_columns[@]}" | sort); do
    ours=
    theirs=
    while read -r column type; do
      [ -n "$column" ] || continue
      other=${target_type[$table.$column]:-}
      if [ -z "$other" ]; then
        echo "compare: the target has no column $table.$column" >&2
        # Never equal to anything of the source.
        theirs+="'missing', '|', "
      else
        theirs+="coalesce(($(compare_target_text "$column" "$other" "$type"))::text, '~'), '|', "
      fi
      ours+="COALESCE(CONVERT($(compare_source_text "$column" "$type" "$other") USING utf8mb4), '~'), '|', "
    done <<<"${source_columns[$table]}"
    ours=$(source_sql <<<"SET time_zone = '+00:00'; SELECT COUNT(*), COALESCE(SUM(CAST(CONV(
      LEFT(MD5(CONCAT(${ours%, })), 15), 16, 10) AS UNSIGNED)), 0) FROM \`$database\`.\`$table\`")
    theirs=$(target_sql <<<"SET timezone = 'UTC'; SELECT count(*), coalesce(sum(('x' ||
      left(md5(concat(${theirs%, })), 15))::bit(60)::bigint), 0) FROM \"$schema\".\"$table\"") ||
      theirs="0"$'\t'"unreadable"
    read -r ours_rows rest <<<"$ours"
    read -r theirs_rows rest <<<"$theirs"
    if [ -n "$ours" ] && [ "$ours" = "$theirs" ]; then
      printf '%s %s %s equal\n' "$table" "$ours_rows" "$theirs_rows"
    else
      printf '%s %s %s different\n' "$table" "${ours_rows:-0}" "${theirs_rows:-0}"
      different=1
    fi
  done
  return $different
}
