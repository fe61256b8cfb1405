//! Of what type the objects of real programs are.

mod common;

use std::collections::HashMap;

use heapmatrix_analysis::dominators::Dominators;
use heapmatrix_analysis::graph::Graph;
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::Typed;
use heapmatrix_analysis::types::{Binary, Typing, Values};
use heapmatrix_fuzz::memory;
use heapmatrix_reader::{Dump, Index};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

#[test]
fn nearly_all_of_a_service_has_a_type() {
    common::each_service(2000, &[], |service| {
        let name = &service.name;
        let index = Index::new(Dump::new(&service.after).unwrap()).unwrap();
        let binary = Binary::open(&service.program).unwrap();
        assert_eq!((binary.has_debugging_information(), binary.broken()), (true, None), "{name}");
        let typing = Typing::new(&index, Some(&binary)).unwrap();
        let graph = Graph::new(&index, &|address| Some(address - typing.global(address)?.1)).unwrap();
        let dominators = Dominators::new(graph.rows(), graph.all());
        let share = typing.share(&index, |object| dominators.reaches(object as u32));
        println!("{name}: {share}");
        assert!(share.typed_bytes * 100 >= share.bytes * 97, "{name}: {share}");

        // As many of each as the service has made.
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for object in (0..index.len()).filter(|&object| dominators.reaches(object as u32)) {
            *counts.entry(typing.name(typing.type_of(object))).or_default() += 1;
        }
        for (type_, count) in [
            ("main.Session", 2000),
            ("main.User", 2000),
            ("main.Request", 3000 + 258),
            ("main.version", 258),
            ("main.Server", 1),
            ("main.Cache[string,main.Page]", 1),
            ("container/list.Element", 258),
            ("chan main.Job", 1),
            ("chan int", 1),
            ("[]main.Event", 1),
            ("[]*main.User", 1600 + 1),
            ("closure main.(*Server).addSession.func1", 2000),
            ("main.prefixLogger", 1),
            ("main.pairLogger", 1),
        ] {
            assert_eq!(counts.get(type_), Some(&count), "{name}: {type_}");
        }
        let before = Index::new(Dump::new(&service.before).unwrap()).unwrap();
        let typing_before = Typing::new(&before, Some(&binary)).unwrap();
        let events = |index: &Index<'_>, typing: &Typing| {
            (0..index.len()).filter(|&object| typing.name(typing.type_of(object)) == "main.Details").count()
        };
        assert!(events(&before, &typing_before) + 2000 <= events(&index, &typing), "{name}: nothing leaked");
        leak_has_a_path(name, &index, &typing);
        fields_have_values(name, &index, &typing, &binary);
        repeats(name, &index, &typing, &binary);
    });
}

/// At most 40 bytes an object and 8 an edge, however much a program says of them. Only a small heap takes more: while the
/// program's own types are read, at most three quarters of its file.
#[test]
fn a_program_takes_memory_once() {
    common::each_service(2000, &[], |service| {
        let ((objects, edges), peak) = memory::peak(|| {
            let index = Index::new(Dump::new(&service.after).unwrap()).unwrap();
            let binary = Binary::open(&service.program).unwrap();
            let typing = Typing::new(&index, Some(&binary)).unwrap();
            let binary = binary.into_values();
            let naming = Typed { index: &index, typing: &typing, binary: Some(&binary) };
            let heap = Heap::with_naming(&index, &naming).unwrap();
            (index.len() as u64, u64::from(heap.graph().rows().edges()))
        });
        let beside = peak as i64 - (40 * objects + 8 * edges) as i64;
        let (name, file) = (&service.name, service.program.len() as i64);
        println!(
            "{name}: {peak} bytes for {objects} objects and {edges} edges: {beside} beside these, of a program of {file}"
        );
        assert!(beside <= file * 3 / 4, "{name}: {peak} bytes for {objects} objects and {edges} edges");
    });
}

#[test]
fn a_program_that_was_built_otherwise_is_refused() {
    common::each_service(50, &[], |service| {
        let name = &service.name;
        let index = Index::new(Dump::new(&service.after).unwrap()).unwrap();
        let refused = |flags: &[&str]| {
            let program = service.built_with(flags);
            Typing::new(&index, Some(&Binary::open(&program).unwrap())).err().map(|error| error.to_string())
        };
        let error = refused(&["-gcflags=-N -l"]).expect(name);
        assert!(error.starts_with("the dump is not of this program: "), "{name}: {error}");
        let error = refused(&["-gcflags=-N -l", "-ldflags=-s -w"]).expect(name);
        assert!(error.starts_with("the dump is not of this program: "), "{name}: {error}");
    });
}

#[test]
fn the_parts_of_a_large_map_are_known_by_what_it_holds() {
    // Since Go 1.24 more than 64 tables: their directory has a malloc header, which names the tables of any map.
    let sessions = 65_000;
    common::each_service(sessions, &[], |service| {
        let name = &service.name;
        let index = Index::new(Dump::new(&service.before).unwrap()).unwrap();
        let binary = Binary::open(&service.program).unwrap();
        let typing = Typing::new(&index, Some(&binary)).unwrap();
        let mut elements = 0;
        for object in 0..index.len() {
            let id = typing.type_of(object);
            assert!(!typing.name(id).contains("maps.table"), "{name}: {}", typing.name(id));
            if typing.name(id).starts_with("map[string]*main.Session") {
                for edge in index.edges(object).filter(|edge| edge.offset >= typing.start_of(object)) {
                    match &typing.path(id, edge.offset - typing.start_of(object))[..] {
                        "[…]" => elements += 1,
                        path => assert!(path.is_empty() || path == "[key]", "{name}: {path}"),
                    }
                }
            }
        }
        assert!(elements >= sessions, "{name}: {elements}");
    });
}

