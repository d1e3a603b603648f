#!/usr/bin/env bash
# What a GPU has to show, in less than eight minutes, on a machine that has torch, torchvision, numpy, pandas and safetensors and no network:
#
#   benchmarks/gpu.sh --make-wheels FOLDER [PYTHON]   beforehand, with a network: the packages that it lacks, for that Python [3.12], Linux x86-64
#   benchmarks/gpu.sh [--wheels FOLDER] [ARGUMENTS]   there; arguments go to benchmarks/gpu.py, e.g. --images cifar10.zip --out FOLDER
#   benchmarks/gpu.sh --device cpu --tiny             a rehearsal anywhere
#
# Wheels are unpacked, not installed: the machine need not have pip. Python is $PYTHON, else that of .venv, else python3.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$([ -x "$here/.venv/bin/python" ] && echo "$here/.venv/bin/python" || echo python3)}

if [ "${1:-}" = --make-wheels ]; then
    target=(--dest "$2" --only-binary=:all: --python-version "${3:-3.12}" --implementation cp --quiet)
    for tag in manylinux_2_28 manylinux_2_27 manylinux_2_24 manylinux_2_17 manylinux2014 manylinux_2_12 manylinux_2_5; do
        target+=(--platform "${tag}_x86_64")
    done
    "$python" -m pip download "${target[@]}" "pydantic>=2.9,<3" "sqlalchemy>=2.0.36,<3" "alembic>=1.14,<2" "pytest>=8.3"
    "$python" -m pip download "${target[@]}" --no-deps "psutil>=6" "nvidia-ml-py>=12"
    exit
fi

if [ "${1:-}" = --wheels ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    for wheel in "$2"/*.whl; do "$python" -m zipfile -e "$wheel" "$site"; done
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
    shift 2
fi
"$python" "$here/benchmarks/gpu.py" "$@"
