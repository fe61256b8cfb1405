#!/usr/bin/env python3
"""A whole reader of Go heap dumps, to start another one from: reader.py DUMP prints what is in it as one JSON object.

`heapmatrix check-reader -- python3 corpora/reader.py {}` says whether it reads every machine's dumps right. Plain
Python 3. A dump that is broken gives one line on standard error, and exit status 1.
"""

import json
import sys

# A record is its tag and these values: i an integer, s a string, c memory, f a list of pointer fields, p the stack of a
# profile. Integers are unsigned LEB128, of up to 64 bits.
RECORDS = {0: ("eof", ""), 1: ("object", "icf"), 2: ("otherroot", "si"), 3: ("type", "iisi"),
           4: ("goroutine", "iiiiiiiisiiii"), 5: ("stackframe", "iiiciiisf"), 6: ("params", "iiiiasi"),
           7: ("finalizer", "iiiii"), 8: ("itab", "ii"), 9: ("osthread", "iii"), 10: ("memstats", "i" * 281),
           11: ("queuedfinalizer", "iiiii"), 12: ("data", "icf"), 13: ("bss", "icf"), 14: ("defer", "iiiiiii"),
           15: ("panic", "iiiiii"), 16: ("memprof", "iipii"), 17: ("allocsample", "ii")}
# Where contents are, and what their number is called.
ROOMS = {"object": ("heap", "objects"), "stackframe": ("stack", "frames"), "data": ("data", None), "bss": ("bss", None)}


class Broken(Exception):
    pass


class Dump:
    def __init__(self, data):
        self.data, self.at = data, 16
        self.format = data[:5].decode("latin-1")
        if data[5:16] != b" heap dump\n" or self.format not in ("go1.5", "go1.6", "go1.7"):
            raise Broken("no heap dump")

    def i(self):
        value = 0
        for shift in range(0, 70, 7):
            if self.at >= len(self.data):
                raise Broken("ends too early")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    break
                return value
        raise Broken("an integer has more than 64 bits")

    def s(self):
        length = self.i()
        if length > len(self.data) - self.at:
            raise Broken("ends too early")
        self.at += length
        return self.data[self.at - length:self.at]

    c = s

    def a(self):  # Until Go 1.6 the architecture was a letter.
        return self.s() if self.format == "go1.7" else self.i()

    def f(self):
        offsets = []
        while kind := self.i():
            if kind > 3:
                raise Broken("a field is of no kind that there is")
            offsets.append(self.i())
        return offsets

    def p(self):
        return [(self.s(), self.s(), self.i()) for _ in range(self.i())]

    def records(self):
        kind = None
        while kind != "eof":
            start, tag = self.at, self.i()
            if tag not in RECORDS or start == 16 and tag != 6:
                raise Broken(f"no record with the tag {tag} can be here")
            kind, values = RECORDS[tag]
            yield kind, [getattr(self, value)() for value in values]


def summary(dump):
    records = {kind: 0 for kind, _ in RECORDS.values()}
    sums = {room: {name: 0 for name in (count, "bytes", "pointers") if name} for room, count in ROOMS.values()}
    params = {}
    for kind, values in dump.records():
        records[kind] += 1
        if kind == "params":
            params = dict(zip(("big_endian", "ptr_size", "heap_start", "heap_end"), values), ncpu=values[6])
        elif kind in ROOMS:
            room, count = ROOMS[kind]
            if count:
                sums[room][count] += 1
            sums[room]["bytes"] += len(values[3] if kind == "stackframe" else values[1])
            sums[room]["pointers"] += len(values[-1])
    return {"format": dump.format, "params": params, "records": records, **sums}


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        contents = file.read()
    try:
        print(json.dumps(summary(Dump(contents))))
    except Broken as broken:
        sys.exit(f"{sys.argv[1]}: {broken}")
