#!/usr/bin/env python3
"""Renders the chat templates of a folder with Transformers: what ChatTemplateTest compares with. Only needed to change them; the build and the tests
need no Python. Usage: make_chat_goldens.py RESOURCES_DIR/chat_templates [OUT.json]"""
import datetime, json, os, sys
import goldens
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

folder = sys.argv[1]
out = sys.argv[2] if len(sys.argv) > 2 else os.path.join(folder, "goldens.json")
turn = lambda role, content, **more: {"role": role, "content": content, **more}
call = lambda **arguments: {"type": "function", "function": {"name": "weather", "arguments": arguments}}
weather = {"type": "function", "function": {"name": "weather", "description": "The weather in a \"city\" <now> & later, it's so.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "Größe & Name"}, "days": {"type": "integer", "minimum": 1}}, "required": ["city"]}}}
conversations = {
    "user": [turn("user", "Hello!")],
    "pair": [turn("user", "Hello!"), turn("assistant", "Hi, how can I help?")],
    "system": [turn("system", "You are terse."), turn("user", "2+2?"), turn("assistant", "4")],
    "three_turns": [turn("user", "Name a colour."), turn("assistant", "Red."), turn("user", "Another."), turn("assistant", "Blue."), turn("user", "Last one?"),
                    turn("assistant", "Green.")],
    "system_three_turns": [turn("system", "Speak like a pirate."), turn("user", "Hi"), turn("assistant", "Arr"), turn("user", "Bye"), turn("assistant", "Ahoy")],
    "unicode": [turn("system", "Ünïcödé 😀"), turn("user", "日本語 «ça»\u00a0\u2003x"), turn("assistant", "Здравствуйте 👩‍👩‍👧\u200b")],
    "spaces": [turn("system", "  padded  \n"), turn("user", "  leading and trailing \t\n"), turn("assistant", "\n\n answer  \n")],
    "markup": [turn("user", "{{ 1 + 1 }} {% if x %} <b>&amp;\"'\\n"), turn("assistant", "{# no #} <|im_end|>\\")],
    "empty": [turn("system", ""), turn("user", ""), turn("assistant", "")],
    "thinking": [turn("user", "Why?"), turn("assistant", "<think>\nLet me see.\n</think>\n\nBecause."), turn("user", "Really?"),
                 turn("assistant", "Yes.", reasoning_content="\nSure.\n")],
    "wrong_order": [turn("user", "a"), turn("user", "b"), turn("assistant", "c")],
    "assistant_first": [turn("assistant", "I begin."), turn("user", "So?")],
    "multiline": [turn("user", "line one\nline two\r\nline three"), turn("assistant", "- a\n- b\n\n```\ncode\n```")],
}
tools = {
    "tool_call": [turn("user", "Weather in Köln?"), turn("assistant", "", tool_calls=[call(city="Köln", days=2)]), turn("tool", "{\"t\": 21.5}"), turn("assistant", "21.5 °C")],
    "two_calls": [turn("system", "Use tools."), turn("user", "Both?"), turn("assistant", "Looking.", tool_calls=[call(city="A", deep={"x": [1, 2.5, True, None, "é<"]}), call(city="B")]),
                  turn("tool", "1"), turn("tool", "2"), turn("assistant", "1 and 2"), turn("user", "Thanks")],
}
cases = []
for name in sorted(n for n in os.listdir(folder) if n.endswith(".jinja")):
    template = open(os.path.join(folder, name), newline="").read()
    for title, messages in [*conversations.items(), *tools.items()]:
        for with_tools in ([None, [weather]] if title in tools or title == "system" else [None]):
            for prompt in (False, True):
                case = {"template": name, "title": title, "messages": messages, "tools": with_tools, "add_generation_prompt": prompt}
                try:
                    rendered, spans = render_jinja_template([messages], tools=with_tools, chat_template=template, add_generation_prompt=prompt,
                                                            return_assistant_tokens_mask="{% generation" in template or "{%- generation" in template,
                                                            bos_token="<s>", eos_token="</s>",
                                                            strftime_now=lambda f: datetime.datetime(2026, 11, 3, 15, 4, 5).strftime(f))
                    case["text"] = rendered[0]
                    if spans and spans[0]:
                        case["spans"] = spans[0]
                except Exception as e:
                    case["error"] = type(e).__name__ + ": " + str(e)
                cases.append(case)

# The language itself, a line a template.
snippets = r"""
{{ 1 + 2 * 3 - 4 / 2 }}|{{ 7 // 2 }}|{{ -7 // 2 }}|{{ -7 % 3 }}|{{ 7.5 % 2 }}|{{ 2 ** 10 }}|{{ 2 ** -1 }}|{{ 1_000 }}|{{ 1e3 }}|{{ 0.1 + 0.2 }}|{{ 1e22 }}|{{ 1.5e-7 }}|{{ 100000000000000000.0 }}
{{ true }}|{{ None }}|{{ [1, 'a', "it's", none, 1.0, {'k': [true]}] }}|{{ 'a\tb\n"' }}|{{ ['a\tb\n"', 'é\u200b\xa0'] }}|{{ () }}|{{ {} }}
{{ 'x' * 3 }}|{{ [1] * 2 + [3] }}|{{ 'a' 'b' ~ 1 ~ none ~ true }}|{{ "a" + 'b' }}|{{ 1 ~ 2 }}
{{ 1 < 2 < 3 }}|{{ 1 == 1.0 == true }}|{{ 'a' < 'b' }}|{{ 'Z' < 'a' }}|{{ [1, 2] < [1, 3] }}|{{ 'a' in 'cat' }}|{{ 'x' not in ['a'] }}|{{ 'k' in {'k': 1} }}|{{ none == none }}|{{ [1] == [1.0] }}
{{ not 1 == 2 }}|{{ 1 and 0 or 'x' }}|{{ '' or [] or 'last' }}|{{ 'a' if x else 'b' }}|{{ 'a' if x }}|{{ not x is defined }}|{{ x is not defined and y is undefined }}
{{ x }}|{{ x | default('d') }}|{{ '' | default('d') }}|{{ '' | default('d', true) }}|{{ none | d('n') }}|{{ m.zz }}|{{ m.zz | default(3) }}|{{ x | length }}|{{ x | list }}
{{ m.a }}|{{ m['a'] }}|{{ m.items() | list }}|{{ m.keys() | list }}|{{ m.get('a') }}|{{ m.get('q', 'no') }}|{{ m | length }}|{{ m.values() | sum }}|{{ m | dictsort }}|{{ m | items | list }}
{{ l[0] }}|{{ l[-1] }}|{{ l[1:] }}|{{ l[:-1] }}|{{ l[::-1] }}|{{ l[::2] }}|{{ l[5:1:-2] }}|{{ l[9] }}|{{ l[-9:2] }}|{{ s[0] }}|{{ s[-1] }}|{{ s[1:3] }}|{{ s[::-1] }}|{{ s[99] }}|{{ l.0 }}
{{ s | length }}|{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ s | trim }}|{{ 'xxaxx'.strip('x') }}|{{ s.upper() }}|{{ s | upper }}|{{ s | lower }}|{{ s.title() }}|{{ 'hello world' | title }}|{{ 'hELLO' | capitalize }}
{{ 'a,b,,c'.split(',') }}|{{ ' a  b c '.split() }}|{{ 'a b c d'.split(' ', 2) }}|{{ 'a b c d'.rsplit(' ', 1) }}|{{ ' a b  c '.split(none, 1) }}|{{ 'abc'.split('</x>')[-1] }}|{{ 'a\nb\r\nc\n'.splitlines() }}|{{ ''.split(',') }}|{{ ''.split() }}
{{ s.startswith(' ') }}|{{ 'abc'.startswith(('x', 'a')) }}|{{ 'abc'.endswith('bc') }}|{{ 'abc'.find('c') }}|{{ 'abc'.find('z') }}|{{ 'abcabc'.rfind('c') }}|{{ 'banana'.count('an') }}|{{ '-'.join(['a', 'b']) }}
{{ 'aXbXc'.replace('X', '-') }}|{{ 'aXbXc'.replace('X', '-', 1) }}|{{ 'aXbXc' | replace('X', '') }}|{{ 'abc'.removeprefix('a') }}|{{ 'abc'.removesuffix('x') }}|{{ 'a1'.isalnum() }}|{{ '12'.isdigit() }}|{{ ''.isdigit() }}
{{ l | join(', ') }}|{{ l | join }}|{{ people | join(' & ', attribute='name') }}|{{ l | first }}|{{ l | last }}|{{ [] | first }}|{{ l | reverse | list }}|{{ 'abc' | reverse }}|{{ l | sum }}|{{ l | min }}|{{ l | max }}
{{ ['b', 'A', 'c'] | sort }}|{{ ['b', 'A', 'c'] | sort(case_sensitive=true) }}|{{ l | sort(reverse=true) }}|{{ people | sort(attribute='age') | map(attribute='name') | list }}|{{ ['a', 'A', 'b'] | unique | list }}
{{ people | selectattr('age', 'gt', 30) | map(attribute='name') | list }}|{{ people | rejectattr('tags') | map(attribute='name') | join }}|{{ l | select('odd') | list }}|{{ l | reject('divisibleby', 3) | list }}|{{ ['a', 'b'] | map('upper') | list }}|{{ people | map(attribute='zip', default='-') | list }}|{{ [0, 1, ''] | select | list }}
{{ '42' | int }}|{{ '4.9' | int }}|{{ 'x' | int }}|{{ 'x' | int(7) }}|{{ 3.9 | int }}|{{ '2.5' | float }}|{{ 'x' | float }}|{{ 2.5 | round }}|{{ 3.5 | round }}|{{ 2.567 | round(2) }}|{{ 2.1 | round(0, 'ceil') }}|{{ -3 | abs }}|{{ 5 | string + 'x' }}
{{ m | tojson }}|{{ deep | tojson }}|{{ deep | tojson(indent=2) }}|{{ deep | tojson(sort_keys=true) }}|{{ deep | tojson(separators=(',', ':')) }}|{{ 'é\u2028<&>\'"\\' | tojson }}|{{ 'é😀' | tojson(ensure_ascii=true) }}|{{ [] | tojson(indent=2) }}|{{ [1.0, 1e100, true, none] | tojson }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb\n\nc' | indent(2, true) }}|{{ 'a\n\nb' | indent(1, blank=true) }}|{{ '' | indent }}|{{ '<a href="x">\'&' | e }}|{{ '<b>' | safe }}
{{ 1 is number }}|{{ true is number }}|{{ 'a' is string }}|{{ m is mapping }}|{{ l is iterable }}|{{ s is iterable }}|{{ 1 is iterable }}|{{ l is sequence }}|{{ none is none }}|{{ 1 is boolean }}|{{ false is boolean }}|{{ 1.0 is float }}|{{ 1 is integer }}|{{ true is integer }}|{{ 3 is odd }}|{{ 4 is divisibleby 2 }}|{{ 4 is divisibleby(3) }}|{{ 1 is eq 1 }}|{{ 2 is in [1, 2] }}|{{ 'a' is sameas 'a' }}|{{ 1 is sameas true }}|{{ 'AB' is upper }}|{{ range is callable }}|{{ true is true }}|{{ 1 is true }}
{% for i in range(3) %}{{ loop.index }}/{{ loop.length }}{% if not loop.last %}, {% endif %}{% endfor %}|{% for i in [] %}x{% else %}none{% endfor %}|{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}|{% for i in range(9) if i % 3 == 0 %}{{ loop.index0 }}:{{ i }} {% endfor %}
{% for i in range(6) %}{% if i == 1 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}|{% for a in l %}{% for b in 'xy' %}{{ a }}{{ b }}{{ loop.depth }}{% endfor %}{% endfor %}|{% for a in l %}{{ loop.previtem }}<{{ a }}>{{ loop.nextitem }}{{ loop.cycle('o', 'e') }}{{ loop.revindex }}{{ loop.changed(a // 3) }} {% endfor %}
{% set a = 1 %}{% for i in l %}{% set a = a + i %}{% endfor %}{{ a }}|{% set ns = namespace(n=0, t='') %}{% for i in l %}{% set ns.n = ns.n + i %}{% set ns.t = ns.t ~ i %}{% endfor %}{{ ns.n }}{{ ns.t }}|{% set x, y = 1, 2 %}{{ x + y }}|{% if true %}{% set z = 5 %}{% endif %}{{ z }}|{% set b %}a{{ 1 }}{% endset %}{{ b }}|{% set c | upper %}abc{% endset %}{{ c }}
{% macro f(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}|{{ f(1, c=3) }}|{{ f(1, 5) | upper }}|{% macro g(n) %}{% if n > 0 %}{{ n }}{{ g(n - 1) }}{% endif %}{% endmacro %}{{ g(3) }}|{% filter upper %}ab{{ 'c' }}{% endfilter %}
{# gone #}a{#- gone -#}  b  {{- ' c ' -}}  d|{% raw %}{{ x }} {% y %}{% endraw %}|{{ '{{' }}|{{ "%}" }}|{{ {'a': {'b': 1}}.a.b }}|{{ ((1, 2), [3]) }}|{{ (1) }}
{{ -1 | abs }}|{{ 'a' ~ 'b' | upper }}|{{ 1 + 2 | string | length }}|{{ 2 * 3 ** 2 }}|{{ -2 ** 2 }}|{{ not false and true }}|{{ 1 if false else 2 if false else 3 }}|{{ [1, 2,] | length }}|{{ range(5, 0, -2) | list }}|{{ range(2, 4) | list }}|{{ dict(a=1).a }}
{{ 'x' is string and 1 is number or false }}|{{ m.a is defined and m.a }}|{{ x is defined and x.y }}|{{ 'ab' in ['ab'] and 'z' not in 'ab' }}|{{ 1 not in [2] }}
{{ x.y }}
{{ x + 1 }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ none.a }}|
{{ none.a.b }}
{{ 1 < 'a' }}
{{ x() }}
{{ l.append(1) }}
{{ m.update({}) }}
{{ 1 // 0 }}
{{ 'a' | nofilter }}
{{ 1 is notest }}
{{ 5 in 'abc' }}
{{ raise_exception('no ' ~ 1) }}
{{ x | tojson }}
{{ range(1000000) | length }}
{{ 1 | length }}
{% for i in 5 %}{% endfor %}
{% if %}{% endif %}
{% for i in l %}
{{ 'open
{{ (1, 2 }}
{% unknown %}
{{ 1 2 }}
{{ s.__class__ }}|
{{ ''.__class__.__mro__ }}
{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %p %I %y %%') }}
""".strip("\n").split("\n")
# White space at tags, where lines matter.
snippets += ["a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  {%+ if true %}\n b\n {%- endif +%}\nc\n\n", "  {% if true %}x{% endif %}  \n  {{ 1 }}\n  {# c #}\n  y", "{{ 1 }}\n{{ 2 }}\n\n",
             "a  {% set x = 1 %}  b\n\t{% set x = 2 %}\n\n{{ x }}", "{% for i in [1, 2] %}\n  {{ i }}\n{% endfor %}\nend", "a \n {%- for i in [1, 2] -%} \n {{ i }} \n {%- endfor -%} \n b", "x\r\n{% if true %}\r\ny\r{% endif %}z\r\n",
             "{{ 'a' -}}\n\n  {% if true %}b{% endif %}", "{#- a -#}\n  {#+ b +#}\n  {# c #}\nd", "  {% raw %}\n {{ a }}\n  {% endraw %}\n b", "a{%- raw -%}  b  {%- endraw -%}  c", "\n{% if true %}{% endif %}\n\n", "{% if false %}{% elif true -%}\n x {% else %}{% endif %}"]
variables = {"m": {"a": 1, "b": 2}, "l": [1, 2, 3, 4, 5], "s": "  Größe 😀 Ünï ", "deep": {"z": [1, {"é": None}], "a": {}, "f": 1.5, "t": True, "e": []},
             "people": [{"name": "Ann", "age": 41, "tags": ["x"]}, {"name": "Bob", "age": 25, "tags": []}, {"name": "Cy", "age": 33, "tags": ["y", "z"], "zip": 9}]}
language = []
for snippet in snippets:
    case = {"template": snippet}
    try:
        case["text"] = _compile_jinja_template(snippet).render(**variables, strftime_now=lambda f: datetime.datetime(2026, 11, 3, 15, 4, 5).strftime(f))
    except Exception as e:
        case["error"] = type(e).__name__ + ": " + str(e)
    language.append(case)
goldens.write_json(os.path.join(os.path.dirname(out), "language.json"), {"variables": variables, "cases": language}, indent=0)
goldens.write_json(out, cases, indent=0)
print(len(cases), "cases,", sum("error" in c for c in cases), "refused")
