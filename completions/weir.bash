# SPDX-License-Identifier: Apache-2.0
# Made by weir-docs from the table of verbs; a change here is lost.

# Offers words of one sort for what has been typed of the current one.
_weir_offer() {
  local sort=$1 typed=$2 IFS=$'\n'
  shift 2
  case $sort in
    words) mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' "$@")" -- "$typed") ;;
    tasks) mapfile -t COMPREPLY < <(compgen -W "$(weir complete tasks 2>/dev/null)" -- "$typed") ;;
    ids) mapfile -t COMPREPLY < <(compgen -W "$(weir complete ids 2>/dev/null)" -- "$typed") ;;
    tables)
      mapfile -t COMPREPLY < <(
        compgen -W "$(weir complete tables --task "$_weir_task" 2>/dev/null)" -- "$typed"
      )
      ;;
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$typed") ;;
    folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$typed") ;;
    tasks_and_files)
      compopt -o filenames
      mapfile -t COMPREPLY < <(
        compgen -W "$(weir complete tasks 2>/dev/null)" -- "$typed"
        compgen -f -- "$typed"
      )
      ;;
  esac
}

_weir_words='init kinds explain preflight sync cutover check-retention checklist add-table remove-table reload-table log offset ddl config plan apply rollback help'

# The second words that may follow a first one.
_weir_seconds() {
  case $1 in
    sync) echo start run stop status list ;;
    log) echo show ;;
    offset) echo show history reset ;;
    ddl) echo list show resolve ;;
    config) echo list show diff ;;
  esac
}

# The options of a verb.
_weir_options() {
  case $1 in
    'init') echo --name --output --source-kind --host --port --socket --user --password-file --password-env --tls --tls-ca --database --schema --target-kind --target-path --target-host --target-port --target-socket --target-user --target-password-file --target-password-env --target-tls --target-tls-ca --target-database ;;
    'kinds') echo '' ;;
    'explain') echo '' ;;
    'preflight') echo --mapping-only --list --only --skip --waive --strict --facts-out --facts ;;
    'sync start') echo --wait --timeout --waive --keep-config ;;
    'sync run') echo --waive --keep-config ;;
    'sync stop') echo --for --accept-risk --timeout ;;
    'sync status') echo --no-tables --no-header ;;
    'sync list') echo --no-header ;;
    'cutover') echo --margin --table --make-identity --timeout --dry-run --yes ;;
    'check-retention') echo --all --planned-stop --disk-budget --warning --critical --output ;;
    'checklist') echo --answers --print-answers --show --checklist-age ;;
    'add-table') echo --no-history --cancel --dry-run --yes --wait --timeout --no-header ;;
    'remove-table') echo --undo --drop-target --dry-run --yes --checklist-age --timeout --no-header ;;
    'reload-table') echo --mode --dry-run --yes --wait --timeout --no-header ;;
    'log show') echo --from --limit --table --follow --values ;;
    'offset show') echo '' ;;
    'offset history') echo --limit --since --no-header ;;
    'offset reset') echo --to --reason --accept-data-loss --timeout --dry-run --yes --checklist-age ;;
    'ddl list') echo --open --limit --since --no-header ;;
    'ddl show') echo '' ;;
    'ddl resolve') echo --table --apply --applied --skip --reload --retry --mode --wait --timeout --dry-run --yes ;;
    'config list') echo --limit --no-header ;;
    'config show') echo '' ;;
    'config diff') echo --exit-code ;;
    'plan') echo --out --exit-code --reload-mode ;;
    'apply') echo --reload-mode --restart --dry-run --yes ;;
    'rollback') echo --reload-mode --restart --dry-run --yes ;;
  esac
  echo --state-dir --format --json --quiet --verbose --color --log-format --help --version
}

