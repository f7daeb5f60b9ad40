#!/usr/bin/env bash
# Runs the tests of build/release and ends with ctest's summary and the names of those that were skipped, with the reason.
#   scripts/test.sh [--no-skips] [arguments of ctest]     --no-skips: a skipped test is a failure
set -uo pipefail
cd "$(dirname "$0")/.." || exit
no_skips=0
if [ "${1:-}" = --no-skips ]; then no_skips=1; shift; fi
build=build/release
# The build remembers where the data are; what is said now wins.
data=${ATTUNE_TEST_DATA:-}
if [ "$data" != "$(sed -n 's/^ATTUNE_TEST_DATA:PATH=//p' "$build/CMakeCache.txt")" ]; then
  cmake -S . -B "$build" -DATTUNE_TEST_DATA:PATH="$data" >/dev/null || exit
fi
ctest --test-dir "$build" --output-on-failure -j "$(nproc)" "$@"
code=$?
skipped=$(awk '/^[0-9]+\/[0-9]+ Testing: / { name = $3 }
               /^SKIPPED: / { sub(/^SKIPPED: /, ""); print "  " name ": " $0 }' "$build/Testing/Temporary/LastTest.log" | sort -u)
if [ -n "$skipped" ]; then
  printf '\nSKIPPED\n%s\n' "$skipped"
  [ "$no_skips" = 0 ] || [ "$code" -ne 0 ] || code=1
fi
exit "$code"
