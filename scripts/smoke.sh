#!/usr/bin/env bash
# The smoke checks of a stack; exit 1 when one of them fails.
#   smoke.sh STACK [--json]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
stack smoke 1 "$@"
