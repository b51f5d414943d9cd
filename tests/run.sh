#!/bin/sh
# All checks and tests. What was not up before is down again afterwards.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
export COVERAGE_FILE="$PWD/.coverage"

step() { printf '\n== %s\n' "$*"; }

# A browser and ssh: what the tests need beside what the project needs.
missing=""
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="chromium"
command -v ssh >/dev/null || missing="$missing openssh-client"
if [ -n "$missing" ]; then
    step "installing $missing"
    apt-get -qq update
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $missing >/dev/null
fi

step "ruff and mypy"
$bin/ruff check .
$bin/ruff format --check .
$bin/mypy

step "unit tests"
rm -f .coverage .coverage.*
$bin/pytest tests/unit --numprocesses=auto --dist=worksteal --cov=cfiddle_slurm --cov-report= -q

was_up=no
if docker info >/dev/null 2>&1 && $bin/python -m cfiddle_slurm.cluster status >/dev/null 2>&1; then
    was_up=yes
fi
installation=$(mktemp)
installing=""
finish() {
    [ -z "$installing" ] || kill "$installing" 2>/dev/null || true
    rm -f "$installation"
    [ "$was_up" = yes ] || make --no-print-directory down
}
trap finish EXIT

# It waits for downloads most of the time: others have the processors meanwhile.
$bin/pytest tests/packaging -q -v --no-header >"$installation" 2>&1 &
installing=$!

step "behaviour, scheduler=local"
$bin/pytest tests/behaviour --scheduler=local --cov=cfiddle_slurm --cov-append --cov-report= -q

step "the one-machine cluster"
# What is tested is this very version, whatever is open on a cluster that is up already.
make --no-print-directory up UP_OPTIONS=--now

step "the sandbox, against the engine"
$bin/pytest tests/sandbox --cov=cfiddle_slurm --cov-append --cov-report= -q

step "behaviour, scheduler=slurm, the cluster itself, and Jupyter in a browser"
$bin/pytest tests/cluster --cov=cfiddle_slurm --cov-append --cov-report= -q

step "installation into empty environments"
installed=0
wait "$installing" || installed=$?
installing=""
cat "$installation"
[ "$installed" = 0 ] || exit "$installed"

step "a cluster of three machines"
$bin/pytest tests/machines --cov=cfiddle_slurm --cov-append --cov-report= -v --no-header

step "coverage of what ran in these processes (not inside containers)"
$bin/coverage report --skip-covered
