//! From a sketch to a world.

use super::sketch::{FunctionSketch, ObjectSketch, Sketch, TypeSketch};
use super::stacks;
use crate::world::{
    Arena, ArgsSize, Bitmaps, Bucket, Contents, Extent, Finalizer, Function, Funcval, Itab, LocalsMap,
    MEANINGFUL, MemStats, Object, OtherRoot, Pc, Queued, Slot, Span, Thread, Type, Uncommon, Value, World,
};

/// The world that a sketch stands for.
pub(super) fn resolve(sketch: &Sketch) -> World {
    let functions = functions(sketch);
    let chains = stacks::chains(sketch, &functions);
    let resolver = Resolver::new(sketch, &functions, chains);
    let [ncpu, experiment, flags, rotation, ran, stats, pauses, numgc] = sketch.params;
    let framepointer = flags & 7 == 7;
    let choices = flags >> 8;
    World {
        ncpu: 1 + (ncpu % 300) as i32,
        goexperiment: match (framepointer, experiment % 4) {
            (true, _) => "framepointer".to_owned(),
            (false, 3) => "fieldtrack".to_owned(),
            (false, _) => String::new(),
        },
        framepointer,
        fing_running: flags >> 3 & 3 == 3,
        dumper_state: flags >> 5 & 7 == 7,
        dirt: stats,
        arena: match choices & 7 {
            7 => Arena { below: (choices >> 3) as u32 % 40 + 1, span_pages: (choices >> 9) as u8 % 4 + 1 },
            _ => Arena::default(),
        },
        modules: modules(choices >> 12, functions.len()),
        other_roots: resolver.other_roots(choices >> 20),
        types: types(sketch),
        itabs: match sketch.types.len() {
            0 => Vec::new(),
            n => sketch
                .itabs
                .iter()
                .map(|&(t, bucket)| Itab { typ: t as usize % n, bucket: bucket as usize })
                .collect(),
        },
        bitvectors: sketch.bitvectors.clone(),
        data: resolver.segment(&sketch.data),
        bss: resolver.segment(&sketch.bss),
        objects: resolver.objects(),
        spans: sketch.spans.iter().map(|&(kind, number)| span(kind, number)).collect(),
        allspans_rotation: (rotation % 64) as usize,
        ran_finalizers: if ran & 7 == 7 { (ran >> 3) as usize % 250 } else { 0 },
        queued: resolver.queued(),
        goroutines: stacks::goroutines(&resolver),
        threads: sketch.threads.iter().map(|&(id, procid)| Thread { id, procid }).collect(),
        memstats: memstats(stats, pauses, numgc),
        buckets: resolver.buckets(),
        functions,
    }
}

/// What sketches are resolved against.
pub(super) struct Resolver<'a> {
    pub sketch: &'a Sketch,
    pub functions: &'a [Function],
    pub chains: Vec<stacks::Chain>,
    /// The objects that are never freed, and their requested sizes on 32-bit machines in bytes.
    live: Vec<(usize, u64)>,
    /// The first of the closures, which follow all other objects: one for each function.
    closures: usize,
    /// Frames with words in them, as goroutine, activation and number of words.
    frames: Vec<(usize, usize, usize)>,
    /// All activations that have a return PC.
    returns: Vec<(usize, usize)>,
}

impl<'a> Resolver<'a> {
    fn new(sketch: &'a Sketch, functions: &'a [Function], chains: Vec<stacks::Chain>) -> Self {
        let object = |i: usize| &sketch.objects[i % sketch.objects.len()];
        let live = (0..sketch.object_count)
            .filter(|&i| !object(i).is_freed())
            .map(|i| (i, object(i).requested_on_32_bits()))
            .collect();
        let mut frames = Vec::new();
        let mut returns = Vec::new();
        for (g, chain) in chains.iter().enumerate() {
            for (k, &function) in chain.functions.iter().enumerate() {
                let words = functions[function].frame as usize;
                if words > 0 && (chain.stop.has_frame() || k + 1 < chain.functions.len()) {
                    frames.push((g, k, words));
                }
                if chain.stop != crate::world::Stop::NotStarted {
                    returns.push((g, k));
                }
            }
        }
        Resolver { sketch, functions, chains, live, closures: sketch.object_count, frames, returns }
    }

