//! Records of every kind byte by byte, written down from Go's heapdump.go and not by this crate's encoder.

use heapmatrix_reader::*;

/// Header, params and the given bytes, read.
fn read(header: &[u8; 16], params: &[u8], record: &[u8]) -> Vec<u8> {
    [header, params, record].concat()
}

/// Params of amd64 in go1.5: what a real dump starts with.
const PARAMS: &[u8] = &[
    0x06, // tagParams
    0x00, // little-endian
    0x08, // ptrSize
    0x80, 0x80, 0x80, 0x80, 0x82, 0x19, // arena_start 0xc820000000
    0x80, 0x80, 0xc0, 0x80, 0x82, 0x19, // arena_used 0xc820100000
    0x36, // thechar '6'
    0x00, // goexperiment ""
    0x02, // ncpu
];

/// Reads one record after the params, gives it back, and compares it with what it should be.
#[track_caller]
fn assert_reads(bytes: &[u8], expected: Record<'_>) {
    let file = read(b"go1.5 heap dump\n", PARAMS, bytes);
    let dump = Dump::new(&file).unwrap();
    let start = (16 + PARAMS.len()) as u64;
    let mut records = dump.records_from(start);
    assert_eq!(records.next(), Some(Ok((start, expected.clone()))));
    assert_eq!(records.offset(), file.len() as u64, "bytes are left");
    let mut written = Vec::new();
    expected.write_to(&mut written).unwrap();
    assert_eq!(written, bytes);
}

#[test]
fn params_of_each_version() {
    let mut params = Params {
        big_endian: false,
        pointer_size: PointerSize::Eight,
        heap_start: 0xc8_2000_0000,
        heap_end: 0xc8_2010_0000,
        arch: Arch::Char(0x36),
        experiment: "".into(),
        cpus: 2,
    };
    for header in [b"go1.5 heap dump\n", b"go1.6 heap dump\n"] {
        let file = read(header, PARAMS, &[]);
        let dump = Dump::new(&file).unwrap();
        assert_eq!(dump.params(), &params);
        assert_eq!(dump.params().goarch(), Some("amd64".into()));
    }
    #[rustfmt::skip]
    let since_17 = [
        0x06, 0x01, 0x04, // tagParams, big-endian, ptrSize
        0x80, 0x80, 0x04, 0x80, 0x80, 0x08, // 0x10000 to 0x20000
        4, b'm', b'i', b'p', b's', // GOARCH
        6, b'g', b'o', b'1', b'.', b'2', b'7', // the Go version
        0x01, // ncpu
    ];
    let file = read(b"go1.7 heap dump\n", &since_17, &[]);
    params = Params {
        big_endian: true,
        pointer_size: PointerSize::Four,
        heap_start: 0x1_0000,
        heap_end: 0x2_0000,
        arch: Arch::Name("mips".into()),
        experiment: "go1.27".into(),
        cpus: 1,
    };
    let dump = Dump::new(&file).unwrap();
    assert_eq!(dump.params(), &params);
    assert_eq!(dump.params().goarch(), Some("mips".into()));
}

#[test]
fn architectures_by_their_character() {
    let goarch = |character: u64, bytes: u64, big_endian: bool| {
        let pointer_size = if bytes == 4 { PointerSize::Four } else { PointerSize::Eight };
        let arch = Arch::Char(character);
        let params = Params {
            big_endian,
            pointer_size,
            arch,
            heap_start: 0,
            heap_end: 0,
            experiment: "".into(),
            cpus: 1,
        };
        params.goarch().map(|name| name.to_string())
    };
    let known = [
        ('5', 4, false, "arm"),
        ('6', 8, false, "amd64"),
        ('6', 4, false, "amd64p32"),
        ('7', 8, false, "arm64"),
        ('8', 4, false, "386"),
        ('9', 8, true, "ppc64"),
        ('9', 8, false, "ppc64le"),
        ('0', 8, true, "mips64"),
        ('0', 8, false, "mips64le"),
        ('0', 4, true, "mips"),
        ('0', 4, false, "mipsle"),
    ];
    for character in ('0'..='9').chain(['q']) {
        for (bytes, big_endian) in [(4, false), (4, true), (8, false), (8, true)] {
            let name = known
                .iter()
                .find(|&&(c, b, big, _)| (c, b, big) == (character, bytes, big_endian))
                .map(|&(.., name)| name.to_owned());
            assert_eq!(goarch(character.into(), bytes, big_endian), name, "{character} {bytes} {big_endian}");
        }
    }
    assert_eq!(goarch(0x136, 8, false), None, "not a character that ends in 0x36");
    for (arch, shown) in [
        (Arch::Char(0x36), "'6'"),
        (Arch::Char(0x20), "32"),
        (Arch::Char(7), "7"),
        (Arch::Char(1 << 40), "1099511627776"),
        (Arch::Name("mips".into()), "mips"),
    ] {
        assert_eq!(arch.to_string(), shown);
    }
}

