#!/usr/bin/env python3
"""Counts what a Go heap dump holds: count.py DUMP... prints the facts of each as one JSON object.

Written from Go's runtime/heapdump.go (the dump functions there, in their order) and sharing nothing with
any other reader, so that a reader can be held to what this counts. Plain Python 3, nothing to install.
It believes its input: a broken dump ends in an exception.
"""

import collections
import json
import sys
import zlib

# Every record is its tag and then these values. `int` is an unsigned LEB128 integer of up to 64 bits, `bool`
# is such an integer that is 0 or 1, `bytes` is a length and that many bytes; `fields` is pairs of a kind
# (1 pointer, 2 interface, 3 empty interface) and an offset, up to the kind 0, which stands alone.
INT, BOOL, BYTES, FIELDS, FRAMES, PAUSES = "int", "bool", "bytes", "fields", "frames", "pauses"
MEMSTATS = """alloc total_alloc sys lookups mallocs frees heap_alloc heap_sys heap_idle heap_inuse heap_released
    heap_objects stack_inuse stack_sys mspan_inuse mspan_sys mcache_inuse mcache_sys buck_hash_sys gc_sys
    other_sys next_gc last_gc pause_total_ns""".split()
FINALIZER = [("object", INT), ("func", INT), ("pc", INT), ("arg_type", INT), ("object_type", INT)]
SEGMENT = [("address", INT), ("contents", BYTES), ("fields", FIELDS)]
RECORDS = {
    0: ("eof", []),
    1: ("object", SEGMENT),
    2: ("otherroot", [("description", BYTES), ("to", INT)]),
    3: ("type", [("address", INT), ("size", INT), ("name", BYTES), ("indirect", BOOL)]),
    4: ("goroutine", [("address", INT), ("sp", INT), ("goid", INT), ("gopc", INT), ("status", INT), ("system", BOOL),
                      ("background", BOOL), ("wait_since", INT), ("wait_reason", BYTES), ("context", INT), ("m", INT),
                      ("defer", INT), ("panic", INT)]),
    5: ("stackframe", [("sp", INT), ("depth", INT), ("child_sp", INT), ("contents", BYTES), ("entry", INT),
                       ("pc", INT), ("continuation_pc", INT), ("name", BYTES), ("fields", FIELDS)]),
    6: ("params", [("big_endian", BOOL), ("ptr_size", INT), ("heap_start", INT), ("heap_end", INT), ("arch", BYTES),
                   ("experiment", BYTES), ("ncpu", INT)]),
    7: ("finalizer", FINALIZER),
    8: ("itab", [("address", INT), ("type", INT)]),
    9: ("osthread", [("m", INT), ("id", INT), ("os_id", INT)]),
    10: ("memstats", [(name, INT) for name in MEMSTATS] + [("pause_ns", PAUSES), ("num_gc", INT)]),
    11: ("queuedfinalizer", FINALIZER),
    12: ("data", SEGMENT),
    13: ("bss", SEGMENT),
    14: ("defer", [("address", INT), ("goroutine", INT), ("sp", INT), ("pc", INT), ("func", INT), ("entry", INT),
                   ("link", INT)]),
    15: ("panic", [("address", INT), ("goroutine", INT), ("type", INT), ("data", INT), ("defer", INT), ("link", INT)]),
    16: ("memprof", [("bucket", INT), ("size", INT), ("stack", FRAMES), ("allocs", INT), ("frees", INT)]),
    17: ("allocsample", [("object", INT), ("bucket", INT)]),
}
# Before Go 1.7 params held the assembler's letter for the architecture and not its name.
THECHAR = {ord("6"): "amd64", ord("8"): "386", ord("5"): "arm", ord("7"): "arm64", ord("9"): "ppc64"}


