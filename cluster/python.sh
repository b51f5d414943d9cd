#!/bin/sh
# python.sh PYTHON VENV: make a virtual environment with this package and all that its tests need.
# Installs the distribution's packages for it where they are missing (as root).
set -eu

python=$1
venv=$2

missing=""
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || missing="python3"
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
# CFiddle compiles experiments, and asks the compiler for the machine's name when it is imported.
command -v g++ >/dev/null || missing="$missing g++"
# CFiddle's library loads libpfm.
ldconfig -p | grep -q 'libpfm\.so\.4' || missing="$missing libpfm4"
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || {
        echo "python.sh: please install:$missing" >&2
        exit 1
    }
    apt-get -qq update
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $missing >/dev/null
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[cluster,test]'
