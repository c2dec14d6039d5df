# SPDX-License-Identifier: Apache-2.0
# Made by weir-docs from the table of verbs; a change here is lost.

# The words before the cursor that are no options, without weir itself.
function __weir_words
    string match --invert -- '-*' (commandline -opc)[2..-1]
end

# Whether the first words are these, and at least as many more as the first argument says.
function __weir_at --argument-names more
    set -l words (__weir_words)
    set -l wanted $argv[2..-1]
    test (count $words) -ge (math (count $wanted) + $more); or return 1
    test (count $wanted) -eq 0; and return 0
    test "$words[1..$(count $wanted)]" = "$wanted"
end

function __weir_tables
    set -l words (__weir_words)
    test (count $words) -ge 3; and weir complete tables --task $words[3] 2>/dev/null
end

complete -c weir -f
complete -c weir -n 'not __weir_at 1' -a init -d 'write a commented task file from a live source'
complete -c weir -n 'not __weir_at 1' -a preflight -d 'check whether a task can run, changing nothing'
complete -c weir -n 'not __weir_at 1' -a sync -d 'start, stop and watch tasks'
complete -c weir -n 'not __weir_at 1' -a log -d 'look into a source\'s change log'
complete -c weir -n 'not __weir_at 1' -a help -d 'show what a verb does'

complete -c weir -n '__weir_at 0 init' -l name -x -d 'the task\'s name; without it one made from the first --database'
complete -c weir -n '__weir_at 0 init' -l output -r -F -d 'write to this file, which must not exist yet; without it to standard output'
complete -c weir -n '__weir_at 0 init' -l source-kind -x -a 'mysql' -d 'what the source is; mysql covers MariaDB'
complete -c weir -n '__weir_at 0 init' -l host -x -d 'the source\'s host name or address'
complete -c weir -n '__weir_at 0 init' -l port -x -d 'the source\'s port; without it the kind\'s own'
complete -c weir -n '__weir_at 0 init' -l socket -r -F -d 'the source\'s socket, instead of --host'
complete -c weir -n '__weir_at 0 init' -l user -x -d 'the source account'
complete -c weir -n '__weir_at 0 init' -l password-file -r -F -d 'the file that holds the source password; the task file names it too'
complete -c weir -n '__weir_at 0 init' -l password-env -x -d 'the environment variable that holds the source password, instead of a file'
complete -c weir -n '__weir_at 0 init' -l tls -x -a 'off require verify-ca verify-full' -d 'how the connection to the source is encrypted, and its certificate checked'
complete -c weir -n '__weir_at 0 init' -l tls-ca -r -F -d 'the certificates that sign the source\'s; without it the system\'s own'
complete -c weir -n '__weir_at 0 init' -l database -x -d 'a database to copy, or a glob of names; without it all that the account sees'
complete -c weir -n '__weir_at 0 init' -l target-kind -x -a 'postgres mysql' -d 'what the target is'
complete -c weir -n '__weir_at 0 init' -l target-host -x -d 'the target\'s host name or address'
complete -c weir -n '__weir_at 0 init' -l target-port -x -d 'the target\'s port; without it the kind\'s own'
complete -c weir -n '__weir_at 0 init' -l target-socket -x -a '(__fish_complete_directories)' -d 'the folder of the target\'s socket, instead of --target-host'
complete -c weir -n '__weir_at 0 init' -l target-user -x -d 'the target account'
complete -c weir -n '__weir_at 0 init' -l target-password-file -r -F -d 'the file that holds the target password; it is named in the task file, not read'
complete -c weir -n '__weir_at 0 init' -l target-password-env -x -d 'the environment variable that will hold the target password'
complete -c weir -n '__weir_at 0 init' -l target-tls -x -a 'off require verify-ca verify-full' -d 'how the connection to the target is encrypted, and its certificate checked'
complete -c weir -n '__weir_at 0 init' -l target-tls-ca -r -F -d 'the certificates that sign the target\'s; without it the system\'s own'
complete -c weir -n '__weir_at 0 init' -l target-database -x -d 'the database to copy into'
complete -c weir -n '__weir_at 0 init' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 init' -l format -s o -x -a 'text json' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 init' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 init' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 init' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 init' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 init' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 init' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 init' -l version -s V -d 'print the version; with -v those of linked libraries too'

complete -c weir -n '__weir_at 0 preflight; and not __weir_at 1 preflight' -F -a '(weir complete tasks 2>/dev/null)'
complete -c weir -n '__weir_at 0 preflight' -l mapping-only -d 'show which rule takes which table to where, and check only that; the target is not connected to'
complete -c weir -n '__weir_at 0 preflight' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 preflight' -l format -s o -x -a 'text json' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 preflight' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 preflight' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 preflight' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 preflight' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 preflight' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 preflight' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 preflight' -l version -s V -d 'print the version; with -v those of linked libraries too'