class Dump:
    """A dump's records in order, each a kind and a dict; `crc32` has a checksum of all values of each kind.

    The checksum takes the values in the record's order: an integer or bool as 8 bytes, little endian; bytes as
    their length and themselves; fields as their kinds and offsets, the closing 0 included; a stack of the memory
    profile as its length and each frame's function, file and line.
    """

    def __init__(self, data):
        self.data, self.at = data, data.index(b"\n") + 1
        self.header = data[:self.at].decode()
        self.format = self.header.split(" ")[0]
        assert self.header == self.format + " heap dump\n" and self.format in ("go1.5", "go1.6", "go1.7"), self.header
        self.crc32 = collections.Counter()

    def __iter__(self):
        kind = None
        while kind != "eof":
            kind, layout = RECORDS[self.uvarint()]
            self.hashed = []
            record = {}
            for name, type in layout:
                if name == "arch" and self.format != "go1.7":
                    name, type = "thechar", INT
                record[name] = getattr(self, type)()
            self.crc32[kind] = zlib.crc32(b"".join(self.hashed), self.crc32[kind])
            yield kind, record
        assert self.at == len(self.data), "bytes after the end"

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def int(self):
        value = self.uvarint()
        self.hashed.append(value.to_bytes(8, "little"))
        return value

    def bool(self):
        value = self.int()
        assert value in (0, 1), value
        return value == 1

    def bytes(self):
        length = self.int()
        value = self.data[self.at:self.at + length]
        assert len(value) == length, "contents beyond the end"
        self.hashed.append(value)
        self.at += length
        return value

    def fields(self):
        found = []
        while kind := self.int():
            assert kind <= 3, kind
            found.append((kind, self.int()))
        return found

    def frames(self):
        return [(self.bytes(), self.bytes(), self.int()) for _ in range(self.int())]

    def pauses(self):
        return [self.int() for _ in range(256)]


def facts(data):
    dump = Dump(data)
    records = {kind: 0 for kind, _ in RECORDS.values()}
    sums = {"heap": [0, 0, 0], "stack": [0, 0, 0], "data": [0, 0, 0], "bss": [0, 0, 0]}
    room = {"object": "heap", "stackframe": "stack", "data": "data", "bss": "bss"}
    statuses, reasons = collections.Counter(), {False: collections.Counter(), True: collections.Counter()}
    for kind, record in dump:
        records[kind] += 1
        if kind in room:
            total = sums[room[kind]]
            total[0] += 1
            total[1] += len(record["contents"])
            total[2] += len(record["fields"])
        elif kind == "goroutine":
            statuses[str(record["status"])] += 1
            reasons[record["system"]][state(record)] += 1
        elif kind == "params":
            params = record
        elif kind == "memstats":
            memstats = record
    memstats["pause_ns"] = sum(memstats["pause_ns"])
    params["heap_start"], params["heap_end"] = hex(params["heap_start"]), hex(params["heap_end"])
    params["experiment"] = params["experiment"].decode()
    if "thechar" in params:
        params["arch"] = THECHAR[params["thechar"]]
        if params["arch"] == "ppc64" and not params["big_endian"]:
            params["arch"] = "ppc64le"
    else:
        params["arch"] = params["arch"].decode()
    return {
        "format": dump.format,
        "bytes": len(data),
        "params": params,
        "records": records,
        "heap": dict(zip(("objects", "bytes", "pointers"), sums["heap"])),
        "stack": dict(zip(("frames", "bytes", "pointers"), sums["stack"])),
        "data": dict(zip(("bytes", "pointers"), sums["data"][1:])),
        "bss": dict(zip(("bytes", "pointers"), sums["bss"][1:])),
        "statuses": dict(sorted(statuses.items())),
        "user_goroutines": dict(sorted(reasons[False].items())),
        "system_goroutines": dict(sorted(reasons[True].items())),
        "memstats": memstats,
        "crc32": {kind: f"{dump.crc32[kind]:08x}" for kind in records},
    }


def state(goroutine):
    """What a traceback prints in a goroutine's brackets: a wait reason counts only while it waits."""
    status = {1: "runnable", 2: "running", 3: "syscall"}.get(goroutine["status"])
    return status or goroutine["wait_reason"].decode()


if __name__ == "__main__":
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            print(json.dumps(facts(file.read()), indent=2))
