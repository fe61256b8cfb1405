//! Types without a Go toolchain: programs and processes that were never compiled, of every word size and byte order.

mod bound;
mod elf;
mod growth;
mod program;
mod sidecar;

use elf::{MACHINES, Machine};
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::Typed;
use heapmatrix_analysis::paths::Paths;
use heapmatrix_analysis::types::{Binary, BinaryError, Typing, Values};
use heapmatrix_reader::{Dump, Index};
use program::{PROCESS, Process, at};

#[global_allocator]
static ALLOCATOR: heapmatrix_fuzz::memory::Counting = heapmatrix_fuzz::memory::Counting;

#[test]
fn every_machine_and_version_of_dwarf_gives_the_same_types() {
    for machine in MACHINES {
        for (version, compressed) in [(4, false), (5, false), (4, true), (5, true)] {
            let context = format!("{} DWARF {version}, compressed: {compressed}", machine.goarch);
            let file = program::file(machine, version, compressed);
            let dump = program::dump(machine, PROCESS);
            let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
            let binary = Binary::open(&file).unwrap();
            assert_eq!((binary.has_debugging_information(), binary.broken()), (true, None), "{context}");
            let typing = Typing::new(&index, Some(&binary)).unwrap();
            let name = |address| typing.name(typing.type_of(index.find(address).unwrap()));
            for (address, expected) in [
                (at::FIRST, "main.Node"),
                (at::SECOND, "main.Node"),
                (at::NAME, "string"),
                (at::DATA, "[]uint16"),
                (at::BOXED, "main.Node"),
                (at::LOCAL, "main.Node"),
                (at::LOST, "? of 48 bytes"),
            ] {
                assert_eq!(name(address), expected, "{context}: {address:#x}");
            }
            let share = typing.share(&index, |_| true);
            assert_eq!(
                (share.objects, share.typed_objects, share.bytes - share.typed_bytes),
                (7, 6, 48),
                "{context}"
            );
            names_of_places(machine, &typing);
            values(&index, &typing, &binary);
        }
    }
}

fn names_of_places(machine: Machine, typing: &Typing) {
    let word = machine.word as u64;
    let (global, offset) = typing.global(program::DATA + word).unwrap();
    assert_eq!((&*global.name, typing.name(global.type_), offset), ("main.head", "*main.Node", 0));
    assert!(typing.global(program::DATA).is_none() && typing.global(program::DATA + 2 * word).is_none());
    let node = typing.types().iter().find(|(_, type_)| &*type_.name == "main.Node").unwrap().0;
    let paths = [0, 1, 2, 3, 6].map(|number| typing.path(node, number * word));
    assert_eq!(paths, [".next", ".name", ".name", ".data", ".any"]);
}

fn values(index: &Index<'_>, typing: &Typing, binary: &Binary<'_>) {
    let values = Values::new(index, typing, Some(binary));
    let fields = values.fields(index.find(at::FIRST).unwrap(), 10);
    let texts: Vec<_> = fields.iter().map(|field| (&field.path[..], &field.text[..], field.target)).collect();
    assert_eq!(
        texts,
        [
            (".next", "0xc0000040", at::SECOND),
            (".name", "\"twenty bytes of text\"", at::NAME),
            (".data", "0xc00000c0, length 3, capacity 8", at::DATA),
            (".any", "main.Node at 0xc0000100", at::BOXED),
        ]
    );
    assert_eq!(values.fields(index.find(at::FIRST).unwrap(), 2).len(), 2);
    let elements = values.fields(index.find(at::DATA).unwrap(), 3);
    assert_eq!(elements[2].path, "[2]");
    assert_eq!(elements[2].text, 0x0707.to_string());
}

/// How much of what its pointers point to an object can use.
#[test]
fn pointers_say_what_is_used_through_them() {
    for machine in MACHINES {
        let (file, dump) = (program::file(machine, 5, false), program::dump(machine, PROCESS));
        let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
        let typing = Typing::new(&index, Some(&Binary::open(&file).unwrap())).unwrap();
        let mut uses = Vec::new();
        let known = typing.uses(&index, index.find(at::FIRST).unwrap(), &mut |of| {
            uses.push((of.address, of.used, of.room));
        });
        // A node, a string of twenty bytes, three of eight numbers of two bytes, and an interface.
        let node = 8 * machine.word as u64;
        let expected = [
            (at::SECOND, Some(node), node),
            (at::NAME, Some(20), 20),
            (at::DATA, Some(6), 16),
            (at::BOXED, None, 0),
        ];
        assert_eq!((known, &uses[..]), (true, &expected[..]), "{}", machine.goarch);
        assert!(!typing.uses(&index, index.find(at::LOST).unwrap(), &mut |_| ()));
    }
}