#[test]
fn kinds_by_their_names() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert_eq!(kind.to_string(), kind.name());
    }
    assert_eq!(Kind::from_name("Object"), None);
}

#[test]
fn objects_segments_and_roots() {
    #[rustfmt::skip]
    let body = [
        0x90, 0x80, 0x80, 0x80, 0x82, 0x19, // 0xc820000010
        0x04, 0xde, 0xad, 0xbe, 0xef, // four bytes
        0x01, 0x00, // fieldKindPtr at 0
        0x02, 0x88, 0x01, // fieldKindIface at 136
        0x03, 0x08, // fieldKindEface at 8
        0x00, // fieldKindEol
    ];
    let (address, contents) = (0xc8_2000_0010, &[0xde, 0xad, 0xbe, 0xef][..]);
    let fields = Fields::from_encoded(&body[11..18]).unwrap();
    let kinds: Vec<(FieldKind, u64)> = fields.map(|field| (field.kind, field.offset)).collect();
    let expected = [(FieldKind::Pointer, 0), (FieldKind::Interface, 136), (FieldKind::EmptyInterface, 8)];
    assert_eq!(kinds, expected);
    let tagged = |tag: u8| [&[tag], &body[..]].concat();
    assert_reads(&tagged(1), Record::Object(Object { address, contents, fields }));
    assert_reads(&tagged(12), Record::Data(Segment { address, contents, fields }));
    assert_reads(&tagged(13), Record::Bss(Segment { address, contents, fields }));
    assert_reads(
        &[0x02, 0x03, b'f', b'o', b'o', 0x7f],
        Record::OtherRoot(OtherRoot { description: "foo".into(), target: 0x7f }),
    );
}

#[test]
fn types_and_itabs() {
    assert_reads(
        &[0x03, 0x80, 0x01, 0x18, 0x06, b'm', b'a', b'i', b'n', b'.', b'T', 0x01],
        Record::Type(Type { address: 0x80, size: 24, name: "main.T".into(), data_is_pointer: true }),
    );
    assert_reads(&[0x08, 0x05, 0x80, 0x01], Record::Itab(Itab { address: 5, type_address: 0x80 }));
}

