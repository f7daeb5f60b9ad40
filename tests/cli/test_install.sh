#!/usr/bin/env bash
# Installs into a folder of its own; then the public symbols, pkg-config, the CMake package, and the example program.
set -euo pipefail
build=$1 source=$2
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
says_usage() { [[ $("$1" 2>&1) == usage:* ]]; }
fail() { echo "FAILED: $*"; exit 1; }

cmake --install "$build" --prefix "$prefix" >/dev/null
library=$(find "$prefix" -name 'libattune.so')
export PKG_CONFIG_PATH=${library%/*}/pkgconfig LD_LIBRARY_PATH=${library%/*}

for file in bin/attune include/attune.h share/man/man1/attune.1 share/bash-completion/completions/attune share/zsh/site-functions/_attune; do
  [ -s "$prefix/$file" ] || fail "$file is missing"
done
"$prefix/bin/attune" --version | grep -qx "attune $(pkg-config --modversion attune)" || fail "versions differ"
objdump -p "$library" | grep -q 'SONAME.*libattune.so.0' || fail "no soname"

declared=$(grep -v '#define' "$prefix/include/attune.h" | grep -oE 'AT_API [^(]*\(' | sed -E 's/.*[ *]([a-z_]+)\($/\1/' | sort)
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
[ "$declared" = "$exported" ] || fail "declared and exported differ: $(diff <(echo "$declared") <(echo "$exported"))"

# shellcheck disable=SC2046
gcc -std=c11 -Wall -Wextra -Werror "$source/examples/fine_tune.c" $(pkg-config --cflags --libs attune) -o "$prefix/by-pkg-config"
says_usage "$prefix/by-pkg-config" || fail "the example does not run"

mkdir "$prefix/project"
cp "$source/examples/fine_tune.c" "$prefix/project/"
cat >"$prefix/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(example LANGUAGES C)
find_package(attune 0.1 REQUIRED)
add_executable(example fine_tune.c)
target_link_libraries(example PRIVATE attune::attune)
END
cmake -S "$prefix/project" -B "$prefix/project/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$prefix/project/build" >/dev/null
says_usage "$prefix/project/build/example" || fail "the CMake example does not run"
echo "installed and used"
