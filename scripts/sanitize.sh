#!/usr/bin/env bash
# The tests in a build that stops at the first access outside of memory, use after free, leak or undefined operation (build/asan), or
# at the first race between threads (build/tsan).
#   scripts/sanitize.sh [arguments of ctest]           every test but that of the installation
#   scripts/sanitize.sh threads [arguments of ctest]   those in which threads work together
set -euo pipefail
cd "$(dirname "$0")/.."
preset=asan chosen=(-E '^install$')
if [ "${1:-}" = threads ]; then
  shift
  preset=tsan chosen=(-R '^(base|encode_dataset|headfit|predict|resume|train|trainer)$')
fi
# train_again loads a library before the sanitizer's own.
export ASAN_OPTIONS=detect_leaks=1:verify_asan_link_order=0 UBSAN_OPTIONS=print_stacktrace=1
cmake --preset "$preset" >/dev/null
cmake --build "build/$preset"
ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" "${chosen[@]}" "$@"