#[test]
fn a_frames_variable_has_a_name() {
    let machine = MACHINES[0];
    let (file, dump) = (program::file(machine, 5, false), program::dump(machine, PROCESS));
    let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
    let typing = Typing::new(&index, Some(&Binary::open(&file).unwrap())).unwrap();
    let frame = index.dump().records().flatten().find_map(|(_, record)| match record {
        heapmatrix_reader::Record::StackFrame(frame) => Some(frame),
        _ => None,
    });
    let frame = frame.unwrap();
    assert_eq!(typing.variable(&frame, 16).as_deref(), Some("local"));
    assert_eq!(typing.variable(&frame, 8), None);
}

/// A word of a frame that is no variable's may be stale: it is the shortest way, and not the one to name.
#[test]
fn a_path_through_variables_comes_first() {
    for machine in MACHINES {
        let (file, dump) = (program::file(machine, 5, false), program::dump(machine, PROCESS));
        let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
        let expressions = |binary: Option<&Binary<'_>>| {
            let typing = Typing::new(&index, binary).unwrap();
            let naming = Typed { index: &index, typing: &typing, binary };
            let heap = Heap::with_naming(&index, &naming).unwrap();
            let paths = Paths::new(&heap);
            [at::SECOND, at::LOCAL].map(|address| paths.expression(&heap, heap.find(address).unwrap()))
        };
        let word = machine.word;
        let binary = Binary::open(&file).unwrap();
        assert_eq!(expressions(Some(&binary)), ["main.head.next", "main.run: local"], "{}", machine.goarch);
        // Without names the shortest one is as good as any.
        let frame = [1, 2].map(|place| format!("main.run: frame[+{}]", place * word));
        assert_eq!(expressions(None), frame, "{}", machine.goarch);
    }
}

#[test]
fn another_program_is_refused_and_the_error_says_why() {
    let [amd64, ppc64, i386, _] = MACHINES;
    let file = program::file(amd64, 5, false);
    let binary = Binary::open(&file).unwrap();
    let error = |machine, process| {
        let dump = program::dump(machine, process);
        let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
        Typing::new(&index, Some(&binary)).err().expect("it is refused")
    };
    let function = Process { function: "main.other", ..PROCESS };
    let data = Process { data_words: 5, ..PROCESS };
    for (error, expected) in [
        (
            error(ppc64, PROCESS),
            "the program is for amd64 (64 bits, little endian), the dump of ppc64 (64 bits, big endian)",
        ),
        (
            error(i386, PROCESS),
            "the program is for amd64 (64 bits, little endian), the dump of 386 (32 bits, little endian)",
        ),
        (error(amd64, function), "the dump has main.other at 0x401000, the program has main.run there"),
        (error(amd64, data), "the program's data segment has 32 bytes with pointers, the dump's 40"),
    ] {
        assert_eq!(error.to_string(), format!("the dump is not of this program: {expected}"));
    }
    assert!(matches!(Binary::open(b"not an ELF file"), Err(BinaryError::Elf(_))));
}

#[test]
fn without_the_program_sizes_are_left() {
    let dump = program::dump(MACHINES[3], PROCESS);
    let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
    let typing = Typing::new(&index, None).unwrap();
    let names: Vec<_> = (0..index.len()).map(|object| typing.name(typing.type_of(object))).collect();
    let (node, text, data) =
        ("? of 32 bytes", "? of 24 bytes without pointers", "? of 16 bytes without pointers");
    assert_eq!(names, [node, node, text, data, node, node, "? of 48 bytes"]);
    assert_eq!(typing.share(&index, |_| true).typed_objects, 0);
}

#[test]
fn broken_programs_and_dumps_never_panic() {
    for machine in MACHINES {
        for version in [4, 5] {
            let (file, dump) = (program::file(machine, version, false), program::dump(machine, PROCESS));
            for end in (0..file.len()).step_by(7) {
                look(&file[..end], &dump);
            }
            for at in 0..file.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut file = file.clone();
                    file[at] ^= change;
                    look(&file, &dump);
                }
            }
            for at in 16..dump.len() {
                let mut dump = dump.clone();
                dump[at] ^= 0x10;
                look(&file, &dump);
            }
        }
    }
}

#[test]
fn many_types_take_memory_in_proportion() {
    for machine in MACHINES {
        for count in [10_000, 40_000] {
            look(&program::many_types(machine, count), &program::dump(machine, PROCESS));
        }
    }
}

/// All that can be asked of a program and a dump, whatever they are.
fn look(file: &[u8], dump: &[u8]) {
    let mut input = (file.len() as u32).to_le_bytes().to_vec();
    input.extend(file);
    input.extend(dump);
    heapmatrix_fuzz::analysing::program(&input);
}
