//! What real processes have and small ones have not: segments of thousands of words, several modules, blocks of the
//! tiny allocator, names of any length and script, and numbers that need all of their bytes.

use super::{Case, bytes, call, case, empty, function, goroutine, number, pointer, to, words};
use crate::world::{
    Arena, Bitmaps, Bucket, Contents, Extent, Finalizer, Function, Funcval, Itab, LocalsMap, Object,
    OtherRoot, Pc, Slot, Type, Uncommon, Value, World,
};

/// So many words, of which pointers are in no regular order, to the segments' words and to nothing.
fn segment(len: usize) -> Vec<Slot> {
    let word = |i: usize| match i.wrapping_mul(0x9e37_79b1) >> 7 & 7 {
        0 => pointer(Value::Data(i % 3001)),
        1 => pointer(Value::NIL),
        2 => pointer(Value::Bss(i / 2)),
        3 => number(i as u64),
        _ => number(0),
    };
    (0..len).map(word).collect()
}

fn segments() -> World {
    World { data: segment(3001), bss: segment(20_003), ..empty() }
}

/// A block of the tiny allocator, of which the object that begins with byte `at` has a finalizer.
fn tiny(len: u32, at: u32) -> Object {
    let finalizer = Some(Finalizer { fun: Funcval::Static(0), fint: Some(0), ot: Some(0) });
    Object { finalizer, finalizer_at: at, ..bytes(len, &[0x77]) }
}

fn tiny_blocks() -> World {
    let ats = [(15, 1), (15, 14), (9, 8), (12, 7), (3, 2), (1, 0), (15, 5), (14, 13)];
    World {
        functions: vec![function("main.finalize", 0)],
        types: vec![Type { string: "*int8".to_owned(), direct_iface: true, ..Type::default() }],
        objects: ats.map(|(len, at)| tiny(len, at)).to_vec(),
        ..empty()
    }
}

/// The same calls in three modules, each with names and files of its own.
fn modules() -> World {
    let in_file = |name: &str, file: &str| Function { file: Some(file.to_owned()), ..function(name, 3) };
    let mut functions = vec![
        in_file("main.main", "/src/main.go"),
        in_file("main.f", "/src/main.go"),
        in_file("plugin.g", "/lib/plugin.go"),
        in_file("plugin.h", "/lib/other.go"),
        in_file("last.i", "/last/last.go"),
    ];
    functions[3].locals_map = LocalsMap::Bitmaps(Bitmaps { bits: 3, maps: vec![vec![true, false, true]] });
    let chain = |order: &[usize]| {
        order.iter().map(|&f| call(f, 40 + f as u32, &[to(0), Value::Scalar(9), to(0)])).collect::<Vec<_>>()
    };
    let stack = |goroutine: usize| (0..5).map(|frame| Pc::Return { goroutine, frame }).collect();
    World {
        modules: vec![2, 4],
        goroutines: vec![goroutine(1, chain(&[0, 1, 2, 3, 4])), goroutine(2, chain(&[4, 3, 0, 2, 1]))],
        buckets: vec![
            Bucket { stack: stack(0), size: 16, allocs: 5, frees: 1 },
            Bucket { stack: stack(1), size: 32, allocs: 6, frees: 2 },
            Bucket { stack: (0..5).map(Pc::Entry).collect(), size: 48, allocs: 7, frees: 3 },
        ],
        objects: vec![bytes(16, &[1])],
        functions,
        ..empty()
    }
}

/// Objects of 48 bytes on both sides of an address from which on addresses take more bytes, within one span.
fn longer_addresses(below: u32, span_pages: u8) -> World {
    let objects = (0..700).map(|i| match i % 8 {
        7 => words(&[pointer(to(i)), number(i as u64), pointer(Value::NIL)]),
        _ => bytes(48, &[i as u8, 1]),
    });
    World { arena: Arena { below, span_pages }, objects: objects.collect(), ..empty() }
}

/// Spans that are far from each other in the heap bitmap, and in another order in `h_allspans`.
fn spans_out_of_order() -> World {
    let object = |i: usize| {
        let last = 300 + 90 * i;
        let slot = |n| if n % (i + 2) == 1 || n == last { pointer(to(i)) } else { number(n as u64) };
        words(&(0..=last).map(slot).collect::<Vec<_>>())
    };
    World { allspans_rotation: 9, objects: (0..24).map(object).collect(), ..empty() }
}

