//! Random worlds: one generator for property tests and for `heapmatrix check-go`.
//!
//! Worlds are full of references, which random numbers are not. So what is random is a sketch of meaningless numbers, and
//! `Sketch::resolve` gives each a meaning: indexes are taken modulo lengths. Every sketch is a world, so sketches
//! shrink freely, and zero means the simplest thing.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::layout::{Layout, leaves};
use super::world::{
    Assignment, Finalizer, FinalizerKind, Goroutine, Object, Reference, SHAPES, Step, StepKind, Type, Value,
    Wait, World,
};

/// No object is larger than this, in bytes on a machine of 64 bits.
const LARGEST: u64 = 256 << 10;
/// Texts that hold each kind of byte.
const TEXTS: [&str; 5] = [
    "hello, world",
    "Straße, 界",
    "\u{0}\u{1}\u{7f} control",
    "12",
    "a text that is longer than a tiny object",
];

/// A strategy for worlds.
pub fn worlds() -> impl Strategy<Value = World> {
    sketches().prop_map(|sketch| sketch.resolve())
}

impl World {
    /// The world of a seed: always the same.
    pub fn random(seed: u64) -> World {
        tree(seed).current()
    }
}

/// The smallest world that can be found, from that of a seed on, that fails too. `fails` says nothing when it has had enough.
/// What is smaller, and tried next, is proptest's to say; its runner, which is for tests, cannot be watched.
pub fn shrink(seed: u64, mut fails: impl FnMut(&World) -> Option<bool>) -> World {
    let mut tree = tree(seed);
    let mut smallest = tree.current();
    let mut more = tree.simplify();
    while more {
        let world = tree.current();
        // Another sketch may be the same world.
        match (world == smallest).then_some(true).or_else(|| fails(&world)) {
            Some(true) => {
                smallest = world;
                more = tree.simplify();
            }
            Some(false) => more = tree.complicate(),
            None => return smallest,
        }
    }
    // In a sketch without an object all indexes mean something else.
    for object in (0..smallest.objects.len()).rev() {
        let world = smallest.without(object);
        match fails(&world) {
            Some(true) => smallest = world,
            Some(false) => {}
            None => return smallest,
        }
    }
    smallest
}

/// The world of a seed, with all that it shrinks to.
fn tree(seed: u64) -> impl ValueTree<Value = World> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    worlds().new_tree(&mut runner).expect("nothing of a sketch is filtered")
}

/// A value: which leaf, how, and with what.
type LeafSketch = (u64, u8, u64);
/// A step: kind, object, count.
type StepSketch = (usize, usize, u64);

/// A world, before its numbers have a meaning.
#[derive(Clone, Debug)]
struct Sketch {
    /// Types, and values for some of their leaves.
    objects: Vec<(Type, Vec<LeafSketch>)>,
    held: Vec<usize>,
    /// Steps and the wait.
    goroutines: Vec<(Vec<StepSketch>, usize)>,
    /// Object and kind.
    finalizers: Vec<(usize, usize)>,
    queued: u64,
    profile: bool,
    collections: u64,
    earlier: u64,
}

fn sketches() -> impl Strategy<Value = Sketch> {
    let values = vec((number(any::<u64>()), 0..30_u8, number(any::<u64>())), 0..8);
    let objects = vec((types(), values), 1..24);
    let steps = vec((index(), index(), 0..8_u64), 0..6);
    let goroutines = vec((steps, index()), 0..7);
    let finalizers = vec((index(), index()), 0..4);
    let held = vec(index(), 1..16);
    let figures = (0..5_u64, any::<bool>(), 0..2_u64, 0..5_u64);
    // What comes first shrinks first: what costs a run most.
    (figures, goroutines, objects, finalizers, held).prop_map(
        |((queued, profile, collections, earlier), goroutines, objects, finalizers, held)| Sketch {
            objects,
            held,
            goroutines,
            finalizers,
            queued,
            profile,
            collections,
            earlier,
        },
    )
}

/// A number. It takes many steps to shrink, but first of all it is tried without.
fn number<T: Clone + Default + std::fmt::Debug + 'static>(
    any: impl Strategy<Value = T>,
) -> impl Strategy<Value = T> {
    prop_oneof![1 => Just(T::default()), 31 => any]
}

/// Which of some things.
fn index() -> impl Strategy<Value = usize> {
    number(0..1024_usize)
}

