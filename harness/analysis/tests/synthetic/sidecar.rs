//! What is kept of a dump: the same as what was found, and only for the same dump.

use std::time::{Duration, SystemTime};

use heapmatrix_analysis::explain::{allocation, referrers};
use heapmatrix_analysis::export;
use heapmatrix_analysis::goroutines::groups;
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::{Naming, Typed};
use heapmatrix_analysis::paths::{MergedPaths, Paths};
use heapmatrix_analysis::sidecar::{self, Kept, Key, MAGIC, Refused};
use heapmatrix_analysis::top::top;
use heapmatrix_analysis::types::{Binary, Typing};
use heapmatrix_analysis::waste::waste;
use heapmatrix_fuzz::memory;
use heapmatrix_reader::{Dump, Index};

use super::elf::MACHINES;
use super::program::{self, PROCESS};

fn keep(key: &Key<'_>) -> Vec<u8> {
    let index = Index::new(Dump::new(key.dump).unwrap()).unwrap();
    let binary = key.program.map(|file| Binary::open(file).unwrap());
    let typing = Typing::new(&index, binary.as_ref()).unwrap();
    let naming = Typed { index: &index, typing: &typing, binary: binary.as_ref() };
    let heap = Heap::with_naming(&index, &naming).unwrap();
    let mut file = Vec::new();
    sidecar::write(key, &heap, &typing, &mut file).unwrap();
    file
}

/// All that reports say of a heap, in one text.
fn all(heap: &Heap<'_, '_>, naming: &dyn Naming) -> String {
    let mut text = format!("{:?} {:?} {:?}\n", heap.graph().counts(), heap.reached(), heap.unreached());
    for row in top(heap) {
        text += &format!("{} {row:?}\n", heap.name(row.label, row.sample));
    }
    text += &format!("{:?}\n{:?}\n", groups(heap), waste(heap));
    let paths = Paths::new(heap);
    let merged = MergedPaths::new(heap, &paths, |_| true);
    (0..merged.nodes().len().min(50)).for_each(|at| text += &format!("{}\n", merged.expression(at as u32)));
    for object in (0..heap.graph().objects()).take(50) {
        text += &format!("{:?} {:?}\n", referrers(heap, object, 3), allocation(heap, object));
        text += &format!("{} {:?}\n", paths.expression(heap, object), naming.fields(object, 20));
    }
    let mut out = Vec::new();
    export::jsonl(heap, &mut out).unwrap();
    text + &String::from_utf8(out).unwrap()
}

fn of_kept(kept: Kept<'_>, program: Option<&[u8]>) -> String {
    let Kept { index, typing, graph, dominators, retained } = kept;
    let binary = program.map(|file| Binary::open_for_values(file).unwrap());
    let naming = Typed { index: &index, typing: &typing, binary: binary.as_ref() };
    let heap = Heap::of_parts(&index, &naming, (graph, dominators, retained));
    all(&heap, &naming)
}

#[test]
fn what_is_kept_says_the_same() {
    for machine in MACHINES {
        let (file, dump) = (program::file(machine, 5, false), program::dump(machine, PROCESS));
        for program in [None, Some(&file[..])] {
            let key = Key { dump: &dump, modified: None, program };
            let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
            let binary = program.map(|file| Binary::open(file).unwrap());
            let typing = Typing::new(&index, binary.as_ref()).unwrap();
            let naming = Typed { index: &index, typing: &typing, binary: binary.as_ref() };
            let heap = Heap::with_naming(&index, &naming).unwrap();
            let kept = keep(&key);
            assert_eq!(kept, keep(&key), "the same gives the same bytes");
            let read = sidecar::read(&kept, &key, Dump::new(&dump).unwrap()).unwrap();
            assert_eq!(of_kept(read, program), all(&heap, &naming), "{}", machine.goarch);
        }
    }
}

