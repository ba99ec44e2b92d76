#!/bin/sh
# A CI job in plain shell: the tests with each lockfile of locks/, a JSON and a junit report for each.
set -eu

# A directory that the CI system keeps from run to run.
export ENVSYNC_CACHE_DIR="${ENVSYNC_CACHE_DIR:-$PWD/.cache/envsync}"

python -m pip install --quiet pytest-envsync
mkdir -p reports

status=0
for lock in locks/*.txt; do
    name=$(basename "$lock" .txt)
    pytest --envsync "$lock" --envsync-option=--require-hashes --envsync-drift fail \
        --envsync-report "reports/$name.json" --junitxml "reports/$name.xml" || status=1
done

# What goes into the saved cache: the environments, and the wheels that were built here.
envsync env prune --older-than 7d --max-size 2GB
envsync cache prune --ci
exit $status
