#!/usr/bin/env bash
# System packages that pip cannot bring: a C++ compiler and Python's headers, PostgreSQL for the server tests, what
# `kb stack up` runs beside it, and a browser for the tests of the console.
# Usage: infra/setup/debian.sh compiler PYTHON | postgres | servers | browser
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

# What `kb stack up` needs: PostgreSQL, MariaDB, Redis, a Java, and Maven, which fetches Kafka and Elasticsearch.
servers() {
    postgres
    local missing=() started=()
    command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server-core)
    command -v my_print_defaults >/dev/null || missing+=(mariadb-client-core)
    command -v mvn >/dev/null || missing+=(maven)
    command -v setpriv >/dev/null || missing+=(util-linux)
    compgen -G "/usr/lib/jvm/*/bin/java" >/dev/null || command -v java >/dev/null || missing+=("$(newest_jdk)")
    command -v redis-server >/dev/null || { missing+=(redis-server); started=(redis-server); }
    [ ${#missing[@]} = 0 ] || without_services install_packages "the servers of the cluster are needed" "${missing[@]}"
    if [ ${#started[@]} != 0 ] && [ -d /run/systemd/system ]; then  # ours runs on a folder and a port of its own
        as_root systemctl disable --quiet "${started[@]}" || true
    fi
}

# Chromium without its window, where Debian has it: the tests take two thirds of the time with it. Letters for the
# Chinese pages. Ubuntu has Chromium as a snap only, but its machines for CI have Chrome.
browser() {
    local missing=()
    if ! command -v chromium-headless-shell >/dev/null && can_install \
        && apt-cache show chromium-headless-shell >/dev/null 2>&1; then
        missing+=(chromium-headless-shell)
    else
        command -v chromium-headless-shell chromium google-chrome >/dev/null || missing+=(chromium)
    fi
    fc-list :lang=zh 2>/dev/null | grep -q . || missing+=(fonts-noto-cjk)
    [ ${#missing[@]} = 0 ] || install_packages "the tests of the console need a browser" "${missing[@]}"
}

# The newest Java that Debian has; Elasticsearch 9 takes 21 and newer, all else 17.
newest_jdk() {
    local version
    for version in 25 21 17; do
        if apt-cache show "openjdk-$version-jdk-headless" >/dev/null 2>&1; then break; fi
    done
    echo "openjdk-$version-jdk-headless"
}

# Run a command while packages may not start services; a policy that is already there is left alone.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ] || ! can_install; then "$@"; return; fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    "$@" || status=$?
    as_root rm -f "$policy"
    return "$status"
}

case "${1:-}" in
    compiler) compiler "${2:?compiler needs the interpreter to build for}" ;;
    postgres) postgres ;;
    servers) servers ;;
    browser) browser ;;
    *) echo "usage: infra/setup/debian.sh compiler PYTHON | postgres | servers | browser" >&2; exit 2 ;;
esac