    /// A word: its low 4 bits choose what it is, and zero is nil.
    pub fn value(&self, word: u64) -> Value {
        let (number, high) = ((word >> 4) as usize & 0xffff_ffff, word >> 36);
        let pick = |len: usize| number.checked_rem(len);
        let value = match word & 15 {
            0 => None,
            1..=3 => Some(Value::Scalar(word)),
            4..=9 => pick(self.live.len()).map(|i| {
                let (object, size) = self.live[i];
                let inside = if high & 3 == 3 { (high >> 2) % size } else { 0 };
                Value::Object { object, offset: Extent::bytes(inside as u32) }
            }),
            10 => pick(self.sketch.data.len()).map(Value::Data),
            11 => pick(self.sketch.bss.len()).map(Value::Bss),
            12 => match high & 1 {
                0 => pick(self.sketch.types.len()).map(Value::Type),
                _ if self.sketch.types.is_empty() => None,
                _ => pick(self.sketch.itabs.len()).map(Value::Itab),
            },
            13 => pick(self.functions.len()).map(if high & 1 == 0 { Value::Code } else { Value::Funcval }),
            14 => pick(self.frames.len()).map(|i| {
                let (goroutine, frame, words) = self.frames[i];
                Value::Stack { goroutine, frame, word: high as usize % words }
            }),
            _ => match high & 1 {
                0 => pick(self.sketch.goroutines.len()).map(Value::Goroutine),
                _ => pick(self.sketch.bitvectors.len()).map(Value::Bitvector),
            },
        };
        value.unwrap_or(Value::NIL)
    }

    /// A word with its pointer bit: addresses are pointers, but for a few.
    fn slot(&self, word: u64) -> Slot {
        match self.value(word) {
            value @ Value::Scalar(number) if number != 0 => Slot::Plain(value),
            value if word >> 61 == 7 => Slot::Plain(value),
            value => Slot::Pointer(value),
        }
    }

    /// The words of a segment: as many as were sketched, or, in a few worlds, as a real program has.
    fn segment(&self, words: &[u64]) -> Vec<Slot> {
        let rounds = if self.sketch.params[2] >> 24 & 31 == 31 { 100 } else { 1 };
        let word = |round: u64| words.iter().map(move |word| self.slot(word.wrapping_add(round << 4)));
        (0..rounds).flat_map(word).collect()
    }

    fn other_roots(&self, choices: u64) -> Vec<OtherRoot> {
        let roots = self.sketch.data.iter().take(choices as usize & 3).enumerate();
        let root =
            |(i, &word)| OtherRoot { description: format!("root {i}: größe"), target: self.value(word) };
        roots.map(root).collect()
    }

    pub fn funcval(&self, number: u32) -> Funcval {
        let function = number as usize / 4 % self.functions.len();
        match number % 4 {
            3 => Funcval::Closure(self.closure(function)),
            _ => Funcval::Static(function),
        }
    }

    /// The object that is a closure of a function.
    pub fn closure(&self, function: usize) -> usize {
        self.closures + function
    }

    pub fn pc(&self, number: u64) -> Pc {
        let index = (number >> 3) as usize;
        match number % 8 {
            0 => Pc::Zero,
            1 => Pc::Unknown(index as u64 % 4096),
            2 => Pc::Unknown(0xf000_0000 | index as u64),
            3 | 4 => Pc::Entry(index % self.functions.len()),
            _ => match index.checked_rem(self.returns.len()) {
                Some(i) => Pc::Return { goroutine: self.returns[i].0, frame: self.returns[i].1 },
                None => Pc::Zero,
            },
        }
    }

    fn typ(&self, number: u32) -> Option<usize> {
        (number as usize / 4).checked_rem(self.sketch.types.len()).filter(|_| !number.is_multiple_of(4))
    }

    pub fn panic_type(&self, number: u32) -> Option<usize> {
        self.typ(number)
    }

    fn finalizer(&self, [fun, fint, ot]: [u32; 3]) -> Finalizer {
        Finalizer { fun: self.funcval(fun), fint: self.typ(fint), ot: self.typ(ot) }
    }

    fn objects(&self) -> Vec<Object> {
        let sketched = (0..self.sketch.object_count).map(|i| {
            let round = i / self.sketch.objects.len();
            self.object(&self.sketch.objects[i % self.sketch.objects.len()], round as u64)
        });
        let closures = (0..self.functions.len()).map(|function| {
            let bits = match function.checked_rem(self.sketch.bitvectors.len()) {
                Some(bits) => Slot::Pointer(Value::Bitvector(bits)),
                None => Slot::Pointer(Value::NIL),
            };
            Object::new(Contents::Words { len: 3, slots: vec![Slot::Plain(Value::Code(function)), bits] })
        });
        sketched.chain(closures).collect()
    }

