#!/usr/bin/env bash
# The live comparison with transformers and tokenizers, installed by bench/peers/setup.sh into $ATTUNE_VENV (default .venv).
#   scripts/compare.sh          what the gate runs: the real model, ONNX, chat templates, and the tokenizers on nasty and random texts in every setting
#   scripts/compare.sh --all    also every code point and every line of the test texts in every setting, and 100,000 random strings for each of the
#                               tokenizers of the test data (an hour)
set -euo pipefail
cd "$(dirname "$0")/.."
python="${ATTUNE_VENV:-.venv}/bin/python"
build=build/release
[ -x "$python" ] || { echo "$python is not there: run bench/peers/setup.sh first" >&2; exit 1; }
model=${ATTUNE_TEST_MODEL:-$($build/src/attune fetch sentence-transformers/all-MiniLM-L6-v2 --json | "$python" -c '
import json, sys
print([json.loads(line)["folder"] for line in sys.stdin if "folder" in line][-1])')}

"$python" bench/check_imports.py
"$python" tests/oracle/live_minilm.py --probe $build/tests/attune_probe --model "$model"
"$python" tests/oracle/live_families.py --probe $build/tests/attune_probe
"$python" tests/oracle/live_onnx.py --program $build/src/attune --probe $build/tests/attune_probe --task-probe $build/tests/attune_task_probe
"$python" tests/oracle/live_folder.py --program $build/src/attune --model "$model"
"$python" tests/oracle/live_tasks.py --program $build/src/attune --probe $build/tests/attune_task_probe --model "$model"
PYTHONPATH=tests/oracle "$python" tests/oracle/live_templates.py $build/tests/template_driver
"$python" tests/oracle/live_gguf.py $build/src/attune "$model"
"$python" tests/oracle/live_embed.py --program $build/src/attune --model "$model"
"$python" tests/oracle/live_write.py --program $build/src/attune
"$python" tests/oracle/live_language.py --program $build/src/attune
parts=(nasty)
[ "${1:-}" != --all ] || parts+=(points text)
if [ "${1:-}" = --all ]; then
  ATTUNE_RANDOM=100000 "$python" tests/oracle/live_kinds.py $build/tests/tokenizer_driver files
else
  RUST_BACKTRACE=0 ATTUNE_RANDOM=150 "$python" tests/oracle/live_kinds.py $build/tests/tokenizer_driver random files
fi
"$python" tests/oracle/live_tokenizer.py $build/tests/tokenizer_driver "${parts[@]}"