#[test]
fn only_for_the_same_dump_and_the_same_program() {
    let machine = MACHINES[0];
    let (program, mut dump) = (program::file(machine, 5, false), program::dump(machine, PROCESS));
    // Far from all places that are looked at first, and in no record's structure.
    dump.pop();
    dump.extend([1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x80, 0x80, 0x80, 1]);
    let middle = dump.len() + (1 << 20) + 16_000;
    dump.resize(dump.len() + (2 << 20), 7);
    dump.extend([0, 0]);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let key = Key { dump: &dump, modified: Some(now), program: None };
    let kept = keep(&key);
    let refused = |key: &Key<'_>| sidecar::read(&kept, key, Dump::new(key.dump).unwrap()).err();
    assert_eq!(refused(&key), None);
    let later = Key { modified: Some(now + Duration::from_nanos(1)), ..key };
    assert_eq!(
        (refused(&later), refused(&Key { modified: None, ..key })),
        (None, None),
        "it is the same dump"
    );
    let mut other = dump.clone();
    other[middle] = 8;
    assert_eq!(refused(&Key { dump: &other, ..later }), Some(Refused::OtherDump));
    // A file that the system says has not changed is not read whole.
    assert_eq!(refused(&Key { dump: &other, ..key }), None);
    let mut other = dump.clone();
    *other.iter_mut().rev().nth(3).unwrap() = 8;
    assert_eq!(refused(&Key { dump: &other, ..key }), Some(Refused::OtherDump));
    assert_eq!(refused(&Key { dump: &program::dump(machine, PROCESS), ..key }), Some(Refused::OtherDump));

    let dump = program::dump(machine, PROCESS);
    let with = Key { dump: &dump, modified: None, program: Some(&program) };
    let without = Key { program: None, ..with };
    let [kept_with, kept_without] = [with, without].map(|key| keep(&key));
    let read = |kept: &[u8], key: &Key<'_>| sidecar::read(kept, key, Dump::new(&dump).unwrap()).err();
    assert_eq!((read(&kept_with, &with), read(&kept_without, &without)), (None, None));
    let other = program::file(machine, 4, false);
    for (kept, key) in
        [(&kept_with, without), (&kept_without, with), (&kept_with, Key { program: Some(&other), ..with })]
    {
        assert_eq!(read(kept, &key), Some(Refused::OtherProgram));
    }
}

#[test]
fn what_is_damaged_is_refused_and_says_why() {
    let dump = program::dump(MACHINES[1], PROCESS);
    let key = Key { dump: &dump, modified: None, program: None };
    let kept = keep(&key);
    let read = |file: &[u8]| sidecar::read(file, &key, Dump::new(&dump).unwrap()).err();
    assert_eq!((read(b""), read(b"go1.7 heap dump\n")), (Some(Refused::NoIndex), Some(Refused::NoIndex)));
    let mut of_later = kept.clone();
    of_later[MAGIC.len()] = 200;
    assert_eq!(read(&of_later), Some(Refused::Version(200)));
    for end in 0..kept.len() {
        assert!(read(&kept[..end]).is_some(), "cut off at {end}");
    }
    for at in 0..kept.len() {
        let mut kept = kept.clone();
        kept[at] ^= 0x40;
        let error = read(&kept).map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with("it ")), "changed at {at}");
    }
}

/// Files whose checksum is right and which lie: what is read of them may be wrong, but nothing panics or takes memory.
#[test]
fn what_lies_does_not_panic() {
    let machine = MACHINES[2];
    let (program, dump) = (program::file(machine, 5, false), program::dump(machine, PROCESS));
    let mut refused = 0;
    for program in [None, Some(&program[..])] {
        let key = Key { dump: &dump, modified: None, program };
        let kept = keep(&key);
        // After what it is of.
        let start = MAGIC.len() + 8 + 8 + 7 * 8;
        for at in start..kept.len() - 4 {
            for change in [0x01, 0x80, 0xff] {
                let mut kept = kept.clone();
                kept[at] ^= change;
                let end = kept.len() - 4;
                let sum = crc32fast::hash(&kept[..end]);
                kept[end..].copy_from_slice(&sum.to_le_bytes());
                let (read, peak) = memory::peak(|| sidecar::read(&kept, &key, Dump::new(&dump).unwrap()));
                assert!(peak <= 16 * kept.len() + (1 << 16), "{peak} bytes of memory for {at}");
                match read {
                    Ok(kept) => drop(of_kept(kept, program)),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 1000, "{refused} lies were noticed");
}
