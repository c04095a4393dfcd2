#!/usr/bin/env python3
"""A server under load: clients that ask at the same time, each again as soon as
it is answered.

    build/seodang serve MODEL &
    bench/serve_load.py http://127.0.0.1:8080 [--model NAME] [--clients 1 2 4 8]

Prints for each number of clients: tokens a second of all together, and the time
to the first token, median and 95th percentile. Tokens are counted by the
server. Prompts differ, so none is read from a cache.
"""
import argparse
import http.client
import json
import statistics
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
args = parser.parse_args()
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
    firsts = sorted(first for first, _ in results)
    return (sum(tokens for _, tokens in results) / seconds, statistics.median(firsts),
            firsts[min(len(firsts) - 1, int(0.95 * len(firsts)))])


print(f"{'clients':>8}{'tokens/s':>12}{'first, p50':>12}{'p95':>10}")
ask(0)
for clients in args.clients:
    rate, median, p95 = load(clients)
    print(f"{clients:>8}{rate:>12.1f}{median:>10.2f} s{p95:>8.2f} s")
