//! Where everything of a world is, before its program has been written.

use super::error::BuildError;
use super::heap::{self, Event, Heap};
use super::machine::Machine;
use super::section::{In, Sections};
use super::stack::{self, Stack};
use super::types;
use super::vars::Vars;
use crate::world::{Funcval, Pc, Value, World};

/// `_FinBlockSize`: what `persistentalloc` gives to `queuefinalizer`, in bytes.
pub(crate) const FIN_BLOCK_SIZE: u64 = 4096;

/// Cells of the guest program's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells {
    /// The addresses of the objects: a word each.
    pub handles: u64,
    /// Always zero.
    pub zero: u64,
    /// Where the program goes on when a goroutine stands still.
    pub resume: u64,
    /// The finalizer queue's entry that was queued last.
    pub queued: u64,
    /// A register's place.
    pub spill: u64,
    /// The next of the blocks for `queuefinalizer`.
    pub finblock_pool: u64,
    /// A place inside a block of the tiny allocator that is to have a finalizer.
    pub tiny: u64,
}

/// The addresses of a world's things.
pub(crate) struct Layout {
    /// What Go does differently on the machine.
    pub machine: Machine,
    pub vars: Vars,
    pub cells: Cells,
    pub types: Vec<u64>,
    pub itabs: Vec<u64>,
    /// Static funcvals, and one bit vector after the other.
    pub funcvals: Vec<u64>,
    pub bitvectors: Vec<u64>,
    pub events: Vec<Event>,
    pub heap: Heap,
    pub stacks: Vec<Stack>,
    /// The bytes of each goroutine's `waitreason`.
    pub wait_reasons: Vec<u64>,
    pub threads: Vec<u64>,
    pub buckets: Vec<u64>,
    /// Of each object, its `specialfinalizer` and its `specialprofile`.
    pub specials: Vec<(Option<u64>, Option<u64>)>,
    /// Entries in a block of the finalizer queue.
    pub finblock_capacity: u64,
    ptr_size: u64,
}

/// What a [`Value`] is on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// This number.
    At(u64),
    /// The entry PC of a function, which is known when the code has been assembled.
    Entry(usize),
    /// So many bytes into the object whose address the program keeps in a cell.
    InObject { handle: u64, offset: u64 },
}

impl Layout {
    /// Gives everything an address and fills what depends on nothing else.
    pub fn new(world: &World, sections: &mut Sections) -> Result<Layout, BuildError> {
        let machine = sections.machine;
        let ptr_size = machine.target.ptr_size();
        let vars = Vars::place(world, sections)?;
        let cells = Cells {
            handles: sections.reserve_words(In::Cells, world.objects.len() as u64),
            zero: sections.reserve_words(In::Cells, 1),
            resume: sections.reserve_words(In::Cells, 1),
            queued: sections.reserve_words(In::Cells, 1),
            spill: sections.reserve_words(In::Cells, 1),
            finblock_pool: sections.reserve_words(In::Cells, 1),
            tiny: sections.reserve_words(In::Cells, 1),
        };
        let types = types::place_types(world, vars.type_names, sections)?;
        let itabs = types::place_itabs(world, &types, sections)?;
        let funcvals = world.functions.iter().map(|_| sections.reserve_words(In::Rodata, 1)).collect();
        let mut bitvectors = Vec::with_capacity(world.bitvectors.len());
        for bits in &world.bitvectors {
            let addr = sections.reserve_structure(In::Rodata, "runtime.bitvector")?;
            let data = sections.bitmap(bits.iter().copied());
            sections.fill("runtime.bitvector", addr, &[("n", bits.len() as u64), ("bytedata", data)])?;
            bitvectors.push(addr);
        }

        let events = heap::events(world);
        let stack_lens: Vec<u64> =
            world.goroutines.iter().map(|g| stack::stack_bytes(world, &machine, g)).collect();
        let asked: Vec<u64> = stack_lens.iter().copied().filter(|&len| len > 0).collect();
        let heap = Heap::plan(world, &asked, &events, sections)?;
        heap.fill(world, &vars, sections)?;
        let mut lowest = heap.stacks.iter();
        let mut stacks = Vec::with_capacity(world.goroutines.len());
        for (g, &len) in world.goroutines.iter().zip(&stack_lens) {
            let len = len.next_multiple_of(super::sizes::PAGE_SIZE);
            let lo = if len == 0 { 0 } else { lowest.next().copied().unwrap_or_default() };
            stacks.push(stack::place(world, g, lo, lo + len, sections)?);
        }

        let wait_reasons = world.goroutines.iter().map(|g| sections.string(&g.wait_reason).0).collect();
        let threads = place_threads(world, &vars, sections)?;
        place_allgs(&stacks, &vars, sections)?;
        let mut buckets = Vec::with_capacity(world.buckets.len());
        for bucket in &world.buckets {
            let size = sections.layouts.size("runtime.bucket")?
                + bucket.stack.len() as u64 * ptr_size
                + sections.layouts.size("runtime.memRecord")?;
            buckets.push(sections.reserve(In::Persistent, size, 8));
        }
        let mut specials = Vec::with_capacity(world.objects.len());
        for object in &world.objects {
            let finalizer = match object.finalizer {
                Some(_) => Some(sections.reserve_structure(In::Persistent, "runtime.specialfinalizer")?),
                None => None,
            };
            let profile = match object.sample {
                Some(_) => Some(sections.reserve_structure(In::Persistent, "runtime.specialprofile")?),
                None => None,
            };
            specials.push((finalizer, profile));
        }
        let entries = sections.layouts.size("runtime.finblock")?
            - sections.layouts.offset("runtime.finblock", "fin")?;
        let finblock_capacity = entries / sections.layouts.size("runtime.finalizer")?;
        let queued = world.queued.len().max(world.ran_finalizers) as u64;
        let blocks = queued.div_ceil(finblock_capacity);
        let finblocks = sections.reserve(In::Persistent, blocks * FIN_BLOCK_SIZE, 8);
        for block in (0..blocks).map(|i| finblocks + i * FIN_BLOCK_SIZE) {
            sections.scribble(block, FIN_BLOCK_SIZE);
            sections.begin("runtime.finblock", block)?;
        }
        sections.put_word(cells.finblock_pool, finblocks);
        Ok(Layout {
            machine,
            vars,
            cells,
            types,
            itabs,
            funcvals,
            bitvectors,
            events,
            heap,
            stacks,
            wait_reasons,
            threads,
            buckets,
            specials,
            finblock_capacity,
            ptr_size,
        })
    }

