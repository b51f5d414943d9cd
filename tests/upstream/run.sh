#!/bin/sh
# The chains with the real packages, which no registry has:
#   make test-upstream DIR=/path/with/delegate-function/and/cfiddle
# DIR holds checkouts of delegate_function and, if its own tests are wanted too, of CFiddle's branch
# `devel`. Both are installed into an environment of their own, below build/; nothing of it is kept.
set -eu
cd "$(dirname "$0")/../.."
dir=$1
[ -e "$dir/delegate-function/setup.py" ] || {
    echo "There is no checkout of delegate-function in $dir: make test-upstream DIR=..." >&2
    exit 2
}
venv=build/upstream
# CFiddle's library of counters is built against it.
[ -e /usr/include/perfmon/pfmlib.h ] || apt-get -qq install --yes --no-install-recommends libpfm4-dev >/dev/null
[ -e "$venv/ready" ] || {
    python3 -m venv "$venv"
    # CFiddle's setup.py imports distutils, which setuptools stands in for.
    "$venv/bin/pip" --quiet --disable-pip-version-check install 'setuptools<80' wheel click dill pyyaml pytest-mock
    "$venv/bin/pip" --quiet --disable-pip-version-check install --editable '.[test]'
    touch "$venv/ready"
}
# Copies: building writes into the folder.
copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT
cp -r "$dir/delegate-function" "$copies/"
"$venv/bin/pip" --quiet --disable-pip-version-check install --no-deps --no-build-isolation "$copies/delegate-function"
if [ -e "$dir/cfiddle/setup.py" ]; then
    cp -r "$dir/cfiddle" "$copies/"
    "$venv/bin/pip" --quiet --disable-pip-version-check install --no-deps --no-build-isolation \
        --force-reinstall "$copies/cfiddle"
fi
TEST_UPSTREAM=1 PATH="$PWD/$venv/bin:$PATH" \
    "$venv/bin/pytest" tests/behaviour --scheduler="${SCHEDULER:-local}" -p no:cacheprovider -q
