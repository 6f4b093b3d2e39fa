#!/bin/sh
# Layer 1: keeps pod-upgrade-trigger running, for ever. PID 1 of a container, or ExecStart of a unit.
#
#   entrypoint.sh [arguments of http-server]     run it
#   entrypoint.sh history                        what was updated (source git)
#   entrypoint.sh rollback COMMIT                go to that commit (source git), by the same road as an update
#
# UPDATE_SOURCE=release (default): the file at TARGET_BIN is the program; it updates itself, and boot-guard
#   (run from the known good copy before each start) recovers what was interrupted. Where there is none yet,
#   SEED_PROGRAM is put there, such as the one of a container's image.
# UPDATE_SOURCE=git: CODE_DIR is a checkout and layer 1 updates it: fetch, backup of code and database,
#   hard reset to UPDATE_REMOTE/UPDATE_BRANCH, pip only when the requirements changed, trial; whatever fails
#   brings code and database back, and a commit that failed is not tried again. STATE is never touched by it.
#
# Exit code 10 of the program, or SIGUSR1 to this script, asks for an update. Signals are forwarded. A program
# that ends is started again after 1, 2, 4 ... 60 s (UPDATE_LONGEST_PAUSE_SECS); after five quick ends in a row
# the program before it comes back, once.
set -u

NAME=pod-upgrade-trigger
SOURCE=${UPDATE_SOURCE:-release}
TARGET=${TARGET_BIN:-$HOME/.local/bin/$NAME}
CODE=${CODE_DIR:-/app}
REMOTE=${UPDATE_REMOTE:-origin}
BRANCH=${UPDATE_BRANCH:-main}
PYTHON=${PYTHON:-python3}
REQUIREMENTS=${REQUIREMENTS:-$CODE/requirements.txt}
TRIAL=${UPDATE_TRIAL_SECS:-20}
QUICK=${UPDATE_QUICK_SECS:-30}
CRASHES=5
LONGEST=${UPDATE_LONGEST_PAUSE_SECS:-60}

if [ -n "${PODUP_STATE_DIR:-}" ]; then
    STATE=$PODUP_STATE_DIR
elif [ -d /srv/$NAME ] && [ -w /srv/$NAME ]; then
    STATE=/srv/$NAME
else
    STATE=${XDG_STATE_HOME:-$HOME/.local/state}/$NAME
fi
PODUP_STATE_DIR=$STATE
export PODUP_STATE_DIR
DATABASE=$STATE/data/$NAME.db
BACKUPS=$STATE/backups/auto_update
NOTE=$STATE/code-update          # what a code update is doing; there is none when all is well
REJECTED=$STATE/code-rejected
HISTORY=$STATE/code-history

child=
stopping=
wanted=

log() { printf '%s entrypoint: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2; }

put() { # FILE: standard input, whole or not at all
    cat >"$1.tmp" && sync && mv -f "$1.tmp" "$1" && sync
}

field() { sed -n "s/^$1=//p" "$NOTE" 2>/dev/null | tail -n 1; }

program() {
    if [ "$SOURCE" = git ]; then
        cd "$CODE" && exec "$PYTHON" -m podup "$@"
    fi
    exec "$TARGET" "$@"
}

# shellcheck disable=SC2317  # called by the traps
forward() { # SIGNAL: the first one that means the end is remembered
    case $1 in TERM | INT | QUIT) stopping=1 ;; esac
    [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
}

# shellcheck disable=SC2317
ask_for_update() {
    wanted=1
    [ -z "$child" ] || kill -s TERM "$child" 2>/dev/null
}

wait_for() { # PID: sets code; signals interrupt `wait`, the child's end does not get lost
    code=0
    while :; do
        wait "$1"
        code=$?
        kill -0 "$1" 2>/dev/null || break
    done
}

pause() { # SECONDS, ended early by a signal
    sleep "$1" &
    nap=$!
    wait "$nap"
    kill "$nap" 2>/dev/null
}

# --- source release ---------------------------------------------------------------------------------------

guard() {
    [ "$SOURCE" = release ] || return 0
    if [ -r "$STATE/releases/good.pyz" ]; then
        "$PYTHON" "$STATE/releases/good.pyz" boot-guard
    else
        "$TARGET" boot-guard
    fi || log "boot-guard could not recover; starting what is there"
}

start_release_update() {
    [ ! -e "$STATE/UPDATE_LOCK.json" ] || return 0
    log "an update was asked for"
    "$TARGET" self-update --caller entrypoint &
}

old_program_back() { # the program before, once for each program that loops
    [ "$SOURCE" = release ] && [ -f "$TARGET.old" ] && [ ! -e "$STATE/UPDATE_LOCK.json" ] || return 0
    bad=$(sha256sum "$TARGET" | cut -d' ' -f1)
    before=$(sha256sum "$TARGET.old" | cut -d' ' -f1)
    [ "$bad" != "$before" ] && ! grep -qsx "$bad\|$before" "$REJECTED" || return 0
    log "ERROR_SYSTEM: $TARGET ends again and again; the program before it comes back"
    printf '%s\n' "$bad" >>"$REJECTED"
    cp -p "$TARGET.old" "$TARGET.back.tmp" && sync && mv -f "$TARGET.back.tmp" "$TARGET" && sync
}

# --- source git -------------------------------------------------------------------------------------------

copy_database() { # FROM TO: SQLite's backup, so that nothing in the write-ahead log is lost
    "$PYTHON" - "$1" "$2" <<'PY'
import sqlite3
import sys

source, target = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])
source.backup(target)
target.execute("PRAGMA journal_mode=DELETE")
assert target.execute("PRAGMA integrity_check").fetchone() == ("ok",)
PY
}

