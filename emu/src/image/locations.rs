//! Where everything of a world is in its image, for those who check what a dump says of it.

use heapmatrix_writer::{Addr, AnyTarget, Memory, Unreadable};

use super::layout::Layout;
use super::section::Sections;
use crate::guest::ir::Assembled;
use crate::guest::program::Program;
use crate::world::{OtherRoot, Pc, Status, Stop, Value, World};

/// The addresses of a world's things on one machine.
///
/// They follow from the layout alone, and not from what is in memory; only the objects' addresses are
/// the program's to choose ([`read_objects`](Locations::read_objects)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The machine.
    pub target: AnyTarget,
    /// `arena_start`.
    pub arena_start: Addr,
    /// `arena_used`.
    pub arena_used: Addr,
    /// The first addresses of the spans, in the order of `h_allspans`.
    pub spans: Vec<Addr>,
    /// Of each object: where it is, once the program has run.
    pub objects: Vec<ObjectAt>,
    /// Type descriptors.
    pub types: Vec<Addr>,
    /// Itabs.
    pub itabs: Vec<Addr>,
    /// The entry PCs of the world's functions.
    pub functions: Vec<Addr>,
    /// The static funcvals of the world's functions.
    pub funcvals: Vec<Addr>,
    /// Bit vectors.
    pub bitvectors: Vec<Addr>,
    /// The data segment: the world's words.
    pub data: Segment,
    /// The bss segment: the world's words, and after them the runtime's if the dump writer's state lies
    /// there.
    pub bss: Segment,
    /// What the runtime's part of it holds: `typecache`, the first thread's `m`, and `tmpbuf`, of which
    /// nothing but the `m` is not zero.
    pub(super) behind_bss: Vec<u8>,
    /// Goroutines.
    pub goroutines: Vec<GoroutineAt>,
    /// The entry PC of `runtime.stackBarrier`.
    pub stack_barrier: Addr,
    /// Threads.
    pub threads: Vec<Addr>,
    /// Memory profile buckets.
    pub buckets: Vec<Addr>,
    /// The indexes of the queued finalizers in the order of `allfin`: the blocks of the queue have room
    /// for a number of entries that depends on the machine, and come newest first.
    pub queued: Vec<usize>,
    /// The world's other roots: descriptions, and what they point to once the objects' addresses are known.
    pub other_roots: Vec<(String, Addr)>,
    /// What they are in the world.
    roots: Vec<OtherRoot>,
    /// The cells in which the program keeps the objects' addresses.
    handles: Addr,
}

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectAt {
    /// Its address; nil before the program has run. Freed objects keep the address that they had.
    pub addr: Addr,
    /// The size of its slot in bytes: what `mallocgc` makes of the requested size.
    pub size: u64,
}

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first address.
    pub addr: Addr,
    /// Its length in bytes.
    pub len: u64,
    /// Of these, what the image has after the world's words; on all machines whole words.
    pub tail: u64,
}

/// Where a goroutine and its stack are. A dead one has only its `g`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoroutineAt {
    /// Its `g`.
    pub g: Addr,
    /// The SP with which it stands still.
    pub sp: Addr,
    /// The frames as the unwinder sees them, outermost first; the last is the innermost.
    pub frames: Vec<FrameAt>,
    /// The frame of the function at the bottom of the stack, below the outermost activation.
    pub bottom: Option<FrameAt>,
    /// The defers in the order of the list: the last one pushed comes first.
    pub defers: Vec<DeferAt>,
    /// The panics in the world's order; the list has the last one first.
    pub panics: Vec<Addr>,
}

/// Where a stack frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameAt {
    /// The entry PC of its function.
    pub entry: Addr,
    /// The PC at which the unwinder sees it.
    pub pc: Addr,
    /// The PC at which it goes on when what it called returns. The unwinder sees it there, except that
    /// with a link register it takes one that called nil for its caller.
    pub resumes: Addr,
    /// Its lowest address.
    pub sp: Addr,
    /// The address after it: the caller's SP.
    pub fp: Addr,
    /// The address after its local variables.
    pub varp: Addr,
    /// The address of its arguments, in the caller's frame.
    pub argp: Addr,
    /// The lowest of the world's words in it.
    pub words: Addr,
    /// Where its return PC is, if that is in memory.
    pub return_slot: Option<Addr>,
    /// Where it has saved BP, and the value that it has saved there.
    pub saved_bp: Option<(Addr, Addr)>,
}

