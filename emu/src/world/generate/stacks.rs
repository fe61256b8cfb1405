//! From sketches of goroutines to call chains that an unwinder can walk.

use super::resolve::Resolver;
use super::sketch::{ActivationSketch, GoroutineSketch, Sketch};
use crate::world::{
    Activation, ArgsSize, Bottom, Defer, Extent, Function, Goroutine, LocalsMap, Panic, Status, Stop, Value,
};

/// The functions of a goroutine's activations, outermost first, and how the innermost one stopped.
pub(super) struct Chain {
    pub functions: Vec<usize>,
    pub stop: Stop,
}

/// The call chains of all goroutines. Function 0 fits everywhere.
pub(super) fn chains(sketch: &Sketch, functions: &[Function]) -> Vec<Chain> {
    sketch.goroutines.iter().map(|g| chain(g, functions, sketch.bitvectors.is_empty())).collect()
}

fn chain(sketch: &GoroutineSketch, functions: &[Function], no_bitvectors: bool) -> Chain {
    if status(sketch) == Status::Dead {
        return Chain { functions: Vec::new(), stop: Stop::Park };
    }
    let sigpanic = functions.iter().position(Function::is_sigpanic);
    let mut stop = match sketch.stop % 16 {
        1 | 2 => Stop::Syscall,
        3 | 4 => Stop::Preempted,
        5 => Stop::NotStarted,
        6 | 7 => Stop::NilCall,
        8 => Stop::Barrier { counted: false },
        9 => Stop::Barrier { counted: true },
        _ => Stop::Park,
    };
    let depth = if stop == Stop::NotStarted { 1 } else { sketch.activations.len() };
    let mut chain: Vec<usize> = Vec::with_capacity(depth);
    for (k, a) in sketch.activations.iter().take(depth).enumerate() {
        let innermost = k + 1 == depth;
        let caller = chain.last().map(|&caller| &functions[caller]);
        let fits = |&candidate: &usize| {
            let f = &functions[candidate];
            let args = match f.args {
                ArgsSize::Words(words) => words,
                ArgsSize::Unknown => f.args_map.as_ref().map_or(0, |maps| maps.bits),
            };
            let has_room = caller.is_none_or(|caller| args <= caller.frame);
            let may_be_leaf = !f.leaf || (!innermost && sigpanic.is_some());
            let may_be_stub = !f.describes_own_args() || !no_bitvectors;
            let may_be_sigpanic = !f.is_sigpanic() || k > 0;
            has_room
                && may_be_leaf
                && may_be_sigpanic
                && may_be_stub
                && (!innermost || stop.has_frame() || begins_dead(f))
        };
        let first = a.function as usize % functions.len();
        let candidates = (first..functions.len()).chain(0..first);
        chain.push(match (caller, sigpanic) {
            // A leaf calls nothing: it can only fault.
            (Some(caller), Some(sigpanic)) if caller.leaf => sigpanic,
            _ => candidates.clone().find(fits).unwrap_or(0),
        });
    }
    let innermost = chain.len() - 1;
    if !stop.has_frame() && !begins_dead(&functions[chain[innermost]]) {
        stop = Stop::Park;
    }
    if stop == Stop::NilCall {
        match innermost.checked_sub(1).map(|caller| chain[caller]) {
            Some(caller) if calls_itself(&functions[caller]) => chain[innermost] = caller,
            _ => stop = Stop::Park,
        }
    }
    Chain { functions: chain, stop }
}

/// Whether the function can stand at its beginning: no local variable is live there.
fn begins_dead(f: &Function) -> bool {
    let live =
        matches!(&f.locals_map, LocalsMap::Bitmaps(b) if (0..b.bits as usize).any(|bit| b.is_set(0, bit)));
    !live && !f.leaf && !f.describes_own_args()
}

/// Whether its own frame has room for its arguments, and no rule forbids it.
fn calls_itself(f: &Function) -> bool {
    let args = match f.args {
        ArgsSize::Words(words) => words,
        ArgsSize::Unknown => f.args_map.as_ref().map_or(0, |maps| maps.bits),
    };
    args <= f.frame && !f.leaf && !f.is_sigpanic()
}

