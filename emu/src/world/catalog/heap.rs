//! Objects and spans: `dumpobjs`, `makeheapobjbv`, and specials.

use super::{Case, bytes, case, empty, function, number, pointer, to, words};
use crate::world::{
    Bucket, Contents, Extent, Finalizer, Funcval, Object, Pc, Queued, Slot, Span, Type, Value, World,
};

fn with(objects: Vec<Object>) -> World {
    World { objects, ..empty() }
}

/// An object of so many words whose first and last are pointers to itself.
fn framed(index: usize, len: u32) -> Object {
    let mut slots = vec![number(0x1111_2222_3333_4444); len as usize];
    slots[0] = pointer(to(index));
    slots[len as usize - 1] = pointer(to(index));
    words(&slots)
}

fn freed_after(count: usize, object: Object) -> Object {
    Object { freed_after: Some(count), ..object }
}

fn size_classes() -> World {
    // A pointer in the first and the last word of each size, and the same sizes without pointers:
    // every size class of both word widths is among them.
    let sizes = (1..=128).chain((130..=512).step_by(14)).chain((560..=8192).step_by(112));
    let mut objects = Vec::new();
    for size in sizes {
        let index = objects.len();
        objects.push(framed(index, size));
        objects.push(bytes(size * 8 - 3, &[0x5a, 0xa5, 0x3c]));
    }
    with(objects)
}

fn finalized(object: Object, fun: usize) -> Object {
    let finalizer = Finalizer { fun: Funcval::Static(fun), fint: Some(0), ot: Some(1) };
    Object { finalizer: Some(finalizer), ..object }
}

fn types() -> Vec<Type> {
    let named =
        |string: &str| Type { string: string.to_owned(), direct_iface: true, kind: 22, ..Type::default() };
    vec![named("*main.F"), named("*main.O")]
}

fn specials() -> World {
    let functions = vec![function("main.finalize", 0), function("main.main.func1", 0)];
    let closure = words(&[Slot::Plain(Value::Code(1)), pointer(to(0))]);
    let sampled = |object, bucket| Object { sample: Some(bucket), ..object };
    let mut by_closure = finalized(bytes(48, &[2]), 0);
    by_closure.finalizer = Some(Finalizer { fun: Funcval::Closure(4), fint: None, ot: None });
    World {
        functions,
        types: types(),
        buckets: vec![
            Bucket { stack: vec![Pc::Entry(0)], size: 48, allocs: 3, frees: 1 },
            Bucket { stack: vec![Pc::Entry(1)], size: 1 << 20, allocs: 1, frees: 0 },
        ],
        objects: vec![
            sampled(finalized(bytes(48, &[1]), 0), 0),
            by_closure,
            sampled(bytes(48, &[3]), 1),
            finalized(bytes(48, &[4]), 1),
            closure,
            sampled(finalized(bytes(100_000, &[5]), 0), 1),
        ],
        ..empty()
    }
}

