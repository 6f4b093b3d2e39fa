#!/usr/bin/env bash
# Take a stack back to a version that ran before; without one, to the last good one.
#   rollback.sh STACK [VERSION | --last-good | --list]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
stack rollback 1 "$@"
