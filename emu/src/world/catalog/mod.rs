//! Worlds written by hand, each of which shows one case of the reference.
//!
//! Together they reach every branch of Go 1.5's dump writer and of what it calls that a process can
//! reach. Most are small, so that the dump of one can be read. In all there is rubbish where Go leaves some.

mod heap;
mod real;
mod runtime;
mod stacks;
mod types;

use super::{
    Activation, ArgsSize, Contents, Extent, Function, Goroutine, LocalsMap, Object, Slot, Status, Stop,
    Value, World,
};

/// A world of the catalogue.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// The world.
    pub world: World,
}

/// All worlds of the catalogue.
pub fn catalog() -> Vec<Case> {
    // New worlds come last: saved inputs of the fuzz targets name them by number.
    let mut cases =
        [types::cases(), heap::cases(), stacks::cases(), runtime::cases(), real::cases()].concat();
    for (case, dirt) in cases.iter_mut().zip(1..) {
        case.world.dirt = dirt;
    }
    cases
}

fn case(name: &'static str, shows: &'static str, world: World) -> Case {
    Case { name, shows, world }
}

/// A world with nothing in it but a processor and a thread.
fn empty() -> World {
    World { ncpu: 2, threads: vec![super::Thread { id: 0, procid: 4711 }], ..World::default() }
}

/// A function without arguments that describes none of the words in its frame as pointers.
fn function(name: &str, frame: u32) -> Function {
    Function {
        name: Some(name.to_owned()),
        file: Some("/src/main/main.go".to_owned()),
        line: 10,
        frame,
        args: ArgsSize::Words(0),
        locals_map: LocalsMap::Bitmaps(super::Bitmaps::default()),
        args_map: None,
        leaf: false,
    }
}

/// A waiting goroutine in a chain of calls, outermost first.
fn goroutine(goid: i64, activations: Vec<Activation>) -> Goroutine {
    Goroutine {
        goid,
        status: Status::Waiting,
        wait_since: goid.wrapping_mul(1_000),
        wait_reason: "chan receive".to_owned(),
        gopc: super::Pc::Zero,
        ctxt: Value::NIL,
        thread: None,
        bottom: super::Bottom::Goexit,
        args: Vec::new(),
        activations,
        stop: Stop::Park,
        panics: Vec::new(),
        hit_barriers: 0,
    }
}

/// An activation that has stored these words and makes its call at this line.
fn call(function: usize, line: u32, words: &[Value]) -> Activation {
    Activation { words: words.to_vec(), line, ..Activation::new(function) }
}

/// Memory without pointers.
fn bytes(len: u32, pattern: &[u8]) -> Object {
    Object::new(Contents::Bytes { len, pattern: pattern.to_vec() })
}

/// An object of these words.
fn words(slots: &[Slot]) -> Object {
    Object::new(Contents::Words { len: slots.len() as u32, slots: slots.to_vec() })
}

/// A pointer to the beginning of an object.
fn to(object: usize) -> Value {
    Value::Object { object, offset: Extent::ZERO }
}

/// A pointer slot.
fn pointer(value: Value) -> Slot {
    Slot::Pointer(value)
}

/// A slot with a number.
fn number(value: u64) -> Slot {
    Slot::Plain(Value::Scalar(value))
}