#[test]
fn goroutines_and_what_belongs_to_them() {
    #[rustfmt::skip]
    let goroutine = [
        0x04, // tagGoroutine
        0x11, 0x12, 0x13, 0x14, // gp, sp, goid, gopc
        0x04, 0x01, 0x00, // _Gwaiting, a system goroutine, not in the background
        0x15, // waitsince
        0x05, b's', b'l', b'e', b'e', b'p',
        0x16, 0x17, 0x18, 0x19, // ctxt, m, defer, panic
    ];
    assert_reads(
        &goroutine,
        Record::Goroutine(Goroutine {
            address: 0x11,
            sp: 0x12,
            id: 0x13,
            creation_pc: 0x14,
            status: 4,
            is_system: true,
            is_background: false,
            wait_since: 0x15,
            wait_reason: "sleep".into(),
            context: 0x16,
            thread: 0x17,
            defer: 0x18,
            panic: 0x19,
        }),
    );
    #[rustfmt::skip]
    let frame = [
        0x05, // tagStackFrame
        0x21, 0x01, 0x22, // sp, depth, the child's sp
        0x02, 0xaa, 0xbb, // two bytes
        0x23, 0x24, 0x25, // entry, pc, continpc
        0x01, b'f',
        0x01, 0x00, 0x00, // a pointer at 0, the end
    ];
    assert_reads(
        &frame,
        Record::StackFrame(StackFrame {
            sp: 0x21,
            depth: 1,
            child_sp: 0x22,
            contents: &[0xaa, 0xbb],
            function: Function { entry: 0x23, pc: 0x24, continuation_pc: 0x25, name: "f".into() },
            fields: Fields::from_encoded(&[1, 0]).unwrap(),
        }),
    );
    assert_reads(
        &[0x0e, 1, 2, 3, 4, 5, 6, 7],
        Record::Defer(Defer { address: 1, goroutine: 2, sp: 3, pc: 4, closure: 5, entry: 6, link: 7 }),
    );
    let (argument_type, argument_data) = (3, 4);
    assert_reads(
        &[0x0f, 1, 2, 3, 4, 0, 6],
        Record::Panic(Panic { address: 1, goroutine: 2, argument_type, argument_data, defer: 0, link: 6 }),
    );
    assert_reads(&[0x09, 1, 2, 3], Record::OsThread(OsThread { address: 1, id: 2, os_id: 3 }));
}

#[test]
fn finalizers() {
    let finalizer = Finalizer { object: 1, closure: 2, entry: 3, argument_type: 4, object_type: 5 };
    assert_reads(&[0x07, 1, 2, 3, 4, 5], Record::Finalizer(finalizer));
    assert_reads(&[0x0b, 1, 2, 3, 4, 5], Record::QueuedFinalizer(finalizer));
}

#[test]
fn statistics_have_281_numbers() {
    let mut bytes = vec![0x0a];
    bytes.extend(1..=24);
    bytes.extend((0..256).map(|i| (i % 100) as u8));
    bytes.push(0x7e);
    let file = read(b"go1.5 heap dump\n", PARAMS, &bytes);
    let Some(Ok((_, record))) = Dump::new(&file).unwrap().records().nth(1) else { panic!() };
    assert_reads(&bytes, record.clone());
    let Record::MemStats(stats) = record else { panic!("{record:?}") };
    // In the order of dumpmemstats.
    let numbers = [
        stats.alloc,
        stats.total_alloc,
        stats.sys,
        stats.lookups,
        stats.mallocs,
        stats.frees,
        stats.heap_alloc,
        stats.heap_sys,
        stats.heap_idle,
        stats.heap_inuse,
        stats.heap_released,
        stats.heap_objects,
        stats.stack_inuse,
        stats.stack_sys,
        stats.mspan_inuse,
        stats.mspan_sys,
        stats.mcache_inuse,
        stats.mcache_sys,
        stats.buckhash_sys,
        stats.gc_sys,
        stats.other_sys,
        stats.next_gc,
        stats.last_gc,
        stats.pause_total_ns,
    ];
    assert_eq!(numbers, std::array::from_fn(|i| i as u64 + 1));
    assert_eq!((stats.pause_ns[1], stats.pause_ns[255], stats.num_gc), (1, 55, 0x7e));
}

#[test]
fn the_profile() {
    #[rustfmt::skip]
    let bucket = [
        0x10, 0x31, 0x20, // tagMemProf, bucket, size
        0x02, // two calls
        0x01, b'f', 0x04, b'f', b'.', b'g', b'o', 0x2a, // f, f.go:42
        0x05, b'(', b'0', b'x', b'7', b')', 0x01, b'?', 0x00, // unknown
        0x09, 0x08, // allocs, frees
    ];
    let stack = Stack::from_encoded(&bucket[3..21]).unwrap();
    let calls: Vec<Call<'_>> = stack.collect();
    let known = Call { function: "f".into(), file: "f.go".into(), line: 42 };
    let unknown = Call { function: "(0x7)".into(), file: "?".into(), line: 0 };
    assert_eq!(calls, [known, unknown]);
    assert_reads(&bucket, Record::MemProf(MemProf { address: 0x31, size: 32, stack, allocs: 9, frees: 8 }));
    assert_reads(&[0x11, 0x41, 0x31], Record::AllocSample(AllocSample { object: 0x41, bucket: 0x31 }));
    assert_reads(&[0x00], Record::Eof);
}