/// Types of all kinds, nested some levels deep.
fn types() -> impl Strategy<Value = Type> {
    use Type::*;
    let simple = prop::sample::select(vec![
        Uint64, Uint8, Uint16, Uint32, Uintptr, Bool, Float64, Complex128, Unsafe, String, Any, Shape, Cell,
    ]);
    let keys = prop::sample::select(vec![Uint32, Uint64, Uint8, String]);
    let nested = simple.prop_recursive(4, 24, 5, move |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Pointer),
            boxed().prop_map(Slice),
            boxed().prop_map(Chan),
            (keys.clone().prop_map(Box::new), boxed()).prop_map(|(key, value)| Map(key, value)),
            (vec(inner.clone(), 0..3), vec(inner.clone(), 0..3))
                .prop_map(|(takes, gives)| Func(takes, gives)),
            vec(inner.clone(), 1..6).prop_map(Struct),
            vec(inner.clone(), 2..6).prop_map(Struct),
            (1..20_u64, boxed()).prop_map(|(length, element)| Array(length, element)),
        ]
    });
    // Some objects are large: beyond what a span describes, beyond small allocations.
    prop_oneof![
        8 => nested.clone(),
        1 => (20..200_u64, nested.clone().prop_map(Box::new)).prop_map(|(length, element)| Array(length, element)),
        1 => (200..5000_u64, nested.prop_map(Box::new)).prop_map(|(length, element)| Array(length, element)),
    ]
}

/// The size of a type on a machine of 64 bits, where nothing overflows.
fn size(typ: &Type) -> u64 {
    Layout { word: 8 }.size(typ)
}

impl Sketch {
    fn resolve(&self) -> World {
        let count = self.objects.len();
        let types: Vec<Type> = self.objects.iter().map(|(typ, _)| fitting(typ)).collect();
        let objects = self.objects.iter().zip(&types).map(|((_, values), typ)| {
            let mut set = BTreeMap::new();
            for &(leaf, how, number) in values {
                let leaf = leaf % leaves(typ);
                let (_, kind) = Layout { word: 8 }.leaf(typ, leaf);
                set.insert(leaf, value(&kind, how, number, &types));
            }
            let set = set.into_iter().map(|(leaf, value)| Assignment { leaf, value }).collect();
            Object { typ: typ.clone(), set }
        });
        let mut world = World {
            objects: objects.collect(),
            held: self.held.iter().map(|i| i % count).collect(),
            goroutines: self.goroutines.iter().map(|(steps, wait)| goroutine(steps, *wait, count)).collect(),
            finalizers: Vec::new(),
            queued: self.queued,
            profile: self.profile,
            collections: self.collections,
            // Each costs as much as the last one.
            earlier: self.earlier.saturating_sub(3),
        };
        // An object has one finalizer. That of one that dies would run.
        let alive: Vec<usize> = world.alive().into_iter().collect();
        let mut finalizers = BTreeMap::new();
        for &(object, kind) in &self.finalizers {
            let object = alive[object % alive.len()];
            // Tiny objects share slots, and die together.
            if size(&world.objects[object].typ) >= 16 {
                finalizers.insert(object, FinalizerKind::ALL[kind % FinalizerKind::ALL.len()]);
            }
        }
        world.finalizers = finalizers.into_iter().map(|(object, kind)| Finalizer { object, kind }).collect();
        world
    }
}

/// A type that is not too large: the type itself, or what its arrays are of.
fn fitting(typ: &Type) -> Type {
    match typ {
        Type::Array(length, element) => {
            let element = fitting(element);
            let length = (*length).min(LARGEST / size(&element)).max(1);
            Type::Array(length, Box::new(element))
        }
        Type::Struct(fields) => {
            let fields: Vec<Type> = fields.iter().map(fitting).collect();
            let whole = Type::Struct(fields);
            if size(&whole) <= LARGEST { whole } else { Type::Uint64 }
        }
        // Channels' elements are no larger than 64 KiB, and what maps have is allocated.
        Type::Chan(element) => Type::Chan(Box::new(small(element))),
        Type::Map(key, value) => Type::Map(key.clone(), Box::new(small(value))),
        Type::Func(takes, gives) => {
            Type::Func(takes.iter().map(small).collect(), gives.iter().map(small).collect())
        }
        Type::Pointer(to) => Type::Pointer(Box::new(fitting(to))),
        Type::Slice(of) => Type::Slice(Box::new(fitting(of))),
        _ => typ.clone(),
    }
}

fn small(typ: &Type) -> Type {
    let typ = fitting(typ);
    if size(&typ) <= 256 { typ } else { Type::Uint64 }
}

