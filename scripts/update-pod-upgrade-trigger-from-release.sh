#!/bin/sh
# Update pod-upgrade-trigger from a release: the one entry for people, timers and crontab.
#
# Where the program is installed it does all the work (`self-update`: download, checks, dry start, backup,
# switch, judgement, way back). Where it is not, this script installs it: download, checksum, move into
# place; needs curl or wget, sha256sum, sed, and ssh-keygen where signers are set. All arguments are those of
# `self-update`. A first installation takes the newest stable release, or the one named.
#
# TARGET_BIN, PODUP_RELEASE_REPO, _TAG, _CHANNEL, _API_URL, _BASE_URL, _ALLOWED_SIGNERS as in the settings; what the
# environment does not say, the service's environment file does.
set -eu

NAME=pod-upgrade-trigger
ASSET=$NAME.pyz

from_env_file() { # NAME: a plain value there
    file=${PODUP_ENV_FILE:-$HOME/.config/$NAME-http.env}
    [ -r "$file" ] || return 0
    sed -n "s/^[[:space:]]*$1=[\"']\\{0,1\\}\\([^\"']*\\)[\"']\\{0,1\\}[[:space:]]*\$/\\1/p" "$file" | sed -n '$p'
}

TARGET=${TARGET_BIN:-$(from_env_file TARGET_BIN)}
TARGET=${TARGET:-$HOME/.local/bin/$NAME}
REPO=${PODUP_RELEASE_REPO:-$(from_env_file PODUP_RELEASE_REPO)}
API=${PODUP_RELEASE_API_URL:-$(from_env_file PODUP_RELEASE_API_URL)}
API=${API:-https://api.github.com}
BASE=${PODUP_RELEASE_BASE_URL:-$(from_env_file PODUP_RELEASE_BASE_URL)}
BASE=${BASE:-https://github.com}
SIGNERS=${PODUP_RELEASE_ALLOWED_SIGNERS:-$(from_env_file PODUP_RELEASE_ALLOWED_SIGNERS)}

log() { printf '%s\n' "$*" >&2; }
die() { log "error: $1"; [ -z "${2:-}" ] || log "hint: $2"; exit 1; }

fetch() { # URL FILE: download at most 64 MiB in five minutes; curl never follows from https to http
    if command -v curl >/dev/null 2>&1; then
        case $1 in https:*) set -- "$1" "$2" '=https' ;; *) set -- "$1" "$2" '=http,https' ;; esac
        curl -fsSL --proto-redir "$3" --max-redirs 5 --connect-timeout 20 --max-time 300 \
            --max-filesize 67108864 -o "$2" "$1"
    elif command -v wget >/dev/null 2>&1; then
        # ulimit counts blocks of 512 bytes; a wget -T of busybox (1.35) ends with a segmentation fault
        (ulimit -f 131072 && exec timeout 300 wget -q -O "$2" "$1")
    else
        die "neither curl nor wget is installed" "install one of them"
    fi
}

wanted_tag() { # the tag asked for, else the newest release
    if [ -n "$tag" ]; then
        printf 'v%s\n' "${tag#v}"
        return
    fi
    fetch "$API/repos/$REPO/releases/latest" "$work/latest" || die "no release found at $API/repos/$REPO"
    tr ',{}' '[\n*3]' <"$work/latest" |
        sed -n 's/^[[:space:]]*"tag_name"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' | sed -n 1p
}

tag=${PODUP_RELEASE_TAG:-$(from_env_file PODUP_RELEASE_TAG)}
dry_run=
is_said=
is_next_tag=
for word in "$@"; do
    if [ -n "$is_next_tag" ]; then tag=$word is_next_tag=; continue; fi
    case $word in
        --dry-run) dry_run=1 is_said=1 ;;
        --to) is_next_tag=1 ;;
        --to=*) tag=${word#--to=} ;;
    esac
done
case ${PODUP_SELF_UPDATE_DRY_RUN:-} in 1 | true | yes | on) dry_run=1 ;; esac

[ ! -d "$TARGET" ] || die "$TARGET is a directory" "set TARGET_BIN to the file of the program"
if [ -f "$TARGET" ] && "$TARGET" --version >/dev/null 2>&1; then
    log "installed: $("$TARGET" --version)"
    if [ -n "$dry_run" ] && [ -z "$is_said" ]; then set -- --dry-run "$@"; fi
    exec "$TARGET" self-update "$@"
fi

[ -n "$REPO" ] || die "nothing says which repository releases come from" "set PODUP_RELEASE_REPO=OWNER/NAME"
command -v sha256sum >/dev/null 2>&1 || die "sha256sum is not installed" "install coreutils or busybox"
directory=$(dirname "$TARGET")
mkdir -p "$directory"
work=$(mktemp -d "$directory/.$NAME.install.XXXXXX") || die "cannot write to $directory" "check its owner and mode"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tag=$(wanted_tag)
case $tag in
    v[0-9]*.[0-9]*.[0-9]* | [0-9]*.[0-9]*.[0-9]*) ;;
    *) die "the release server names no usable tag: '$tag'" "check PODUP_RELEASE_REPO and PODUP_RELEASE_API_URL" ;;
esac
case $tag in *[!0-9A-Za-z.+-]*) die "the tag $tag has letters no tag has" ;; esac
url=$BASE/$REPO/releases/download/$tag/$ASSET
log "none -> $tag, from $url"
fetch "$url" "$work/$ASSET" || die "cannot download $url"
fetch "$url.sha256" "$work/$ASSET.sha256" || die "cannot download $url.sha256" "a release without checksum is refused"
lines=$(grep -c . "$work/$ASSET.sha256") || true
[ "$lines" = 1 ] || die "the checksum file has $lines lines, one is expected"
grep -Eq "^[0-9a-fA-F]{64} [ *]pod-upgrade-trigger\.pyz$" "$work/$ASSET.sha256" ||
    die "the checksum file is not for $ASSET" "ask whoever runs the release server"
(cd "$work" && sha256sum -c "$ASSET.sha256" >/dev/null 2>&1) || die "the checksum of $ASSET does not match" \
    "nothing was installed; try again, or ask whoever runs the release server"
if [ -n "$SIGNERS" ]; then
    command -v ssh-keygen >/dev/null 2>&1 || die "ssh-keygen is not installed" "a signature is wanted: install OpenSSH"
    fetch "$url.sig" "$work/$ASSET.sig" || die "cannot download $url.sig" "a release without signature is refused"
    ssh-keygen -Y verify -f "$SIGNERS" -I release -n file -s "$work/$ASSET.sig" <"$work/$ASSET" >/dev/null 2>&1 ||
        die "the signature of $ASSET is not good" "nothing was installed"
fi
if [ -n "$dry_run" ]; then
    log "dry run: $tag was downloaded and checked, nothing was installed"
    exit 0
fi
chmod 755 "$work/$ASSET"
"$work/$ASSET" --version >&2 || die "the program does not start" "it needs Python 3.11 or newer as python3"
mv -f "$work/$ASSET" "$TARGET"
log "installed $TARGET"
log "next: $TARGET install    (units, environment file; shows what it will do)"
