#!/usr/bin/env bash
# System packages that pip cannot bring: a C++ compiler and Python's headers, and PostgreSQL for the server tests.
# Usage: infra/setup/debian.sh compiler PYTHON | postgres
# Installs with apt-get where it may (as root, or sudo without a password); otherwise says exactly what to run.
set -euo pipefail

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

# install_packages WHY PACKAGE...
install_packages() {
    local why=$1
    shift
    if ! can_install; then
        echo "$why: install it with: sudo apt-get update && sudo apt-get install -y $*" >&2
        return 1
    fi
    echo "$why: installing $* with apt-get" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# What building hnswlib (it has no wheel) and making an environment need, beside the interpreter.
compiler() {
    local python=$1 missing=()
    command -v g++ >/dev/null || missing+=(g++)
    "$python" - <<'PY' || missing+=("$(debian_name "$python")-dev")
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())
PY
    "$python" -c "import ensurepip, venv" 2>/dev/null || missing+=("$(debian_name "$python")-venv")
    [ ${#missing[@]} = 0 ] || install_packages "a C++ compiler, Python's headers and venv are needed" "${missing[@]}"
}

debian_name() {
    "$1" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}")'
}

# PostgreSQL's programs only: the tests run them on a data folder of their own, so no system cluster is made or started.
postgres() {
    if compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then return; fi
    install_packages "PostgreSQL's settings come first" postgresql-common
    local no_cluster=/etc/postgresql-common/createcluster.d/autoglm-kb.conf
    as_root mkdir -p "$(dirname "$no_cluster")"
    echo "create_main_cluster = false" | as_root tee "$no_cluster" >/dev/null
    local status=0
    install_packages "the server tests need PostgreSQL" postgresql || status=$?
    as_root rm -f "$no_cluster"
    return "$status"
}

case "${1:-}" in
    compiler) compiler "${2:?compiler needs the interpreter to build for}" ;;
    postgres) postgres ;;
    *) echo "usage: infra/setup/debian.sh compiler PYTHON | postgres" >&2; exit 2 ;;
esac
