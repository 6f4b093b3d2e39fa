# shellcheck shell=bash
# Finds pod-upgrade-trigger and calls it; sourced by the other scripts, nothing more.
# TARGET_BIN names another one. Stacks, paths and rules come from the program's own configuration.

program() {
  local here found
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  if [ -n "${TARGET_BIN:-}" ]; then
    printf '%s\n' "$TARGET_BIN"
    return
  fi
  found=$(command -v pod-upgrade-trigger || true)
  for found in "$found" "${HOME:-/root}/.local/bin/pod-upgrade-trigger" "$here/dist/pod-upgrade-trigger.pyz"; do
    if [ -n "$found" ] && [ -x "$found" ]; then
      printf '%s\n' "$found"
      return
    fi
  done
  echo "pod-upgrade-trigger is not installed; put it on the PATH or name it in TARGET_BIN" >&2
  return 127
}

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; }

# stack VERB LEAST ARGUMENTS...: run it with at least LEAST arguments and exit as it does:
# 0 done, 1 failed, 2 usage, 3 refused, 4 rolled back, 75 busy.
stack() {
  local verb=$1 least=$2 found
  shift 2
  case "${1:-}" in
    -h | --help) usage; exit 0 ;;
  esac
  if [ $# -lt "$least" ]; then
    usage >&2
    exit 2
  fi
  found=$(program) || exit
  exec "$found" stack "$verb" "$@"
}
