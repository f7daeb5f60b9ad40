"""Small templates that exercise what chat templates are written with, and the variables that they see. Used by live_templates.py and
make_template_vectors.py."""

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What's the weather in Paris? <b>\"now\"</b>\n"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Paris", "days": 2}}}]},
        {"role": "tool", "name": "weather", "tool_call_id": "call_1", "content": "{\"temp\": 21.5}"},
        {"role": "assistant", "content": "It is 21.5 °C – sunny 🌞."},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "a city"}, "days": {"type": "integer", "enum": [1, 2, 3]}}, "required": ["city"]}}}],
    "numbers": [3, 1, 2, 10, 1], "words": ["pear", "Apple", "fig", "apple"], "d": {"b": 1, "a": [1, 2.0, None, True], "items": 5}, "empty": [], "none": None,
    "text": "  Hello, Wörld! it's  \n", "n": 7, "x": 2.5, "flag": True, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True,
    "people": [{"name": "Ann", "age": 30, "a": {"b": "x"}}, {"name": "bob", "age": 25, "a": {"b": "y"}}, {"name": "Cy", "age": 30}],
}

EXPRESSIONS = r"""
1 + 2 * 3 - 4 / 2
7 // 2, -7 // 2, 7 % 3, -7 % 3, 2 ** 10, 2 ** -1, 7.5 // 2, -7.5 % 2
1e20, 1.5e-7, 0.1, 100000000000000000.0, 1e16, 123456789.125, -0.0, 5e-324, 1.0, 0x1f, 0b11, 0o17, 1_000
"a" ~ 1 ~ none ~ true ~ 2.0 ~ [1] ~ {"k": "v"}
"a" "b" 'c' ~ "\n\t\\\x41\u00e9\U0001F31E'\""
[1, "two", 3.0, none, true, [4], (5,), (6, 7), {}]
{"a": 1, 'b': "it's", 3: [true]}
not true, not 0, not "", not [], not none
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, true == 1, "a" < "b", "b" >= "a", [1, 2] < [1, 3]
1 in [1, 2], "x" not in "abc", "b" in "abc", "role" in messages[0], 5 not in numbers, "z" in d
none or "x", "" or "y", 0 and 1, 1 and 2, none and 3
"yes" if flag else "no", "no" if not flag, ("a" if none else "b" if 0 else "c")
messages[0].role, messages[0]['role'], messages[-1].content, messages|length
messages[1:]|length, messages[:-1]|length, messages[::-1][0].role, numbers[1:4], numbers[::2], numbers[-2:], numbers[5:], numbers[3:1:-1]
"hello"[1], "hello"[-1], "hello"[1:3], "hello"[::-1], "Wörld"[1:3]
d.a, d["a"], d.b, d.missing is defined, d.get("b"), d.get("q"), d.get("q", 5), d["items"]
d.items()|list, d.keys()|list, d.values()|list, d|length, d|list
missing is defined, missing is undefined, missing is none, none is none, d is mapping, "s" is string, 1 is number, 1.0 is float, 1 is integer, true is boolean, true is integer
[] is iterable, [] is sequence, {} is sequence, "s" is iterable, 3 is iterable, 3 is odd, 3 is even, 9 is divisibleby 3, 9 is divisibleby(2)
"abc" is lower, "ABC" is upper, true is true, false is false, 1 is true, n is eq 7, n is equalto(7), n is ne 8, n is gt 3, n is lt(3), "x" is in ["x"], 2 is not in [1]
d.a is sameas d.a, none is sameas none, "defined" is test, "upper" is filter, "nope" is filter, range is callable
text|trim, text|upper, text|lower, text|title, text|capitalize, "--x--"|trim("-"), text.strip(), text.lstrip(), text.rstrip()
"a,b,,c".split(","), " a  b c ".split(), "a,b,c".split(",", 1), "a b  c d".split(None, 2), "a,b,c".rsplit(",", 1), "x".split("yy")
"a-b".partition("-"), "a-b".partition("+"), "a-b-c".rpartition("-"), "l1\nl2\r\nl3\n".splitlines(), "abc".find("c"), "abc".find("z"), "abcabc".rfind("b"), "banana".count("an")
"Hello".startswith("He"), "Hello".endswith("lo"), "Hello".startswith(("x", "H")), "Hello".replace("l", "L"), "Hello".replace("l", "L", 1), "aaa"|replace("a", "b", 2), "Hello".upper().lower().title()
"abc".isalpha(), "12".isdigit(), "a1".isalnum(), " ".isspace(), "AB".isupper(), "ab".islower(), "x".removeprefix("x"), "abc".removesuffix("bc"), "7".zfill(3), "-7".zfill(4), "a".ljust(3) ~ "|", "a".rjust(3, "."), "ab".center(5, "*"), "abc".center(6), "swApCase".swapcase()
"-".join(["a", "b"]), ", ".join(words), words|join(", "), numbers|join("-"), people|join(",", attribute="name"), "abc"|join(".")
"{} and {}".format(1, "b"), "{0}{1}{0}".format("x", "y"), "{name}".format(name="N"), "{{}}".format()
"%s is %d or %5.2f%%" % ("a", 3, 2.5), "%05d|%-5s|%5s|%x" % (42, "ab", "cd", 255), "%s" % "one", "%r" % "q", "%(k)s" % {"k": "v"}, "%s %s"|format("a", 1), "%.3s" % "abcdef", "%i" % 3.7
numbers|sort, numbers|sort(reverse=true), words|sort, words|sort(case_sensitive=true), people|sort(attribute="age")|map(attribute="name")|list, numbers|min, numbers|max, numbers|sum, people|sum(attribute="age"), words|max
numbers|unique|list, words|unique|list, numbers|first, numbers|last, numbers|reverse|list, "abc"|reverse, empty|first is defined, numbers|list, "abc"|list
people|map(attribute="name")|join(","), words|map("upper")|list, people|map(attribute="a.b", default="-")|list, numbers|map("string")|list, words|map("replace", "p", "P")|list
people|selectattr("age", "equalto", 30)|map(attribute="name")|list, people|rejectattr("a")|map(attribute="name")|list, numbers|select("odd")|list, numbers|reject("gt", 2)|list, numbers|select|list, people|selectattr("a", "defined")|list|length
people|groupby("age")|list|length, d|dictsort, {"b": 2, "A": 1}|dictsort(by="value"), {"b": 2, "A": 1}|dictsort(case_sensitive=true), numbers|batch(2)|list, numbers|batch(2, 0)|list, numbers|slice(2)|list, [1,2,3]|slice(2, "x")|list
missing|default("d"), none|default("d"), none|default("d", true), ""|d("e", boolean=true), missing|d
"42"|int, "4.7"|int, "x"|int, "x"|int(5), "ff"|int(0, 16), 3.9|int, true|int, "2.5"|float, "z"|float(1.5), -3|abs, 2.567|round(2), 2.5|round, 3.5|round, 2.1|round(0, "ceil"), 7|round, 1234.5|round(-2)
numbers|length, numbers|count, "wörd"|length, missing|length, 3.0|string, [1]|string|length
d|tojson, messages[2].tool_calls|tojson, "é\"\\\n\t\u0001\u007f</x>&'"|tojson, none|tojson, 1.0|tojson, [1, 2.5, true]|tojson(indent=2), {}|tojson(indent=4), []|tojson(indent=2), {"b": 1, "a": {"z": [1]}}|tojson(sort_keys=true), {"b": [1, {"c": 2}]}|tojson(indent=4), {"é": "ü"}|tojson(ensure_ascii=true), [1, {"a": 2}]|tojson(separators=(",", ":")), {"a": [1, 2]}|tojson(indent="\t"), {1: 2, none: 3, true: 4}|tojson
"a b&c/d é"|urlencode, "one two,three"|wordcount, "a long sentence that goes on"|truncate(10), "a long sentence that goes on"|truncate(10, true), "short"|truncate(10), "abcdefgh"|truncate(5, true, "", 0), "mid"|center(9) ~ "|"
"l1\nl2\n\nl4"|indent, "l1\nl2\n\nl4"|indent(2, true), "l1\nl2\n\nl4"|indent(2, blank=true), "a\nb"|indent("> ")
range(3)|list, range(1, 4)|list, range(6, 0, -2)|list, range(0)|list, dict(a=1, b=2), dict({"x": 1}, y=2), dict([["p", 1]])
"it's", ["it's", 'say "x"', "both ' and \"", "new\nline", "tab\t", "\u200b", "é", "\\", "🌞"]
(1), (1,), (), (1, 2)[0], (1, 2) + (3,), [1] + [2], [1, 2] * 2, "ab" * 2, 2 * "x", "-" * 0
1 if false, [1 if false], (none if true else 1)
d|items|list, missing|items|list, [("a", 1)]|map("last")|list, [[3, 4]]|map("first")|list, [{"a": 1}]|map(attribute="a")|sum
"ß"|upper, "ÄÖ"|lower, "éa"|capitalize, "they're bill's friends"|title, "they're".title(), "x-y (z)"|title, "İ"|lower|length
[1, 2, 3]|map("int")|select("in", [1, 3])|list, [none, 0, 1]|select("none")|list|length, ["a", 1]|select("string")|list, words|reject("in", ["fig"])|list
n > 3 and x < 3 or false, not n == 7, not (n == 7) or true, -n, +n, - 2 ** 2, -n|abs
"a" in {"a": 1}, "b" not in {"a": 1}, none in [none], [1] in [[1]], "" in "abc", missing in [1], 1 in missing
numbers.index(10), numbers.count(1), (1, 2).count(2), loop is defined, namespace(a=1).a, "a".b is defined, n.real is defined is true
"  x " | trim ~ "|" ~ "y", ("a" ~ "b")|upper, "a" ~ "b"|upper, [1,2]|length + 1, 1 + "2"|int
messages|map(attribute="role")|unique|join("/"), messages|selectattr("role", "in", ["user", "tool"])|list|length, messages|selectattr("tool_calls")|list|length
none|map("upper")|list, 0|select|list, none|selectattr("type", "equalto", "x")|list|length, ""|rejectattr("a")|list, false|reject("odd")|list, none|map("nope")|list
strftime_now("%Y") is string, "a\
b"
""".strip("\n").replace("\\\nb\"", "\\\nb\"").split("\n")

