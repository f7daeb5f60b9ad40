#!/usr/bin/env bash
# The demonstration: a real pre-trained encoder becomes a classifier of customer messages, is judged and used.
set -euo pipefail
cd "$(dirname "$0")/.."
attune=build/release/src/attune
data=examples/support-sentiment
out=build/demo

scripts/model.sh
model=sentence-transformers/all-MiniLM-L6-v2

echo
echo "1. Train: $data/train.csv, 445 customer messages labelled negative, neutral, positive"
train=("$attune" train --model "$model" --train "$data/train.csv" --output "$out")
if [ -d "$out" ] && ! "${train[@]}" --dry-run --quiet >/dev/null 2>&1; then train+=(--restart); fi # of another version
"${train[@]}"
echo
echo "2. Judge on messages it has never seen: $data/test.csv"
"$attune" eval --model "$out" "$data/test.csv" --mistakes 3
echo
echo "3. Use it on new messages: $data/new.txt"
"$attune" predict --model "$out" --input "$data/new.txt" --format text
echo
cat <<END
The model is in $out: an ordinary Hugging Face folder.
Try next:
  $attune predict --model $out "your own message"
  $attune check $data/train.csv --test $data/test.csv      look for trouble in data
  $attune train --help                                      methods and settings
  $attune train --model $model --train YOUR.csv --output my-model
END
