#!/usr/bin/env bash
# Deploy a version of a stack: check, back up, pull, start, prove, or take back.
#   deploy.sh STACK ENV VERSION [--force] [--skip-smoke --reason TEXT] [--dry-run]
# Exit 0 done, 3 refused, 4 rolled back, 1 failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
stack deploy 3 "$@"