TEMPLATES = [
    "{{ '<a href=\"x\">&'|e }}{{ 'x'|safe }}{{ '\\''|escape }}",
    "plain text\nwith lines\n",
    "{% if false %}{{ 1 | nope }}{{ 1 is nope }}{% else %}x{% endif %}",
    "{{ (1 | nope) if false else 2 }}{% if n == 7 %}{% set a = 1 | nope if none else 3 %}{{ a }}{% endif %}",
    "one trailing newline\n\n",
    "  {% if true %}\n  yes\n  {% endif %}\n  end",
    "{% if a %}A{% elif n == 7 %}seven{% else %}other{% endif %}",
    "a {%- if true %} b {%- endif %} c",
    "a\n  {%- if true -%}\n  b\n  {%- endif -%}\n  c",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\n  c",
    "x  {{- 1 -}}  y {{ 2 }}\n z {{+ 3 }}",
    "  {# comment #}\n line {# another\n comment -#}   tail {#- x #} end\n{#+ y +#}\nq",
    "{% raw %}{{ not }} {% run %}{% endraw %} {%- raw -%}  keep {{ }}  {%- endraw -%}  z",
    "line\n   {% raw %}\n  r\n   {% endraw %}\nend",
    "{% for i in numbers %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }}:{{ i }};{% endfor %}",
    "{% for i in [] %}x{% else %}nothing{% endfor %}{% for i in missing %}x{% else %}none{% endfor %}",
    "{% for i in numbers if i > 1 %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.depth }}{{ loop.depth0 }}{{ i }}{{ j }} {% endfor %}{{ loop.index }}|{% endfor %}",
    "{% for i in numbers %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {{ loop.cycle('odd', 'even') }} {{ loop.changed(i > 2) }};{% endfor %}",
    "{% for i in numbers %}{% if loop.previtem is defined and loop.previtem > i %}down{% endif %}{% if loop.nextitem is not defined %}end{% endif %}{% endfor %}",
    "{% set a = 1 %}{% for i in [1, 2] %}{% set a = a + i %}{{ a }}{% endfor %}{{ a }}",
    "{% set ns = namespace(total=0, found=false) %}{% for i in numbers %}{% set ns.total = ns.total + i %}{% if i == 10 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.total }} {{ ns.found }}",
    "{% set a, b = 1, 2 %}{% set c = (a, b) %}{{ a }}{{ b }}{{ c }}{% set x = 3, %}{{ x }}",
    "{% set block %}in {{ n }}\n{% endset %}[{{ block }}]{% set up | upper | trim %}  shout {% endset %}[{{ up }}]",
    "{% set ns = namespace() %}{% set ns.text %}abc{% endset %}{{ ns.text }}",
    "{% macro hi(name, greet='Hello', end=greet ~ '!') %}{{ greet }} {{ name }}{{ end }}{% endmacro %}{{ hi('Ann') }} {{ hi('Bob', 'Hey') }} {{ hi(name='C', end='.') }} {{ hi() }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}",
    "{% macro outer() %}[{{ caller('x') }}]{% endmacro %}{% call(v) outer() %}got {{ v }} {{ n }}{% endcall %}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro a() %}{{ late }}{% endmacro %}{% set late = 'L' %}{{ a() }}",
    "{% macro a(x) %}{% set y = x * 2 %}{{ y }}{% endmacro %}{{ a(2) }}{{ y is defined }}",
    "{% filter upper %}shout {{ text|trim }}{% endfilter %}{% filter replace('a', 'b') | trim %}  banana {% endfilter %}",
    "{% with a = 1, b = a %}{{ a }}{{ b is defined }}{% endwith %}{{ a is defined }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}",
    "{% print 1, 'a' %}{% if true: %}colon{% endif %}",
    "{% generation %}said {{ n }}{% endgeneration %} and {% generation %}{% set z = 1 %}more{% endgeneration %}{{ z is defined }}",
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}{{ sys }}{{ loop_messages|length }}",
    "{% if true %}{% set inner = 5 %}{% endif %}{{ inner }}{% for i in [1] %}{% set only = 1 %}{% endfor %}{{ only is defined }}",
    "{{ {'a': {'b': 1}}['a']['b'] }}{{ {'x': 1} }}}",
    "{{ messages[0].content if messages[0].role == 'system' else '' }}{{ '{{' }}{{ '%}' }}",
    "{%- for message in messages %}\n    {%- if message.role == 'user' %}\n        {{- '<|user|>\\n' + message.content|trim + '<|end|>\\n' }}\n    {%- elif message.tool_calls is defined %}\n        {%- for call in message.tool_calls %}\n            {{- call.function | tojson(indent=2) }}\n        {%- endfor %}\n    {%- endif %}\n{%- endfor %}\n",
    "{{ bos_token }}{{ unk_token }}|{{ eos_token + 'x' }}",
    "{% set m = {'a': 1} %}{{ dict(m, b=2) }}{{ m }}{% set l = [1] %}{{ l + [2] }}{{ l }}",
    "{% set s = people | selectattr('age', 'gt', 100) %}{% if s %}truthy stream{% endif %}{{ s | list | length }}",
    "{% set s = numbers | map('string') %}{{ s | join }}|{{ s | join }}",
    "{% for c in 'héy' %}{{ c }}.{% endfor %}{% for k in {'a': 1, 'b': 2} %}{{ k }}{% endfor %}",
    "{{ 'a' }}\n{{ 'b' }}\n\n{% if true %}\n\nx\n{% endif %}\n",
    "\r\nwindows {{ 1 }}\r\n{% if true %}\r\n x\r\n{% endif %}\r\n",
    "{% macro t(spec) %}{% if spec.type == 'object' %}{ {%- for k, v in spec.properties.items() %}{{ k }}: {{ t(v) }}{{ ', ' if not loop.last }}{% endfor -%} }{% elif spec.enum %}{{ spec.enum | join(' | ') }}{% else %}{{ spec.type }}{% endif %}{% endmacro %}{{ t(tools[0].function.parameters) }}",
    "{%- macro m(a) -%}\n  {{- a -}}\n{%- endmacro -%}\n{{ m('x') }} {{ m(m('y')) }}",
    "{% set f = 'x' %}{% macro g() %}{% set f = 'y' %}{{ f }}{% endmacro %}{{ f }}{{ g() }}{{ f }}",
    "{% for m in messages %}{{ m.role }}{{ '' if loop.last else ',' }}{% endfor %}{{ loop is defined }}",
    "{% set i = 5 %}{% for i in [1, 2] %}{{ i }}{% endfor %}{{ i }}",
    "{{ (messages | last).role }}{{ (messages|first)['content'] }}{{ messages | map(attribute='role') | list | tojson }}",
    "{%- set x = [] -%}{%- for i in [3, 4] -%}{%- set x = x + [i] -%}{{ x }}{%- endfor -%}{{ x }}",
    "{% if n is defined and n is not none and n is number %}ok{% endif %}{% if 'a' is not string %}no{% endif %}",
    "{{ n is defined and x }} {{ messages is not defined or messages }}"[:27],
    "{{ '\\n' }}{{ \"\\u2581\" }}{{ '\\'q\\'' }}{{ '\\d' }}",
    "{{ [1, [2, [3]]] | tojson }}{{ ('a', 'b') | tojson }}",
]

