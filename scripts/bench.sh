#!/usr/bin/env bash
# Speed: kernels against the machine's probes, the tokenizer and whole steps beside their peers (bench/peers/setup.sh installs those).
#   scripts/bench.sh [arguments of bench/peers/side_by_side.py]     --help there; --quick tries the program without giving figures
# About twelve minutes on two quiet cores; nothing else should run meanwhile. Writes build/bench.json, build/bench-predict.json,
# build/bench-kernels.jsonl and the tables of docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."
export ATTUNE_VENV="${ATTUNE_VENV:-.venv}"
python=$ATTUNE_VENV/bin/python
programs=build/release/bench
[ -x "$programs/bench_train" ] || { echo "$programs/bench_train is not built: run make first" >&2; exit 1; }
bench/peers/setup.sh
if [ -z "${ATTUNE_TEST_MODEL:-}" ]; then
  scripts/model.sh
  ATTUNE_TEST_MODEL=$(build/release/src/attune fetch sentence-transformers/all-MiniLM-L6-v2 --json |
    sed -n 's/.*"folder": *"\([^"]*\)".*/\1/p' | tail -1)
fi
export ATTUNE_TEST_MODEL

printf '== kernels, one thread\n'
"$programs/bench_kernels" --json --seconds 0.1 >build/bench-kernels.jsonl.tmp
"$programs/bench_half" --json --seconds 0.1 >>build/bench-kernels.jsonl.tmp
mv build/bench-kernels.jsonl.tmp build/bench-kernels.jsonl
"$python" bench/peers/kernel_table.py build/bench-kernels.jsonl

printf '\n== tokenizer, one thread each\n'
"$python" bench/peers/texts.py build/bench/texts
"$python" bench/peers/tokenizer.py "$programs/bench_tokenizer" "$ATTUNE_TEST_MODEL" build/bench/texts/ag_news.csv 5

printf '\n== steps of full fine-tuning, fp32\n'
"$python" bench/peers/side_by_side.py "$@"

printf '\n== prediction, fp32\n'
"$python" bench/peers/predict_side_by_side.py

printf '\n== a head on the frozen body, fp32\n'
"$python" bench/peers/head_side_by_side.py
