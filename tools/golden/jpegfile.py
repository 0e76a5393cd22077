"""Reads the quantised coefficients of JPEG files, for golden files: slow, and independent of declip.

libjpeg's jpegtran first turns any file into a baseline one with the same coefficients. See ITU-T T.81.
"""
import subprocess

import numpy as np

ZIGZAG = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
          35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63]


class Bits:

    def __init__(self, data):
        self.data, self.at, self.value, self.count = data, 0, 0, 0

    def bit(self):
        if self.count == 0:
            self.value = self.data[self.at]
            self.at += 2 if self.value == 0xff else 1  # a zero follows 0xff
            self.count = 8
        self.count -= 1
        return self.value >> self.count & 1

    def number(self, size):
        v = 0
        for _ in range(size):
            v = 2 * v + self.bit()
        return v if size == 0 or v >> (size - 1) else v - (1 << size) + 1

    def symbol(self, table):
        code, length = 0, 0
        while (length, code) not in table:
            code, length = 2 * code + self.bit(), length + 1
            assert length <= 16
        return table[length, code]


def huffman(b, tables):
    while b:
        counts, at, code = b[1:17], 17, 0
        table = {}
        for length, n in enumerate(counts, 1):
            for _ in range(n):
                table[length, code] = b[at]
                code, at = code + 1, at + 1
            code *= 2
        tables[b[0]] = table
        b = b[at:]


def quantisation(b, tables):
    while b:
        wide = b[0] >> 4
        values = np.frombuffer(b[1:1 + 64 * (1 + wide)], ">u2" if wide else "u1").astype(int)
        natural = np.zeros(64, int)
        natural[ZIGZAG] = values
        tables[b[0] & 15] = natural
        b = b[1 + 64 * (1 + wide):]


def read(data):
    """The bytes of a file to the first component's coefficients [H, W], int16, and steps [8, 8]. H and W are the picture's,
    rounded up to multiples of 8."""
    done = subprocess.run(["jpegtran", "-copy", "none", "-restart", "0"], input=data, stdout=subprocess.PIPE)
    assert done.returncode in (0, 2)  # 2: with warnings about damage
    data = done.stdout
    at, tables, steps, frame = 2, {}, {}, None
    while True:
        marker, size = data[at + 1], int.from_bytes(data[at + 2:at + 4], "big")
        body = data[at + 4:at + 2 + size]
        at += 2 + size
        if marker == 0xc4:
            huffman(body, tables)
        elif marker == 0xdb:
            quantisation(body, steps)
        elif marker in (0xc0, 0xc1):
            frame = body
        elif marker == 0xda:
            break
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    parts = [dict(id=c[0], h=c[1] >> 4, v=c[1] & 15, table=c[2]) for c in (frame[6 + 3 * i:9 + 3 * i] for i in range(frame[5]))]
    used = [(next(p for p in parts if p["id"] == body[1 + 2 * i]), body[2 + 2 * i]) for i in range(body[0])]
    assert len(used) == len(parts)  # one scan has all components
    if len(parts) == 1:
        parts[0]["h"] = parts[0]["v"] = 1
    first, most_h, most_v = parts[0], max(p["h"] for p in parts), max(p["v"] for p in parts)
    assert first["h"] == most_h and first["v"] == most_v
    mcus_x, mcus_y = -(-width // (8 * most_h)), -(-height // (8 * most_v))
    plane = np.zeros((8 * mcus_y * most_v, 8 * mcus_x * most_h), np.int16)
    bits, dc = Bits(data[at:]), {}
    for mcu in range(mcus_x * mcus_y):
        for p, slots in used:
            for k in range(p["h"] * p["v"]):
                block = block_of(bits, tables[slots >> 4], tables[0x10 | slots & 15])
                block[0] += dc.get(p["id"], 0)
                dc[p["id"]] = block[0]
                if p is first:
                    x, y = 8 * (mcu % mcus_x * p["h"] + k % p["h"]), 8 * (mcu // mcus_x * p["v"] + k // p["h"])
                    plane[y:y + 8, x:x + 8] = block.reshape(8, 8)
    return plane[:-(-height // 8) * 8, :-(-width // 8) * 8], steps[first["table"]].reshape(8, 8)


def block_of(bits, dc, ac):
    block, k = np.zeros(64, int), 1
    block[0] = bits.number(bits.symbol(dc))
    while k < 64:
        symbol = bits.symbol(ac)
        if symbol == 0:
            break
        k += symbol >> 4
        if symbol & 15:
            block[ZIGZAG[k]] = bits.number(symbol & 15)
        k += 1
    return block
