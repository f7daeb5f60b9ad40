#!/usr/bin/env python3
"""Chat templates in our interpreter against jinja2 as transformers sets it up.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_templates.py build/release/tests/template_driver [FOLDER-OF-TEMPLATES ...]

Expressions and small templates of template_cases.py: equal text, and equal spans of {% generation %}; what jinja2 refuses we refuse, with line and
column. Then every *.jinja of tests/text/data/templates, the published templates that the package trl holds (of Llama 3, Gemma, Qwen, DeepSeek, Phi,
Cohere, GLM, gpt-oss, LFM2, Nemotron, SmolVLM and more), and those of the folders named, with conversations of every kind. Ends with 1 where a text differs.
"""
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from template_cases import EXPRESSIONS, TEMPLATES, VARIABLES, WRONG
from template_chats import CHATS
from transformers.utils import chat_template_utils

ROOT = Path(__file__).resolve().parents[2]


def theirs(template, variables):
    try:
        compiled = chat_template_utils._compile_jinja_template(template)
        return {"text": compiled.render(**variables)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def spans_of(template, variables):
    """In bytes, where transformers counts characters."""
    compiled = chat_template_utils._compile_jinja_template(template)
    text, spans = chat_template_utils._render_with_assistant_indices(
        compiled, messages=variables.get("messages"), tools=variables.get("tools"), documents=None, add_generation_prompt=variables.get("add_generation_prompt", False),
        **{k: v for k, v in variables.items() if k not in ("messages", "tools", "documents", "add_generation_prompt")})
    return [[len(text[:a].encode()), len(text[:b].encode())] for a, b in spans]


class Driver:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, template, variables):
        self.process.stdin.write(json.dumps({"template": template, "variables": variables, "now": 0}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the driver ended at {template!r}")
        return json.loads(line)


def compare(ours, template, variables, what, failures):
    right, given = theirs(template, variables), ours(template, variables)
    if "text" in right:
        if given.get("text") != right["text"]:
            failures.append(what)
            print(f"FAIL {what}\n  theirs {right['text']!r}\n  ours   {given.get('text', given)!r}")
            return
        if "{% generation %}" in template and given["spans"] != spans_of(template, variables):
            failures.append(what + " spans")
            print(f"FAIL {what}: spans {given['spans']} and {spans_of(template, variables)}")
    elif "error" not in given:
        failures.append(what)
        print(f"FAIL {what}: theirs refuse ({right['error']}), ours gives {given['text']!r}")


def main():
    ours, failures, n = Driver(sys.argv[1]), [], 0
    for expression in EXPRESSIONS:
        compare(ours, "{{ (" + expression + ",) }}" if ", " in expression else "{{ " + expression + " }}", VARIABLES, expression, failures)
        n += 1
    for template in TEMPLATES:
        compare(ours, template, VARIABLES, template, failures)
        n += 1
    for template in WRONG:
        right, given = theirs(template, VARIABLES), ours(template, VARIABLES)
        n += 1
        if "error" not in right:
            failures.append(template)
            print(f"FAIL {template!r} is not wrong: {right}")
        if "error" not in given or not given["error"].startswith("template:") or not given["error"].split(":")[1].isdigit():
            failures.append(template)
            print(f"FAIL {template!r}: {given}")
    spec = importlib.util.find_spec("trl")
    if not spec:
        sys.exit("the package trl is not there: run bench/peers/setup.sh")
    published = Path(spec.origin).parent / "chat_templates"
    n_published = len(list(published.glob("*.jinja")))
    if n_published < 50:
        failures.append(f"{n_published} published templates")
    for folder in [published, ROOT / "tests/text/data/templates", *map(Path, sys.argv[2:])]:
        for path in sorted(folder.rglob("*.jinja")):
            for name, chat in CHATS.items():
                variables = {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None, "add_generation_prompt": False, **chat}
                compare(ours, path.read_text(), variables, f"{path.name}: {name}", failures)
                n += 1
    print(f"{n} templates and conversations, {n_published} of the templates published, {len(failures)} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
