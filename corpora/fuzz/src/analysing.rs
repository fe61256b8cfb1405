//! What must hold for any dump that is analysed.

use heapmatrix_analysis::diff::Diff;
use heapmatrix_analysis::explain::{allocation, referrers};
use heapmatrix_analysis::export;
use heapmatrix_analysis::goroutines::groups;
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::Typed;
use heapmatrix_analysis::paths::{MergedPaths, Paths};
use heapmatrix_analysis::top::top;
use heapmatrix_analysis::tree::Tree;
use heapmatrix_analysis::types::{Binary, Typing, Values};
use heapmatrix_analysis::waste::waste;
use heapmatrix_reader::{Dump, Index, Record};

use crate::memory;

/// What an analysis may take for each byte of input, in bytes: an object is four bytes of input at least, a root six.
const TIMES: usize = 40;
/// What it may take in any case: merged trees have so many nodes at most, and each a name.
const BUFFERS: usize = 8 << 20;

/// Whatever can be read can be analysed, in memory in proportion to it, and the reports agree with each other.
pub fn analysis(input: &[u8]) {
    let ((), peak) = memory::peak(|| analyse(input));
    assert!(
        peak <= TIMES * input.len() + BUFFERS,
        "{} bytes of input took {peak} bytes of memory",
        input.len()
    );
}

fn analyse(input: &[u8]) {
    let Ok(index) = Dump::new(input).and_then(Index::new) else { return };
    let Ok(typing) = Typing::new(&index, None) else { return };
    let naming = Typed { index: &index, typing: &typing, binary: None };
    let heap = Heap::with_naming(&index, &naming).expect("small dumps have a graph");
    let (reached, unreached) = (heap.reached(), heap.unreached());
    assert_eq!(reached.objects + unreached.objects, heap.graph().counts().objects());
    let rows = top(&heap);
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), reached.objects);
    assert!(rows.iter().all(|row| row.retained >= row.shallow));
    drop(rows);
    assert_eq!(Tree::new(&heap).nodes()[0].retained, reached.bytes);
    assert!(groups(&heap).iter().all(|group| group.retained <= reached.bytes));
    assert!(waste(&heap).iter().all(|waste| waste.bytes <= reached.bytes));
    let paths = Paths::new(&heap);
    let merged = MergedPaths::new(&heap, &paths, |_| true);
    assert_eq!(merged.nodes()[0].objects, reached.objects);
    drop(merged);
    for object in (0..heap.graph().objects()).take(4) {
        let nodes = paths.nodes(object);
        assert_eq!(nodes.is_empty(), !heap.dominators().reaches(object));
        assert!(heap.dominators().of(object).all(|dominator| nodes.contains(&dominator)));
        let _ = (paths.expression(&heap, object), allocation(&heap, object), referrers(&heap, object, 3));
    }
    drop(paths);
    let diff = Diff::new(&heap, &heap);
    assert!(diff.growth() == 0 && diff.suspects.is_empty());
    assert!(diff.types.iter().all(|change| change.added() == change.gone()));
    drop(diff);
    export::pprof(&heap, std::io::sink()).expect("a sink takes everything");
    export::dot(&heap, 10, std::io::sink()).expect("a sink takes everything");
    export::jsonl(&heap, std::io::sink()).expect("a sink takes everything");
    export::heapsnapshot(&heap, std::io::sink()).expect("a sink takes everything");
}

/// What a program's file may take for each of its bytes, beside what the dump takes: a type is some ten bytes there.
const TIMES_PROGRAM: usize = 24;

/// Whatever is read as a program says what it says of a dump, in memory in proportion to both. The input is the length of
/// the program's file (32 bits, the lowest byte first), the file, and the dump.
pub fn program(input: &[u8]) {
    let Some((length, rest)) = input.split_first_chunk() else { return };
    let length = u32::from_le_bytes(*length) as usize;
    let Some((file, dump)) = rest.split_at_checked(length) else { return };
    let ((), peak) = memory::peak(|| look(file, dump));
    let most = TIMES_PROGRAM * file.len() + TIMES * dump.len() + BUFFERS;
    assert!(peak <= most, "{} bytes of program and {} of dump took {peak}", file.len(), dump.len());
}

fn look(file: &[u8], dump: &[u8]) {
    let Ok(binary) = Binary::open(file) else { return };
    let Ok(index) = Dump::new(dump).and_then(Index::new) else { return };
    let Ok(typing) = Typing::new(&index, Some(&binary)) else { return };
    for (id, type_) in typing.types().iter().take(1000) {
        for offset in [0, 8, type_.size / 2, u64::MAX] {
            typing.path(id, offset);
        }
    }
    let values = Values::new(&index, &typing, Some(&binary));
    for object in (0..index.len()).take(100) {
        assert!(values.fields(object, 20).len() <= 20);
        assert!(!typing.name(typing.type_of(object)).is_empty() || binary.has_debugging_information());
    }
    for (_, record) in index.dump().records().flatten() {
        if let Record::StackFrame(frame) = record {
            typing.variable(&frame, 8);
        }
    }
    let share = typing.share(&index, |_| true);
    assert!(share.objects == index.len() as u64 && share.typed_bytes + share.partial_bytes <= share.bytes);
}
