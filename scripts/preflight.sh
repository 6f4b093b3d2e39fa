#!/usr/bin/env bash
# The checks before a deployment; exit 3 when one of them blocks.
#   preflight.sh STACK [VERSION] [--force] [--json]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
stack preflight 1 "$@"