archive_code() ( # FILE: all of the checkout but git's own and data; any tar will do
    cd "$CODE" || exit 1
    file=$1
    set --
    for entry in .[!.]* *; do
        case $entry in .git | data) continue ;; esac
        [ ! -e "$entry" ] || set -- "$@" "./$entry"
    done
    tar -czf "$file" "$@"
)

install_requirements() {
    [ -f "$REQUIREMENTS" ] || return 0
    sum=$(sha256sum "$REQUIREMENTS" | cut -d' ' -f1)
    [ "$sum" != "$(cat "$STATE/requirements.sha256" 2>/dev/null)" ] || return 0
    log "the requirements changed: pip install"
    "$PYTHON" -m pip install --quiet -r "$REQUIREMENTS" || return 1
    printf '%s\n' "$sum" | put "$STATE/requirements.sha256"
}

restore_code() { # WHY: code and database from before; can be run again when it is cut off
    old=$(field OLD) new=$(field NEW) backup=$(field BACKUP) database=$(field DATABASE) served=$(field SERVED)
    log "back to $old: $1"
    # The archive also brings back what git does not know: it is the truth, git only follows.
    git -C "$CODE" reset --hard --quiet "$old" || log "git cannot go back; the code backup does"
    [ ! -f "$BACKUPS/$backup" ] || tar -xzf "$BACKUPS/$backup" -C "$CODE" || log "the code backup is unreadable"
    # A program that served has accepted work; its database stays, older code can read it.
    if [ -z "$served" ] && [ -f "$BACKUPS/$database" ]; then
        rm -f "$DATABASE-wal" "$DATABASE-shm"
        cp -p "$BACKUPS/$database" "$DATABASE.restore.tmp" && sync && mv -f "$DATABASE.restore.tmp" "$DATABASE"
    fi
    install_requirements || log "pip failed for the old code as well"
    grep -qsx "$new" "$REJECTED" || printf '%s\n' "$new" >>"$REJECTED"
    printf '%s %s -> %s rolled back: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$old" "$new" "$1" >>"$HISTORY"
    rm -f "$NOTE"
    sync
}

update_code() { # the program does not run now
    to=$(cat "$STATE/code-wanted" 2>/dev/null)
    rm -f "$STATE/code-wanted"
    old=$(git -C "$CODE" rev-parse HEAD) || { log "$CODE is not a checkout"; return; }
    git -C "$CODE" fetch --quiet "$REMOTE" || { log "git fetch failed; nothing was changed"; return; }
    new=$(git -C "$CODE" rev-parse --verify --quiet "${to:-$REMOTE/$BRANCH}^{commit}") ||
        { log "there is no commit ${to:-$REMOTE/$BRANCH}"; return; }
    [ "$new" != "$old" ] || { log "$old is up to date"; return; }
    if [ -z "$to" ] && grep -qsx "$new" "$REJECTED"; then
        log "$new failed here before and is not tried again"
        return
    fi
    stamp=$(date -u +%Y%m%d%H%M%S)
    backup=code_backup_$stamp.tar.gz
    database=$NAME.db.$stamp.bak
    mkdir -p "$BACKUPS"
    if ! archive_code "$BACKUPS/$backup.tmp" ||
        ! mv -f "$BACKUPS/$backup.tmp" "$BACKUPS/$backup"; then
        rm -f "$BACKUPS/$backup.tmp"
        log "the code backup failed"
        return
    fi
    if [ -f "$DATABASE" ]; then
        copy_database "$DATABASE" "$BACKUPS/$database" || { log "the database backup failed"; return; }
    fi
    log "$old -> $new"
    printf 'OLD=%s\nNEW=%s\nBACKUP=%s\nDATABASE=%s\n' "$old" "$new" "$backup" "$database" | put "$NOTE" ||
        { log "no room to note the update"; return; }
    git -C "$CODE" reset --hard --quiet "$new" || { restore_code "git failed"; return; }
    install_requirements || { restore_code "pip failed"; return; }
    printf 'PHASE=trial\n' >>"$NOTE"
    # Only the newest three backups of each kind stay.
    for kind in 'code_backup_*.tar.gz' "$NAME.db.*.bak"; do
        # shellcheck disable=SC2012,SC2086  # our own names, without spaces
        (cd "$BACKUPS" && ls -1t $kind 2>/dev/null | tail -n +4 | while read -r name; do rm -f "$name"; done)
    done
}

