#!/bin/sh
# Layer 1: keeps pod-upgrade-trigger running, for ever. PID 1 of a container, or ExecStart of a unit.
#
#   entrypoint.sh [arguments of http-server]     run it
#   entrypoint.sh history                        what was updated
#   entrypoint.sh rollback COMMIT                go to that commit (source git), by the same road as an update
#
# UPDATE_SOURCE=release (default): the program is the file at TARGET_BIN. Where there is none yet, SEED_PROGRAM
#   is put there, such as the one of a container's image.
# UPDATE_SOURCE=git: it is the checkout at CODE_DIR, of the branch UPDATE_BRANCH of UPDATE_REMOTE. Where there is
#   none yet, it is made from UPDATE_REPOSITORY. `pip install -r REQUIREMENTS` runs when that file changed.
#
# Both are updated by the program's own `self-update`, with its journal, maintenance, trial and way back. Of a
# checkout it has the files changed here (entrypoint.sh code ...); what lies under STATE is never touched by that.
# `boot-guard`, run from the known good copy before each start, recovers what was interrupted.
#
# Exit code 10 of the program, or SIGUSR1 to this script, asks for an update. Signals are forwarded. A program
# that ends is started again after 1, 2, 4 ... 60 s (UPDATE_LONGEST_PAUSE_SECS); after five quick ends in a row
# the program before it comes back, once.
# shellcheck disable=SC2317  # functions are called by `attend` and the traps
set -u

NAME=pod-upgrade-trigger
SOURCE=${UPDATE_SOURCE:-release}
TARGET=${TARGET_BIN:-$HOME/.local/bin/$NAME}
CODE=${CODE_DIR:-/app}
REMOTE=${UPDATE_REMOTE:-origin}
BRANCH=${UPDATE_BRANCH:-main}
PYTHON=${PYTHON:-python3}
REQUIREMENTS=${REQUIREMENTS:-$CODE/requirements.txt}
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
JOURNAL=$STATE/UPDATE_LOCK.json
BACKUPS=$STATE/backups/auto_update
GOOD=$STATE/code-good              # the code before the last update; runs updates and recovery
TAKEN_BACK=$STATE/taken-back       # programs that only crashed, and those that came back for them

child=
stopping=

log() { printf '%s entrypoint: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2; }

put() { # FILE: standard input, whole or not at all
    cat >"$1.tmp" && sync && mv -f "$1.tmp" "$1" && sync
}

program() {
    if [ "$SOURCE" = git ]; then
        cd "$CODE" && exec "$PYTHON" -m podup "$@"
    fi
    exec "$TARGET" "$@"
}

# --- the checkout: its files are changed here only ----------------------------------------------------------

git_code() { GIT_TERMINAL_PROMPT=0 git -C "$CODE" -c gc.auto=0 -c maintenance.auto=false "$@"; }

describe() { # COMMIT: prints it with the version its code says
    found=$(git_code rev-parse --verify --quiet "$1^{commit}") || { echo "there is no commit $1" >&2; return 1; }
    version=$(git_code show "$found:podup/version.py" | sed -n 's/^VERSION[^=]*= *"\([^"]*\)".*/\1/p')
    printf '%s %s\n' "$found" "${version:-0.0.0}"
}

fetch_code() { # [COMMIT]
    git_code fetch --quiet --tags "$REMOTE" || return 1
    describe "${1:-$REMOTE/$BRANCH}"
}

archive_code() ( # FILE: all of the checkout but git's own and data; any tar will do
    cd "$CODE" || exit 1
    file=$1
    set --
    for entry in .[!.]* *; do
        case $entry in .git | data) continue ;; esac
        [ ! -e "$entry" ] || set -- "$@" "./$entry"
    done
    for again in 1 2 3; do # GNU tar fails when a file changes meanwhile: a start still keeps what it compiles
        tar -czf "$file.tmp" "$@" && sync && mv -f "$file.tmp" "$file" && exit 0
        sleep "$again"
    done
    rm -f "$file.tmp"
    exit 1
)

keep_code() { # make the good copy of what is checked out, unless an interrupted update needs the one there is
    head=$(git_code rev-parse HEAD) || return 1
    [ "$(cat "$GOOD/COMMIT" 2>/dev/null)" != "$head" ] || return 0
    [ ! -e "$JOURNAL" ] || [ ! -d "$GOOD" ] || return 0
    rm -rf "$GOOD.new" "$GOOD.before" && mkdir -p "$GOOD.new" || return 1
    archive_code "$STATE/code-good.tar.gz" && tar -xzf "$STATE/code-good.tar.gz" -C "$GOOD.new" || return 1
    rm -f "$STATE/code-good.tar.gz"
    make_runnable "$GOOD.new" || return 1
    printf '%s\n' "$head" >"$GOOD.new/COMMIT" && sync || return 1
    [ ! -d "$GOOD" ] || mv "$GOOD" "$GOOD.before" || return 1
    mv "$GOOD.new" "$GOOD" && sync && rm -rf "$GOOD.before"
}