# What the next argument of a verb can be, after so many.
_weir_argument() {
  case "$1 $2" in
    'explain 0') echo ids ;;
    'preflight 0') echo tasks_and_files ;;
    'sync start 0') echo tasks_and_files ;;
    'sync run 0') echo tasks_and_files ;;
    'sync stop 0') echo tasks ;;
    'sync status 0') echo tasks ;;
    'cutover 0') echo tasks ;;
    'check-retention 0') echo tasks ;;
    'checklist 0') echo words remove-table add-tables restart rerun-full tune reset-offset remap ;;
    'checklist 1') echo tasks ;;
    'add-table 0') echo tasks ;;
    'add-table '[1-9]*) echo nothing ;;
    'remove-table 0') echo tasks ;;
    'remove-table '[1-9]*) echo tables ;;
    'reload-table 0') echo tasks ;;
    'reload-table '[1-9]*) echo tables ;;
    'log show 0') echo tasks_and_files ;;
    'offset show 0') echo tasks ;;
    'offset history 0') echo tasks ;;
    'offset reset 0') echo tasks ;;
    'ddl list 0') echo tasks ;;
    'ddl show 0') echo tasks ;;
    'ddl show 1') echo nothing ;;
    'ddl resolve 0') echo tasks ;;
    'ddl resolve 1') echo nothing ;;
    'config list 0') echo tasks ;;
    'config show 0') echo tasks ;;
    'config show 1') echo nothing ;;
    'config diff 0') echo tasks ;;
    'config diff '[1-9]*) echo nothing ;;
    'plan 0') echo tasks_and_files ;;
    'apply 0') echo tasks_and_files ;;
    'rollback 0') echo tasks ;;
    'rollback 1') echo nothing ;;
  esac
}

