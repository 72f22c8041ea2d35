# Of tools/quickstart: what it says, and commands as steps with their progress.
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the other files

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    BOLD=$'\033[1m' RED=$'\033[31m' GREEN=$'\033[32m' PLAIN=$'\033[0m'
else
    BOLD='' RED='' GREEN='' PLAIN=''
fi

heading() { printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"; }
say() { printf '  %s\n' "$*"; }
indent() { sed 's/^/  /'; }

die()
{
    printf '\n%squickstart: %s%s\n' "$RED" "$1" "$PLAIN" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

seconds_since() # EPOCHREALTIME of the start
{
    local us=$(( ${EPOCHREALTIME/./} - ${1/./} ))

    printf '%d.%d s' $((us / 1000000)) $((us % 1000000 / 100000))
}

# A sleep without a process that could outlive us: a read of a pipe into which nobody writes.
exec 7<> <(:)
nap() { read -r -t "$1" -u 7; }

stop_ticker()
{
    [ -n "$TICKER" ] || return 0
    kill "$TICKER" 2>/dev/null
    wait "$TICKER" 2>/dev/null
    TICKER=
}

# Runs a command as one line of progress. Its output goes to a log that is shown when it fails. The
# command stays in the foreground so that Ctrl-C reaches it; the dots come from a process beside it.
# In a subshell: traps of ours that fire meanwhile would else speak into the log.
step() # LABEL COMMAND...
{
    local label=$1 begin=$EPOCHREALTIME rc

    shift
    STEP_LOG=$RUN/logs/step-${label//[^a-z]/-}.log
    printf '  %-52s ' "$label"
    if [ -t 1 ]; then
        while :; do nap 3; printf .; done &
        TICKER=$!
    fi
    ("$@") >"$STEP_LOG" 2>&1 </dev/null
    rc=$?
    stop_ticker
    if [ $rc -eq 0 ]; then
        printf ' %s\n' "$(seconds_since "$begin")"
        STEP_LOG=
        return 0
    fi
    printf ' %sFAILED%s after %s\n' "$RED" "$PLAIN" "$(seconds_since "$begin")"
    fail_with_log "$label" "$STEP_LOG"
}

# The log outlives the temporary directory: it is what the reader needs next.
fail_with_log() # WHAT LOG
{
    local kept

    kept=$(mktemp /tmp/cfmt-quickstart-failed.XXXXXX) && cp "$2" "$kept" || kept=$2
    printf '\nLast lines of what it said:\n' >&2
    tail -n 25 "$kept" | indent >&2
    die "'$1' failed." "The whole output: $kept"
}
