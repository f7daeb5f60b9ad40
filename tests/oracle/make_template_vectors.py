#!/usr/bin/env python3
"""Records what jinja2, set up as transformers sets it up, makes of the cases and templates that tests/unit/test_templates.c checks.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_template_vectors.py     writes tests/text/data/templates/vectors.json

The templates in that folder are written for these tests: each gives the form of one well-known kind of chat model by the means that such models'
templates use. Published templates are compared live (live_templates.py FOLDER).
"""
import json
from pathlib import Path

from live_templates import spans_of, theirs
from template_cases import EXPRESSIONS, TEMPLATES, VARIABLES, WRONG
from template_chats import CHATS

DATA = Path(__file__).resolve().parents[1] / "text" / "data" / "templates"


def recorded(template, variables):
    right = theirs(template, variables)
    if "error" in right:
        return {"error": True}
    return {"text": right["text"], "spans": spans_of(template, variables)} if "{% generation %}" in template else {"text": right["text"]}


def main():
    small = ["{{ (" + e + ",) }}" if ", " in e else "{{ " + e + " }}" for e in EXPRESSIONS] + TEMPLATES + WRONG
    chats = {n: {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None, "add_generation_prompt": False, **c} for n, c in CHATS.items()}
    out = {"variables": VARIABLES, "small": [{"template": t, **recorded(t, VARIABLES)} for t in small], "chats": chats, "files": {}}
    for path in sorted(DATA.glob("*.jinja")):
        out["files"][path.name] = {name: recorded(path.read_text(), variables) for name, variables in chats.items()}
    (DATA / "vectors.json").write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n")
    texts = sum("text" in r for f in out["files"].values() for r in f.values())
    print(f"{len(small)} small templates, {len(out['files'])} files with {texts} texts")


if __name__ == "__main__":
    main()
