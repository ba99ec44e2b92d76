#!/bin/sh
# A CI job in plain shell: the tests with all lockfiles of locks/ in one session, with a JSON and a junit report.
set -eu

# A directory that the CI system keeps from run to run.
export ENVSYNC_CACHE_DIR="${ENVSYNC_CACHE_DIR:-$PWD/.cache/envsync}"

python -m pip install --quiet pytest-envsync

set --
for lock in locks/*.txt; do
    set -- "$@" --envsync "$lock"
done
status=0
pytest "$@" -n 2 --envsync-option=--require-hashes --envsync-drift fail \
    --envsync-report report.json --junitxml junit.xml || status=$?

# What goes into the saved cache: the environments, and the wheels that were built here.
envsync env prune --older-than 7d --max-size 2GB
envsync cache prune --ci
exit $status