    /// Each time that a sketch is used, its words are others.
    fn object(&self, sketch: &ObjectSketch, round: u64) -> Object {
        let contents = match sketch.has_words() {
            true => Contents::Words {
                len: sketch.len(),
                slots: sketch.words.iter().map(|&word| self.slot(word.wrapping_add(round << 4))).collect(),
            },
            false => Contents::Bytes {
                len: sketch.len(),
                pattern: sketch.words.iter().map(|&word| (word ^ round) as u8).collect(),
            },
        };
        let mut object = Object::new(contents);
        let number = sketch.number;
        match sketch.fate {
            _ if sketch.is_freed() => object.freed_after = Some(number as usize % 20),
            fate if fate & 15 == 15 => {
                object.finalizer = Some(self.finalizer([number, number >> 8, number >> 16]));
                if let Contents::Bytes { len: len @ ..16, .. } = object.contents {
                    object.finalizer_at = (number >> 20) % len;
                }
            }
            _ => {}
        }
        if !sketch.is_freed() && sketch.fate >> 4 == 15 {
            object.sample = (number as usize).checked_rem(self.sketch.buckets.len());
        }
        object
    }

    fn queued(&self) -> Vec<Queued> {
        let queued = |&[object, fun, fint, ot]: &[u32; 4]| {
            let object = match (object as usize).checked_rem(self.live.len()) {
                Some(i) => Value::Object { object: self.live[i].0, offset: Extent::ZERO },
                None => Value::NIL,
            };
            Queued { object, finalizer: self.finalizer([fun, fint, ot]) }
        };
        self.sketch.queued.iter().map(queued).collect()
    }

    fn buckets(&self) -> Vec<Bucket> {
        let bucket = |(stack, [size, allocs, frees]): &(Vec<u64>, [u64; 3])| Bucket {
            stack: stack.iter().map(|&pc| self.pc(pc)).collect(),
            size: *size,
            allocs: *allocs,
            // No more than allocated, on machines that keep the low half of each as well.
            frees: *frees & *allocs,
        };
        self.sketch.buckets.iter().map(bucket).collect()
    }
}

impl ObjectSketch {
    fn is_freed(&self) -> bool {
        self.fate % 8 == 5
    }

    fn has_words(&self) -> bool {
        self.shape % 4 != 3
    }

    /// The requested length in words or bytes.
    fn len(&self) -> u32 {
        match self.shape % 4 {
            // As many words as there are, or some more after them that are zero.
            0 | 1 => (self.words.len() as u32).max(1),
            2 => (self.words.len() as u32).max(1) + self.size / 4,
            _ => self.size + 1,
        }
    }

    fn requested_on_32_bits(&self) -> u64 {
        u64::from(self.len()) * if self.has_words() { 4 } else { 1 }
    }
}

fn types(sketch: &Sketch) -> Vec<Type> {
    let count = sketch.types.len();
    let typ = |t: &TypeSketch| Type {
        // A few are of gigabytes.
        size: Extent {
            words: u32::from(t.size.0) % 8 + if t.flags >> 4 & 3 == 3 { 0x2000_0000 } else { 0 },
            bytes: u32::from(t.size.1),
        },
        string: t.string.clone(),
        uncommon: (t.flags & 3 != 0).then(|| Uncommon {
            pkg_path: t.pkg_path.clone(),
            name: t
                .name
                .as_ref()
                .map(|name| if t.flags >> 6 == 3 { format!("{name}世𝄞") } else { name.clone() }),
        }),
        hash: t.hash,
        kind: t.kind,
        direct_iface: t.flags & 4 != 0,
        no_pointers: t.flags & 8 != 0,
        ptrto: (!t.ptrto.is_multiple_of(4)).then(|| t.ptrto as usize / 4 % count),
    };
    sketch.types.iter().map(typ).collect()
}

/// Where further modules begin: none, or one or two of them.
fn modules(choices: u64, functions: usize) -> Vec<usize> {
    let mut modules = match choices & 3 {
        2 => vec![0],
        3 => vec![(choices >> 2) as usize % functions, (choices >> 5) as usize % functions],
        _ => Vec::new(),
    };
    modules.sort_unstable();
    modules.dedup();
    modules
}