/// A value for a leaf of such a type.
fn value(typ: &Type, how: u8, number: u64, types: &[Type]) -> Value {
    let to = usize::try_from(number % types.len() as u64).unwrap_or(0);
    let leaf = (number >> 8) % leaves(&types[to]);
    let len = number >> 16 & 3;
    let cap = len + (number >> 18 & 3);
    let object = |len, cap| Value::Object(Reference { to, leaf, len, cap });
    match typ {
        Type::Bool => Value::Number(number & 1),
        Type::Uint8 => Value::Number(number & 0xff),
        Type::Uint16 => Value::Number(number & 0xffff),
        Type::Uint32 | Type::Uintptr => Value::Number(number & 0xffff_ffff),
        Type::Uint64 | Type::Float64 | Type::Complex128 => Value::Number(number),
        Type::String => Value::Text(TEXTS[usize::from(how) % TEXTS.len()].to_owned()),
        // Small numbers are not allocated.
        Type::Any if how & 1 == 0 => Value::Number(number | 0x100),
        Type::Any => Value::Object(Reference { to, leaf: 0, len: 0, cap: 0 }),
        Type::Shape => Value::Shape(SHAPES[usize::from(how) % SHAPES.len()].0.to_owned()),
        Type::Slice(_) => object(len, cap),
        Type::Map(..) => Value::Map(number % 20),
        Type::Chan(_) => Value::Chan(cap, len),
        Type::Func(..) => Value::Closure(to),
        // What shares a slot has no handle of its own.
        Type::Unsafe if how & 1 == 1 && size(&types[to]) >= 16 => Value::Weak(to),
        Type::Unsafe | Type::Pointer(_) => object(0, 0),
        Type::Cell | Type::Struct(_) | Type::Array(..) => unreachable!("these are no leaves"),
    }
}

fn goroutine(steps: &[StepSketch], wait: usize, objects: usize) -> Goroutine {
    let wait = Wait::ALL[wait % Wait::ALL.len()];
    let steps = steps.iter().map(|&(kind, object, count)| Step {
        kind: StepKind::ALL[kind % StepKind::ALL.len()],
        object: object % objects,
        count,
    });
    Goroutine { steps: if wait == Wait::Runnable { Vec::new() } else { steps.collect() }, wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_world_that_survives_json() {
        for seed in 0..50 {
            let world = World::random(seed);
            assert_eq!(world, World::random(seed));
            let text = serde_json::to_string(&world).unwrap();
            assert_eq!(serde_json::from_str::<World>(&text).unwrap(), world);
            assert!(world.objects.iter().all(|object| (1..=LARGEST).contains(&size(&object.typ))));
            assert!(world.finalizers.iter().all(|f| world.alive().contains(&f.object)));
        }
    }

    #[test]
    fn worlds_shrink_to_what_matters() {
        let deferred = |world: &World| {
            let steps = world.goroutines.iter().flat_map(|goroutine| &goroutine.steps);
            steps.filter(|step| step.kind == StepKind::LoopDefers && step.count >= 3).count() > 0
        };
        let weak = |world: &World| {
            let mut alive = world.alive().into_iter().flat_map(|i| &world.objects[i].set);
            alive.any(|set| matches!(set.value, Value::Weak(_)))
        };
        for (name, fails, most) in [
            ("defers", &deferred as &dyn Fn(&World) -> bool, (1, 1)),
            ("weak", &weak, (1, 0)),
            ("queued", &|world| world.queued > 1, (0, 0)),
        ] {
            let seed = (1..).find(|&seed| fails(&World::random(seed))).unwrap();
            let mut tried = 0;
            let world = shrink(seed, |world| {
                tried += 1;
                Some(fails(world))
            });
            assert!(fails(&world) && tried < 500, "{name}: {tried} tried, {world:?}");
            assert!(world.objects.len() <= most.0 && world.goroutines.len() <= most.1, "{name}: {world:?}");
            assert!(world.goroutines.iter().all(|goroutine| goroutine.steps.len() == 1), "{name}: {world:?}");
            assert!(!world.profile && world.collections + world.earlier == 0, "{name}: {world:?}");
        }
    }

    #[test]
    fn shrinking_ends_when_it_is_told_to() {
        let mut left = 20;
        let world = shrink(3, |_| {
            left -= 1;
            (left > 0).then_some(true)
        });
        assert_eq!(left, 0);
        assert_ne!(world, World::random(3));
    }

    #[test]
    fn worlds_have_all_there_is() {
        let worlds: Vec<World> = (0..300).map(World::random).collect();
        let text = serde_json::to_string(&worlds).unwrap();
        let steps = StepKind::ALL.iter().map(|step| step.name());
        let waits = Wait::ALL.iter().map(|wait| wait.name());
        let finalizers = FinalizerKind::ALL.iter().map(|kind| kind.name());
        let shapes = SHAPES.iter().map(|(name, ..)| *name);
        let types = [
            "bool",
            "complex128",
            "pointer",
            "slice",
            "chan",
            "map",
            "func",
            "struct",
            "array",
            "cell",
            "weak",
        ];
        for name in steps.chain(waits).chain(finalizers).chain(shapes).chain(types) {
            assert!(text.contains(&format!("\"{name}\"")), "{name}");
        }
        let freed = |world: &World| world.objects.len() - world.alive().len();
        assert!(worlds.iter().any(|world| freed(world) > 5));
        assert!(worlds.iter().any(|world| world.earlier > 0));
    }
}
