#!/usr/bin/env python3
"""Writes blocks.json: what llama.cpp makes of some blocks, and how far its
blocks are from some numbers.

    npm install node-llama-cpp
    ./make_blocks.py node_modules/@node-llama-cpp/linux-x64/bins/\
linux-x64/libggml-base.so > blocks.json

dequantize: for each format the bytes of some blocks (hex) and the float32s
behind them (hex of their bytes). quantize: numbers (float16, hex) in rows of
256, and for each format the relative RMS error of llama.cpp's blocks, plain
and weighted as kernels/quantize.h does.
"""
import ctypes
import json
import math
import random
import struct
import sys

FORMATS = {  # numbers and bytes of a block, where its float16s are, its name
    "q8_0": (32, 34, [0], "q8_0", 32),
    "q4_0": (32, 18, [0], "q4_0", 32),
    "q4_1": (32, 20, [0, 2], "q4_1", 32),
    "q5_0": (32, 22, [0], "q5_0", 32),
    "q5_1": (32, 24, [0, 2], "q5_1", 32),
    "iq4_nl": (32, 18, [0], "iq4_nl", 32),
    "q2_k": (256, 84, [80, 82], "q2_K", 16),
    "q3_k": (256, 110, [108], "q3_K", 16),
    "q4_k": (256, 144, [0, 2], "q4_K", 32),
    "q5_k": (256, 176, [0, 2], "q5_K", 32),
    "q6_k": (256, 210, [208], "q6_K", 16),
}
WRITTEN = ["q8_0", "q4_0", "q5_0", "q4_k", "q6_k"]
ROWS = 16


def dequantize(lib, name, blocks, count):
    out = (ctypes.c_float * count)()
    getattr(lib, "dequantize_row_" + name)(
        blocks, out, ctypes.c_int64(count))
    return list(out)


def random_blocks(rng, size, halves, count):
    out = b""
    for _ in range(count):
        block = bytearray(rng.randbytes(size))
        for at in halves:  # any bits would make most numbers huge or NaN
            block[at:at + 2] = struct.pack("<e", rng.gauss(0, 0.01))
        out += bytes(block)
    return out


def error(numbers, stored, group, weighted):
    squares = total = 0.0
    for begin in range(0, len(numbers), group):
        x = numbers[begin:begin + group]
        y = stored[begin:begin + group]
        rms = math.sqrt(sum(a * a for a in x) / group)
        for a, b in zip(x, y):
            w = rms + abs(a) if weighted else 1
            squares += w * a * a
            total += w * (a - b) ** 2
    return math.sqrt(total / squares)


def main():
    lib = ctypes.CDLL(sys.argv[1])
    rng = random.Random(1)
    out = {"dequantize": {}, "quantize": {"errors": {}}}
    for name, (numbers, size, halves, theirs, _) in FORMATS.items():
        blocks = random_blocks(rng, size, halves, 512 // numbers)
        floats = dequantize(lib, theirs, blocks, 512)
        out["dequantize"][name] = {
            "blocks": blocks.hex(),
            "numbers": struct.pack("<512f", *floats).hex(),
        }
    values = []
    for row in range(ROWS):  # normal, heavy-tailed, and with an offset
        for _ in range(256):
            x = rng.gauss(0, 0.02)
            if row % 4 == 1:
                x *= abs(rng.gauss(0, 2)) ** 2
            if row % 4 == 2:
                x += 0.01
            values.append(struct.unpack("<e", struct.pack("<e", x))[0])
    out["quantize"]["numbers"] = struct.pack(f"<{len(values)}e", *values).hex()
    array = (ctypes.c_float * len(values))(*values)
    for name, (numbers, size, _, theirs, group) in FORMATS.items():
        if name not in WRITTEN:
            continue
        blocks = ctypes.create_string_buffer(len(values) // numbers * size)
        quantize = getattr(lib, "quantize_" + theirs)
        quantize.restype = ctypes.c_size_t
        quantize(array, blocks, ctypes.c_int64(ROWS), ctypes.c_int64(256), None)
        stored = dequantize(lib, theirs, blocks, len(values))
        out["quantize"]["errors"][name] = {
            "plain": error(values, stored, group, False),
            "weighted": error(values, stored, group, True),
        }
    json.dump(out, sys.stdout, indent=1)
    print()


main()