fn queue(ran: usize, count: usize) -> World {
    let finalizer = |i: usize| Finalizer { fun: Funcval::Static(i % 2), fint: Some(0), ot: Some(i % 2) };
    World {
        functions: vec![function("main.a", 0), function("main.b", 0)],
        types: types(),
        objects: (0..3).map(|i| bytes(32, &[i])).collect(),
        ran_finalizers: ran,
        queued: (0..count).map(|i| Queued { object: to(i % 3), finalizer: finalizer(i) }).collect(),
        ..empty()
    }
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("one_object", "a single object of one pointer", with(vec![words(&[pointer(to(0))])])),
        case("size_classes", "every size class, with and without pointers", size_classes()),
        case(
            "one_word_objects",
            "objects of one word: on 64-bit machines their bits are set by initSpan, free slots included",
            with((0..5).map(|i| words(&[pointer(to(i))])).collect()),
        ),
        case(
            "two_word_objects",
            "objects whose heap bits share a byte",
            with(vec![
                words(&[pointer(to(1)), number(1)]),
                words(&[number(2), pointer(to(0))]),
                words(&[pointer(to(2)), pointer(Value::NIL)]),
                words(&[number(3), number(4)]),
            ]),
        ),
        case(
            "objects_across_bytes",
            "objects of six and ten words begin in the middle of a byte of the heap bitmap",
            with([6, 6, 6, 10, 10, 10].iter().enumerate().map(|(i, &len)| framed(i, len)).collect()),
        ),
        case(
            "pointers_end_early",
            "the description ends after the last pointer; numbers follow, and the slack of the size class",
            with(vec![
                words(&[
                    pointer(to(0)),
                    number(u64::MAX),
                    number(u64::MAX),
                    number(u64::MAX),
                    number(u64::MAX),
                ]),
                Object::new(Contents::Words {
                    len: 700,
                    slots: vec![number(1), number(2), pointer(to(0)), number(3)],
                }),
            ]),
        ),
        case(
            "hidden_addresses",
            "words that hold addresses without being pointers, and pointers that are nil",
            with(vec![words(&[
                Slot::Plain(to(0)),
                pointer(Value::NIL),
                pointer(Value::NIL),
                Slot::Plain(to(0)),
            ])]),
        ),
        case(
            "interior_pointers",
            "pointers into the middle and to the last byte of objects",
            with(vec![
                words(&[
                    pointer(Value::Object { object: 1, offset: Extent::bytes(99) }),
                    pointer(Value::Object { object: 0, offset: Extent::words(1) }),
                    pointer(Value::Object { object: 0, offset: Extent { words: 1, bytes: 3 } }),
                ]),
                bytes(100, b"hello, gopher"),
            ]),
        ),
        case(
            "pointers_everywhere",
            "pointers to data, bss, types, itabs, code, funcvals and gs",
            World {
                functions: vec![function("main.f", 0)],
                types: types(),
                itabs: vec![crate::world::Itab { typ: 0, bucket: 9 }],
                goroutines: vec![super::goroutine(1, vec![super::call(0, 1, &[])])],
                data: vec![pointer(to(0)), number(7)],
                bss: vec![pointer(to(0)), pointer(Value::Data(1))],
                objects: vec![words(&[
                    pointer(Value::Data(1)),
                    pointer(Value::Bss(1)),
                    pointer(Value::Type(1)),
                    pointer(Value::Itab(0)),
                    pointer(Value::Code(0)),
                    pointer(Value::Funcval(0)),
                    pointer(Value::Goroutine(0)),
                ])],
                ..empty()
            },
        ),
        case(
            "large_objects",
            "objects with a span of their own: one byte too large for a size class, whole pages, pointers at the end",
            with(vec![
                bytes(32 * 1024, &[1]),
                bytes(32 * 1024 + 1, &[2]),
                bytes(65536, &[]),
                framed(3, 9001),
            ]),
        ),
        case(
            "contents_around_the_buffer",
            "contents as long as the sink's buffer, and on both sides of it",
            with([4000, 4095, 4096, 4097, 8192, 16384].map(|len| bytes(len, &[0xee, 0x11])).to_vec()),
        ),
        case(
            "freed_slots",
            "freed objects leave holes, and the freelist is out of order",
            with(
                (0..9)
                    .map(|i| if i % 2 == 1 { freed_after(8, bytes(64, &[i])) } else { bytes(64, &[i]) })
                    .collect(),
            ),
        ),
        case(
            "reused_slots",
            "slots of freed objects with pointers are allocated again, and stale heap bits stay behind the first words",
            with(vec![
                freed_after(1, framed(1, 12)),
                framed(1, 12),
                Object::new(Contents::Bytes { len: 90, pattern: vec![9] }),
                freed_after(1, words(&[pointer(to(1)); 12])),
                Object::new(Contents::Words { len: 12, slots: vec![pointer(to(1))] }),
                Object::new(Contents::Bytes { len: 48, pattern: vec![] }),
            ]),
        ),
        case(
            "all_freed",
            "a span in use with no object in it, and a large span that is free again",
            with(vec![
                freed_after(0, bytes(40_000, &[1])),
                freed_after(0, bytes(300, &[1])),
                freed_after(9, bytes(300, &[])),
            ]),
        ),
        case(
            "full_spans",
            "several spans of a class, all but the last full",
            with((0..40).map(|i| bytes(1024, &[i])).collect()),
        ),
        case(
            "span_states",
            "spans that are not in use are passed over, wherever they are in h_allspans",
            World {
                objects: vec![bytes(16, &[1]), bytes(32, &[2]), bytes(48, &[3])],
                spans: vec![
                    Span::Stack { pages: 1 },
                    Span::Free { pages: 3 },
                    Span::Dead { pages: 1 },
                    Span::Empty { class: 0 },
                    Span::Empty { class: 65 },
                ],
                allspans_rotation: 5,
                ..empty()
            },
        ),
        case(
            "specials",
            "finalizers and profile samples, on one object and on several of a span",
            specials(),
        ),
        case("finalizer_queue", "queued finalizers in one block", queue(0, 3)),
        case(
            "finalizer_blocks",
            "queued finalizers in several blocks, of which the newest is the first",
            queue(0, 450),
        ),
        case(
            "finalizer_leftovers",
            "finalizers that ran have left blocks with stale entries",
            queue(450, 250),
        ),
        case("finalizer_blocks_empty", "blocks in allfin without entries", queue(150, 0)),
    ]
}
