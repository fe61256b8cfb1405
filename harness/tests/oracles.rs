//! Every oracle over the matrix: worlds written by hand, worlds that once failed, and worlds by chance.
//!
//! Each test names its machine, so that `cargo test ppc64` runs a slice; none depends on another. A world by
//! chance that fails is shrunk and saved in `corpora/regressions/worlds`, as the value that it is, and from
//! then on replayed. `PROPTEST_CASES` says how many worlds by chance are tried.

#[path = "common/recorder.rs"]
mod recorder;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use heapmatrix::matrix;
use heapmatrix::oracle::literal::{Fixes, writeheapdump};
use heapmatrix::oracle::{isomorphism, laws, memories, model, reencode};
use heapmatrix_emu::image::Image;
use heapmatrix_emu::run::{Finished, run_interpreted};
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_emu::world::{Size, World, worlds};
use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{AnyTarget, Defects, Dialect, Options, write_heap_dump};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use recorder::Recorder;

/// Worlds by chance that each test tries, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 48;

type Verdict = Result<(), String>;

/// Names the oracle that found something.
fn by<E: ToString>(oracle: &'static str) -> impl FnOnce(E) -> String {
    move |what| format!("{oracle}: {}", what.to_string())
}

/// Asks every oracle that needs one machine.
fn judge(world: &World, target: AnyTarget) -> Verdict {
    let finished = matrix::build(world, target).map_err(by("machine"))?;
    let interpreted =
        run_interpreted(Image::build(world, target).map_err(by("image"))?).map_err(by("interpreter"))?;
    memories::check(&finished.memory, &interpreted.memory).map_err(by("two memories"))?;
    let dump = matrix::dump(&finished, Defects::NONE).map_err(by("writer"))?;
    reencode::reencode(&dump).map_err(by("re-encoding"))?;
    laws::check(world, &dump).map_err(by("laws"))?;
    model::check(world, &finished.locations, &dump).map_err(by("model"))?;
    transliteration(&finished, Dialect::Go15, Fixes::ALL)?;
    transliteration(&finished, Dialect::Go15Exact, Fixes::NONE)
}

/// The same bytes, in the same sequence of writes.
fn transliteration(finished: &Finished, dialect: Dialect, fixes: Fixes) -> Verdict {
    let Finished { target, memory, symbols, .. } = finished;
    let program = Program::new(symbols, dialect);
    let options = Options { capacity: Options::REFERENCE_CAPACITY, ..Options::default() };
    let mut out = Recorder::default();
    write_heap_dump(*target, memory, &program, &options, &mut out).map_err(by("writer"))?;
    let literal = writeheapdump(*target, memory, symbols, fixes, None).map_err(by("transliteration"))?;
    if out.bytes != literal.bytes {
        let at = out.bytes.iter().zip(&literal.bytes).take_while(|(a, b)| a == b).count();
        return Err(format!("transliteration: {dialect}: other bytes from offset {at} on"));
    }
    let split = dialect == Dialect::Go15Exact && !symbols.buf.is_nil();
    if !out.came_in(literal.writes.iter().map(|write| write.written), split) {
        return Err(format!("sequence of writes: {dialect}: {:?} and {:?}", out.pieces, literal.writes));
    }
    Ok(())
}

/// Asks the oracle that needs all machines.
fn isomorphic(world: &World) -> Verdict {
    let graphs: Vec<isomorphism::Graph> = World::MACHINES
        .iter()
        .map(|&target| {
            let finished = matrix::build(world, target).map_err(by("machine"))?;
            let dump = matrix::dump(&finished, Defects::NONE).map_err(by("writer"))?;
            isomorphism::graph(world, &finished.locations, &dump).map_err(by("isomorphism"))
        })
        .collect::<Result<_, String>>()?;
    isomorphism::check(&graphs).map_err(by("isomorphism"))
}

/// Fails with all that is wrong with any of some worlds.
fn each(worlds: impl IntoIterator<Item = (String, World)>, judge: impl Fn(&World) -> Verdict) {
    let verdicts = worlds.into_iter().filter_map(|(name, world)| Some((name, judge(&world).err()?)));
    let failures: Vec<String> = verdicts.map(|(name, what)| format!("{name}: {what}")).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn by_hand() -> Vec<(String, World)> {
    catalog().into_iter().map(|case| (format!("{} ({})", case.name, case.shows), case.world)).collect()
}

fn saved_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpora/regressions/worlds")
}

/// The worlds that once failed.
fn saved() -> Vec<(String, World)> {
    let mut files: Vec<PathBuf> = fs::read_dir(saved_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no worlds in {}", saved_dir().display());
    files
        .into_iter()
        .map(|path| {
            let world = serde_json::from_slice(&fs::read(&path).unwrap());
            let name = path.display().to_string();
            let world = world.unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, world)
        })
        .collect()
}

/// Tries worlds by chance. What fails is shrunk and saved, then told.
fn by_chance(what: &str, judge: impl Fn(&World) -> Verdict) {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES };
    let config = Config { cases, max_shrink_iters: 2000, failure_persistence: None, ..Config::default() };
    let result =
        TestRunner::new(config).run(&worlds(Size::SMALL), |world| judge(&world).map_err(TestCaseError::fail));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, world)) => {
            let json = serde_json::to_string_pretty(&world).unwrap() + "\n";
            let mut hasher = DefaultHasher::new();
            json.hash(&mut hasher);
            let path = saved_dir().join(format!("{what}-{:016x}.json", hasher.finish()));
            fs::write(&path, json).unwrap();
            panic!("{reason}\nthe world is saved as {}", path.display());
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Worlds of one object and of a hundred thousand, and between.
fn worlds_of_all_sizes(target: AnyTarget) {
    for objects in [1, 10, 1000, 100_000] {
        let world = World::generate_sized(15, Size::with_objects(objects));
        if let Err(what) = judge(&world, target) {
            panic!("{objects} objects: {what}");
        }
    }
}

fn worlds_by_hand(target: AnyTarget) {
    each(by_hand(), |world| judge(world, target));
}

fn worlds_that_failed(target: AnyTarget) {
    each(saved(), |world| judge(world, target));
}

fn worlds_by_chance(target: AnyTarget) {
    by_chance(target.goarch(), |world| judge(world, target));
}

heapmatrix_emu::each_machine!(worlds_by_hand, worlds_that_failed, worlds_by_chance, worlds_of_all_sizes);

mod all_machines {
    use super::*;

    #[test]
    fn worlds_by_hand() {
        each(by_hand(), isomorphic);
    }

    #[test]
    fn worlds_that_failed() {
        each(saved(), isomorphic);
    }

    #[test]
    fn worlds_by_chance() {
        by_chance("isomorphism", isomorphic);
    }
}
