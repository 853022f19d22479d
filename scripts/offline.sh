#!/bin/sh
# Fills dist/offline/{linux,windows} with all that a laptop without network needs: sh scripts/offline.sh PYTHON
set -eu
python=${1:-python3}
rm -rf dist
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
wheel=$(ls dist/leukolens-*.whl)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
fetch() {
    folder=$1
    shift
    mkdir -p "dist/offline/$folder"
    "$python" -m pip download --quiet --disable-pip-version-check --only-binary=:all: --python-version "$version" \
        --implementation cp --dest "dist/offline/$folder" "$@" "$wheel"
    cat > "dist/offline/$folder/INSTALL.txt" <<END
LeukoLens for a computer without network ($folder, Python $version).

1. Install Python $version from python.org if it is not there.
2. In this folder, run:   python -m pip install --no-index --find-links . leukolens
3. Try it:                leukolens doctor
                          leukolens classify YOUR_IMAGES --out calls.csv

Research use. Not a medical device: do not diagnose with it.
END
}
fetch linux --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64
# click needs colorama on Windows alone, which pip cannot see from another system.
fetch windows --platform win_amd64 colorama
du -sh dist/offline/*
