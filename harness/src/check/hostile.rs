//! Dumps that are broken, or strange: each a mistake that readers have made, or an attack.
//!
//! A reader has to refuse what cannot be a dump, within the limits, with a message and not with a crash. What one reader
//! may refuse and another may read has to end.

use std::sync::Arc;

use super::cases::{Bytes, Case, Class, Expected};
use super::encoding::{FORMATS, Field, MACHINES, Machine, Record, dump, eof, params, uvarint};

/// The machines of which dumps are broken: both pointer sizes and both byte orders.
const BROKEN: [&str; 4] = ["amd64", "386", "ppc64", "mips"];

/// Lengths that nothing has: the edges of the types that readers keep them in.
const LENGTHS: [(&str, u64); 7] = [
    ("2^31-1", i32::MAX as u64),
    ("2^31", 1 << 31),
    ("2^32", 1 << 32),
    ("2^40", 1 << 40),
    ("2^63-1", i64::MAX as u64),
    ("2^63", 1 << 63),
    ("2^64-1", u64::MAX),
];

type Make = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// The cases, on each of four machines.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let machines = MACHINES.into_iter().filter(|machine| BROKEN.contains(&machine.name));
    for machine in machines {
        for (format, by_character) in FORMATS {
            // Go 1.6's format is that of Go 1.5 but for one letter.
            if format == "go1.6" || by_character && machine.character.is_none() {
                continue;
            }
            let start = Start { machine, format };
            let mut add = |name: &str, expected: Expected, make: Make| {
                cases.push(Case {
                    name: format!("hostile/{format}-{}-{name}", machine.name),
                    class: Class::Hostile,
                    machine: machine.name.to_owned(),
                    format: format.to_owned(),
                    expected,
                    bytes: Bytes::Made(make),
                });
            };
            start.headers(&mut add);
            start.cuts(&mut add);
            start.tags_and_numbers(&mut add);
            start.lengths(&mut add);
            start.strange(&mut add);
            start.large(&mut add);
        }
    }
    cases
}

/// Where a dump comes from.
#[derive(Clone, Copy)]
struct Start {
    machine: Machine,
    format: &'static str,
}

type Add<'a> = dyn FnMut(&str, Expected, Make) + 'a;

fn fixed(bytes: Vec<u8>) -> Make {
    Arc::new(move || bytes.clone())
}

impl Start {
    fn base(self) -> u64 {
        if self.machine.pointer_size == 8 { 0xc0_0000_0000 } else { 0x1840_0000 }
    }

    fn params(self) -> Record {
        params(self.machine, self.format, (self.base(), self.base() + (1 << 20)))
    }

    /// A dump that begins as it should.
    fn begun(self) -> Vec<u8> {
        dump(self.format, &[self.params()])
    }

    /// A dump that begins as it should, and then goes on in another way.
    fn then(self, rest: &[u8]) -> Vec<u8> {
        [self.begun(), rest.to_vec()].concat()
    }

    fn with(self, records: &[Record]) -> Vec<u8> {
        let mut out = self.begun();
        records.iter().for_each(|record| record.write(&mut out));
        eof().write(&mut out);
        out
    }

    fn object(self, number: u64, contents: &[u8], fields: &[u64]) -> Record {
        let address = self.base().wrapping_add(number * 16);
        Record(
            1,
            "object",
            vec![
                ("address", Field::Address(address)),
                ("contents", Field::Contents(contents.to_vec())),
                ("fields", Field::Fields(fields.to_vec())),
            ],
        )
    }

