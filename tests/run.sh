#!/bin/sh
# All checks and tests. What was not up before is down again afterwards.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
export COVERAGE_FILE="$PWD/.coverage"
# `COVERAGE=yes make test` measures which lines run in these processes; everything takes longer then.
[ -z "${COVERAGE:-}" ] || export PYTEST_ADDOPTS="--cov=cfiddle_slurm --cov-append --cov-report="

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

step "ruff, mypy, shellcheck, and who imports whom"
$bin/ruff check .
$bin/ruff format --check .
$bin/mypy
$bin/lint-imports --no-cache --no-logo
# Shell is known by its first line: most scripts have no suffix.
scripts=$(find .ci cluster examples sandbox tests -type f -exec \
    awk 'FNR == 1 && /^#!\/bin\/(ba)?sh/ { print FILENAME } { nextfile }' {} +)
# shellcheck disable=SC2086 # a file a word
$bin/shellcheck $scripts

step "unit tests"
rm -f .coverage .coverage.*
$bin/pytest tests/unit --numprocesses=auto --dist=worksteal -q

was_up=no
if docker info >/dev/null 2>&1 && $bin/python -m cfiddle_slurm.cluster status >/dev/null 2>&1; then
    was_up=yes
fi
installation=$(mktemp)
week=$(mktemp)
installing=""
administering=""
# `provision` changes these, on test machines for this one, too: they have one kernel.
kernel=/proc/sys/kernel
counters=$(cat "$kernel/perf_event_paranoid" 2>/dev/null) || counters=""
addresses=$(cat "$kernel/kptr_restrict")
finish() {
    for child in $installing $administering; do
        # It removes what it made; it may have ended, and how it ends is no test's result any more.
        kill "$child" 2>/dev/null || true
        wait "$child" || true
    done
    rm -f "$installation" "$week"
    [ -z "$counters" ] || echo "$counters" >"$kernel/perf_event_paranoid"
    echo "$addresses" >"$kernel/kptr_restrict"
    [ "$was_up" = yes ] || make --no-print-directory down
}
trap finish EXIT

# It waits for downloads most of the time: others have the processors meanwhile.
PYTEST_ADDOPTS="" $bin/pytest tests/packaging tests/processes -q -v --no-header >"$installation" 2>&1 &
installing=$!

step "behaviour, scheduler=local"
$bin/pytest tests/behaviour --scheduler=local -q

step "the one-machine cluster"
# What is tested is this very version, whatever is open on a cluster that is up already.
make --no-print-directory up UP_OPTIONS=--now

step "the sandbox, against the engine"
$bin/pytest tests/sandbox -q

step "behaviour, scheduler=slurm, the cluster itself, and Jupyter in a browser"
$bin/pytest tests/cluster -q

step "installation into empty environments, and what needs processes of its own"
installed=0
wait "$installing" || installed=$?
installing=""
cat "$installation"
[ "$installed" = 0 ] || exit "$installed"

# Both wait most of the time: for services that start, for Slurm's time-outs, for Docker's.
hostile="tests/machines/test_attacks.py tests/machines/test_doors.py tests/machines/test_faults.py
    tests/machines/test_floods.py"
ignored=$(for file in $hostile; do printf -- '--ignore=%s ' "$file"; done)
# shellcheck disable=SC2086 # a file, an option a word
COVERAGE_FILE="$PWD/.coverage.week" $bin/pytest tests/machines $ignored -v --no-header >"$week" 2>&1 &
administering=$!

step "a cluster of three machines: attacks and faults"
attacked=0
# shellcheck disable=SC2086
$bin/pytest $hostile -v --no-header || attacked=$?

step "another cluster of three machines, meanwhile: an administrator's week"
administered=0
wait "$administering" || administered=$?
administering=""
cat "$week"
[ "$attacked" = 0 ] || exit "$attacked"
[ "$administered" = 0 ] || exit "$administered"

[ -n "${COVERAGE:-}" ] || exit 0
step "coverage of what ran in these processes (not inside containers)"
$bin/coverage combine --append --quiet .coverage.week
$bin/coverage report --skip-covered
