//! What the analysis of a heap takes: at most 40 bytes an object and 8 an edge, beside the dump.

use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::Typed;
use heapmatrix_analysis::types::Typing;
use heapmatrix_fuzz::memory;
use heapmatrix_reader::{
    Arch, Dump, Field, Fields, Index, Object, Params, PointerSize, Record, Segment, Version,
};

const HEAP: u64 = 0xc0_0000_0000;
/// Objects of a span.
const SPAN: u64 = 100;

/// Objects of 64 bytes, as a process has them: in spans with free slots, the spans in the order in which they were
/// allocated. Each points to `pointers` others, so that all are reached from the first.
fn dump(objects: u64, pointers: u64) -> Vec<u8> {
    let mut dump = Version::Go17.header().to_vec();
    let params = Params {
        big_endian: false,
        pointer_size: PointerSize::Eight,
        heap_start: HEAP,
        heap_end: HEAP + (1 << 36),
        arch: Arch::Name("amd64".into()),
        experiment: "go1.21.13".into(),
        cpus: 1,
    };
    let mut push = |record: Record<'_>| record.write_to(&mut dump).unwrap();
    push(Record::Params(params));
    let spans = objects / SPAN;
    // Every ninth slot is free, and spans lie apart.
    let address = |object: u64| HEAP + object / SPAN * 0x4000 + (object % SPAN + object % SPAN / 8) * 64;
    for span in (0..spans).map(|span| span * 7919 % spans) {
        for object in span * SPAN..(span + 1) * SPAN {
            // The next one, and others at random.
            let target = |i| if i == 0 { object + 1 } else { (object * 48_271 + i * 69_621) % objects };
            let targets = (0..pointers).map(target).map(|target| address(target % objects));
            let mut contents: Vec<u8> = targets.flat_map(u64::to_le_bytes).collect();
            contents.resize(64, 0);
            let fields = Fields::encode_list((0..pointers).map(|i| Field::pointer(8 * i)));
            let fields = Fields::from_encoded(&fields).unwrap();
            push(Record::Object(Object { address: address(object), contents: &contents, fields }));
        }
    }
    let fields = Fields::encode_list([Field::pointer(0)]);
    let fields = Fields::from_encoded(&fields).unwrap();
    push(Record::Data(Segment { address: 0x40_0000, contents: &address(0).to_le_bytes(), fields }));
    push(Record::Eof);
    dump
}

#[test]
fn a_heap_takes_forty_bytes_an_object_and_eight_an_edge() {
    for pointers in 0..=7 {
        let objects = 200_000;
        let dump = dump(objects, pointers);
        let ((reached, edges), peak) = memory::peak(|| {
            let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
            let typing = Typing::new(&index, None).unwrap();
            let naming = Typed { index: &index, typing: &typing, binary: None };
            let heap = Heap::with_naming(&index, &naming).unwrap();
            (heap.reached().objects, u64::from(heap.graph().rows().edges()))
        });
        assert_eq!(reached, if pointers == 0 { 1 } else { objects });
        assert!(edges >= objects * pointers * 99 / 100);
        let bound = 40 * objects + 8 * edges;
        println!("{edges} edges: {peak} bytes, {} % of the bound", peak as u64 * 100 / bound);
        assert!(peak as u64 <= bound, "{edges} edges: {peak} bytes, and {bound} is the bound");
    }
}

/// What a block of objects costs in the index alone.
#[test]
fn an_index_takes_eight_bytes_an_object() {
    let objects = 200_000;
    let dump = dump(objects, 1);
    let (index, _) = memory::peak(|| Index::new(Dump::new(&dump).unwrap()).unwrap());
    let (copy, kept) = memory::peak(|| index.clone());
    assert_eq!(copy.len() as u64, objects);
    assert!(kept as u64 <= 8 * objects, "{kept} bytes");
}