lay_out_code() ( # COMMIT DIRECTORY: its code, to be tried there
    rm -rf "$2" "$2".index* && mkdir -p "$2" || exit 1
    export GIT_INDEX_FILE="$2.index"
    git_code read-tree "$1" && git_code checkout-index --all --prefix="$2/" && make_runnable "$2"
)

lay_packages() { # DIRECTORY: beside the code laid out there the packages it needs, unless those installed are its
    needs=$REQUIREMENTS
    case $needs in "$CODE"/*) needs=$1${needs#"$CODE"} ;; esac
    is_installed "$needs" && return 0
    if ! pip_install "$needs" --target "$1/.packages" --log "$1/pip.log"; then
        grep 'Could not fetch URL' "$1/pip.log" >&2   # pip tells on no other stream whether an index answered
        return 1
    fi
    make_runnable "$1" '
import sys
from pathlib import Path

first = [number for number, path in enumerate(sys.path) if path.endswith("-packages")]
sys.path.insert(first[0] if first else len(sys.path), str(Path(__file__).resolve().parent / ".packages"))
'
}

make_runnable() { # DIRECTORY [PYTHON]: `python DIRECTORY` is the program then
    printf '%s\nfrom podup.__main__ import main\n\nraise SystemExit(main())\n' "${2:-}" >"$1/__main__.py"
}

is_installed() { # REQUIREMENTS
    [ -f "$1" ] || return 0
    sum=$(sha256sum "$1" | cut -d' ' -f1)
    [ "$sum" = "$(cat "$STATE/requirements.sha256" 2>/dev/null)" ]
}

pip_install() { # REQUIREMENTS OPTIONS; a path in the file is one of the directory it lies in
    (cd "$(dirname "$1")" && file=$(basename "$1") && shift &&
        exec "$PYTHON" -P -m pip install --quiet --disable-pip-version-check --no-input "$@" -r "$file")
}

install_requirements() {
    is_installed "$REQUIREMENTS" && return 0
    rm -f "$STATE/requirements.sha256"   # what is installed is in doubt until pip is done
    pip_install "$REQUIREMENTS" || return 1
    printf '%s\n' "$sum" | put "$STATE/requirements.sha256"
}

forget_compiled() { # Python takes compiled code for the source's when size and second are the same
    find "$CODE" -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
}

switch_code() { # COMMIT
    git_code reset --hard --quiet "$1" || { echo "git failed" >&2; return 1; }
    forget_compiled
    install_requirements || { echo "pip failed" >&2; return 1; }
    sync
}

restore_code() { # COMMIT FROM STAMP: can be run again when it is cut off
    find "$CODE/.git" -name '*.lock' -type f -exec rm -f {} +   # left by a git that was killed
    git_code diff --name-only -z --diff-filter=A "$1" "$2" | (cd "$CODE" && xargs -0 rm -f)
    # The archive also brings back what git does not know: it is the truth, git only follows.
    git_code reset --hard --quiet "$1" || log "git cannot go back; the code backup does"
    backup=$BACKUPS/code_backup_$3.tar.gz
    [ ! -f "$backup" ] || tar -xzf "$backup" -C "$CODE" || log "the code backup is unreadable"
    forget_compiled
    install_requirements || log "pip failed for the old code as well"
    sync
    [ "$(git_code rev-parse HEAD)" = "$1" ]
}

change_code() { # VERB ARGUMENTS: what self-update calls; a second one waits for the first
    verb=$1
    shift
    mkdir -p "$BACKUPS" && exec 9>>"$STATE/code-hands.lock" && flock 9 || return 1
    case $verb in
        head) describe HEAD ;;
        fetch) fetch_code "$@" ;;
        lay-out) lay_out_code "$1" "$2" ;;
        lay-packages) lay_packages "$1" ;;
        keep) keep_code ;;
        backup) archive_code "$BACKUPS/code_backup_$1.tar.gz" ;;
        switch) switch_code "$1" ;;
        restore) restore_code "$1" "$2" "$3" ;;
        *) echo "there is no code $verb" >&2; return 2 ;;
    esac
}

make_checkout() { # the first start; goes on where it was cut off
    git_code rev-parse --verify --quiet HEAD >/dev/null 2>&1 && return 0
    [ -n "${UPDATE_REPOSITORY:-}" ] || { log "$CODE is not a checkout, and UPDATE_REPOSITORY is not set"; return 1; }
    log "a checkout of $UPDATE_REPOSITORY is made"
    git init --quiet --initial-branch "$BRANCH" "$CODE" &&
        git_code config "remote.$REMOTE.url" "$UPDATE_REPOSITORY" &&
        git_code config "remote.$REMOTE.fetch" "+refs/heads/*:refs/remotes/$REMOTE/*" &&
        git_code fetch --quiet "$REMOTE" && git_code reset --hard --quiet "$REMOTE/$BRANCH"
}

# --- starting and watching ------------------------------------------------------------------------------------

forward() { # SIGNAL: the first one that means the end is remembered
    case $1 in TERM | INT | QUIT) stopping=1 ;; esac
    [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
}

wait_for() { # PID: sets code; signals interrupt `wait`, the child's end does not get lost
    code=0
    while :; do
        wait "$1"
        code=$?
        kill -0 "$1" 2>/dev/null || break
    done
}

attend() { # COMMAND: run it so that signals reach it at once; sets code
    "$@" &
    child=$!
    [ "${2:-}" != http-server ] || echo "$child" >"$STATE/supervised.pid"   # an update stops it when it hangs
    wait_for "$child"
    child=
}

pause() { # SECONDS, ended early by a signal
    sleep "$1" &
    nap=$!
    wait "$nap"
    kill "$nap" 2>/dev/null
}

seed() { # see that there is a program to start
    if [ "$SOURCE" = git ]; then
        make_checkout || return 1
        [ -e "$JOURNAL" ] || install_requirements || log "pip failed; starting with what is installed"
    elif [ ! -e "$TARGET" ] && [ -f "${SEED_PROGRAM:-}" ]; then
        mkdir -p "$(dirname "$TARGET")" && cp "$SEED_PROGRAM" "$TARGET.tmp" && chmod 755 "$TARGET.tmp" &&
            mv -f "$TARGET.tmp" "$TARGET"
    fi
}

guard() {
    if [ "$SOURCE" = git ] && [ -d "$GOOD" ]; then
        "$PYTHON" "$GOOD" boot-guard
    elif [ "$SOURCE" = release ] && [ -r "$STATE/releases/good.pyz" ]; then
        "$PYTHON" "$STATE/releases/good.pyz" boot-guard
    else
        (program boot-guard)
    fi
}

start_update() { # in a process of its own; the program serves on meanwhile
    [ ! -e "$JOURNAL" ] || return 0
    log "an update was asked for"
    (program self-update --caller entrypoint) &
}

old_program_back() { # the program before, once for each program that loops
    [ ! -e "$JOURNAL" ] || return 0
    if [ "$SOURCE" = git ]; then
        bad=$(git_code rev-parse HEAD) before=$(cat "$GOOD/COMMIT" 2>/dev/null)
        name=$(describe HEAD | sed 's/\([^ ]\{12\}\)[^ ]* \(.*\)/\2+g\1/')
    else
        bad=$(sha256sum <"$TARGET") before=$(sha256sum <"$TARGET.old")
        name=$("$TARGET" --version | sed 's/^[^ ]* \([^ ]*\) .*/\1/')
    fi 2>/dev/null
    [ -n "$before" ] && [ "$bad" != "$before" ] && ! grep -qsxF -e "$bad" -e "$before" "$TAKEN_BACK" || return 0
    log "ERROR_SYSTEM: ${name:-the program} ends again and again; the program before it comes back"
    printf '%s\n' "$bad" >>"$TAKEN_BACK"
    if [ "$SOURCE" = git ]; then
        (change_code restore "$before" "$bad" none) || log "the checkout could not be brought back"
    else
        cp -p "$TARGET.old" "$TARGET.back.tmp" && sync && mv -f "$TARGET.back.tmp" "$TARGET" && sync
    fi
    [ -z "$name" ] || (program self-update rejected add "$name" --reason "it ended again and again") >/dev/null
}

