//! The dumps of `corpora/real/worlds`: of a world on real runtimes, with the world and what the guest has reported as their
//! truth. They hold the oracles to real dumps where there is no toolchain.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use heapmatrix::oracle::reencode::reencode;
use heapmatrix::real::isomorphism::Graph;
use heapmatrix::real::model;
use heapmatrix::real::report::Report;
use heapmatrix::real::world::{Value, World};
use heapmatrix_reader::laws;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/real/worlds")
}

fn world() -> World {
    serde_json::from_slice(&fs::read(folder().join("world.json")).unwrap()).unwrap()
}

/// Each dump with its report, by release and machine.
fn dumps() -> BTreeMap<String, (Vec<u8>, Report)> {
    let read = |path: &Path| zstd::decode_all(fs::File::open(path).unwrap()).unwrap();
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut dumps = BTreeMap::new();
    for path in files {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(name) = file.strip_suffix(".dump.zst") {
            let report = read(&folder().join(format!("{name}.report.json.zst")));
            dumps.insert(name.to_owned(), (read(&path), serde_json::from_slice(&report).unwrap()));
        }
    }
    dumps
}

#[test]
fn dumps_hold_their_world_on_every_machine() {
    let (world, dumps) = (world(), dumps());
    for target in heapmatrix_emu::machine::Machine::ALL {
        assert!(dumps.contains_key(&format!("go1.27.3-{target}")), "{target}");
    }
    let mut first: Option<Graph> = None;
    for (name, (dump, report)) in &dumps {
        assert!(reencode(dump).unwrap() > 500, "{name}");
        laws::check(dump, |violation| panic!("{name}: {violation}"));
        let known =
            model::check(&world, report, dump).unwrap().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert!(!known.is_empty(), "{name}: no fault, and every release has one");
        let graph = Graph::new(&world, report, dump).unwrap();
        if let Some(difference) = first.get_or_insert_with(|| graph.clone()).difference(&graph) {
            panic!("{name}: {difference}");
        }
    }
}

#[test]
fn the_model_notices_another_world() {
    let (dump, report) = &dumps()["go1.27.3-mips"];
    let notices = |change: &dyn Fn(&mut World)| {
        let mut other = world();
        change(&mut other);
        model::check(&other, report, dump).unwrap().unwrap_err().record
    };
    let alive: Vec<usize> = world().alive().into_iter().collect();
    let number = |world: &mut World| {
        let mut values = alive.iter().flat_map(|&i| world.objects[i].set.iter().map(move |a| (i, a.clone())));
        let (object, leaf) =
            values.find_map(|(i, a)| matches!(a.value, Value::Number(_)).then_some((i, a.leaf))).unwrap();
        let set = world.objects[object].set.iter_mut().find(|a| a.leaf == leaf).unwrap();
        let Value::Number(number) = &mut set.value else { unreachable!() };
        *number ^= 1;
    };
    assert_eq!(notices(&number), "object");
    assert_eq!(notices(&|world| world.held.swap(0, 1)), "bss");
    let steps = |world: &mut World| {
        let goroutine = world.goroutines.iter_mut().find(|g| !g.steps.is_empty()).unwrap();
        goroutine.steps.remove(0);
    };
    assert_eq!(notices(&steps), "stackframe");
}

/// What a runtime that is changed may write is anything.
#[test]
fn the_model_takes_any_dump() {
    let (world, dumps) = (world(), dumps());
    let mut random = fastrand::Rng::with_seed(1);
    let mut wrong = 0;
    for name in ["go1.27.3-mips", "go1.19.8-amd64"] {
        let (dump, report) = &dumps[name];
        for _ in 0..100 {
            let mut dump = dump.clone();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(..dump.len());
                dump[at] = random.u8(..);
            }
            wrong += u32::from(!matches!(model::check(&world, report, &dump), Ok(Ok(_))));
            let _ = Graph::new(&world, report, &dump);
        }
    }
    assert!(wrong > 100, "{wrong}");
}
