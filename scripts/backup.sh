#!/usr/bin/env bash
# Back up compose file, .env and databases of a stack, verified.
#   backup.sh STACK [--list]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
stack backup 1 "$@"