mkdir -p "$STATE" || exit 1
case $SOURCE in release | git) ;; *) log "UPDATE_SOURCE is release or git, not $SOURCE"; exit 2 ;; esac
case ${1:-} in
    history) program history ;;
    rollback)
        [ -n "${2:-}" ] || { log "rollback needs a commit"; exit 2; }
        program rollback-self "$2" --caller entrypoint ;;
    code)
        shift
        change_code "$@"
        exit $? ;;
    http-server) shift ;;
esac

trap 'forward TERM' TERM
trap 'forward INT' INT
trap 'forward QUIT' QUIT
trap 'forward HUP' HUP
trap 'start_update' USR1
printf '%s\n' "$$" | put "$STATE/supervisor.pid" || exit 1

crashes=0
while [ -z "$stopping" ]; do
    attend seed
    [ "$code" = 0 ] || { pause 5; continue; }
    attend guard
    [ "$code" = 0 ] || log "boot-guard could not recover; starting what is there"
    [ -z "$stopping" ] || break
    began=$(date +%s)
    attend program http-server "$@"
    [ -z "$stopping" ] || break
    if [ -e "$JOURNAL" ]; then # the update judges, not this loop
        case $code in 0 | 10) ;; *) pause 1 ;; esac
        continue
    fi
    [ "$code" != 10 ] || start_update
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
rm -f "$STATE/supervisor.pid" "$STATE/supervised.pid"
exit "${code:-0}"