complete -c weir -n '__weir_at 0 sync; and not __weir_at 1 sync' -a start -d 'start or resume a task in the background'
complete -c weir -n '__weir_at 0 sync start; and not __weir_at 1 sync start' -F -a '(weir complete tasks 2>/dev/null)'
complete -c weir -n '__weir_at 0 sync start' -l wait -x -a 'schema full incremental caught-up' -d 'return only once schema or full is done, incremental has begun, or the target has caught up; shows progress meanwhile'
complete -c weir -n '__weir_at 0 sync start' -l timeout -x -d 'with --wait: stop waiting after this long; the task goes on'
complete -c weir -n '__weir_at 0 sync start' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 sync start' -l format -s o -x -a 'text json' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 sync start' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 sync start' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 sync start' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 sync start' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 sync start' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 sync start' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 sync start' -l version -s V -d 'print the version; with -v those of linked libraries too'

complete -c weir -n '__weir_at 0 sync; and not __weir_at 1 sync' -a run -d 'run a task in the foreground'
complete -c weir -n '__weir_at 0 sync run; and not __weir_at 1 sync run' -F -a '(weir complete tasks 2>/dev/null)'
complete -c weir -n '__weir_at 0 sync run' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 sync run' -l format -s o -x -a 'text json' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 sync run' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 sync run' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 sync run' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 sync run' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 sync run' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 sync run' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 sync run' -l version -s V -d 'print the version; with -v those of linked libraries too'

complete -c weir -n '__weir_at 0 sync; and not __weir_at 1 sync' -a stop -d 'stop a task'
complete -c weir -n '__weir_at 0 sync stop; and not __weir_at 1 sync stop' -a '(weir complete tasks 2>/dev/null)'
complete -c weir -n '__weir_at 0 sync stop' -l timeout -x -d 'how long to wait for the task to leave; it goes on stopping after that'
complete -c weir -n '__weir_at 0 sync stop' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 sync stop' -l format -s o -x -a 'text json' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 sync stop' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 sync stop' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 sync stop' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 sync stop' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 sync stop' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 sync stop' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 sync stop' -l version -s V -d 'print the version; with -v those of linked libraries too'

complete -c weir -n '__weir_at 0 sync; and not __weir_at 1 sync' -a status -d 'show what a task is doing'
complete -c weir -n '__weir_at 0 sync status; and not __weir_at 1 sync status' -a '(weir complete tasks 2>/dev/null)'
complete -c weir -n '__weir_at 0 sync status' -l no-tables -d 'leave out the list of tables'
complete -c weir -n '__weir_at 0 sync status' -l no-header -d 'leave out the line of column names'
complete -c weir -n '__weir_at 0 sync status' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 sync status' -l format -s o -x -a 'text json' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 sync status' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 sync status' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 sync status' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 sync status' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 sync status' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 sync status' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 sync status' -l version -s V -d 'print the version; with -v those of linked libraries too'

complete -c weir -n '__weir_at 0 sync; and not __weir_at 1 sync' -a list -d 'list the registered tasks'
complete -c weir -n '__weir_at 0 sync list' -l no-header -d 'leave out the line of column names'
complete -c weir -n '__weir_at 0 sync list' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 sync list' -l format -s o -x -a 'text json' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 sync list' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 sync list' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 sync list' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 sync list' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 sync list' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 sync list' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 sync list' -l version -s V -d 'print the version; with -v those of linked libraries too'

complete -c weir -n '__weir_at 0 log; and not __weir_at 1 log' -a show -d 'show what a source\'s change log holds'
complete -c weir -n '__weir_at 0 log show; and not __weir_at 1 log show' -F -a '(weir complete tasks 2>/dev/null)'
complete -c weir -n '__weir_at 0 log show' -l from -x -d 'begin here; without it at the task\'s offset, or at the start of the file'
complete -c weir -n '__weir_at 0 log show' -l limit -x -d 'end after this many changes'
complete -c weir -n '__weir_at 0 log show' -l table -x -a '(__weir_tables)' -d 'only tables whose schema.table matches this glob'
complete -c weir -n '__weir_at 0 log show' -l follow -d 'wait for more at the end of the log, until interrupted'
complete -c weir -n '__weir_at 0 log show' -l values -d 'show the values of each row'
complete -c weir -n '__weir_at 0 log show' -l state-dir -x -a '(__fish_complete_directories)' -d 'the folder of weir\'s state; without it STATE_DIRECTORY, as systemd sets it, or the XDG state folder'
complete -c weir -n '__weir_at 0 log show' -l format -s o -x -a 'text jsonl' -d 'how the answer and an error are printed'
complete -c weir -n '__weir_at 0 log show' -l json -d 'print JSON: the last one of the formats above'
complete -c weir -n '__weir_at 0 log show' -l quiet -s q -d 'no progress, and no log below an error'
complete -c weir -n '__weir_at 0 log show' -l verbose -s v -d 'log more; twice for still more'
complete -c weir -n '__weir_at 0 log show' -l color -x -a 'auto always never' -d 'auto is for terminals only, and heeds NO_COLOR'
complete -c weir -n '__weir_at 0 log show' -l log-format -x -a 'text json' -d 'how the log on standard error is printed'
complete -c weir -n '__weir_at 0 log show' -l help -s h -d 'print this help'
complete -c weir -n '__weir_at 0 log show' -l version -s V -d 'print the version; with -v those of linked libraries too'