/// The sketched functions behind `main.main`, which takes no arguments and fits everywhere.
fn functions(sketch: &Sketch) -> Vec<Function> {
    let main = Function {
        name: Some("main.main".to_owned()),
        file: Some("/src/main.go".to_owned()),
        line: 5,
        frame: 6,
        args: ArgsSize::Words(0),
        locals_map: LocalsMap::Bitmaps(Bitmaps::default()),
        args_map: None,
        leaf: false,
    };
    let mut functions = vec![main];
    for (i, f) in sketch.functions.iter().enumerate() {
        let mut function = function(i, f);
        let taken = |name: &str| functions.iter().any(|g: &Function| g.name.as_deref() == Some(name));
        if function.name.as_deref().is_some_and(|name| MEANINGFUL.contains(&name) && taken(name)) {
            function.name = Some(format!("main.f{i}"));
        }
        functions.push(function);
    }
    functions
}

fn function(i: usize, f: &FunctionSketch) -> Function {
    let system = &MEANINGFUL[1..];
    let stub = matches!(f.name, 250..) && !f.maps.is_empty();
    let sigpanic = f.name % 8 == 1 && !stub;
    let leaf = f.name % 8 == 2 && !stub;
    let name = match f.name {
        _ if sigpanic => Some("runtime.sigpanic".to_owned()),
        250..=252 => Some("reflect.makeFuncStub".to_owned()),
        253.. => Some("reflect.methodValueCall".to_owned()),
        240..=249 => None,
        n if n % 8 == 3 => Some(system[usize::from(n / 8) % system.len()].to_owned()),
        _ => Some(format!("main.f{i}")),
    };
    let frame = if leaf { 0 } else { u32::from(f.frame) + u32::from(stub) };
    let arg_words = if sigpanic { 0 } else { u32::from(f.arg_words) };
    let bitmaps = |bits: u32, of: &dyn Fn(&(u16, u8)) -> u64| Bitmaps {
        bits,
        maps: f.maps.iter().map(|map| (0..bits).map(|bit| of(map) >> bit & 1 == 1).collect()).collect(),
    };
    let locals_map = match f.locals % 8 {
        0 => LocalsMap::Bitmaps(Bitmaps::default()),
        1 => LocalsMap::Absent,
        2 if frame > 0 => LocalsMap::Size(1 + u32::from(f.locals / 8) % frame),
        _ => LocalsMap::Bitmaps(bitmaps(frame - u32::from(f.locals / 8) % (frame + 1), &|map| map.0.into())),
    };
    // The stubs have no arguments map and say themselves what their arguments are.
    let (args, args_map) = match f.args % 8 {
        _ if stub => (ArgsSize::Unknown, None),
        0 => (ArgsSize::Words(arg_words), None),
        1 => (ArgsSize::Unknown, Some(bitmaps(arg_words, &|map| map.1.into()))),
        _ => (ArgsSize::Words(arg_words), Some(bitmaps(arg_words, &|map| map.1.into()))),
    };
    Function {
        name,
        file: (f.file % 8 != 7).then(|| format!("/src/file{}.go", f.file % 3)),
        line: f.line.into(),
        frame,
        args,
        locals_map,
        args_map,
        leaf,
    }
}

fn span(kind: u8, number: u8) -> Span {
    let pages = u32::from(number) % 5 + 1;
    match kind % 4 {
        0 => Span::Free { pages },
        1 => Span::Empty { class: number },
        2 => Span::Stack { pages },
        _ => Span::Dead { pages },
    }
}

/// Every counter has a value of its own, unless all are zero.
fn memstats(seed: u64, pauses: u64, numgc: u64) -> MemStats {
    let mut factor = 1_u64;
    let mut next = || {
        factor = factor.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(2);
        // Short and long numbers by turns.
        seed.wrapping_mul(factor) >> (factor >> 58)
    };
    let mut stats = MemStats { numgc: numgc as u32, ..MemStats::default() };
    stats.counters_mut().for_each(|counter| *counter = next());
    // What is the sum of others is so here, too.
    stats.nfree >>= 1;
    stats.heap_objects >>= 1;
    stats.nmalloc = stats.nfree + stats.heap_objects;
    stats.heap_idle >>= 1;
    stats.heap_inuse >>= 1;
    stats.heap_sys = stats.heap_idle + stats.heap_inuse;
    stats.pause_ns = (0..pauses % 257).map(|i| pauses.rotate_left(i as u32) >> 20).collect();
    stats
}
