#!/usr/bin/env bash
# The study of the recipe: attune's default beside its peers on ten rows of data sets and sizes.
#   bench/study/run.sh [peers|attune|tasks|adapt|embed|table|all]      tasks: the tasks beyond single labels beside transformers
# Can be stopped at any time; run again, it goes on. Results: docs/results/*.jsonl and the table in docs/results.md.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
export ATTUNE_VENV=${ATTUNE_VENV:-.venv}
python=$ATTUNE_VENV/bin/python
what=${1:-all}

case $what in
  peers) parts=(peers) ;;
  attune) parts=(attune_runs) ;;
  tasks) parts=(tasks tasks_table) ;;
  adapt) parts=(adapt) ;;
  embed) parts=(embed) ;;
  table) parts=(table tasks_table) ;;
  all) parts=(peers attune_runs tasks table tasks_table) ;;
  *) echo "usage: bench/study/run.sh [peers|attune|tasks|adapt|embed|table|all]" >&2; exit 2 ;;
esac

case $what in
  peers | embed | all) bench/peers/setup.sh --setfit ;;
  *) bench/peers/setup.sh ;;
esac
if [ "$what" != table ]; then "$python" bench/study/subsets.py >/dev/null; fi
for part in "${parts[@]}"; do "$python" "bench/study/$part.py"; done
