#!/bin/sh
# Make sure that a Docker engine runs which can make CAP_PERFMON containers (23 or newer).
#
#   engine.sh up     use the engine that runs; else install one from the distribution and start it
#   engine.sh down   stop the engine if `up` started it (an engine that systemd keeps is left alone)
#
# Plain shell, since this comes before anything else is installed. To be run as root.
set -eu

OLDEST=23
STATE=/run/cfiddle-slurm-engine
LOG=/var/log/cfiddle-slurm-dockerd.log

fail() {
    echo "engine: $*" >&2
    exit 1
}

# Nothing where no engine answers.
server_version() {
    docker version --format '{{.Server.Version}}' 2>/dev/null || true
}

new_enough() {
    major=${1%%.*}
    [ -n "$major" ] && [ "$major" -ge "$OLDEST" ] 2>/dev/null
}

# Debian 12's own engine is 20.10, which does not know CAP_PERFMON. Debian 13's runs on Debian 12
# without touching anything else of it; the pin keeps all other packages where they are.
add_trixie() {
    # From wherever this machine's own packages come.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^bookworm //p' | head -n 1)
    [ -n "$mirror" ] || fail "apt has no mirror of Debian 12: see sources.list(5)."
    cat >/etc/apt/sources.list.d/cfiddle-slurm-trixie.sources <<END
Types: deb
URIs: $mirror
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    cat >/etc/apt/preferences.d/cfiddle-slurm-trixie <<'END'
Package: *
Pin: release n=trixie
Pin-Priority: 50

Package: docker.io docker-cli docker-buildx docker-compose
Pin: release n=trixie
Pin-Priority: 990
END
}

install_engine() {
    command -v apt-get >/dev/null || fail "no Docker engine $OLDEST or newer runs, and this is" \
        "neither Debian nor Ubuntu: install one by hand."
    # shellcheck disable=SC1091
    . /etc/os-release
    export DEBIAN_FRONTEND=noninteractive
    packages="docker.io"
    case "$ID-${VERSION_CODENAME:-}" in
        debian-bookworm) add_trixie; packages="docker.io docker-cli docker-buildx" ;;
        debian-*) packages="docker.io docker-cli docker-buildx" ;;
        ubuntu-*) packages="docker.io docker-buildx" ;;
        *) fail "install Docker $OLDEST or newer by hand: this program cannot on ${PRETTY_NAME:-this system}" ;;
    esac
    echo "engine: installing $packages"
    apt-get -qq update
    # The service would be started by systemd; where there is none, we start the engine ourselves.
    # shellcheck disable=SC2086
    apt-get -qq install --yes --no-install-recommends $packages iptables >/dev/null
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        systemctl start docker
        return
    fi
    mkdir -p "$STATE"
    # Of an engine that was killed; its number may be another process's by now.
    rm -f /var/run/docker.pid "$STATE/dockerd.pid"
    # With its own session the engine outlives this script and the terminal.
    setsid dockerd --pidfile "$STATE/dockerd.pid" >>"$LOG" 2>&1 </dev/null &
}

wait_for_engine() {
    tries=0
    until [ -n "$(server_version)" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || fail "the engine did not start within 60 s; its last words:
$(tail -n 5 "$LOG" 2>/dev/null)"
        sleep 1
    done
}

up() {
    [ "$(id -u)" -eq 0 ] || fail "run this as root."
    version=$(server_version)
    if [ -z "$version" ]; then
        installed=$(dockerd --version 2>/dev/null | sed 's/[^0-9]*\([0-9.]*\).*/\1/')
        new_enough "$installed" || install_engine
        start_engine
        wait_for_engine
        version=$(server_version)
    fi
    new_enough "$version" || fail "Docker $version runs here, but $OLDEST or newer is needed" \
        "(older ones do not know CAP_PERFMON): upgrade it."
    echo "engine: Docker $version"
}

# The number alone may be another process's by now.
runs() {
    [ "$(cat "/proc/$1/comm" 2>/dev/null)" = dockerd ]
}

down() {
    [ -f "$STATE/dockerd.pid" ] || return 0
    pid=$(cat "$STATE/dockerd.pid")
    # It may end by itself in between.
    ! runs "$pid" || kill "$pid" 2>/dev/null || true
    tries=0
    while runs "$pid"; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || fail "the engine (process $pid) does not end."
        sleep 0.5
    done
    rm -rf "$STATE"
    echo "engine: stopped"
}

case "${1:-}" in
    up) up ;;
    down) down ;;
    *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
