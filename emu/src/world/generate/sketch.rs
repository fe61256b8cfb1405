//! Sketches of worlds: what chance decides.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Size;

/// A world, before its numbers have a meaning.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    /// Parameters and other single choices, one after the other.
    pub params: [u64; 8],
    pub types: Vec<TypeSketch>,
    /// Pairs of a type and a bucket of the hash table.
    pub itabs: Vec<(u32, u32)>,
    pub functions: Vec<FunctionSketch>,
    pub bitvectors: Vec<Vec<bool>>,
    pub data: Vec<u64>,
    pub bss: Vec<u64>,
    pub objects: Vec<ObjectSketch>,
    /// The number of objects; the sketches are used over and over.
    pub object_count: usize,
    pub spans: Vec<(u8, u8)>,
    pub queued: Vec<[u32; 4]>,
    pub goroutines: Vec<GoroutineSketch>,
    pub threads: Vec<(i32, u64)>,
    pub buckets: Vec<(Vec<u64>, [u64; 3])>,
}

#[derive(Clone, Debug)]
pub(super) struct TypeSketch {
    pub string: String,
    pub name: Option<String>,
    pub pkg_path: Option<String>,
    /// Whether there is an `uncommontype`, directness, pointers.
    pub flags: u8,
    pub hash: u32,
    pub kind: u8,
    pub size: (u8, u8),
    pub ptrto: u32,
}

#[derive(Clone, Debug)]
pub(super) struct FunctionSketch {
    /// What kind of name, of maps, of file.
    pub name: u8,
    pub locals: u8,
    pub args: u8,
    pub file: u8,
    pub line: u16,
    pub frame: u8,
    pub arg_words: u8,
    /// Bits of the stack maps.
    pub maps: Vec<(u16, u8)>,
}

#[derive(Clone, Debug)]
pub(super) struct ObjectSketch {
    pub shape: u8,
    pub size: u32,
    pub words: Vec<u64>,
    pub fate: u8,
    pub number: u32,
}

#[derive(Clone, Debug)]
pub(super) struct GoroutineSketch {
    pub status: u8,
    pub stop: u8,
    pub bottom: u8,
    pub goid: u32,
    pub wait_since: i64,
    pub wait_reason: String,
    /// `gopc`, `ctxt`, thread.
    pub numbers: [u64; 3],
    pub args: Vec<u64>,
    pub activations: Vec<ActivationSketch>,
    pub panics: Vec<(u32, u64)>,
    pub hit_barriers: u8,
}

#[derive(Clone, Debug)]
pub(super) struct ActivationSketch {
    pub function: u32,
    pub words: Vec<u64>,
    pub stack_map: u8,
    pub line: u16,
    pub barrier: u8,
    pub defers: Vec<(u8, u32)>,
}

/// So many object sketches at the most: larger worlds repeat them.
const OBJECT_SKETCHES: usize = 400;

pub(super) fn sketches(size: Size) -> impl Strategy<Value = Sketch> {
    let Size { objects, goroutines, depth } = size;
    let sketched = *objects.start().min(&OBJECT_SKETCHES)..=*objects.end().min(&OBJECT_SKETCHES);
    let repeated = move |count: usize| match count {
        OBJECT_SKETCHES => (*objects.start()).max(count)..=*objects.end().max(&count),
        count => count..=count,
    };
    let objects =
        vec(object(), sketched).prop_flat_map(move |sketches| (repeated(sketches.len()), Just(sketches)));
    let program = (
        vec(typ(), 0..=12),
        vec((any::<u32>(), 0_u32..1009), 0..=24),
        vec(function(), 0..=10),
        vec(vec(any::<bool>(), 0..12), 0..=3),
        vec(any::<u64>(), 0..=40),
        vec(any::<u64>(), 0..=40),
    );
    let state = (
        any::<[u64; 8]>(),
        vec((any::<u8>(), any::<u8>()), 0..=4),
        vec(any::<[u32; 4]>(), 0..=6),
        vec(goroutine(depth), goroutines),
        vec((any::<i32>(), any::<u64>()), 1..=4),
        vec((vec(any::<u64>(), 1..=8), any::<[u64; 3]>()), 0..=6),
    );
    (program, objects, state).prop_map(|(program, (object_count, objects), state)| {
        let (types, itabs, functions, bitvectors, data, bss) = program;
        let (params, spans, queued, goroutines, threads, buckets) = state;
        Sketch {
            params,
            types,
            itabs,
            functions,
            bitvectors,
            data,
            bss,
            objects,
            object_count,
            spans,
            queued,
            goroutines,
            threads,
            buckets,
        }
    })
}

fn typ() -> impl Strategy<Value = TypeSketch> {
    let text = || proptest::option::weighted(0.8, "[a-z]{0,6}(/[a-z]{1,5})?");
    // Few hashes, so that types share the buckets of the type cache.
    let hash = (any::<u32>(), 0_u32..3).prop_map(|(high, low)| high & !0xff | low);
    (
        ("[*a-zé]{0,8}(\\.[A-Z][a-z]{0,5})?", text(), text()),
        any::<u8>(),
        hash,
        0_u8..32,
        any::<(u8, u8)>(),
        any::<u32>(),
    )
        .prop_map(|((string, name, pkg_path), flags, hash, kind, size, ptrto)| TypeSketch {
            string,
            name,
            pkg_path,
            flags,
            hash,
            kind,
            size,
            ptrto,
        })
}

fn function() -> impl Strategy<Value = FunctionSketch> {
    let choices = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>());
    (choices, 0_u8..14, 0_u8..5, vec(any::<(u16, u8)>(), 1..=4)).prop_map(
        |((name, locals, args, file, line), frame, arg_words, maps)| FunctionSketch {
            name,
            locals,
            args,
            file,
            line,
            frame,
            arg_words,
            maps,
        },
    )
}

fn object() -> impl Strategy<Value = ObjectSketch> {
    // Most objects are small; sizes go up to a few pages.
    let size = prop_oneof![60 => 0_u32..24, 25 => 0_u32..200, 8 => 0_u32..2_000, 1 => 4_090_u32..4_100, 1 => 32_760_u32..40_000];
    (any::<u8>(), size, vec(any::<u64>(), 0..12), any::<u8>(), any::<u32>())
        .prop_map(|(shape, size, words, fate, number)| ObjectSketch { shape, size, words, fate, number })
}

fn goroutine(depth: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = GoroutineSketch> {
    let choices = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u32>(), any::<i64>(), "[a-z ]{0,12}");
    let rest = (any::<[u64; 3]>(), vec(any::<u64>(), 0..=3), vec(any::<(u32, u64)>(), 0..=2), any::<u8>());
    (choices, rest, vec(activation(), depth)).prop_map(|(choices, rest, activations)| {
        let (status, stop, bottom, goid, wait_since, wait_reason) = choices;
        let (numbers, args, panics, hit_barriers) = rest;
        GoroutineSketch {
            status,
            stop,
            bottom,
            goid,
            wait_since,
            wait_reason,
            numbers,
            args,
            activations,
            panics,
            hit_barriers,
        }
    })
}

fn activation() -> impl Strategy<Value = ActivationSketch> {
    let defers = prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<(u8, u32)>(), 1..=3)];
    (any::<u32>(), vec(any::<u64>(), 0..14), any::<u8>(), any::<u16>(), any::<u8>(), defers).prop_map(
        |(function, words, stack_map, line, barrier, defers)| ActivationSketch {
            function,
            words,
            stack_map,
            line,
            barrier,
            defers,
        },
    )
}