# What the value of an option can be; nothing for a flag.
_weir_value() {
  case "$1 $2" in
    'init --name') echo nothing ;;
    'init --output') echo files ;;
    'init --source-kind') echo words mysql postgres ;;
    'init --host') echo nothing ;;
    'init --port') echo nothing ;;
    'init --socket') echo files ;;
    'init --user') echo nothing ;;
    'init --password-file') echo files ;;
    'init --password-env') echo nothing ;;
    'init --tls') echo words off require verify-ca verify-full ;;
    'init --tls-ca') echo files ;;
    'init --database') echo nothing ;;
    'init --schema') echo nothing ;;
    'init --target-kind') echo words postgres sqlite mysql ;;
    'init --target-path') echo files ;;
    'init --target-host') echo nothing ;;
    'init --target-port') echo nothing ;;
    'init --target-socket') echo folders ;;
    'init --target-user') echo nothing ;;
    'init --target-password-file') echo files ;;
    'init --target-password-env') echo nothing ;;
    'init --target-tls') echo words off require verify-ca verify-full ;;
    'init --target-tls-ca') echo files ;;
    'init --target-database') echo nothing ;;
    'init --state-dir') echo folders ;;
    'init --format' | 'init -o') echo words text json ;;
    'init --color') echo words auto always never ;;
    'init --log-format') echo words text json ;;
    'kinds --state-dir') echo folders ;;
    'kinds --format' | 'kinds -o') echo words text json ;;
    'kinds --color') echo words auto always never ;;
    'kinds --log-format') echo words text json ;;
    'explain --state-dir') echo folders ;;
    'explain --format' | 'explain -o') echo words text json ;;
    'explain --color') echo words auto always never ;;
    'explain --log-format') echo words text json ;;
    'preflight --only') echo ids ;;
    'preflight --skip') echo ids ;;
    'preflight --waive') echo ids ;;
    'preflight --facts-out') echo files ;;
    'preflight --facts') echo files ;;
    'preflight --state-dir') echo folders ;;
    'preflight --format' | 'preflight -o') echo words text json ;;
    'preflight --color') echo words auto always never ;;
    'preflight --log-format') echo words text json ;;
    'sync start --wait') echo words schema full incremental caught-up ;;
    'sync start --timeout') echo nothing ;;
    'sync start --waive') echo ids ;;
    'sync start --state-dir') echo folders ;;
    'sync start --format' | 'sync start -o') echo words text json ;;
    'sync start --color') echo words auto always never ;;
    'sync start --log-format') echo words text json ;;
    'sync run --waive') echo ids ;;
    'sync run --state-dir') echo folders ;;
    'sync run --format' | 'sync run -o') echo words text json ;;
    'sync run --color') echo words auto always never ;;
    'sync run --log-format') echo words text json ;;
    'sync stop --for') echo nothing ;;
    'sync stop --accept-risk') echo words retention ;;
    'sync stop --timeout') echo nothing ;;
    'sync stop --state-dir') echo folders ;;
    'sync stop --format' | 'sync stop -o') echo words text json ;;
    'sync stop --color') echo words auto always never ;;
    'sync stop --log-format') echo words text json ;;
    'sync status --state-dir') echo folders ;;
    'sync status --format' | 'sync status -o') echo words text json ;;
    'sync status --color') echo words auto always never ;;
    'sync status --log-format') echo words text json ;;
    'sync list --state-dir') echo folders ;;
    'sync list --format' | 'sync list -o') echo words text json ;;
    'sync list --color') echo words auto always never ;;
    'sync list --log-format') echo words text json ;;
    'cutover --margin') echo nothing ;;
    'cutover --table') echo tables ;;
    'cutover --timeout') echo nothing ;;
    'cutover --state-dir') echo folders ;;
    'cutover --format' | 'cutover -o') echo words text json ;;
    'cutover --color') echo words auto always never ;;
    'cutover --log-format') echo words text json ;;
    'check-retention --planned-stop') echo nothing ;;
    'check-retention --disk-budget') echo nothing ;;
    'check-retention --warning') echo nothing ;;
    'check-retention --critical') echo nothing ;;
    'check-retention --output') echo files ;;
    'check-retention --state-dir') echo folders ;;
    'check-retention --format' | 'check-retention -o') echo words text nagios prometheus json ;;
    'check-retention --color') echo words auto always never ;;
    'check-retention --log-format') echo words text json ;;
    'checklist --answers') echo files ;;
    'checklist --checklist-age') echo nothing ;;
    'checklist --state-dir') echo folders ;;
    'checklist --format' | 'checklist -o') echo words text json ;;
    'checklist --color') echo words auto always never ;;
    'checklist --log-format') echo words text json ;;
    'add-table --timeout') echo nothing ;;
    'add-table --state-dir') echo folders ;;
    'add-table --format' | 'add-table -o') echo words text json ;;
    'add-table --color') echo words auto always never ;;
    'add-table --log-format') echo words text json ;;
    'remove-table --checklist-age') echo nothing ;;
    'remove-table --timeout') echo nothing ;;
    'remove-table --state-dir') echo folders ;;
    'remove-table --format' | 'remove-table -o') echo words text json ;;
    'remove-table --color') echo words auto always never ;;
    'remove-table --log-format') echo words text json ;;
    'reload-table --mode') echo words truncate merge swap ;;
    'reload-table --timeout') echo nothing ;;
    'reload-table --state-dir') echo folders ;;
    'reload-table --format' | 'reload-table -o') echo words text json ;;
    'reload-table --color') echo words auto always never ;;
    'reload-table --log-format') echo words text json ;;
    'log show --from') echo nothing ;;
    'log show --limit') echo nothing ;;
    'log show --table') echo tables ;;
    'log show --state-dir') echo folders ;;
    'log show --format' | 'log show -o') echo words text jsonl ;;
    'log show --color') echo words auto always never ;;
    'log show --log-format') echo words text json ;;
    'offset show --state-dir') echo folders ;;
    'offset show --format' | 'offset show -o') echo words text json ;;
    'offset show --color') echo words auto always never ;;
    'offset show --log-format') echo words text json ;;
    'offset history --limit') echo nothing ;;
    'offset history --since') echo nothing ;;
    'offset history --state-dir') echo folders ;;
    'offset history --format' | 'offset history -o') echo words text json ;;
    'offset history --color') echo words auto always never ;;
    'offset history --log-format') echo words text json ;;
    'offset reset --to') echo nothing ;;
    'offset reset --reason') echo nothing ;;
    'offset reset --timeout') echo nothing ;;
    'offset reset --checklist-age') echo nothing ;;
    'offset reset --state-dir') echo folders ;;
    'offset reset --format' | 'offset reset -o') echo words text json ;;
    'offset reset --color') echo words auto always never ;;
    'offset reset --log-format') echo words text json ;;
    'ddl list --limit') echo nothing ;;
    'ddl list --since') echo nothing ;;
    'ddl list --state-dir') echo folders ;;
    'ddl list --format' | 'ddl list -o') echo words text json ;;
    'ddl list --color') echo words auto always never ;;
    'ddl list --log-format') echo words text json ;;
    'ddl show --state-dir') echo folders ;;
    'ddl show --format' | 'ddl show -o') echo words text json ;;
    'ddl show --color') echo words auto always never ;;
    'ddl show --log-format') echo words text json ;;
    'ddl resolve --table') echo tables ;;
    'ddl resolve --mode') echo words truncate merge swap ;;
    'ddl resolve --timeout') echo nothing ;;
    'ddl resolve --state-dir') echo folders ;;
    'ddl resolve --format' | 'ddl resolve -o') echo words text json ;;
    'ddl resolve --color') echo words auto always never ;;
    'ddl resolve --log-format') echo words text json ;;
    'config list --limit') echo nothing ;;
    'config list --state-dir') echo folders ;;
    'config list --format' | 'config list -o') echo words text json ;;
    'config list --color') echo words auto always never ;;
    'config list --log-format') echo words text json ;;
    'config show --state-dir') echo folders ;;
    'config show --format' | 'config show -o') echo words text json ;;
    'config show --color') echo words auto always never ;;
    'config show --log-format') echo words text json ;;
    'config diff --state-dir') echo folders ;;
    'config diff --format' | 'config diff -o') echo words text json ;;
    'config diff --color') echo words auto always never ;;
    'config diff --log-format') echo words text json ;;
    'plan --out') echo files ;;
    'plan --reload-mode') echo words truncate merge swap ;;
    'plan --state-dir') echo folders ;;
    'plan --format' | 'plan -o') echo words text json ;;
    'plan --color') echo words auto always never ;;
    'plan --log-format') echo words text json ;;
    'apply --reload-mode') echo words truncate merge swap ;;
    'apply --state-dir') echo folders ;;
    'apply --format' | 'apply -o') echo words text json ;;
    'apply --color') echo words auto always never ;;
    'apply --log-format') echo words text json ;;
    'rollback --reload-mode') echo words truncate merge swap ;;
    'rollback --state-dir') echo folders ;;
    'rollback --format' | 'rollback -o') echo words text json ;;
    'rollback --color') echo words auto always never ;;
    'rollback --log-format') echo words text json ;;
  esac
}

