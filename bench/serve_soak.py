#!/usr/bin/env python3
"""Many clients at a server for a long time, of which some leave in the midst of
an answer and some send nonsense. No answer may be lost, or another's.

    build/seodang serve runs/demo/base runs/demo/instruct --port 18080 &
    bench/serve_soak.py http://127.0.0.1:18080 PID [--minutes 15] [--clients 32]

Answers are first asked for one after another; each later one must be the same
text. Prints what happened, and the server's resident memory, and exits with 1
when an answer was lost or differed.
"""
import argparse
import collections
import http.client
import json
import random
import socket
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("pid", type=int)
parser.add_argument("--minutes", type=float, default=15)
parser.add_argument("--clients", type=int, default=32)
args = parser.parse_args()
url = urllib.parse.urlparse(args.url)
NONSENSE = [b"", b"{", b"[]", b"\xff\xfe", b'{"messages":7}', b'{"model":"x"}',
            b'{"prompt":"a","temperature":"hot"}', b"[" * 500, b'{"a":' * 200, b"x" * 20000]


def connect():
    return http.client.HTTPConnection(url.hostname, url.port, timeout=120)


def request_of(number):
    if number % 2:
        return "/v1/completions", {"model": "base", "prompt": f"제{number}회: 나라", "max_tokens": 48,
                                   "temperature": 1, "seed": number}
    return "/v1/chat/completions", {
        "model": "instruct", "max_tokens": 48, "temperature": 1, "seed": number,
        "messages": [{"role": "user", "content": f"{number}번 질문, 수도는?"}]}


def text_of(choice):
    return choice["text"] if "text" in choice else choice["message"]["content"]


def ask(number, stream):
    """The answer, or the status that stands in for it."""
    path, body = request_of(number)
    connection = connect()
    connection.request("POST", path, json.dumps({**body, "stream": stream}))
    response = connection.getresponse()
    if response.status != 200:
        response.read()
        return response.status
    if not stream:
        return text_of(json.loads(response.read())["choices"][0])
    text = ""
    for line in response:
        if line.startswith(b"data: {"):
            choice = json.loads(line[6:])["choices"][0]
            text += choice["text"] if "text" in choice else choice["delta"].get("content", "")
        elif line.startswith(b"data: [DONE]"):
            return text
    return "cut off"


def leave(number):
    path, body = request_of(number)
    connection = connect()
    connection.request("POST", path, json.dumps({**body, "stream": True, "max_tokens": 400}))
    response = connection.getresponse()
    for _ in range(random.randrange(6)):
        response.readline()
    connection.sock and connection.sock.close()
    connection.close()


def send_nonsense(rng):
    if rng.random() < 0.3:  # not even HTTP
        with socket.create_connection((url.hostname, url.port), timeout=60) as raw:
            raw.sendall(rng.choice([b"\0" * 64, b"GET\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"]))
            raw.shutdown(socket.SHUT_WR)
            raw.recv(1000)
        return
    connection = connect()
    connection.request("POST", rng.choice(["/v1/completions", "/v1/chat/completions", "/x/../y"]),
                       rng.choice(NONSENSE))
    status = connection.getresponse().status
    counts["nonsense answered by 4xx" if 400 <= status < 500 else f"nonsense: {status}"] += 1


def resident():
    with open(f"/proc/{args.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024


counts = collections.Counter()
expected = {number: ask(number, False) for number in range(60)}
end = time.monotonic() + 60 * args.minutes


def client(which):
    rng = random.Random(which)
    while time.monotonic() < end:
        try:
            chance = rng.random()
            number = rng.randrange(len(expected))
            if chance < 0.1:
                send_nonsense(rng)
            elif chance < 0.2:
                leave(number)
                counts["left"] += 1
            else:
                got = ask(number, rng.random() < 0.5)
                if got == 429:
                    counts["told to come again"] += 1
                    time.sleep(0.2)
                else:
                    counts["answered" if got == expected[number] else "WRONG"] += 1
        except OSError as error:
            counts[f"LOST: {error}"] += 1


threads = [threading.Thread(target=client, args=(i,)) for i in range(args.clients)]
for thread in threads:
    thread.start()
begin = time.monotonic()
while time.monotonic() < end:
    time.sleep(min(60, max(0.1, end - time.monotonic())))
    print(f"{time.monotonic() - begin:5.0f} s  {resident()} MiB  {dict(counts)}", flush=True)
for thread in threads:
    thread.join()
assert ask(0, False) == expected[0]
print("after", resident(), "MiB", dict(counts))
raise SystemExit(any(key.startswith(("WRONG", "LOST")) for key in counts))
