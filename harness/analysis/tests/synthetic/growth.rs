//! What grew between two heaps is what is new, wherever the old objects hang now.

use heapmatrix_analysis::diff::Diff;
use heapmatrix_analysis::heap::{Heap, Label};
use heapmatrix_reader::{
    Arch, Dump, Field, Fields, Function, Index, Object, Params, PointerSize, Record, Segment, StackFrame,
    Version,
};

const HEAP: u64 = 0xc0_0000_0000;
/// The two things that the root object holds: what has always been there, and what leaks.
const OLD: u64 = HEAP + 0x1000;
const LEAK: u64 = HEAP + 0x2000;

/// A heap with a root object that holds two arrays: one of objects of 1,024 bytes, and one of `leaked` objects of 96 bytes. `stale`
/// is a word of a stack. `base` is where the objects of 1,024 bytes are.
fn dump(leaked: u64, stale: u64, base: u64) -> Vec<u8> {
    let mut dump = Version::Go17.header().to_vec();
    let mut push = |record: Record<'_>| record.write_to(&mut dump).unwrap();
    push(Record::Params(Params {
        big_endian: true,
        pointer_size: PointerSize::Eight,
        heap_start: HEAP,
        heap_end: HEAP + (1 << 30),
        arch: Arch::Name("ppc64".into()),
        experiment: "go1.21.13".into(),
        cpus: 1,
    }));
    let mut array = |address, size: usize, targets: &[u64]| {
        let mut contents: Vec<u8> = targets.iter().flat_map(|target| target.to_be_bytes()).collect();
        contents.resize(size, 0);
        let fields = Fields::encode_list((0..targets.len() as u64).map(|word| Field::pointer(8 * word)));
        let fields = Fields::from_encoded(&fields).unwrap();
        push(Record::Object(Object { address, contents: &contents, fields }));
    };
    let places = |base: u64, count: u64, size: u64| (0..count).map(move |i| base + i * size);
    let (old, leak): (Vec<_>, Vec<_>) =
        (places(base, 100, 1024).collect(), places(HEAP + 0x40_0000, leaked, 96).collect());
    array(HEAP, 64, &[OLD, LEAK]);
    array(OLD, 896, &old);
    array(LEAK, 8192, &leak);
    old.iter().for_each(|&address| array(address, 1024, &[]));
    leak.iter().for_each(|&address| array(address, 96, &[]));
    let fields = Fields::encode_list([Field::pointer(0)]);
    let fields = Fields::from_encoded(&fields).unwrap();
    push(Record::Bss(Segment { address: 0x40_0000, contents: &HEAP.to_be_bytes(), fields }));
    let function = Function { entry: 0x1000, pc: 0x1010, continuation_pc: 0, name: "main.main".into() };
    let (contents, fields) = (&stale.to_be_bytes()[..], Fields::default());
    push(Record::StackFrame(StackFrame { sp: 0xf000, depth: 0, child_sp: 0, contents, function, fields }));
    push(Record::Eof);
    dump
}

fn compare(before: &[u8], after: &[u8], check: impl FnOnce(&Diff)) {
    let [old, new] = [before, after].map(|dump| Index::new(Dump::new(dump).unwrap()).unwrap());
    check(&Diff::new(&Heap::new(&old).unwrap(), &Heap::new(&new).unwrap()));
}

/// A stack's word points to the larger array in one of the dumps: then the root object does not dominate it.
#[test]
fn what_hangs_elsewhere_has_not_grown() {
    for (then, now) in [(0, 0), (0, OLD), (OLD, 0), (LEAK, OLD), (0, LEAK)] {
        let (before, after) = (dump(10, then, HEAP + 0x10_0000), dump(210, now, HEAP + 0x10_0000));
        compare(&before, &after, |diff| {
            assert_eq!(diff.growth(), 200 * 96);
            assert!(!diff.is_of_two_processes());
            let found: Vec<_> = diff.suspects.iter().map(|suspect| suspect.held).collect();
            let [held] = found[..] else { panic!("{then:#x}, {now:#x}: {found:?}") };
            assert_eq!(diff.tree.nodes()[held as usize].label, Label::Size(96, false));
            assert_eq!((diff.more_at(held), diff.growth_of(held)), (200, 200 * 96), "{then:#x}, {now:#x}");
            assert_eq!(diff.growth_of(0), 200 * 96);
        });
    }
}

/// What is freed and made again at another place is new, and no growth.
#[test]
fn what_is_replaced_has_not_grown() {
    let (before, after) = (dump(10, 0, HEAP + 0x10_0000), dump(60, 0, HEAP + 0x20_0000));
    compare(&before, &after, |diff| {
        assert_eq!((diff.suspects.len(), diff.suspects[0].weight), (1, 50 * 96));
        let replaced = diff.types.iter().find(|change| change.before.objects == 100).unwrap();
        assert_eq!((replaced.added(), replaced.gone(), replaced.growth()), (100, 100, 0));
    });
}

#[test]
fn two_processes_are_told_from_one() {
    let before = dump(10, 0, HEAP + 0x10_0000);
    compare(&before, &before, |diff| {
        assert!(!diff.is_of_two_processes() && diff.suspects.is_empty() && diff.growth() == 0);
    });
    // As many objects, and hardly one where it was.
    let moved = dump(0, 0, HEAP + 0x20_0000);
    compare(&before, &moved, |diff| assert!(diff.is_of_two_processes()));
}

/// Of a dump that is cut off there is something to see: roots come after the objects.
#[test]
fn without_roots_what_nothing_points_to_is_alive() {
    let whole = dump(10, 0, HEAP + 0x10_0000);
    let index = Index::new(Dump::new(&whole).unwrap()).unwrap();
    let bss = index.dump().records().flatten().find(|(_, record)| matches!(record, Record::Bss(_))).unwrap();
    let cut = [&whole[..bss.0 as usize], &[0]].concat();
    let cut = Index::new(Dump::new(&cut).unwrap()).unwrap();
    let [all, cut] = [&index, &cut].map(|index| Heap::new(index).unwrap());
    assert!(cut.graph().is_without_roots() && !all.graph().is_without_roots());
    assert_eq!((cut.reached(), cut.unreached().objects), (all.reached(), 0));
    let [first, old] = [HEAP, OLD].map(|address| cut.find(address).unwrap());
    assert_eq!(
        (cut.dominators().immediate(first), cut.retained(first)),
        (Some(cut.graph().all()), all.reached().bytes)
    );
    assert_eq!(cut.dominators().immediate(old), Some(first));
}