_weir() {
  COMPREPLY=()
  local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  # bash cuts --option=value into three words
  if [[ $typed == '=' ]]; then
    typed=''
  elif [[ $before == '=' ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  local verb=${COMP_WORDS[1]} first=2
  if ((COMP_CWORD == 1)); then
    _weir_offer words "$typed" $_weir_words
    return
  fi
  if [[ $verb == help ]]; then
    ((COMP_CWORD == 2)) && _weir_offer words "$typed" $_weir_words
    ((COMP_CWORD == 3)) && _weir_offer words "$typed" $(_weir_seconds "${COMP_WORDS[2]}")
    return
  fi
  if [[ -n $(_weir_seconds "$verb") ]]; then
    if ((COMP_CWORD == 2)); then
      _weir_offer words "$typed" $(_weir_seconds "$verb")
      return
    fi
    verb="$verb ${COMP_WORDS[2]}"
    first=3
  fi

  local _weir_task='' arguments=0 i word
  for ((i = first; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -* ]]; then
      [[ -n $(_weir_value "$verb" "$word") ]] && ((i++))
      [[ ${COMP_WORDS[i]} == '=' ]] && ((i++))
    else
      [[ -z $_weir_task ]] && _weir_task=$word
      ((arguments++))
    fi
  done

  local value
  value=$(_weir_value "$verb" "$before")
  if [[ -n $value ]]; then
    set -- $value
    _weir_offer "$1" "$typed" "${@:2}"
  elif [[ $typed == -* ]]; then
    _weir_offer words "$typed" $(_weir_options "$verb")
  else
    set -- $(_weir_argument "$verb" "$arguments")
    [[ -n $1 ]] && _weir_offer "$1" "$typed" "${@:2}"
  fi
}

complete -F _weir weir
