#!/bin/sh
# Run the update and always leave a report, also when the program cannot even start.
#
# self-update-runner.sh [--dry-run] [arguments of self-update]
# Report: ${PODUP_SELF_UPDATE_REPORT_DIR:-STATE/self-update-reports}/self-update-<seconds>-<pid>.json.
# The program writes it; this script does when there is none in the end. Exits with the update's code.
set -u

NAME=pod-upgrade-trigger
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
updater=${UPDATE_SCRIPT:-$here/update-pod-upgrade-trigger-from-release.sh}
target=${TARGET_BIN:-$HOME/.local/bin/$NAME}

from_env_file() { # NAME: a plain value in the service's environment file, where the daemon has it from
    file=${PODUP_ENV_FILE:-$HOME/.config/$NAME-http.env}
    [ -r "$file" ] || return 0
    sed -n "s/^[[:space:]]*$1=[\"']\\{0,1\\}\\([^\"']*\\)[\"']\\{0,1\\}[[:space:]]*\$/\\1/p" "$file" | tail -n 1
}

state_dir() {
    for directory in "${PODUP_STATE_DIR:-}" "$(from_env_file PODUP_STATE_DIR)"; do
        [ -z "$directory" ] || { printf '%s\n' "$directory"; return; }
    done
    if [ -d /srv/$NAME ] && [ -w /srv/$NAME ]; then
        printf '%s\n' "/srv/$NAME"
    else
        printf '%s\n' "${XDG_STATE_HOME:-$HOME/.local/state}/$NAME"
    fi
}

json_text() { # standard input as the inside of a JSON string
    tr -d '\000-\010\013-\037\177' | LC_ALL=C sed 's/\\/\\\\/g; s/"/\\"/g; s/	/\\t/g' |
        awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }' | iconv_or_ascii
}

iconv_or_ascii() { # bytes that are no UTF-8 would make the report unreadable
    if command -v iconv >/dev/null 2>&1; then iconv -c -f UTF-8 -t UTF-8; else LC_ALL=C tr -d '\200-\377'; fi
}

dry_run=false
case ${PODUP_SELF_UPDATE_DRY_RUN:-} in
    1 | true | yes | on) dry_run=true ;;
esac
for word in "$@"; do
    [ "$word" != --dry-run ] || dry_run=true
done

reports=${PODUP_SELF_UPDATE_REPORT_DIR:-$(from_env_file PODUP_SELF_UPDATE_REPORT_DIR)}
[ -n "$reports" ] || reports=$(state_dir)/self-update-reports
mkdir -p "$reports" || exit 1
started=$(date +%s)
report=$reports/self-update-$started-$$.json
errors=$(mktemp) || exit 1
trap 'rm -f "$errors" "$report.tmp"' EXIT

child=
# shellcheck disable=SC2317  # called by the traps
forward() { [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null; }
trap 'forward TERM' TERM
trap 'forward INT' INT
"$updater" --report "$report" "$@" 2>"$errors" &
child=$!
code=0
while :; do
    code=0
    wait "$child" || code=$?
    kill -0 "$child" 2>/dev/null || break
done
cat "$errors" >&2

for known in "$report" "$report.imported" "$report.bad"; do
    [ ! -e "$known" ] || exit "$code"
done
case $code in
    0) status=succeeded ;;
    75) status=skipped ;;
    *) status=failed ;;
esac
{
    printf '{"type": "self-update-run", "dry_run": %s, ' "$dry_run"
    printf '"started_at": %s, "finished_at": %s, ' "$started" "$(date +%s)"
    printf '"status": "%s", "exit_code": %s, ' "$status" "$code"
    printf '"binary_path": "%s", ' "$(printf '%s' "$target" | json_text)"
    printf '"release_tag": "%s", ' "$(printf '%s' "${PODUP_RELEASE_TAG:-}" | json_text)"
    printf '"stderr_tail": "%s", ' "$(tail -n 40 "$errors" | tail -c 4000 | json_text)"
    printf '"runner_host": "%s", "runner_pid": %s}\n' "$(uname -n | json_text)" "$$"
} >"$report.tmp" && mv -f "$report.tmp" "$report" || exit 1
exit "$code"
