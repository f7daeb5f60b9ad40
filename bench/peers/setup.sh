#!/usr/bin/env bash
# Makes the Python environment of the peers and oracles in ${ATTUNE_VENV:-.venv}; attune itself needs none of it.
#   bench/peers/setup.sh            what requirements.txt and requirements-templates.txt name
#   bench/peers/setup.sh --setfit   and what requirements-setfit.txt names (only the study of the recipe)
# Complete already: returns at once. Interrupted: run it again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
venv=${ATTUNE_VENV:-.venv}

lists=(requirements.txt requirements-templates.txt)
case ${1:-} in
  "") ;;
  --setfit) lists+=("requirements-${1#--}.txt") ;;
  *) echo "usage: bench/peers/setup.sh [--setfit]" >&2; exit 2 ;;
esac

missing=()
for list in "${lists[@]}"; do
  cmp -s "$here/$list" "$venv/.attune-$list" || missing+=("$list")
done
if [ ${#missing[@]} -eq 0 ] && [ -x "$venv/bin/python" ]; then exit 0; fi

if [ ! -x "$venv/bin/pip" ]; then
  python3 -m venv "$venv" || { echo "error: python3 -m venv failed; install python3-venv" >&2; exit 1; }
fi

install_torch() {
  local torch=$1
  "$venv/bin/python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '${torch#torch==}')" 2>/dev/null && return
  # Where the index offers only the CUDA build, its libraries (gigabytes) would come along: stop before that.
  local plan
  plan=$("$venv/bin/pip" install --quiet --dry-run --report - "$torch") || exit 1
  if grep -qE '"name": *"(nvidia|triton|cuda)' <<<"$plan"; then
    echo "error: pip would bring the CUDA build of $torch; point it at an index of CPU builds (PIP_EXTRA_INDEX_URL)" >&2
    exit 1
  fi
  "$venv/bin/pip" install --quiet "$torch"
}

for list in "${missing[@]}"; do
  torch=$(grep -m1 '^torch==' "$here/$list" || true)
  if [ -n "$torch" ]; then install_torch "$torch"; fi
  # Against the pinned list as constraints, so that no later list moves what an earlier one fixed.
  alone=()
  if [ "$list" = requirements-templates.txt ]; then alone=(--no-deps); fi
  "$venv/bin/pip" install --quiet "${alone[@]}" -c "$here/requirements.txt" -r "$here/$list"
  cp "$here/$list" "$venv/.attune-$list"
done
echo "peers ready in $venv"