/// Where a defer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeferAt {
    /// Its `_defer`.
    pub addr: Addr,
    /// Index of the activation that made it.
    pub frame: usize,
    /// Index among the defers of that activation.
    pub index: usize,
    /// Its `sp`: that of the activation, or all ones.
    pub sp: u64,
    /// Its `pc`: where the call of `deferproc` returns to.
    pub pc: Addr,
}

impl Locations {
    pub(crate) fn new(
        world: &World,
        layout: &Layout,
        program: &Program,
        assembled: &Assembled,
        sections: &Sections,
    ) -> Self {
        let target = program.code.target;
        let functions: Vec<Addr> =
            program.entries.iter().map(|&entry| Addr(program.address(assembled, entry))).collect();
        let addrs = |addrs: &[u64]| addrs.iter().map(|&addr| Addr(addr)).collect::<Vec<_>>();
        let segment = |addr, words: usize, end: u64| {
            let len = words as u64 * target.ptr_size();
            let end = if end == 0 { addr + len } else { end };
            Segment { addr: Addr(addr), len: end - addr, tail: end - addr - len }
        };
        let mut locations = Locations {
            target,
            arena_start: Addr(layout.heap.arena_start),
            arena_used: Addr(layout.heap.arena_used),
            spans: addrs(&layout.heap.allspans_starts(world)),
            objects: layout
                .heap
                .placements
                .iter()
                .map(|p| ObjectAt { addr: Addr::NIL, size: p.size })
                .collect(),
            types: addrs(&layout.types),
            itabs: addrs(&layout.itabs),
            functions,
            funcvals: addrs(&layout.funcvals),
            bitvectors: addrs(&layout.bitvectors),
            data: segment(layout.vars.data, world.data.len(), 0),
            bss: segment(layout.vars.bss, world.bss.len(), layout.vars.ebss),
            behind_bss: sections.get_bytes(layout.vars.typecache, layout.vars.ebss),
            goroutines: Vec::with_capacity(world.goroutines.len()),
            stack_barrier: Addr(program.address(assembled, program.stubs.stack_barrier)),
            threads: addrs(&layout.threads),
            buckets: addrs(&layout.buckets),
            queued: queue_order(world, layout.finblock_capacity as usize),
            other_roots: Vec::new(),
            roots: world.other_roots.clone(),
            handles: Addr(layout.cells.handles),
        };
        for i in 0..world.goroutines.len() {
            let at = locations.goroutine(world, layout, program, assembled, i);
            locations.goroutines.push(at);
        }
        locations
    }

    /// Takes the objects' addresses from the cells in which the program keeps them.
    ///
    /// # Errors
    /// [`Unreadable`] when the memory is not that of this image.
    pub fn read_objects(&mut self, memory: &impl Memory) -> Result<(), Unreadable> {
        let len = self.target.ptr_size() as usize;
        let mut buf = [0; 8];
        for (i, object) in self.objects.iter_mut().enumerate() {
            memory.read(self.handles.add((i * len) as u64), &mut buf[..len])?;
            let digits = buf[..len].iter();
            let value = |n: u64, &byte: &u8| n << 8 | u64::from(byte);
            object.addr = Addr(match self.target.big_endian() {
                true => digits.fold(0, value),
                false => digits.rev().fold(0, value),
            });
        }
        let root = |root: &OtherRoot| (root.description.clone(), Addr(self.value(&root.target)));
        self.other_roots = self.roots.iter().map(root).collect();
        Ok(())
    }

    /// What a word with this value holds on the machine.
    pub fn value(&self, value: &Value) -> u64 {
        let ptr_size = self.target.ptr_size();
        let number = match *value {
            Value::Scalar(number) => number,
            Value::Object { object, offset } => self.objects[object].addr.0.wrapping_add(offset.on(ptr_size)),
            Value::Data(word) => self.data.addr.0 + word as u64 * ptr_size,
            Value::Bss(word) => self.bss.addr.0 + word as u64 * ptr_size,
            Value::Type(i) => self.types[i].0,
            Value::Itab(i) => self.itabs[i].0,
            Value::Code(i) => self.functions[i].0,
            Value::Funcval(i) => self.funcvals[i].0,
            Value::Bitvector(i) => self.bitvectors[i].0,
            Value::Goroutine(i) => self.goroutines[i].g.0,
            Value::Stack { goroutine, frame, word } => {
                self.goroutines[goroutine].frames[frame].words.0 + word as u64 * ptr_size
            }
        };
        self.truncate(number)
    }

