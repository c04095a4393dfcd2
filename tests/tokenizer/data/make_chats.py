"""Makes chats.json: what Python's Jinja2, set up as transformers sets it up,
writes for the templates below.

    pip install jinja2
    python3 make_chats.py
"""

import datetime
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from jinja2_environment import jinja2_environment  # noqa: E402

environment = jinja2_environment(datetime.datetime(2024, 7, 26, 12))

CONVERSATIONS = [
    [{"role": "user", "content": "대한민국의 수도는?"}],
    [
        {"role": "system", "content": "  짧게 답하라.\n"},
        {"role": "user", "content": 'Say "hi" \\ <b>'},
        {"role": "assistant", "content": "hi\t한글"},
        {"role": "user", "content": "again, again, and again"},
    ],
    [
        {"role": "user", "content": ""},
        {"role": "assistant", "content": "a|b||c"},
    ],
]

# The shapes of the well-known families, then one feature a template.
TEMPLATES = [
    # Header tokens, a system turn with a default, as in Llama 3.1.
    """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{{- "<|head|>system<|/head|>\\n\\n" }}
{%- if tools is not none %}{{- "Environment: tools\\n" }}{% endif %}
{{- "Date: " + (date if date is defined else "none") + "\\n\\n" }}
{{- system }}<|end|>
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|/head|>\\n\\n' + message['content'] | trim + '<|end|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\\n\\n' }}
{%- endif %}
""",
    # ChatML with a namespace and a backwards look.
    """{% set ns = namespace(last=-1, found=false) %}
{% for message in messages[::-1] %}
    {% set index = (messages | length - 1) - loop.index0 %}
    {% if not ns.found and message.role == "user" and message.content is string %}
        {% set ns.found = true %}
        {% set ns.last = index %}
    {% endif %}
{% endfor %}
{% for message in messages %}
<|im_start|>{{ message.role ~ '\\n' ~ message.content }}{{ '*' if loop.index0 == ns.last }}<|im_end|>
{% endfor %}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}""",
    # Turns that must alternate, roles renamed, as in Gemma.
    """{{ bos_token }}
{%- set start = 1 if messages[0].role == 'system' else 0 -%}
{%- for message in messages[start:] -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("roles must alternate") }}
    {%- endif -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\\n' + (messages[0].content | trim + '\\n\\n' if loop.first and start else '') }}
    {{- message.content | trim }}{{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
""",
    # White space.
    "a\n  {% if true %}\n  b\n  {% endif %}\n  c {% if true %} d {% endif %}\ne\n",
    "a  {%- if true %}  b  {%- endif -%}  c\n\n {#- gone -#} \n d {# x #}\ne\n",
    "x\n    {%+ if true %}y{% endif +%}\n  {{ 'z' }}\n\n",
    "  {# first #}\n  {{ 1 }}\n{% set a = 1 %}\n\n{% set b = 2 +%}\n{{ a + b }}",
    "{% if true %}{% if true -%}\n\n  a{% endif %}{% endif %}\n\n",
    # Operators.
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 5 }} {{ 1 + 2 * 3 - 4 }} {{ 2.5 * 2 }} {{ 1e3 }} {{ 10 / 5 }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ not 1 == 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1] == [1] }} {{ true == 1 }} {{ none == false }}",
    "{{ 'b' in 'abc' }} {{ 'b' not in ['b'] }} {{ 'role' in messages[0] }} {{ 'a' ~ 1 ~ none ~ true }} {{ 'ab' * 3 }} {{ [1] + [2] }}",
    "{{ 1 if false }}|{{ 'a' if 0 else 'b' if 0 else 'c' }}|{{ none or 'x' }}|{{ 'y' and '' }}|{{ not '' }}|{{ 0 or false }}",
    "{{ -1 | abs }} {{ 'a' + 'b' | upper }} {{ ('a' + 'b') | upper }} {{ 1 + 2 is odd }} {{ not 1 is odd }}",
    # Values, subscripts, slices.
    "{{ [1, 'a\\'b', 2.0, none, true, {'k': [\"x'y\"]}] }} {{ (1, 2)[1] }} {{ {'a': 1}.a }} {{ {'a': 1}['b'] }}",
    "{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ '한국어'[1] }} {{ '한국어'[-1] }} {{ [1,2,3,4][::2] }} {{ [1,2,3][5:] }} {{ 'abc'[-2:] }} {{ 'abc'[:-1] }}",
    "{{ messages[-1].content }} {{ messages.0.role }} {{ messages[99] is defined }} {{ messages[0].nothing }}",
    "{{ 'a' 'b' }} {{ \"\\u00e9\\x41\\t|\" }} {{ 'tab\\tq\\'' }} {{ 1_000 }}",
    # Loops.
    "{% for a in [1,2,3] %}{{ loop.index }}/{{ loop.length }}:{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}",
    "{% for a in [] %}x{% else %}none{% endfor %}{% for a in [1,2,3,4] if a is even %}{{ a }}{{ loop.index }}{% else %}no{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% for k in {'a': 1} %}{{ k }}{% endfor %}{% for c in '한a' %}<{{ c }}>{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}{{ range(1, 9, 3) | list }}",
    "{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 3 %}{% endif %}{{ x }}",
    "{% set a, b = [1, 2] %}{{ b }}{{ a }}{% set t %}in {{ a }}{% endset %}[{{ t }}]",
    "{% macro turn(role, text='x', last=false) %}<{{ role }}:{{ text }}{{ '.' if last }}>{% endmacro %}{{ turn('a') }}{{ turn('b', last=true) }}{{ turn('c', 'y') | upper }}",
    # Filters.
    "{{ ' a ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 'aB' | upper }}{{ 'aB' | lower }}|{{ 'hello wORLD' | title }}|{{ 'hELLO' | capitalize }}|{{ '한국' | length }}|{{ [1,2] | count }}",
    "{{ messages | tojson }}",
    "{{ {'a': [1, 2.5, none, true, {}], 'b': []} | tojson(indent=2) }}",
    "{{ [1, 'b'] | join('-') }} {{ messages | map(attribute='role') | join(', ') }} {{ [3,1,2] | sort | first }} {{ [3,1,2] | last }} {{ 'abc' | first }} {{ [1,2,1] | unique | list }}",
    "{{ nothing | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ none | d('e') }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ [0, 1, 2] | select | list }} {{ [0, 1, 2] | reject('odd') | list }} {{ messages | rejectattr('role', 'in', ['user']) | map(attribute='role') | list }}",
    "{{ 'a\\nb\\n\\nc' | indent(2) }}|{{ 'a\\nb' | indent(2, true) }}|{{ '3' | int + 1 }}|{{ 'x' | int }}|{{ '2.5' | float }}|{{ 3.7 | int }}|{{ 12 | string + '!' }}|{{ [1,2,3] | sum }}|{{ 'abc' | reverse }}",
    "{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %} {% for k, v in {'b': 1} | items %}{{ k }}{{ v }}{% endfor %} {{ 'a-b' | replace('-', '+') }} {{ ['b','a'] | map('upper') | list }} {{ 'ab' | list }}",
    # Tests.
    "{{ x is defined }} {{ x is undefined }} {{ none is none }} {{ 'a' is string }} {{ {} is mapping }} {{ [] is iterable }} {{ 1 is number }} {{ 1.0 is float }} {{ true is boolean }} {{ true is number }} {{ 1 is integer }} {{ 'a' is sequence }} {{ 9 is divisibleby 3 }} {{ 1 is not none }} {{ true is true }} {{ 1 is eq 1 }} {{ messages is sequence }}",
    # Methods.
    "{{ '  a b '.strip() }}|{{ 'xay'.lstrip('x') }}|{{ 'xay'.rstrip('y') }}|{{ 'a,b,c'.split(',') }}|{{ 'a,b,c'.split(',', 1)[-1] }}|{{ ' a  b '.split() }}|{{ 'a  b c'.split(none, 1) }}|{{ 'abc'.startswith('ab') }}|{{ 'abc'.endswith(('x', 'c')) }}",
    "{{ 'aaa'.replace('a', 'b', 2) }} {{ 'abc'.upper().lower().title() }} {{ '-'.join(['a', 'b']) }} {{ 'abc'.find('c') }} {{ 'abab'.count('ab') }} {{ 'a\\nb\\r\\nc'.splitlines() }}",
    "{{ messages[0].get('role') }} {{ messages[0].get('x') }} {{ messages[0].get('x', 'y') }} {{ messages[0].keys() | list }} {{ messages[0].items() | list | length }}",
    "{{ 'a-b-c'.rsplit('-', 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ 'a  b  c  '.split(none, 1) }} {{ 'a=b=c'.partition('=') | list }} {{ 'a=b=c'.rpartition('=') | list }} {{ 'abc'.partition('x') | list }}",
    "{{ 'tool_x'.removeprefix('tool_') }} {{ 'x.py'.removesuffix('.py') }} {{ 'abab'.rfind('ab') }} {{ '한국한'.rfind('한') }} {{ '한국'.index('국') }} [{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '*') }}|{{ 'ab'.center(5, '-') }}|{{ 'abc'.center(6, '-') }}]",
    "{{ '12'.isdigit() }} {{ ''.isdigit() }} {{ 'ab1'.isalpha() }} {{ 'ab1'.isalnum() }} {{ ' '.isspace() }} {{ 'A1'.isupper() }} {{ '1'.isupper() }} {{ 'aB'.swapcase() }} {{ 'abc' is lower }} {{ 'A1' is upper }} {{ '1' is upper }} {{ 'ab'.replace('', '-') }} {{ 'ab'.count('') }}",
    "{{ '{} {} {{}}'.format('a', 2) }} {{ '{1}{0}{k}'.format('a', 'b', k='c') }} {{ '%s-%d%%' % ('a', 3) }} {{ '%s' % 'x' }} {{ '%s|%s' | format('a', none) }} {{ 'a\nb\n'.splitlines(true) }}",
    "{{ [1, 2, 1].count(1) }} {{ ['a', 'b'].index('b') }} {{ [0] * 3 }} {{ 2 * 'ab' }} {{ [1, 2, 3][-2:] }} {{ none[0] is defined }} {{ [1]['a'] is defined }} {{ ['B', 'a', 'C'] | sort }} {{ ['B', 'a'] | sort(case_sensitive=true) }} {{ ['a', 'A', 'b'] | unique | list }} {{ [3, 1, 2] | max }}{{ [3, 1, 2] | min }}",
    "{{ 'doc_id o\\'neil x-ray (a)' | title }} {{ \"doc_id o'neil x-ray (a)\".title() }} {{ {1: 'a', 2.5: 'b', none: 'c'} }} {{ {1: 'a'}[1] }} {{ {1: 'a', 'b': 2} | tojson }} {{ none | map('upper') | list }} {{ (1, 'a') }} {{ (1,) }} {{ () }} {{ {'a': 1}.items() | list }} {{ [1, 2] == (1, 2) }}",
    "{% macro m(a, b, c=3) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2]) }} {{ m(*[1], b=5) }} {{ m(**{'a': 7, 'b': 8, 'c': 9}) }} {{ m(1, *[2], **{'c': 4}) }}",
    # What select and its kin give is true even when nothing is in it.
    "{{ 'yes' if messages | selectattr('role', 'equalto', 'tool') else 'no' }} {{ 'yes' if messages | selectattr('role', 'equalto', 'tool') | list else 'no' }} {{ [] | map('upper') is sequence }} {{ [] | map('upper') is iterable }}",
    "{{ [1] | select | length }}",
    "{{ [1] | map('string') | tojson }}",
    "{{ [{'a': {'b': [7, 8]}}] | map(attribute='a.b.1') | list }} {{ [{'n': 2}, {'n': 1}] | sort(attribute='n') }} {{ [{'n': 2}, {'n': 1}] | sum(attribute='n') }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ [{'x': 'a'}] | join(',', attribute='x') }}",
    "{{ {'b': 1, 'a': '한\\u200b'} | tojson(ensure_ascii=true, sort_keys=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ {'a': [1, {'b': none}]} | tojson(indent=4) }} {{ ['tab\t', 'zwsp\u200b', 'nbsp\u00a0', '한'] }} {{ '<a b=\"c\">' | e }}",
    "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %y %I %p') }}",
    # Blocks.
    "{% macro box(title) %}<{{ title }}>{{ caller('x') }}</{{ title }}>{% endmacro %}{% set a = 'A' %}{% call(item) box('t') %}{{ a }}{{ item }}{% endcall %}{% call(item) box('u') %}body{% endcall %}",
    "{% filter upper %}ab{{ 'c' }}{% endfilter %}{% filter replace('a', 'b') %}aa{% endfilter %}{% with x = 1, y = 2 %}{{ x + y }}{% set z = 3 %}{{ z }}{% endwith %}{{ x is defined }}{{ z is defined }}",
    "{% raw %}{{ x }} {% if %}{% endraw %}|\n  {%- raw -%}  a {{ b }} {%- endraw -%}  c",
    "{% for a in [1, 1, 2] %}{{ loop.cycle('x', 'y') }}{{ loop.changed(a) }}{{ loop.depth }}{{ loop.depth0 }}{% for b in [1] %}{{ loop.depth }}{% endfor %}{% endfor %}",
    "{% for m in messages %}{% set c = m.content %}{% if c is string and c is not none %}{{ c[:3] }}{{ c[-1:] }}{{ c[0] is defined }}{% endif %}{% endfor %}",
    # Errors.
    "{{ x.y }}",
    "{{ 'a' + 1 }}",
    "{{ 1 // 0 }}",
    "{% for x in 5 %}{% endfor %}",
    "{{ raise_exception('stop') }}",
    "{% if %}{% endif %}",
    "{% for a in [1] %}",
    "{{ 'a' | nosuchfilter }}",
    "{{ 'a' is nosuchtest }}",
    "{{ 'open }}",
    "{{ (1 }}",
    "{% endif %}",
]

cases = []
for template in TEMPLATES:
    for messages in CONVERSATIONS:
        for generation in (False, True):
            try:
                text = environment.from_string(template).render(
                    messages=messages, tools=None, documents=None,
                    add_generation_prompt=generation,
                    bos_token="<s>", eos_token="</s>")
            except Exception:  # our message is ours; that it fails is common
                text = None
            cases.append({"template": template, "messages": messages,
                          "generation": generation, "text": text})
            if "messages" not in template:
                break
        if "messages" not in template:
            break

path = pathlib.Path(__file__).with_name("chats.json")
path.write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")
print(len(cases), "cases,", sum(c["text"] is None for c in cases), "fail")