#[test]
fn a_stripped_program_still_has_descriptors() {
    common::each_service(2000, &["-ldflags=-s -w"], |service| {
        let name = &service.name;
        let index = Index::new(Dump::new(&service.after).unwrap()).unwrap();
        let binary = Binary::open(&service.program).unwrap();
        assert!(!binary.has_debugging_information(), "{name}");
        let typing = Typing::new(&index, Some(&binary)).unwrap();
        println!("{name}, stripped: {}", typing.share(&index, |_| true));
        let count =
            |type_| (0..index.len()).filter(|&object| typing.name(typing.type_of(object)) == type_).count();
        // What interfaces hold is named by descriptors.
        assert!(count("main.Details") >= 2000 / 6, "{name}: {}", count("main.Details"));
        assert!(count("map[string]int") >= 2000 / 6, "{name}: {}", count("map[string]int"));
        repeats(name, &index, &typing, &binary);
        let path = |type_, offset| typing.path(typing.type_of(find(&index, &typing, type_)), offset);
        assert_eq!(path("main.Details", 0), ".Text", "{name}");
    });
}

/// The same dump and program give the same types, with the same numbers.
fn repeats(name: &str, index: &Index<'_>, typing: &Typing, binary: &Binary<'_>) {
    let again = Typing::new(index, Some(binary)).unwrap();
    assert_eq!(typing.types().len(), again.types().len(), "{name}");
    assert!((0..index.len()).all(|object| typing.type_of(object) == again.type_of(object)), "{name}");
    let pairs = typing.types().iter().zip(again.types().iter());
    for ((id, one), (_, other)) in pairs {
        assert_eq!((&one.name, &one.kind), (&other.name, &other.kind), "{name}: {id:?}");
    }
}

/// `main.server.audit` is what grows: from the global to the array, with names.
fn leak_has_a_path(name: &str, index: &Index<'_>, typing: &Typing) {
    let server = find(index, typing, "main.Server");
    let array = find(index, typing, "[]main.Event");
    let edge = index.edges(server).find(|edge| edge.target == array).expect(name);
    let path = typing.path(typing.type_of(server), edge.offset - typing.start_of(server));
    assert_eq!(path, ".audit", "{name}");
    let word = index.dump().params().pointer_size.bytes();
    for (type_, offset, expected) in [
        ("[]main.Event", 0, "[…].When.wall"),
        ("main.User", 2 * word, ".Email"),
        ("[]*main.User", 5 * word, "[…]"),
    ] {
        let id = typing.type_of(find(index, typing, type_));
        assert_eq!(typing.path(id, offset), expected, "{name}: {type_}");
    }
    // What the runtime puts between a map and its elements has no name in Go.
    let header = find(index, typing, "map[string]*main.Session");
    for edge in index.edges(header) {
        assert_eq!(typing.path(typing.type_of(header), edge.offset), "", "{name}");
    }
    let paths: Vec<String> = (0..index.len())
        .filter(|&object| typing.name(typing.type_of(object)).starts_with("map[string]*main.Session "))
        .flat_map(|object| {
            let start = typing.start_of(object);
            index.edges(object).map(move |edge| typing.path(typing.type_of(object), edge.offset - start))
        })
        .collect();
    for path in &paths {
        assert!(["", "[…]", "[key]"].contains(&&path[..]), "{name}: {path}");
    }
    assert!(paths.iter().filter(|path| *path == "[…]").count() >= 2000, "{name}");
    let global = index.dump().records().flatten().find_map(|(_, record)| match record {
        heapmatrix_reader::Record::Bss(bss) => {
            let pointers = index.edges_of(bss.contents, bss.fields);
            pointers.filter(|edge| edge.target == server).map(|edge| bss.address + edge.offset).next()
        }
        _ => None,
    });
    let (global, offset) = typing.global(global.expect(name)).expect(name);
    assert_eq!((&*global.name, offset), ("main.server", 0), "{name}");
}

fn fields_have_values(name: &str, index: &Index<'_>, typing: &Typing, binary: &Binary<'_>) {
    let values = Values::new(index, typing, Some(binary));
    let logger = values.fields(find(index, typing, "main.prefixLogger"), 10);
    let texts: Vec<_> = logger.iter().map(|field| (&field.path[..], &field.text[..])).collect();
    assert_eq!(texts, [(".prefix", "\"first: \""), (".lines", "nil")], "{name}");
    let pair = values.fields(find(index, typing, "main.pairLogger"), 10);
    assert!(pair[0].text.starts_with("*main.prefixLogger at 0x"), "{name}: {:?}", pair[0]);
    assert!(pair[1].text.starts_with("main.textLogger at 0x"), "{name}: {:?}", pair[1]);
    let users = (0..index.len()).filter(|&object| typing.name(typing.type_of(object)) == "main.User");
    let mut numbers: Vec<u64> = users
        .map(|user| {
            let fields = values.fields(user, 100);
            let of = |path: &str| fields.iter().find(|field| field.path == path).expect(path).text.clone();
            let number: u64 = of(".Number").parse().unwrap();
            assert_eq!(of(".Name"), format!("\"user {number}\""), "{name}");
            assert_eq!(of(".score"), number.to_string(), "{name}");
            number
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..2000), "{name}");
}

fn find(index: &Index<'_>, typing: &Typing, type_: &str) -> usize {
    (0..index.len()).find(|&object| typing.name(typing.type_of(object)) == type_).expect(type_)
}