    fn goroutine(self, number: u64, sp: u64, defer: u64, panic: u64) -> Record {
        let numbers = |names: &[(&'static str, u64)]| -> Vec<_> {
            names.iter().map(|&(name, value)| (name, Field::Address(value))).collect()
        };
        let address = self.base() + 0x8_0000 + number * 16;
        let mut fields = numbers(&[
            ("address", address),
            ("sp", sp),
            ("id", number + 1),
            ("creation_pc", 0),
            ("status", 4),
            ("is_system", 0),
            ("is_background", 0),
            ("wait_since", 0),
        ]);
        fields.push(("wait_reason", Field::Text(b"select".to_vec())));
        fields.extend(numbers(&[("context", 0), ("thread", 0), ("defer", defer), ("panic", panic)]));
        Record(4, "goroutine", fields)
    }

    fn frame(self, sp: u64, depth: u64, child_sp: u64) -> Record {
        Record(
            5,
            "stackframe",
            vec![
                ("sp", Field::Address(sp)),
                ("depth", Field::Int(depth)),
                ("child_sp", Field::Address(child_sp)),
                ("contents", Field::Contents(vec![0; 16])),
                ("entry", Field::Address(0x40_1000)),
                ("pc", Field::Address(0x40_1004)),
                ("continuation_pc", Field::Address(0x40_1004)),
                ("name", Field::Text(b"main.f".to_vec())),
                ("fields", Field::Fields(vec![])),
            ],
        )
    }

    /// A link to itself, or to nothing.
    fn defer(self, address: u64, link: u64) -> Record {
        let names = ["address", "goroutine", "sp", "pc", "closure", "entry", "link"];
        let values = [address, self.base() + 0x8_0000, 0, 0, 0, 0, link];
        Record(14, "defer", names.into_iter().zip(values.map(Field::Address)).collect())
    }

    fn headers(self, add: &mut Add<'_>) {
        let whole = self.with(&[]);
        let mut header = |name: &str, bytes: &[u8]| add(name, Expected::Refusal, fixed(bytes.to_vec()));
        header("empty", b"");
        header("header-cut", &whole[..9]);
        header("header-alone", &whole[..16]);
        header("header-of-go1.4", &[b"go1.4 heap dump\n", &whole[16..]].concat());
        header("header-of-the-future", &[b"go9.9 heap dump\n", &whole[16..]].concat());
        header("header-without-line-feed", &[&whole[..15], b" ", &whole[16..]].concat());
        header("text", b"The quick brown fox jumps over the lazy dog.\n");
        header("elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0");
        header("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\xcf\x37\xd4\x33\x55\xc8\x48\x4d");
        header("zeros", &[0; 4096]);
        header("params-cut", &whole[..20]);
        header("no-eof", &whole[..whole.len() - 1]);
    }

    /// Ends in the middle of each kind of value.
    fn cuts(self, add: &mut Add<'_>) {
        let records = [
            ("object", self.object(0, &[7; 40], &[0, 8, 32])),
            (
                "type",
                Record(
                    3,
                    "type",
                    vec![
                        ("address", Field::Address(0x40_0000)),
                        ("size", Field::Int(8)),
                        ("name", Field::Text(b"main.T".to_vec())),
                        ("data_is_pointer", Field::Bool(true)),
                    ],
                ),
            ),
            ("goroutine", self.goroutine(0, self.base(), 0, 0)),
            ("frame", self.frame(self.base(), 0, 0)),
        ];
        for (name, record) in records {
            let whole = self.with(std::slice::from_ref(&record));
            let start = self.begun().len();
            for part in [1, 2, 3] {
                let at = start + (whole.len() - 1 - start) * part / 4;
                add(&format!("{name}-cut-at-{at}"), Expected::Refusal, fixed(whole[..at].to_vec()));
            }
            add(&format!("{name}-without-eof"), Expected::Refusal, fixed(whole[..whole.len() - 1].to_vec()));
        }
    }

    fn tags_and_numbers(self, add: &mut Add<'_>) {
        for tag in [18, 127, 1 << 32, u64::MAX] {
            let mut bytes = Vec::new();
            uvarint(tag, &mut bytes);
            bytes.extend([0; 64]);
            add(&format!("tag-{tag:#x}"), Expected::Refusal, fixed(self.then(&bytes)));
        }
        let mut number = |name: &str, expected: Expected, bytes: &[u8]| {
            // As the address of an object.
            let bytes = [&[1], bytes, &[0, 0, 0]].concat();
            add(name, expected, fixed(self.then(&bytes)));
        };
        number("number-without-end", Expected::Refusal, &[0x80; 1 << 20]);
        number("number-of-11-bytes", Expected::Refusal, &[[0x80; 10].as_slice(), &[1]].concat());
        number("number-beyond-64-bits", Expected::Refusal, &[[0xff; 9].as_slice(), &[2]].concat());
        number("number-padded", Expected::End, &[0x81, 0x80, 0x00]);
        for kind in [4, 127] {
            let bytes = [&[1, 16, 8], [0; 8].as_slice(), &[kind, 0, 0, 0]].concat();
            add(&format!("field-kind-{kind}"), Expected::Refusal, fixed(self.then(&bytes)));
        }
        for size in [0, 1, 3, 16, u64::MAX] {
            let mut params = self.params();
            params.2[1].1 = Field::Int(size);
            let records = [params, self.object(0, &[1; 16], &[0, 8]), eof()];
            add(&format!("pointer-size-{size:#x}"), Expected::End, fixed(dump(self.format, &records)));
        }
        let mut params = self.params();
        params.2[0].1 = Field::Int(2);
        add("endianness-2", Expected::End, fixed(dump(self.format, &[params, eof()])));
    }

    /// Lengths beyond the end of the input: of contents, of a string, and of a list.
    fn lengths(self, add: &mut Add<'_>) {
        for (name, length) in LENGTHS {
            let mut encoded = Vec::new();
            uvarint(length, &mut encoded);
            for (what, before) in [
                ("contents", &[1, 16][..]),
                ("segment", &[12, 16]),
                ("type-name", &[3, 16, 8]),
                ("description", &[2]),
                ("profile", &[16, 16, 8]),
                ("profile-name", &[16, 16, 8, 1]),
            ] {
                let bytes = [before, &encoded, &[b'x'; 100]].concat();
                add(&format!("length-of-{what}-{name}"), Expected::Refusal, fixed(self.then(&bytes)));
            }
        }
    }

    /// What no runtime writes, and what a reader may take or refuse.
    fn strange(self, add: &mut Add<'_>) {
        let mut strange =
            |name: &str, records: &[Record]| add(name, Expected::End, fixed(self.with(records)));
        let (base, top) =
            (self.base(), if self.machine.pointer_size == 8 { u64::MAX } else { u32::MAX.into() });
        let object = self.object(0, &[0; 64], &[0]);
        strange("params-twice", &[self.params(), object.clone()]);
        strange("object-twice", &[object.clone(), object.clone()]);
        strange("objects-overlap", &[object.clone(), self.object(1, &[0; 64], &[])]);
        strange(
            "object-at-the-top",
            &[{
                let mut object = object.clone();
                object.2[0].1 = Field::Address(top - 7);
                object
            }],
        );
        strange("fields-beyond-the-end", &[self.object(0, &[0; 8], &[8, 1 << 20, u64::MAX])]);
        strange("field-at-the-last-byte", &[self.object(0, &[0; 16], &[15])]);
        strange("fields-not-in-order", &[self.object(0, &[0; 32], &[16, 0, 16])]);
        strange(
            "frames-that-call-each-other",
            &[self.goroutine(0, base, 0, 0), self.frame(base, 0, base + 16), self.frame(base + 16, 1, base)],
        );
        strange("frame-that-calls-itself", &[self.goroutine(0, base, 0, 0), self.frame(base, 1, base)]);
        strange("frame-of-no-goroutine", &[self.frame(base, 0, 0)]);
        strange("goroutine-without-frames", &[self.goroutine(0, base + 4096, 0, 0)]);
        strange(
            "defer-that-links-to-itself",
            &[self.goroutine(0, base, 0x5000, 0), self.defer(0x5000, 0x5000)],
        );
        strange("defer-that-is-not-there", &[self.goroutine(0, base, 0x5000, 0x6000)]);
        strange(
            "itab-of-no-type",
            &[Record(
                8,
                "itab",
                vec![("address", Field::Address(0x48_0000)), ("type_address", Field::Address(0x12_3456))],
            )],
        );
        let whole = self.with(std::slice::from_ref(&object));
        add("bytes-after-the-end", Expected::End, fixed([whole, vec![1; 100]].concat()));
        add("no-params", Expected::End, fixed(dump(self.format, &[object, eof()])));
    }

    /// Sound, and more of something than usual.
    fn large(self, add: &mut Add<'_>) {
        let objects = move || -> Vec<u8> {
            let mut out = self.begun();
            (0..50_000).for_each(|number| self.object(number, &[0; 16], &[0]).write(&mut out));
            eof().write(&mut out);
            out
        };
        add("50000-objects", Expected::Read, Arc::new(objects));
        let frames = move || -> Vec<u8> {
            let base = self.base() + (1 << 20);
            let mut out = self.begun();
            self.goroutine(0, base, 0, 0).write(&mut out);
            for depth in 0..50_000 {
                let sp = base + depth * 16;
                self.frame(sp, depth, if depth == 0 { 0 } else { sp - 16 }).write(&mut out);
            }
            eof().write(&mut out);
            out
        };
        add("50000-frames", Expected::Read, Arc::new(frames));
        let list = move || -> Vec<u8> {
            // A chain of objects, each of which points to the next.
            let mut out = self.begun();
            for number in 0..50_000 {
                let next = self.base() + (number + 1) * 16;
                let word = self.machine.pointer_size as usize;
                let mut contents = [0; 16];
                if self.machine.big_endian {
                    contents[..word].copy_from_slice(&next.to_be_bytes()[8 - word..]);
                } else {
                    contents[..word].copy_from_slice(&next.to_le_bytes()[..word]);
                }
                self.object(number, &contents, &[0]).write(&mut out);
            }
            eof().write(&mut out);
            out
        };
        add("a-list-of-50000", Expected::Read, Arc::new(list));
        let fields = move || -> Vec<u8> { self.with(&[self.object(0, &[0; 8], &[0; 500_000])]) };
        add("500000-fields-of-one-word", Expected::End, Arc::new(fields));
        let name = move || -> Vec<u8> {
            self.with(&[Record(
                3,
                "type",
                vec![
                    ("address", Field::Address(0x40_0000)),
                    ("size", Field::Int(8)),
                    ("name", Field::Text(vec![b'n'; 512 << 10])),
                    ("data_is_pointer", Field::Bool(false)),
                ],
            )])
        };
        add("a-name-of-512-KiB", Expected::Read, Arc::new(name));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use heapmatrix_reader::Dump;

    use super::*;

    #[test]
    fn each_is_what_is_said_of_it() {
        let cases = cases();
        assert!(cases.len() > 500, "{}", cases.len());
        let names: BTreeSet<&str> = cases.iter().map(|case| &*case.name).collect();
        assert_eq!(names.len(), cases.len(), "names are used twice");
        for case in &cases {
            let bytes = case.dump().unwrap();
            let read =
                Dump::new(&bytes).and_then(|dump| dump.records().try_for_each(|record| record.map(drop)));
            match case.expected {
                Expected::Refusal => assert!(read.is_err(), "{} is sound", case.name),
                Expected::Read => assert_eq!(read, Ok(()), "{}", case.name),
                Expected::End => {}
                Expected::Contents(_) => panic!("{}", case.name),
            }
        }
    }
}
