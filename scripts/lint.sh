#!/usr/bin/env bash
# The rules of the house that a compiler does not know, and both compilers' warnings.
#   1. folders include only what stands left of them           5. names: at_ in the library, no mutable globals
#   2. no function over 60 lines, no file over 600             6. headers compile alone
#   3. calls that are forbidden                                7. no warning from the second compiler
#   4. no unfinished places                                    8. shell scripts
#   9. files that the documents name
# A longer function needs a line `/* long: why */` above it; a longer file the same in its first lines.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
found=$(mktemp)
trap 'rm -f "$found" "$found".*' EXIT
sources() { git ls-files -co --exclude-standard "$@"; }
mapfile -t code < <(sources 'src/*.c' 'src/*.h' 'include/*.h')
mapfile -t headers < <(sources 'src/*.h' 'include/*.h')

# 1. The folders each folder may use, beside itself and attune.h.
declare -A may=(
  [base]="" [backend]="base" [tensor]="base backend" [op]="base backend tensor"
  [io]="base" [text]="base" [hub]="base"
  [model]="base backend tensor op io text"
  [train]="base backend tensor op model io text"
  [infer]="base backend tensor op model train io text"
  [export]="base backend tensor op model io text"
  [task]="base backend tensor op model train infer io text"
  [tune]="base backend tensor op model train infer task io text"
  [report]="base backend tensor op model train infer task tune io text"
  [run]="base backend tensor op model train infer export task tune report io text hub"
  [serve]="base backend tensor op model train infer task tune report run io text hub"
  [cli]=""
)
for file in "${code[@]}"; do
  [[ $file == src/* ]] || continue
  folder=${file#src/} folder=${folder%%/*}
  if [ -z "${may[$folder]+known}" ]; then echo "$file: the folder is not in scripts/lint.sh" >>"$found"; continue; fi
  grep -nE '^#include "' "$file" | while IFS=: read -r line include; do
    name=${include#*\"} name=${name%%\"*} used=${name%%/*}
    [[ $name == attune.h || $used == "$folder" ]] && continue
    [[ $name != */* ]] && { echo "$file:$line: include \"$name\" by its path from src/"; continue; }
    [[ " ${may[$folder]} " == *" $used "* ]] || echo "$file:$line: $folder may not use $used"
  done >>"$found"
done

# 2. Lengths. A function begins at a line that starts with a word and ends with '{', and ends at a '}' in the first column.
for file in "${code[@]}"; do
  awk -v file="$file" '
    /\/\* long: / { reason = NR; if (NR <= 10) file_reason = 1 }
    !start && /\) \{$/ { start = NR; excused = (reason && NR - reason <= 4) }
    /^}/ { if (start && NR - start > 60 && !excused) print file ":" start ": a function of " NR - start + 1 " lines"; start = 0 }
    END { if (NR > 600 && !file_reason) print file ": " NR " lines" }' "$file" >>"$found"
done

# 3. and 4. Comments, strings and characters are blanked out first; lines stay.
blank() { perl -0pe 's{/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27}{my $t=$&; $t=~s/[^\n]//g; $t}gse' "$1"; }
for file in "${code[@]}"; do
  forbidden='strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|atol|alloca|system|popen|setjmp|longjmp|rand|srand|tmpnam|mktemp'
  [[ $file == src/cli/* ]] || forbidden+='|exit|_exit|abort|printf|puts|putchar|perror|atoi|atof'
  blank "$file" | grep -nE "(^|[^a-zA-Z0-9_])($forbidden)[[:space:]]*\(" | sed "s|^|$file:|; s|\$| (forbidden call)|" >>"$found"
  grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "$file" | sed "s|^|$file:|; s|\$| (unfinished)|" >>"$found"
  grep -nP '\t|[ ]+$' "$file" | sed "s|^|$file:|; s|\$| (tab or space at the end)|" >>"$found"
done

# 5. What the compiled library defines.
library=build/release/src/libattune_static.a
if [ -f "$library" ]; then
  nm --defined-only -g "$library" 2>/dev/null | awk 'NF == 3 && $3 !~ /^at_/ { print "library: symbol " $3 " has no at_ prefix" }' >>"$found"
  objdump -t "$library" | awk '/file format/ { object = $1 } ($4 == ".data" || $4 == ".bss" || $3 == ".data" || $3 == ".bss") && / O / { print "library: " object " " $NF " is mutable and global" }' >>"$found"
else
  echo "build/release is missing: run make first" >>"$found"
fi

# 6. and 7.
flags=(-std=c11 -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Werror -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Iinclude -Isrc)
for header in "${headers[@]}"; do
  machine=()
  case $header in *_avx2.h) machine=(-mavx2 -mfma) ;; *_avx512.h) machine=(-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma) ;; esac
  printf '#include "%s"\n' "${header#*/}" | gcc -O1 "${flags[@]}" "${machine[@]}" -fsyntax-only -x c - 2>"$found.log" || { echo "$header: does not compile alone"; head -3 "$found.log"; } >>"$found"
done
if command -v clang-14 >/dev/null; then
  { cmake --preset clang && cmake --build --preset clang; } >"$found.log" 2>&1 || { echo "clang-14:"; grep -E '(error|warning):' "$found.log" | sort -u | head -40; } >>"$found"
else
  echo "clang-14 is missing: scripts/setup.sh lint" >>"$found"
fi

# 8.
mapfile -t scripts < <(sources '*.sh' '.ci/run')
for script in "${scripts[@]}"; do bash -n "$script" 2>>"$found"; done
if command -v shellcheck >/dev/null && [ ${#scripts[@]} -gt 0 ]; then
  shellcheck -S warning -f gcc "${scripts[@]}" >>"$found"
fi

# 9. A path, or a file's name alone, in backticks. NAME stands for any; what the study writes is not in the repository.
grep -noE '`[A-Za-z0-9_./*-]+`' README.md docs/*.md | tr -d '`' | grep -v -e NAME -e docs/results/ | while IFS=: read -r file line name; do
  case $name in
    src/* | include/* | examples/* | scripts/* | tests/* | bench/* | docs/*) [ -n "$(git ls-files -co --exclude-standard "$name" | head -1)" ] ;;
    *.c | *.h | *.inc) [ -n "$(git ls-files -co --exclude-standard "*/${name##*/}" | head -1)" ] ;;
    *) true ;;
  esac || echo "$file:$line: there is no $name"
done >>"$found"

if [ -s "$found" ]; then
  cat "$found"
  echo "lint: $(wc -l <"$found") findings"
  exit 1
fi
echo "lint: nothing found in ${#code[@]} files"