/// Texts of two, three and four bytes a character, and of a length whose length takes three bytes.
fn names() -> World {
    let scripts = "größe.世界.𝄞";
    let long = "é世".repeat(4000);
    let named = |package: &str, name: &str| {
        Some(Uncommon { pkg_path: Some(package.to_owned()), name: Some(name.to_owned()) })
    };
    let typ = |hash, uncommon| Type {
        size: Extent::words(1),
        string: format!("*{scripts}{hash}"),
        uncommon,
        hash,
        direct_iface: true,
        ..Type::default()
    };
    let file = |name: &str| Some(name.to_owned());
    let functions = vec![
        Function { file: file("/src/größe/世界.go"), ..function(scripts, 2) },
        Function { file: Some(long.clone()), ..function(&long, 2) },
    ];
    let mut g = goroutine(1, vec![call(0, 1, &[]), call(1, 2, &[])]);
    g.wait_reason = format!("{scripts} {}", "ж".repeat(100));
    let at = |frame| Pc::Return { goroutine: 0, frame };
    World {
        goexperiment: scripts.to_owned(),
        types: vec![
            typ(1, None),
            typ(2, named("example.com/größe", "世界")),
            typ(3, named(&"𝄞".repeat(40), &"ü".repeat(9000))),
        ],
        itabs: (0..3).map(|typ| Itab { typ, bucket: typ }).collect(),
        buckets: vec![Bucket { stack: vec![at(1), at(0)], size: 8, allocs: 2, frees: 1 }],
        goroutines: vec![g],
        functions,
        ..empty()
    }
}

/// Types of gigabytes: more than 32 bits count where words have eight bytes.
fn huge_types() -> World {
    let typ = |words, bytes, hash| Type {
        size: Extent { words, bytes },
        string: format!("[{words}]uint"),
        hash,
        direct_iface: true,
        ..Type::default()
    };
    World {
        types: vec![typ(0x3000_0000, 5, 1), typ(0x3fff_ffff, 3, 2), typ(0x2000_0000, 0, 3)],
        itabs: (0..3).map(|typ| Itab { typ, bucket: 7 }).collect(),
        ..empty()
    }
}

fn other_roots() -> World {
    let root = |description: &str, target| OtherRoot { description: description.to_owned(), target };
    World {
        data: vec![number(1), number(2)],
        objects: vec![bytes(40, &[4]), words(&[pointer(to(0))])],
        other_roots: vec![
            root("debugger: a handle", to(1)),
            root("", Value::Object { object: 0, offset: Extent::bytes(39) }),
            root("größe, 世界", Value::Data(1)),
            root(&"r".repeat(5000), Value::NIL),
        ],
        ..empty()
    }
}

/// An object, a frame and a mask with pointers more than 64 KiB from their beginning on every machine, lines that take
/// three bytes to count, and code that does.
fn far_offsets() -> World {
    let far = |i: u64| i.is_multiple_of(997) || i > 19_990;
    let slot = |i| if far(i) { pointer(to(0)) } else { Slot::Plain(Value::Scalar(i)) };
    let object = Object::new(Contents::Words { len: 20_000, slots: (0..20_000).map(slot).collect() });
    let large = Function {
        locals_map: LocalsMap::Bitmaps(Bitmaps {
            bits: 17_500,
            maps: vec![
                vec![],
                (0..17_500).map(|i| i % 1777 == 3 || i > 17_490).collect(),
                (0..17_500).map(|i| i % 1301 == 5).collect(),
            ],
        }),
        line: 2_000_000,
        ..function("main.large", 17_600)
    };
    let many: Vec<Value> = (0..6000).map(|i| Value::Scalar(0x0123_4567 + i)).collect();
    let mut inner = call(1, 70_000, &many);
    inner.stack_map = 1;
    let mut outer = call(1, 3_000_000, &many[..10]);
    outer.stack_map = 2;
    let at = |frame| Pc::Return { goroutine: 0, frame };
    World {
        functions: vec![function("main.main", 4), large],
        goroutines: vec![goroutine(1, vec![call(0, 9, &[]), outer, inner])],
        buckets: vec![Bucket {
            stack: vec![at(2), at(1), at(0), Pc::Entry(1)],
            size: 8,
            allocs: 2,
            frees: 1,
        }],
        objects: vec![object],
        ..empty()
    }
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("segments_of_thousands", "masks of thousands of bits, and not of whole bytes", segments()),
        case("tiny_blocks", "finalizers of objects inside of blocks of the tiny allocator", tiny_blocks()),
        case("modules", "functions, files and stack maps of three modules", modules()),
        case(
            "longer_addresses",
            "a span across an address from which on addresses take a byte more",
            longer_addresses(1, 2),
        ),
        case("longer_addresses_later", "the same in a later span of four pages", longer_addresses(3, 4)),
        case("longer_addresses_first", "the same between two spans", longer_addresses(2, 2)),
        case("spans_out_of_order", "the walk goes back in the heap bitmap", spans_out_of_order()),
        case("names_of_all_scripts", "names of other scripts, and long ones, everywhere", names()),
        case("huge_types", "types whose size needs more than 32 bits where it can", huge_types()),
        case("other_roots", "roots of whoever dumps", other_roots()),
        case("far_offsets", "offsets, lines and code beyond 64 KiB", far_offsets()),
    ]
}
