//! Records of every kind with arbitrary values.
#![allow(dead_code, reason = "each test uses a part")]

use heapmatrix_reader::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Owns what an arbitrary record borrows.
#[derive(Clone, Debug)]
pub struct Parts {
    kind: Kind,
    numbers: Vec<u64>,
    flags: [bool; 2],
    texts: [Vec<u8>; 2],
    contents: Vec<u8>,
    fields: Vec<u8>,
    stack: Vec<u8>,
}

/// Numbers of every encoded length.
pub fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(bits, shift)| bits >> shift)
}

pub fn parts() -> impl Strategy<Value = Parts> {
    let kinds = Kind::ALL.into_iter().filter(|&kind| kind != Kind::Eof).collect::<Vec<_>>();
    let field_kinds = [FieldKind::Pointer, FieldKind::Interface, FieldKind::EmptyInterface];
    // Mostly what Go writes: pointers at increasing small offsets, in runs.
    let field = prop_oneof![
        6 => (0u64..5000).prop_map(Field::pointer),
        1 => (proptest::sample::select(field_kinds.to_vec()), number()).prop_map(|(kind, offset)| Field { kind, offset }),
    ];
    let text = || vec(any::<u8>(), 0..20);
    (
        proptest::sample::select(kinds),
        vec(number(), 26),
        any::<[bool; 2]>(),
        [text(), text()],
        prop_oneof![4 => vec(any::<u8>(), 0..100), 1 => vec(any::<u8>(), 0..10_000)],
        vec(field, 0..200).prop_map(Fields::encode_list),
        vec((text(), text(), number()), 0..5).prop_map(|calls| {
            Stack::encode_list(calls.iter().map(|(function, file, line)| Call {
                function: Text(function),
                file: Text(file),
                line: *line,
            }))
        }),
    )
        .prop_map(|(kind, numbers, flags, texts, contents, fields, stack)| Parts {
            kind,
            numbers,
            flags,
            texts,
            contents,
            fields,
            stack,
        })
}

impl Parts {
    pub fn record(&self, version: Version) -> Record<'_> {
        let n = &self.numbers;
        let [a, b] = self.flags;
        let [text, other_text] = [Text(&self.texts[0]), Text(&self.texts[1])];
        let contents = &self.contents[..];
        let fields = Fields::from_encoded(&self.fields).unwrap();
        let segment = Segment { address: n[0], contents, fields };
        let finalizer =
            Finalizer { object: n[0], closure: n[1], entry: n[2], argument_type: n[3], object_type: n[4] };
        match self.kind {
            Kind::Eof => Record::Eof,
            Kind::Object => Record::Object(Object { address: n[0], contents, fields }),
            Kind::OtherRoot => Record::OtherRoot(OtherRoot { description: text, target: n[0] }),
            Kind::Type => Record::Type(Type { address: n[0], size: n[1], name: text, data_is_pointer: a }),
            Kind::Goroutine => Record::Goroutine(Goroutine {
                address: n[0],
                sp: n[1],
                id: n[2],
                creation_pc: n[3],
                status: n[4],
                is_system: a,
                is_background: b,
                wait_since: n[5],
                wait_reason: text,
                context: n[6],
                thread: n[7],
                defer: n[8],
                panic: n[9],
            }),
            Kind::StackFrame => Record::StackFrame(StackFrame {
                sp: n[0],
                depth: n[1],
                child_sp: n[2],
                contents,
                function: Function { entry: n[3], pc: n[4], continuation_pc: n[5], name: text },
                fields,
            }),
            Kind::Params => Record::Params(Params {
                big_endian: a,
                pointer_size: if b { PointerSize::Four } else { PointerSize::Eight },
                heap_start: n[0],
                heap_end: n[1],
                arch: if version == Version::Go17 { Arch::Name(text) } else { Arch::Char(n[2]) },
                experiment: other_text,
                cpus: n[3],
            }),
            Kind::Finalizer => Record::Finalizer(finalizer),
            Kind::Itab => Record::Itab(Itab { address: n[0], type_address: n[1] }),
            Kind::OsThread => Record::OsThread(OsThread { address: n[0], id: n[1], os_id: n[2] }),
            Kind::MemStats => Record::MemStats(Box::new(MemStats {
                alloc: n[0],
                total_alloc: n[1],
                sys: n[2],
                lookups: n[3],
                mallocs: n[4],
                frees: n[5],
                heap_alloc: n[6],
                heap_sys: n[7],
                heap_idle: n[8],
                heap_inuse: n[9],
                heap_released: n[10],
                heap_objects: n[11],
                stack_inuse: n[12],
                stack_sys: n[13],
                mspan_inuse: n[14],
                mspan_sys: n[15],
                mcache_inuse: n[16],
                mcache_sys: n[17],
                buckhash_sys: n[18],
                gc_sys: n[19],
                other_sys: n[20],
                next_gc: n[21],
                last_gc: n[22],
                pause_total_ns: n[23],
                pause_ns: std::array::from_fn(|i| n[24].rotate_left(i as u32)),
                num_gc: n[25],
            })),
            Kind::QueuedFinalizer => Record::QueuedFinalizer(finalizer),
            Kind::Data => Record::Data(segment),
            Kind::Bss => Record::Bss(segment),
            Kind::Defer => Record::Defer(Defer {
                address: n[0],
                goroutine: n[1],
                sp: n[2],
                pc: n[3],
                closure: n[4],
                entry: n[5],
                link: n[6],
            }),
            Kind::Panic => Record::Panic(Panic {
                address: n[0],
                goroutine: n[1],
                argument_type: n[2],
                argument_data: n[3],
                defer: n[4],
                link: n[5],
            }),
            Kind::MemProf => Record::MemProf(MemProf {
                address: n[0],
                size: n[1],
                stack: Stack::from_encoded(&self.stack).unwrap(),
                allocs: n[2],
                frees: n[3],
            }),
            Kind::AllocSample => Record::AllocSample(AllocSample { object: n[0], bucket: n[1] }),
        }
    }
}

/// The params records that start dumps of the three versions.
pub fn params(version: Version) -> Params<'static> {
    Params {
        big_endian: false,
        pointer_size: PointerSize::Eight,
        heap_start: 0x10_0000,
        heap_end: 0x20_0000,
        arch: if version == Version::Go17 { Arch::Name("amd64".into()) } else { Arch::Char(b'6'.into()) },
        experiment: "".into(),
        cpus: 2,
    }
}

/// A goroutine that sleeps, and has nothing else.
pub fn goroutine(address: u64) -> Goroutine<'static> {
    Goroutine {
        address,
        sp: 0x5000,
        id: 1,
        creation_pc: 0x400,
        status: 4,
        is_system: false,
        is_background: false,
        wait_since: 0,
        wait_reason: "sleep".into(),
        context: 0,
        thread: 0x7000,
        defer: 0,
        panic: 0,
    }
}

/// Header, params, the records, eof.
pub fn encode(version: Version, records: &[Record<'_>]) -> Vec<u8> {
    let mut out = version.header().to_vec();
    for record in [Record::Params(params(version))].iter().chain(records).chain([&Record::Eof]) {
        record.write_to(&mut out).unwrap();
    }
    out
}

/// A whole dump with arbitrary records.
pub fn dump() -> impl Strategy<Value = Vec<u8>> {
    (proptest::sample::select(Version::ALL.to_vec()), vec(parts(), 0..12)).prop_map(|(version, parts)| {
        encode(version, &parts.iter().map(|parts| parts.record(version)).collect::<Vec<_>>())
    })
}
