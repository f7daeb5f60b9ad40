#!/usr/bin/env python3
"""What attune writes as GGUF, run by llama.cpp: tests/oracle/live_llama.py build/release/src/attune MODEL [TEXT ...]

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_llama.py build/release/src/attune SmolLM2-135M-Instruct.Q4_1.gguf

MODEL is a folder of a decoder, or a GGUF file. It goes out in every type; the mean loss of each text, with the token that ends it, is that of `attune predict` on
the same file, and greedy tokens agree up to where the two best are closer than the type's error. Needs llama-cpp-python, which is no part of
bench/peers/setup.sh: without a wheel for the machine pip compiles llama.cpp for minutes.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

try:
    from llama_cpp import Llama
except ImportError:
    sys.exit("error: llama-cpp-python is not installed: pip install llama-cpp-python")

TEXTS = ["The capital of France is Paris, and the river that runs through it is the Seine.",
         "Dear Sir or Madam, I am writing to complain about the service that I received on Monday."]
TOLERANCE = {"f32": 2e-3, "f16": 5e-3, "bf16": 2e-2, "q8_0": 2e-2}
NEW, LEAD = 16, 0.2


def attune(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: attune {arguments[0]}: {done.stderr}")
    return done.stdout


def llama_loss(model, text):
    """Mean loss over all tokens but the first, the end among them."""
    ids = model.tokenize(text.encode(), add_bos=False, special=True)
    if model.token_eos() >= 0:
        ids.append(model.token_eos())
    model.reset()
    model.eval(ids)
    logits = np.float64(model.scores[:len(ids) - 1])
    logits -= logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits).sum(axis=1))
    return float(np.mean(log_sum - logits[np.arange(len(ids) - 1), ids[1:]])), len(ids) - 1


def greedy_agrees(program, model, path, text):
    """Number of equal tokens; a difference counts only where llama.cpp was sure of its own."""
    said = attune(program, "generate", "--model", path, "--max-new-tokens", NEW, "--json", text).splitlines()
    ours = next(json.loads(line)["ids"] for line in said if '"generated"' in line)
    ids = model.tokenize(text.encode(), add_bos=False, special=True)
    for n, token in enumerate(ours):
        model.reset()
        model.eval(ids)
        row = model.scores[len(ids) - 1]
        best = int(np.argmax(row))
        if best != token:
            assert row[best] - row[token] < LEAD, f"token {n}: {token}, llama.cpp takes {best} by {row[best] - row[token]:.3f}"
            return n
        ids.append(token)
    return len(ours)


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: live_llama.py PROGRAM MODEL [TEXT ...]")
    program, source, texts = sys.argv[1], sys.argv[2], sys.argv[3:] or TEXTS
    with tempfile.TemporaryDirectory() as work:
        for kind, tolerance in TOLERANCE.items():
            path = Path(work) / f"{kind}.gguf"
            attune(program, "export", "--to", "gguf", "--type", kind, "--model", source, "--output", path)
            model = Llama(str(path), n_ctx=512, logits_all=True, verbose=False)
            for text in texts:
                ours = json.loads(attune(program, "predict", "--model", path, "--format", "jsonl", text))
                loss, tokens = llama_loss(model, text)
                assert tokens == ours["tokens"], f"{kind}: {tokens} tokens, {ours['tokens']} in attune"
                assert abs(loss - ours["loss"]) < tolerance * max(1, loss), f"{kind}: loss {loss}, {ours['loss']} in attune"
                same = greedy_agrees(program, model, path, text)
                print(f"{kind}: loss {loss:.5f}, in attune {ours['loss']:.5f}; {same} of {NEW} greedy tokens equal")


if __name__ == "__main__":
    main()