    /// What a PC is on the machine.
    pub fn pc(&self, pc: &Pc) -> u64 {
        self.truncate(match *pc {
            Pc::Zero => 0,
            Pc::Unknown(pc) => pc,
            Pc::Entry(function) => self.functions[function].0,
            Pc::Return { goroutine, frame } => self.goroutines[goroutine].frames[frame].resumes.0,
        })
    }

    /// A number, as a word of the machine holds it.
    pub fn truncate(&self, number: u64) -> u64 {
        if self.target.ptr_size() == 4 { number & 0xffff_ffff } else { number }
    }

    fn goroutine(
        &self,
        world: &World,
        layout: &Layout,
        program: &Program,
        assembled: &Assembled,
        index: usize,
    ) -> GoroutineAt {
        let (g, stack) = (&world.goroutines[index], &layout.stacks[index]);
        if g.status == Status::Dead {
            let (frames, defers, panics) = (Vec::new(), Vec::new(), Vec::new());
            return GoroutineAt { g: Addr(stack.g), sp: Addr::NIL, frames, bottom: None, defers, panics };
        }
        let target = self.target;
        let above = |fp: u64| Addr(if target.uses_lr() { fp + target.ptr_size() } else { fp });
        let return_pc_on_stack = if target.uses_lr() { 0 } else { target.reg_size() };
        let depth = g.activations.len();
        let mut frames: Vec<FrameAt> = Vec::with_capacity(depth);
        for (k, (a, frame)) in g.activations.iter().zip(&stack.frames).enumerate() {
            let resumes = match g.stop {
                Stop::NotStarted => self.functions[a.function],
                _ => Addr(program.resumes(assembled, index, k)),
            };
            let pc = match g.stop {
                // The walk takes the word at SP for the PC: the return PC, which is the caller's.
                Stop::NilCall if target.uses_lr() && k + 1 == depth => frames[k - 1].pc,
                _ => resumes,
            };
            frames.push(FrameAt {
                entry: self.functions[a.function],
                pc,
                resumes,
                sp: Addr(frame.sp),
                fp: Addr(frame.fp),
                varp: Addr(frame.saved_bp.unwrap_or(frame.fp - return_pc_on_stack)),
                argp: above(frame.fp),
                words: Addr(frame.words),
                return_slot: frame.return_slot.map(Addr),
                saved_bp: frame.saved_bp.map(|slot| {
                    let caller = k.checked_sub(1).and_then(|k| stack.frames[k].saved_bp);
                    (Addr(slot), Addr(caller.unwrap_or(0)))
                }),
            });
        }
        let entry = program.address(assembled, program.stubs.bottom(g.bottom));
        let top = stack.frames[0].fp;
        let fp = if target.uses_lr() { top } else { top + target.reg_size() };
        let bottom = FrameAt {
            entry: Addr(entry),
            pc: Addr(entry + target.pc_quantum()),
            resumes: Addr(entry + target.pc_quantum()),
            sp: Addr(top),
            fp: Addr(fp),
            varp: Addr(top),
            argp: above(fp),
            words: Addr(top),
            return_slot: None,
            saved_bp: None,
        };
        let mut defers = Vec::new();
        for (frame, a) in g.activations.iter().enumerate() {
            for (i, defer) in a.defers.iter().enumerate() {
                defers.push(DeferAt {
                    addr: Addr(stack.defers[frame][i]),
                    frame,
                    index: i,
                    sp: self.truncate(if defer.no_args { u64::MAX } else { stack.frames[frame].sp }),
                    pc: Addr(assembled.addrs[program.sites[index][frame].defers[i]]),
                });
            }
        }
        defers.reverse();
        GoroutineAt {
            g: Addr(stack.g),
            // The call of a nil function has pushed its return PC already.
            sp: Addr(match g.stop {
                Stop::NilCall => stack.frames[depth - 1].sp - return_pc_on_stack,
                _ => stack.frames[depth - 1].sp,
            }),
            frames,
            bottom: Some(bottom),
            defers,
            panics: stack.panics.iter().map(|&panic| Addr(panic)).collect(),
        }
    }
}

/// The order in which `allfin` has the queued finalizers.
fn queue_order(world: &World, capacity: usize) -> Vec<usize> {
    // Finalizers that ran have left blocks on `finc`, in the order in which they were emptied: `finq`
    // had the newest block first, so the oldest is the first to be used again.
    let count = world.queued.len().max(world.ran_finalizers).div_ceil(capacity);
    let mut blocks = vec![Vec::new(); count];
    for i in 0..world.queued.len() {
        blocks[i / capacity].push(i);
    }
    blocks.into_iter().rev().flatten().collect()
}
