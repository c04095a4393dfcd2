#!/usr/bin/env python3
"""A server under load: clients that ask at the same time, each again as soon as
it is answered.

    build/seodang serve MODEL &
    bench/serve_load.py http://127.0.0.1:8080 [--model NAME] [--clients 1 2 4 8]

Prints for each number of clients: tokens a second of all together, and the time
to the first token, median and 95th percentile. Tokens are counted by the
server. Prompts differ, so none is read from a cache.

    NODE_MODULES=DIR/node_modules bench/serve_load.py URL --file MODEL.gguf [--rounds 3]

asks the same of llama.cpp in turns (parallel calls of npm's node-llama-cpp,
bench/serve_load.mjs), and of `seodang generate` for one client; the file is the
one that is served. Medians over the rounds.
"""
import argparse
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--model", default="")
parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8])
parser.add_argument("--requests", type=int, default=4, help="of each client")
parser.add_argument("--max-tokens", type=int, default=64)
parser.add_argument("--prompt", default="The capital of Korea, in number {}, is")
parser.add_argument("--rounds", type=int, default=1)
parser.add_argument("--file", help="the model that is served, to ask of others, too")
args = parser.parse_args()
here = pathlib.Path(__file__).parent
url = urllib.parse.urlparse(args.url)


def ask(number):
    """Seconds to the first token, and tokens written."""
    begin = time.monotonic()
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=600)
    connection.request("POST", "/v1/completions", json.dumps({
        "model": args.model, "prompt": args.prompt.format(number),
        "max_tokens": args.max_tokens, "temperature": 0, "stream": True,
        "stream_options": {"include_usage": True}}))
    first = tokens = None
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        first = first or time.monotonic() - begin
        tokens = (json.loads(line[6:]).get("usage") or {}).get("completion_tokens", tokens)
    return first, tokens


def load(clients):
    results = []

    def client(which):
        for i in range(args.requests):
            results.append(ask(1000 * clients + 100 * which + i))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    return sum(tokens for _, tokens in results) / seconds, [first for first, _ in results]


def llama_cpp(clients):
    out = json.loads(subprocess.run(
        ["node", here / "serve_load.mjs", args.file, str(clients), str(args.requests),
         str(args.max_tokens)], check=True, capture_output=True).stdout)
    return out["rate"], out["first"]


def generate():
    """Tokens a second of `seodang generate`, from the prompt on."""
    out = json.loads(subprocess.run(
        [here / "../build/seodang", "generate", args.file, args.prompt.format(1000), "--json",
         "--top", "0", "--max-tokens", str(args.max_tokens)], check=True,
        capture_output=True).stdout)["usage"]
    return out["completion_tokens"] / (out["prompt_tokens"] / out["prompt_per_second"] +
                                       (out["completion_tokens"] - 1) / out["per_second"])


def show(results):
    """Of rounds of one kind: the median rate, and the quantiles of all first tokens."""
    rate = statistics.median(rate for rate, _ in results)
    firsts = sorted(first for _, many in results for first in many)
    p95 = firsts[min(len(firsts) - 1, int(0.95 * len(firsts)))]
    return rate, f"{rate:>12.1f}{statistics.median(firsts):>10.2f} s{p95:>8.2f} s"


with_peer = args.file and "NODE_MODULES" in os.environ
print(f"{'clients':>8}{'tokens/s':>12}{'first, p50':>12}{'p95':>10}" +
      (f"   llama.cpp:{'tokens/s':>9}{'first, p50':>12}{'p95':>10}{'ratio':>8}" if with_peer else ""))
ask(0)
for clients in args.clients:
    ours, theirs, alone = [], [], []
    for _ in range(args.rounds):
        ours.append(load(clients))
        if with_peer:
            theirs.append(llama_cpp(clients))
        if args.file and clients == 1:
            alone.append(generate())
    rate, line = show(ours)
    if with_peer:
        their_rate, their_line = show(theirs)
        line += f"          {their_line}{rate / their_rate:>8.2f}"
    print(f"{clients:>8}{line}", flush=True)
    if alone:
        print(f"{'':8}{statistics.median(alone):>12.1f}   generate: {rate / statistics.median(alone):.2f} of it")