    /// The cell that holds an object's address.
    pub fn handle(&self, object: usize) -> u64 {
        self.cells.handles + object as u64 * self.ptr_size
    }

    /// What a value is on the target.
    pub fn place(&self, value: &Value) -> Placed {
        Placed::At(match *value {
            Value::Scalar(number) => number,
            Value::Object { object, offset } => {
                return Placed::InObject { handle: self.handle(object), offset: offset.on(self.ptr_size) };
            }
            Value::Code(function) => return Placed::Entry(function),
            Value::Data(word) => self.vars.data + word as u64 * self.ptr_size,
            Value::Bss(word) => self.vars.bss + word as u64 * self.ptr_size,
            Value::Type(i) => self.types[i],
            Value::Itab(i) => self.itabs[i],
            Value::Funcval(i) => self.funcvals[i],
            Value::Bitvector(i) => self.bitvectors[i],
            Value::Goroutine(i) => self.stacks[i].g,
            Value::Stack { goroutine, frame, word } => {
                self.stacks[goroutine].frames[frame].words + word as u64 * self.ptr_size
            }
        })
    }
}

impl Funcval {
    /// The pointer that the func value is.
    pub fn value(&self) -> Value {
        match *self {
            Funcval::Static(function) => Value::Funcval(function),
            Funcval::Closure(object) => Value::Object { object, offset: Default::default() },
        }
    }
}

impl Pc {
    /// The PC if it does not depend on code.
    pub(crate) fn known(&self) -> Option<u64> {
        match *self {
            Pc::Zero => Some(0),
            Pc::Unknown(pc) => Some(pc),
            Pc::Entry(_) | Pc::Return { .. } => None,
        }
    }
}

/// Threads are there from the beginning: the program runs on one of them.
fn place_threads(world: &World, vars: &Vars, sections: &mut Sections) -> Result<Vec<u64>, BuildError> {
    let mut threads = Vec::with_capacity(world.threads.len());
    let mut link = vars.allm;
    let alllink = sections.layouts.offset("runtime.m", "alllink")?;
    for (i, thread) in world.threads.iter().enumerate() {
        let m = match vars.m0 {
            m0 if m0 != 0 && i == 0 => dumping_thread(m0, sections)?,
            _ => sections.reserve_structure(In::Persistent, "runtime.m")?,
        };
        sections.fill("runtime.m", m, &[("id", thread.id as u64), ("procid", thread.procid)])?;
        sections.put_word(link, m);
        link = m + alllink;
        threads.push(m);
    }
    Ok(threads)
}

/// Makes `m0` the thread that dumps, as `writeheapdump_m` does: its goroutine waits, its g0 says for what.
fn dumping_thread(m0: u64, sections: &mut Sections) -> Result<u64, BuildError> {
    let curg = sections.reserve_structure(In::Persistent, "runtime.g")?;
    let g0 = sections.reserve_structure(In::Persistent, "runtime.g")?;
    let waiting = crate::world::Status::Waiting.code().into();
    sections.fill("runtime.g", curg, &[("atomicstatus", waiting)])?;
    let (reason, len) = sections.string("dumping heap");
    sections.fill("runtime.g", g0, &[("waitreason.str", reason), ("waitreason.len", len)])?;
    sections.fill("runtime.m", m0, &[("g0", g0), ("curg", curg)])?;
    Ok(m0)
}

/// Every goroutine is dead until the program has filled its `g`.
fn place_allgs(stacks: &[Stack], vars: &Vars, sections: &mut Sections) -> Result<(), BuildError> {
    let dead = crate::world::Status::Dead.code().into();
    for stack in stacks {
        let fields = [("atomicstatus", dead), ("stack.lo", stack.lo), ("stack.hi", stack.hi)];
        sections.fill("runtime.g", stack.g, &fields)?;
    }
    let gs: Vec<u64> = stacks.iter().map(|stack| stack.g).collect();
    let array = sections.words(In::Persistent, &gs);
    let len = gs.len() as u64;
    sections.fill("runtime.slice", vars.allgs, &[("array", array), ("len", len), ("cap", len)])?;
    sections.put_word(vars.allglen, len);
    Ok(())
}
