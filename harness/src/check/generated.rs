//! Dumps with everything that the format allows, put together record by record from a seed.
//!
//! They say what real dumps hardly ever say: names that are not UTF-8 or longer than a buffer, numbers at the edges of
//! their encoding, empty contents, lists of thousands of fields. All that a reader may rely on holds: records come in
//! the order of Go's `mdump`, what refers to something refers to what is there, and nothing overlaps.

use std::sync::Arc;

use fastrand::Rng;

use super::cases::{Bytes, Case, Class, Expected};
use super::encoding::{FORMATS, Field, MACHINES, Machine, Record, dump, eof, params};
use super::truth::{Known, Truth};

/// The cases: `count` dumps of each machine and format that there was. Of these, those whose names are wanted.
pub fn cases(seed: u64, count: u64, wanted: &dyn Fn(&str) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for machine in MACHINES {
        for (format, by_character) in FORMATS {
            if by_character && machine.character.is_none() {
                continue;
            }
            for number in 0..count {
                let name = format!("generated/{format}-{}-{}", machine.name, seed.wrapping_add(number));
                if !wanted(&name) {
                    continue;
                }
                let records = Arc::new(records(machine, format, &name));
                let lines = records.iter().map(Record::line).collect();
                let truth = Truth::new(format, machine.name, lines);
                cases.push(Case {
                    name,
                    class: Class::Generated,
                    machine: machine.name.to_owned(),
                    format: format.to_owned(),
                    expected: Expected::Contents(Box::new(Known::Made(truth))),
                    bytes: Bytes::Here(dump(format, &records)),
                });
            }
        }
    }
    cases
}

/// What one dump is made of.
struct Maker {
    rng: Rng,
    machine: Machine,
    records: Vec<Record>,
    types: Vec<u64>,
    objects: Vec<u64>,
}

/// The records of a dump, which follow from its name.
fn records(machine: Machine, format: &str, name: &str) -> Vec<Record> {
    let seed = name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte));
    let mut maker =
        Maker { rng: Rng::with_seed(seed), machine, records: vec![], types: vec![], objects: vec![] };
    let base = maker.base();
    maker.records.push(params(machine, format, (base, base + (1 << 24))));
    maker.types();
    maker.objects(base);
    maker.goroutines();
    maker.rest();
    maker.records
}

impl Maker {
    fn base(&self) -> u64 {
        if self.machine.pointer_size == 8 { 0xc0_0000_0000 } else { 0x1840_0000 }
    }