#[test]
fn an_error_tells_record_and_field_and_whether_more_input_would_help() {
    let error_of = |bytes: &[u8]| {
        let file = read(b"go1.5 heap dump\n", PARAMS, bytes);
        let error = Dump::new(&file).unwrap().records().find_map(Result::err).unwrap();
        (error.record(), error.field(), error.is_truncation())
    };
    assert_eq!(error_of(&[8, 0x80]), (Some((Kind::Itab, 34)), "address", true));
    assert_eq!(error_of(&[1, 1, 9, 0xaa]), (Some((Kind::Object, 34)), "contents", true));
    assert_eq!(error_of(&[]), (None, "tag", true));
    assert_eq!(error_of(&[1, 1, 1, 0xaa, 1, 0, 9, 0]), (Some((Kind::Object, 34)), "fields", false));
}

#[test]
fn versions_are_called_what_their_headers_begin_with() {
    for version in Version::ALL {
        assert_eq!(version.header(), format!("{version} heap dump\n").as_bytes());
    }
}

/// Each kind of error, at its place and in its words.
#[test]
fn errors_name_the_place_and_what_was_expected() {
    let start = 16 + PARAMS.len() as u64;
    for (bytes, at, text) in [
        (&[0x12][..], 0, "offset 34: tag: expected a record tag from 0 to 17, found 18"),
        (&[], 0, "offset 34: tag: the input ends without an eof record"),
        (&[0, 7], 1, "offset 35: end: expected the end of the input after the eof record"),
        (&[8, 0x80], 2, "offset 36: itab record at 34, address: the input ends here"),
        (
            &[8, 0x80, 0x00],
            1,
            "offset 35: itab record at 34, address: expected the shortest form of a uvarint, found one with a \
             superfluous zero byte",
        ),
        (
            &[8, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            2,
            "offset 36: itab record at 34, type_address: expected a uvarint of at most 64 bits, found more",
        ),
        (&[3, 1, 1, 0, 2], 4, "offset 38: type record at 34, data_is_pointer: expected 0 or 1, found 2"),
        (
            &[1, 1, 9, 0xaa],
            4,
            "offset 38: object record at 34, contents: the length at offset 36 is 9 bytes but only 1 are left",
        ),
        (
            &[1, 1, 1, 0xaa, 1, 0, 9, 0],
            6,
            "offset 40: object record at 34, fields: expected a field kind from 0 to 3, found 9",
        ),
        (
            &[6, 0, 2],
            2,
            "offset 36: params record at 34, pointer_size: expected a pointer size of 4 or 8, found 2",
        ),
    ] {
        let file = read(b"go1.5 heap dump\n", PARAMS, bytes);
        let error = Dump::new(&file).unwrap().records().find_map(Result::err).unwrap();
        assert_eq!((error.to_string().as_str(), error.offset()), (text, start + at));
    }
    for (file, text) in [
        (&b""[..], "offset 0: header: the input ends here"),
        (b"go1.7 heap", "offset 10: header: the input ends here"),
        (b"\x7fELF\x01\x02", "offset 0: header: not a Go heap dump: starts with \"\\x7fELF\\x01\\x02\""),
        (b"go1.5 core\n", "offset 0: header: not a Go heap dump: starts with \"go1.5 core\\n\""),
        (b"a heap dump\n", "offset 0: header: not a Go heap dump: starts with \"a heap dump\\n\""),
        (
            b"go1.4 heap dump\n\x06",
            "offset 0: header: unsupported heap dump header \"go1.4 heap dump\"; supported: go1.5, go1.6, go1.7 (Go 1.7 \
             and later)",
        ),
        (
            b"go1.5 heap dump\n\x00",
            "offset 16: eof record at 16, tag: expected the params record first, found a record of kind eof",
        ),
    ] {
        assert_eq!(Dump::new(file).unwrap_err().to_string(), text);
    }
}
