#!/bin/sh
# Rehearse an update before a release is published: OLD.pyz updates itself to NEW.pyz, and goes back.
#   rehearse-update.sh OLD.pyz NEW.pyz
# Everything happens in a temporary directory with a mirror on a loopback port; needs neither root nor systemd.
set -eu

[ $# = 2 ] || { echo "usage: rehearse-update.sh OLD.pyz NEW.pyz" >&2; exit 2; }
NAME=pod-upgrade-trigger
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT

version_of() { "$1" --version | sed 's/^[^ ]* \([^ ]*\) .*/\1/'; }

target=$work/bin/$NAME
mkdir -p "$work/bin" "$work/home" "$work/mirror/repos/a/b/releases"
cp "$1" "$target"
chmod 755 "$target"
new=$work/new.pyz
cp "$2" "$new"
chmod 755 "$new"
old_version=$(version_of "$target")
version=$(version_of "$new")
files=$work/mirror/a/b/releases/download/v$version
mkdir -p "$files"
cp "$2" "$files/$NAME.pyz"
(cd "$files" && sha256sum "$NAME.pyz" >"$NAME.pyz.sha256")
printf '{"tag_name": "v%s", "draft": false, "prerelease": false}\n' "$version" >"$work/mirror/repos/a/b/releases/latest"

python3 -u -m http.server --bind 127.0.0.1 --directory "$work/mirror" 0 >"$work/port" 2>/dev/null &
server=$!
port=
while [ -z "$port" ]; do
    sleep 0.1
    port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$work/port")
done

HOME=$work/home
XDG_RUNTIME_DIR=$work/home
PODUP_STATE_DIR=$work/state
TARGET_BIN=$target
PODUP_RELEASE_REPO=a/b
PODUP_RELEASE_API_URL=http://127.0.0.1:$port
PODUP_RELEASE_BASE_URL=$PODUP_RELEASE_API_URL
export HOME XDG_RUNTIME_DIR PODUP_STATE_DIR TARGET_BIN PODUP_RELEASE_REPO PODUP_RELEASE_API_URL PODUP_RELEASE_BASE_URL

"$target" self-update --force
[ "$(version_of "$target")" = "$version" ] || { echo "the update did not take" >&2; exit 1; }
[ "$old_version" = "$version" ] || "$target" rollback-self "$old_version"
[ "$(version_of "$target")" = "$old_version" ] || { echo "the way back did not work" >&2; exit 1; }
echo "$old_version -> $version -> $old_version: well"