# Both must refuse these.
WRONG = [
    "{% if %}", "{% for x in %}{% endfor %}", "{{ 1 + }}", "{{ (1 }}", "{% endif %}", "{% if true %}", "{% for i in [1] %}{% endif %}", "{{ 'abc }}", "{# never",
    "{% raw %} never", "{{ 1 | nope }}", "{{ 1 is nope }}", "{% nope %}", "{{ missing.x }}", "{{ missing['x'] }}", "{{ missing + 1 }}", "{{ none + 1 }}", "{{ 'a' + 1 }}",
    "{{ 1 / 0 }}", "{{ 1 % 0 }}", "{{ missing() }}", "{{ n() }}", "{{ raise_exception('no: ' ~ n) }}", "{{ numbers.append(1) }}", "{{ d.update({}) }}", "{% set n.x = 1 %}",
    "{% set a, b = [1] %}", "{% for a, b in [1] %}{% endfor %}", "{{ [] | tojson(nope=1) }}", "{{ missing | tojson }}", "{{ 5 | length }}", "{{ 'a' < 1 }}", "{{ none < 1 }}",
    "{{ 1 in 5 }}", "{{ 1 in 'a' }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{{ range(1000000) | list | length }}",
    "{% for i in 5 %}{% endfor %}", "{{ ''.join([1]) }}", "{{ [3, 'a'] | sort }}", "{{ range }}{% break %}", "{{ }}", "{{ 1 2 }}", "{% set = 1 %}", "{% set true = 1 %}", "{{ {1: 2 }}",
    "{{ [1, 2 }}", "{{ a b }}", "{% macro %}{% endmacro %}", "{% if true %}{% else %}{% else %}{% endif %}", "{{ '%d' % 'x' }}", "{{ '%s %s' % 'x' }}", "{{ [1][::0] }}",
    "{{ loop.index }}", "{{ messages[0].role.nope.x }}", "{% include 'x' %}", "{% set ns = namespace() %}{% set ns._a = 1 %}", "{{ {[1]: 2} }}", "{{ -'a' }}", "{{ none | items | list }}",
    "{{ d | join(attribute='x.y') }}", "{{ 'x' is divisibleby 2 }}", "{{ 1 is divisibleby 0 }}", "{{ 'a'.index('b') }}", "{{ ~1 }}", "{{ 1 ++ }}", "{{ '\\x4' }}", "{{ $ }}", "{% set x %}",
    "{% if true %}{{ 1 | nope }}{% endif %}", "{% if false %}{% for i in [] %}{{ i | nope }}{% endfor %}{% endif %}", "{% for i in [] %}{{ i is nope }}{% endfor %}",
    "{% macro m() %}{{ 1 | nope }}{% endmacro %}", "{% if false %}{% macro m() %}{{ 1 | nope }}{% endmacro %}{% endif %}",
    "{% if false %}{% set x %}{{ 1 | nope }}{% endset %}{% endif %}", "{% if false %}{% filter upper %}{{ 1 | nope }}{% endfilter %}{% endif %}",
]