    fn push(&mut self, tag: u64, kind: &'static str, fields: Vec<(&'static str, Field)>) {
        self.records.push(Record(tag, kind, fields));
    }

    /// A number: often one where the encoding gets longer.
    fn number(&mut self, most: u64) -> u64 {
        let edges =
            [0, 1, 127, 128, 16383, 16384, u32::MAX.into(), 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX];
        let value = if self.rng.bool() {
            edges[self.rng.usize(..edges.len())]
        } else {
            self.rng.u64(..) >> self.rng.u32(..64)
        };
        value.min(most)
    }

    fn address(&mut self) -> Field {
        let most = if self.machine.pointer_size == 8 { u64::MAX } else { u32::MAX.into() };
        Field::Address(self.number(most))
    }

    fn name(&mut self) -> Field {
        Field::Text(match self.rng.u32(..12) {
            0 => Vec::new(),
            1 => b"\xff\xfe not UTF-8 \x80".to_vec(),
            2 => "包.Тип[go.shape.int]·dwrap·1".into(),
            3 => vec![b'n'; self.rng.usize(4000..70_000)],
            // No line feeds: a reader that prints lines could not be understood.
            4 => b"a\ttab, and \x1b[31mmore\0".to_vec(),
            _ => format!("main.function{}", self.rng.u32(..1000)).into_bytes(),
        })
    }

    fn choose(&mut self, of: fn(&Self) -> &Vec<u64>) -> u64 {
        let length = of(self).len();
        let place = self.rng.usize(..length);
        of(self)[place]
    }

    /// Memory with pointers in it, some of them to objects.
    fn contents(&mut self, size: usize) -> (Field, Field) {
        let mut memory = vec![0; size];
        if self.rng.u32(..4) > 0 {
            self.rng.fill(&mut memory);
        }
        let word = self.machine.pointer_size as usize;
        let words = size / word;
        let dense = self.rng.u32(..3);
        let mut fields = Vec::new();
        for place in 0..words {
            let is_pointer = match dense {
                0 => false,
                1 => self.rng.u32(..8) == 0,
                _ => true,
            };
            if !is_pointer {
                continue;
            }
            fields.push((place * word) as u64);
            let target = match self.objects.len() {
                0 => 0,
                _ => self.choose(|maker| &maker.objects),
            };
            let bytes = if self.machine.big_endian {
                target.to_be_bytes()[8 - word..].to_vec()
            } else {
                target.to_le_bytes()[..word].to_vec()
            };
            memory[place * word..][..word].copy_from_slice(&bytes);
        }
        (Field::Contents(memory), Field::Fields(fields))
    }

    fn types(&mut self) {
        for number in 0..self.rng.u64(1..20) {
            let address = 0x40_0000 + number * 0x40;
            self.types.push(address);
            let (size, name, pointer) = (self.number(1 << 40), self.name(), self.rng.bool());
            self.push(
                3,
                "type",
                vec![
                    ("address", Field::Address(address)),
                    ("size", Field::Int(size)),
                    ("name", name),
                    ("data_is_pointer", Field::Bool(pointer)),
                ],
            );
        }
        for number in 0..self.rng.u64(..10) {
            let of = self.choose(|maker| &maker.types);
            let address = Field::Address(0x48_0000 + number * 0x20);
            self.push(8, "itab", vec![("address", address), ("type_address", Field::Address(of))]);
        }
    }

    fn objects(&mut self, base: u64) {
        let mut address = base;
        for _ in 0..self.rng.u64(1..200) {
            let size = match self.rng.u32(..20) {
                0 => self.rng.usize(1..9000) * 8,
                1 => 8,
                _ => self.rng.usize(1..40) * 16,
            };
            self.objects.push(address);
            let (contents, fields) = self.contents(size);
            self.push(
                1,
                "object",
                vec![("address", Field::Address(address)), ("contents", contents), ("fields", fields)],
            );
            address += size as u64 + 8 * self.rng.u64(..4);
        }
    }

    fn goroutines(&mut self) {
        let mut stack = self.base() + 0x100_0000;
        for number in 0..self.rng.u64(1..12) {
            let goroutine = self.base() + 0x80_0000 + number * 0x400;
            let status = [1, 3, 4][self.rng.usize(..3)];
            let id = self.number(u64::MAX);
            let (pc, reason, context, since) =
                (self.address(), self.name(), self.address(), self.number(u64::MAX));
            let (system, background) = (self.rng.bool(), self.rng.bool());
            self.push(
                4,
                "goroutine",
                vec![
                    ("address", Field::Address(goroutine)),
                    ("sp", Field::Address(stack)),
                    ("id", Field::Int(id)),
                    ("creation_pc", pc),
                    ("status", Field::Int(status)),
                    ("is_system", Field::Bool(system)),
                    ("is_background", Field::Bool(background)),
                    ("wait_since", Field::Int(since)),
                    ("wait_reason", reason),
                    ("context", context),
                    ("thread", Field::Address(0)),
                    ("defer", Field::Address(0)),
                    ("panic", Field::Address(0)),
                ],
            );
            let mut child = 0;
            for depth in 0..self.rng.u64(1..8) {
                let size = self.rng.usize(1..30) * 8;
                let (contents, fields) = self.contents(size);
                let (entry, pc, continuation, name) =
                    (self.address(), self.address(), self.address(), self.name());
                self.push(
                    5,
                    "stackframe",
                    vec![
                        ("sp", Field::Address(stack)),
                        ("depth", Field::Int(depth)),
                        ("child_sp", Field::Address(child)),
                        ("contents", contents),
                        ("entry", entry),
                        ("pc", pc),
                        ("continuation_pc", continuation),
                        ("name", name),
                        ("fields", fields),
                    ],
                );
                child = stack;
                stack += size as u64;
            }
            stack += 0x1000;
            for _ in 0..self.rng.u64(..3) {
                let rest = ["sp", "pc", "closure", "entry"].map(|name| (name, self.address()));
                let mut fields = vec![("address", self.address()), ("goroutine", Field::Address(goroutine))];
                fields.extend(rest);
                fields.push(("link", Field::Address(0)));
                self.push(14, "defer", fields);
            }
            for _ in 0..self.rng.u64(..2) {
                let (address, data) = (self.address(), self.address());
                let of = self.choose(|maker| &maker.types);
                self.push(
                    15,
                    "panic",
                    vec![
                        ("address", address),
                        ("goroutine", Field::Address(goroutine)),
                        ("argument_type", Field::Address(of)),
                        ("argument_data", data),
                        ("defer", Field::Address(0)),
                        ("link", Field::Address(0)),
                    ],
                );
            }
        }
    }

    fn finalizer(&mut self, tag: u64, kind: &'static str) {
        let object = self.choose(|maker| &maker.objects);
        let types = [(); 2].map(|()| Field::Address(self.choose(|maker| &maker.types)));
        let [argument, of] = types;
        let (closure, entry) = (self.address(), self.address());
        self.push(
            tag,
            kind,
            vec![
                ("object", Field::Address(object)),
                ("closure", closure),
                ("entry", entry),
                ("argument_type", argument),
                ("object_type", of),
            ],
        );
    }

    fn rest(&mut self) {
        for id in 0..self.rng.u64(1..5) {
            let (address, os_id) = (self.address(), self.number(u64::MAX));
            let fields = vec![("address", address), ("id", Field::Int(id)), ("os_id", Field::Int(os_id))];
            self.push(9, "osthread", fields);
        }
        for (tag, kind, address) in [(12, "data", 0x50_0000), (13, "bss", 0x60_0000)] {
            let words = self.rng.usize(..3000);
            let (contents, fields) = self.contents(words * 8);
            self.push(
                tag,
                kind,
                vec![("address", Field::Address(address)), ("contents", contents), ("fields", fields)],
            );
        }
        for _ in 0..self.rng.u64(..4) {
            let (description, target) = (self.name(), self.choose(|maker| &maker.objects));
            let fields = vec![("description", description), ("target", Field::Address(target))];
            self.push(2, "otherroot", fields);
        }
        for _ in 0..self.rng.u64(..4) {
            self.finalizer(7, "finalizer");
        }
        for _ in 0..self.rng.u64(..4) {
            self.finalizer(11, "queuedfinalizer");
        }
        self.memstats();
        let buckets: Vec<u64> = (0..self.rng.u64(1..10)).map(|number| 0x70_0000 + number * 0x100).collect();
        for &address in &buckets {
            let calls = (0..self.rng.u64(..33)).map(|_| {
                let [function, file] = [(); 2].map(|()| match self.name() {
                    Field::Text(text) => text,
                    _ => Vec::new(),
                });
                (function, file, self.number(u64::MAX))
            });
            let stack = Field::Stack(calls.collect());
            let [size, allocs, frees] = [(); 3].map(|()| Field::Int(self.number(u64::MAX)));
            self.push(
                16,
                "memprof",
                vec![
                    ("address", Field::Address(address)),
                    ("size", size),
                    ("stack", stack),
                    ("allocs", allocs),
                    ("frees", frees),
                ],
            );
        }
        for _ in 0..self.rng.u64(..20) {
            let object = self.choose(|maker| &maker.objects);
            let bucket = buckets[self.rng.usize(..buckets.len())];
            let fields = vec![("object", Field::Address(object)), ("bucket", Field::Address(bucket))];
            self.push(17, "allocsample", fields);
        }
        self.records.push(eof());
    }

    fn memstats(&mut self) {
        const NAMES: [&str; 24] = [
            "alloc",
            "total_alloc",
            "sys",
            "nlookup",
            "nmalloc",
            "nfree",
            "heap_alloc",
            "heap_sys",
            "heap_idle",
            "heap_inuse",
            "heap_released",
            "heap_objects",
            "stacks_inuse",
            "stacks_sys",
            "mspan_inuse",
            "mspan_sys",
            "mcache_inuse",
            "mcache_sys",
            "buckhash_sys",
            "gc_sys",
            "other_sys",
            "next_gc",
            "last_gc",
            "pause_total_ns",
        ];
        let mut fields: Vec<_> =
            NAMES.iter().map(|&name| (name, Field::Int(self.number(u64::MAX)))).collect();
        fields.push(("pause_ns", Field::Ints((0..256).map(|_| self.number(u64::MAX)).collect())));
        fields.push(("num_gc", Field::Int(self.number(u32::MAX.into()))));
        self.push(10, "memstats", fields);
    }
}

