#!/usr/bin/env python3
"""Cuts real dumps down to seeds for the fuzz targets: seeds.py DIR writes some files of about 2 KB each to DIR.

A seed holds a few small records of every kind that its dump has. Each comes with the headers of all three
versions; those of go1.5 also with a type record struck by that version's defect, whose name has an absurd
length with stray memory after it.
"""

import os
import subprocess
import sys

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
real = os.path.join(here, "..", "real")
sys.path.insert(0, real)
from count import THECHAR, Dump  # noqa: E402


def uvarint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def records(data):
    """Yields each record's kind, values and bytes."""
    dump = Dump(data)
    start = dump.at
    for kind, record in dump:
        yield kind, record, data[start:dump.at]
        start = dump.at


def seed(data, version, struck):
    kept = {}
    out = [version.encode() + b" heap dump\n"]
    for kind, record, raw in records(data):
        if kind == "params" and version != "go1.7":
            arch = uvarint(len(record["arch"])) + record["arch"]
            at = raw.index(arch)
            letter = {name: char for char, name in THECHAR.items()}[record["arch"].decode()]
            raw = raw[:at] + uvarint(letter) + raw[at + len(arch):]
        if kind == "memstats":
            raw = b"\x0a" + bytes(24 + 256 + 1)  # five bytes of pause for one of anything else are a waste
        small = len(raw) <= 100 or kind in ("memstats", "params")
        if kind in ("data", "bss"):
            raw = raw[:1] + uvarint(record["address"]) + b"\x10" + bytes(range(16)) + b"\x01\x00\x01\x08\x00"
            small = True
        if kind in ("type", "itab") and struck and kept.get("type", 0) == 1:
            struck = False
            memory = b"stray memory \x03\x08\x00" * 3
            out.append(b"\x03" + uvarint(record["address"]) + b"\x08" + uvarint(1 << 30) + memory + b"\x01")
            out.append(b"\x08\x90\x03" + uvarint(record["address"]))
        if small and kept.get(kind, 0) < 3:
            kept[kind] = kept.get(kind, 0) + 1
            out.append(raw)
    return b"".join(out)


def main(directory):
    os.makedirs(directory, exist_ok=True)
    for name in sorted(os.listdir(real)):
        if not name.endswith(".dump.zst"):
            continue
        data = subprocess.run(["zstd", "-dcq", os.path.join(real, name)], check=True, capture_output=True).stdout
        for version, struck in ("go1.5", False), ("go1.5", True), ("go1.6", False), ("go1.7", False):
            path = os.path.join(directory, f"{name[:-len('.dump.zst')]}-{version}{'-struck' if struck else ''}")
            with open(path, "wb") as file:
                file.write(seed(data, version, struck))

    # Records larger than a stream's buffer, to be read in pieces or refused.
    head = b"go1.7 heap dump\n\x06\x00\x08\x00\x7f\x05amd64\x00\x01"
    contents, offsets = bytes(9000), b"".join(b"\x01" + uvarint(at) for at in range(0, 36000, 8)) + b"\x00"
    contents = uvarint(len(contents)) + contents
    for name, record in {
        "object": b"\x01\x10" + contents + b"\x01\x08\x00",
        "fields": b"\x01\x10\x08" + bytes(8) + offsets,
        "frame": b"\x05\x10\x00\x00" + contents + b"\x01\x02\x03\x04main\x01\x08\x00",
        "data": b"\x0c\x10" + contents + offsets,
        "string": b"\x02" + contents + b"\x00",
    }.items():
        with open(os.path.join(directory, f"large-{name}"), "wb") as file:
            file.write(head + record + b"\x00")


if __name__ == "__main__":
    main(sys.argv[1])