health() {
    url=http://127.0.0.1:${PODUP_HTTP_ADDR##*:}/health
    [ -n "${PODUP_HTTP_ADDR:-}" ] || url=http://127.0.0.1:25111/health
    "$PYTHON" - "$url" 2>/dev/null <<'PY'
import sys
import urllib.request

urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=3).read()
PY
}

judge_code() { # watch the program on trial; it is ended when it does not serve in time
    end=$(($(date +%s) + TRIAL))
    while kill -0 "$child" 2>/dev/null && [ -z "$stopping" ]; do
        if health; then
            [ -n "$(field SERVED)" ] || printf 'SERVED=1\n' >>"$NOTE"
            [ "$(date +%s)" -lt "$end" ] || { commit_code; return; }
        elif [ "$(date +%s)" -ge $((end + TRIAL)) ]; then
            log "the new code does not serve"
            kill -s TERM "$child" 2>/dev/null
            pause 5
            kill -s KILL "$child" 2>/dev/null
            return
        fi
        pause 1
    done
}

commit_code() {
    log "$(field NEW) is well and stays"
    printf '%s %s -> %s succeeded\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(field OLD)" "$(field NEW)" >>"$HISTORY"
    rm -f "$NOTE"
    sync
}

# --- the loop ---------------------------------------------------------------------------------------------

mkdir -p "$STATE" || exit 1
case ${1:-} in
    history) cat "$HISTORY" 2>/dev/null; exit 0 ;;
    rollback)
        [ -n "${2:-}" ] || { log "rollback needs a commit"; exit 2; }
        printf '%s\n' "$2" | put "$STATE/code-wanted" || exit 1
        kill -s USR1 "$(cat "$STATE/supervisor.pid")" && exit 0
        exit 1 ;;
    http-server) shift ;;
esac
case $SOURCE in release | git) ;; *) log "UPDATE_SOURCE is release or git, not $SOURCE"; exit 2 ;; esac

trap 'forward TERM' TERM
trap 'forward INT' INT
trap 'forward QUIT' QUIT
trap 'forward HUP' HUP
trap 'ask_for_update' USR1
printf '%s\n' "$$" | put "$STATE/supervisor.pid" || exit 1
[ "$SOURCE" != git ] || [ ! -e "$NOTE" ] || restore_code "interrupted"

if [ "$SOURCE" = release ] && [ ! -e "$TARGET" ] && [ -f "${SEED_PROGRAM:-}" ]; then
    mkdir -p "$(dirname "$TARGET")"
    cp "$SEED_PROGRAM" "$TARGET.tmp" && chmod 755 "$TARGET.tmp" && mv -f "$TARGET.tmp" "$TARGET" || exit 1
fi

crashes=0
while [ -z "$stopping" ]; do
    guard
    [ -z "$stopping" ] || break
    began=$(date +%s)
    program http-server "$@" &
    child=$!
    [ "$SOURCE" != git ] || [ ! -e "$NOTE" ] || judge_code
    wait_for "$child"
    child=
    [ -z "$stopping" ] || break
    if [ "$SOURCE" = git ] && [ -e "$NOTE" ]; then
        restore_code "the new code ended with $code"
        continue
    fi
    if [ "$code" = 10 ] || [ -n "$wanted" ]; then
        wanted=
        crashes=0
        if [ "$SOURCE" = git ]; then update_code; else start_release_update; fi
        continue
    fi
    if [ "$SOURCE" = release ] && [ -e "$STATE/UPDATE_LOCK.json" ]; then # the update judges, not this loop
        [ "$code" = 0 ] || pause 1
        continue
    fi
    [ $(($(date +%s) - began)) -lt "$QUICK" ] && crashes=$((crashes + 1)) || crashes=0
    if [ "$crashes" -gt 0 ] && [ $((crashes % CRASHES)) = 0 ]; then old_program_back; fi
    delay=1
    turn=1
    while [ "$turn" -lt "$crashes" ] && [ "$delay" -lt "$LONGEST" ]; do
        delay=$((delay * 2))
        turn=$((turn + 1))
    done
    [ "$delay" -le "$LONGEST" ] || delay=$LONGEST
    log "the program ended with $code; again in $delay s"
    pause "$delay"
done
log "stopped"
rm -f "$STATE/supervisor.pid"
exit "${code:-0}"