#[cfg(test)]
mod tests {
    use heapmatrix_reader::Dump;

    use super::*;

    #[test]
    fn dumps_are_sound_and_their_seed_is_all_they_depend_on() {
        let all = |_: &str| true;
        let (cases, again, other) = (cases(1, 2, &all), cases(1, 2, &all), cases(2, 1, &all));
        assert_eq!(cases.len(), 2 * (6 * 3 + 6), "six machines have characters");
        for (case, again) in cases.iter().zip(&again) {
            let bytes = case.dump().unwrap();
            assert_eq!(bytes, again.dump().unwrap());
            let dump = Dump::new(&bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            assert_eq!(dump.params().goarch().unwrap().to_string(), case.machine);
            let records: Vec<_> = dump.records().map(|record| record.map(|(_, r)| r.kind().name())).collect();
            let records: Result<Vec<_>, _> = records.into_iter().collect();
            let records = records.unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let Expected::Contents(known) = &case.expected else { panic!() };
            let truth = known.load().unwrap();
            assert_eq!(records, truth.records.unwrap().iter().map(|line| &*line.kind).collect::<Vec<_>>());
        }
        let second = cases.iter().find(|case| case.name == other[0].name).unwrap();
        assert_eq!(second.dump().unwrap(), other[0].dump().unwrap(), "seed 2 is the second of seed 1");
    }

    #[cfg(feature = "emulator")]
    #[test]
    fn all_machines_are_there() {
        use heapmatrix_emu::machine::Machine as Emulated;
        let all =
            Emulated::ALL.iter().map(|target| (target.goarch(), target.ptr_size(), target.big_endian()));
        let made = MACHINES.map(|m| (m.name, m.pointer_size, m.big_endian));
        assert_eq!(all.collect::<Vec<_>>(), made);
    }
}