fn status(sketch: &GoroutineSketch) -> Status {
    match sketch.status % 8 {
        0..=2 => Status::Waiting,
        3 | 4 => Status::Runnable,
        5 | 6 => Status::Syscall,
        _ => Status::Dead,
    }
}

/// All goroutines.
pub(super) fn goroutines(resolver: &Resolver) -> Vec<Goroutine> {
    let goroutines = resolver.sketch.goroutines.iter().zip(&resolver.chains);
    goroutines.map(|(sketch, chain)| goroutine(resolver, sketch, chain)).collect()
}

fn goroutine(resolver: &Resolver, sketch: &GoroutineSketch, chain: &Chain) -> Goroutine {
    let status = status(sketch);
    let [gopc, ctxt, thread] = sketch.numbers;
    let alive = status != Status::Dead;
    let words = |words: &[u64]| words.iter().map(|&word| resolver.value(word)).collect::<Vec<_>>();
    Goroutine {
        goid: sketch.goid.into(),
        status,
        wait_since: sketch.wait_since,
        wait_reason: sketch.wait_reason.clone(),
        gopc: resolver.pc(gopc),
        ctxt: resolver.value(ctxt),
        thread: match thread % 4 {
            0 => None,
            _ => ((thread / 4) as usize).checked_rem(resolver.sketch.threads.len()),
        },
        bottom: match sketch.bottom {
            0..=199 => Bottom::Goexit,
            200..=213 => Bottom::Mstart,
            214..=227 => Bottom::Mcall,
            228..=241 => Bottom::Morestack,
            _ => Bottom::Rt0Go,
        },
        args: words(&sketch.args),
        activations: (0..chain.functions.len())
            .map(|k| activation(resolver, chain, k, &sketch.activations[k]))
            .collect(),
        stop: chain.stop,
        panics: match alive {
            true => sketch.panics.iter().map(|&(t, data)| panic(resolver, t, data)).collect(),
            false => Vec::new(),
        },
        hit_barriers: if alive && sketch.hit_barriers % 8 == 7 {
            usize::from(sketch.hit_barriers / 64)
        } else {
            0
        },
    }
}

fn panic(resolver: &Resolver, typ: u32, data: u64) -> Panic {
    Panic { typ: resolver.panic_type(typ), data: resolver.value(data) }
}

fn activation(resolver: &Resolver, chain: &Chain, k: usize, sketch: &ActivationSketch) -> Activation {
    let function = chain.functions[k];
    let f = &resolver.functions[function];
    let innermost = k + 1 == chain.functions.len();
    let has_frame = chain.stop.has_frame() || !innermost;
    let mut words: Vec<Value> = sketch.words.iter().map(|&word| resolver.value(word)).collect();
    if f.describes_own_args() {
        let closure = Value::Object { object: resolver.closure(function), offset: Extent::ZERO };
        match words.first_mut() {
            Some(first) => *first = closure,
            None => words.push(closure),
        }
    }
    words.truncate(f.frame as usize);
    let maps = match (&f.locals_map, &f.args_map) {
        (LocalsMap::Bitmaps(b), _) if !b.maps.is_empty() => b.maps.len(),
        (_, Some(b)) => b.maps.len(),
        _ => 4,
    };
    let can_be_patched = has_frame && !f.leaf;
    Activation {
        function,
        words,
        stack_map: if sketch.stack_map % 8 == 7 { -1 } else { (sketch.stack_map as usize / 8 % maps) as i32 },
        line: sketch.line.into(),
        barrier: can_be_patched && sketch.barrier % 8 == 7 && !(innermost && chain.stop == Stop::NilCall),
        defers: match can_be_patched {
            true => sketch.defers.iter().map(|&(kind, fun)| defer(resolver, kind, fun)).collect(),
            false => Vec::new(),
        },
    }
}

fn defer(resolver: &Resolver, kind: u8, fun: u32) -> Defer {
    Defer { fun: resolver.funcval(fun), no_args: kind % 8 == 7 }
}
