//! The world's functions: straight-line code with real prologues, native stores into the frames and
//! real calls.
//!
//! An activation is a block of its function's code, with a call site of its own and therefore a
//! return PC, a line and a stack map index of its own. Activations are numbered through; a caller passes the
//! number of its callee in V5.

use super::code::{Code, GAP, Whose};
use super::stubs::{Stubs, UNREACHABLE};
use crate::guest::ir::Label;
use crate::guest::ir::Op::*;
use crate::guest::ir::Reg::*;
use crate::guest::ir::Width::Word;
use crate::image::facts::FactError;
use crate::image::layout::{Layout, Placed};
use crate::image::stack::frame_bytes;
use crate::world::{Activation, Goroutine, Status, Stop, Value, World};

/// Where the code of an activation is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    /// The op at which the activation goes on: the return PC of its call.
    pub resumes: usize,
    /// The ops to which its calls of `deferproc` return.
    pub defers: Vec<usize>,
}

/// Of each goroutine and each of its activations: where its code is.
pub(crate) type Sites = Vec<Vec<Site>>;

/// An activation, on its way to code.
#[derive(Clone, Copy)]
struct Block<'w> {
    goroutine: usize,
    frame: usize,
    number: u64,
    g: &'w Goroutine,
    activation: &'w Activation,
}

impl Block<'_> {
    fn is_innermost(&self) -> bool {
        self.frame + 1 == self.g.activations.len()
    }
}

/// The number of the outermost activation of each goroutine.
pub(crate) fn numbers(world: &World) -> Vec<u64> {
    let mut next = 1;
    let first = |g: &Goroutine| {
        let first = next;
        next += g.activations.len() as u64;
        first
    };
    world.goroutines.iter().map(first).collect()
}

/// Writes all functions of the world.
pub(crate) fn functions(
    code: &mut Code,
    world: &World,
    layout: &Layout,
    stubs: &Stubs,
    entries: &[Label],
) -> Result<Sites, FactError> {
    let mut sites: Sites =
        world.goroutines.iter().map(|g| vec![Site::default(); g.activations.len()]).collect();
    let mut blocks: Vec<Vec<Block>> = vec![Vec::new(); world.functions.len()];
    for ((goroutine, g), first) in world.goroutines.iter().enumerate().zip(numbers(world)) {
        for (frame, activation) in g.activations.iter().enumerate() {
            let block = Block { goroutine, frame, number: first + frame as u64, g, activation };
            blocks[activation.function].push(block);
        }
    }
    let mut writer = Writer { code, world, layout, stubs, entries, sites: &mut sites };
    for (function, blocks) in blocks.iter().enumerate() {
        if world.modules.contains(&function) {
            let entry = writer.code.label();
            writer.code.function(GAP, entry, 1);
            writer.code.emit(&[Trap(UNREACHABLE)]);
        }
        writer.function(function, blocks)?;
    }
    Ok(sites)
}

struct Writer<'a> {
    code: &'a mut Code,
    world: &'a World,
    layout: &'a Layout,
    stubs: &'a Stubs,
    entries: &'a [Label],
    sites: &'a mut Sites,
}

impl Writer<'_> {
    fn function(&mut self, index: usize, blocks: &[Block]) -> Result<(), FactError> {
        let function = &self.world.functions[index];
        let frame = frame_bytes(self.world, &self.layout.machine, function) as u32;
        self.code.function(Whose::World(index), self.entries[index], function.line as i32);
        self.code.emit(&[Mov(V5, V5)]);
        let (entered, preempted): (Vec<Block>, Vec<Block>) = blocks
            .iter()
            .filter(|b| !(b.is_innermost() && b.g.stop == Stop::NotStarted))
            .partition(|b| !(b.is_innermost() && b.g.stop == Stop::Preempted));
        for block in preempted {
            let skip = self.code.label();
            let block_label = self.code.label();
            self.code.emit(&[Imm(V4, block.number), JumpIfEq(V5, V4, block_label), Jump(skip)]);
            self.code.bind(block_label);
            self.preempted(&block)?;
            self.code.bind(skip);
        }
        self.code.emit(&[Enter(frame)]);
        let behind_prologue = self.code.here();
        let current = self.code.current();
        current.sp.push((behind_prologue, frame as i32));
        current.stack_maps.push((behind_prologue, 0));
        let labels = self.code.labels(entered.len());
        for (block, &label) in entered.iter().zip(&labels) {
            self.code.emit(&[Imm(V4, block.number), JumpIfEq(V5, V4, label)]);
        }
        self.code.emit(&[Trap(UNREACHABLE)]);
        for (block, label) in entered.iter().zip(labels) {
            self.code.bind(label);
            self.block(block)?;
        }
        Ok(())
    }

    /// The prologue calls `morestack`, as the compiler's stack check does.
    fn preempted(&mut self, block: &Block) -> Result<(), FactError> {
        self.install_barriers(block)?;
        self.begin_site(block);
        let g = self.layout.stacks[block.goroutine].g;
        if self.code.target.uses_lr() {
            self.code.emit(&[GetLr(V3)]);
        }
        self.code.emit(&[Imm(V0, g), Call(self.stubs.morestack)]);
        self.end_site(block);
        Ok(())
    }

    fn block(&mut self, block: &Block) -> Result<(), FactError> {
        let Block { goroutine, frame, activation, .. } = *block;
        let place = self.layout.stacks[goroutine].frames[frame];
        let word = self.code.word();
        self.begin_site(block);
        let below = |addr: u64| (addr - place.sp) as i32;
        for (i, value) in activation.words.iter().enumerate() {
            if *value != Value::NIL {
                self.value(value);
                self.code.emit(&[Store(V0, Sp, below(place.words) + i as i32 * word, Word)]);
            }
        }
        if let Some(slot) = place.saved_bp {
            // BP was that of the caller: the address of where the caller saved it in turn.
            let outer = frame.checked_sub(1).and_then(|k| self.layout.stacks[goroutine].frames[k].saved_bp);
            self.code.emit(&[Imm(V0, outer.unwrap_or(0)), Store(V0, Sp, below(slot), Word)]);
        }
        self.defers(block)?;
        if block.is_innermost() {
            self.stop(block)?;
        } else {
            let callee = block.g.activations[frame + 1].function;
            self.code.emit(&[Imm(V5, block.number + 1)]);
            if self.world.functions[callee].is_sigpanic() && self.code.target.uses_lr() {
                self.fault(callee);
            } else {
                self.code.emit(&[Call(self.entries[callee])]);
            }
        }
        self.end_site(block);
        Ok(())
    }

    /// What the signal handler does on machines with a link register (signal_arm.go, signal_ppc64x.go):
    /// it stores the link register below the frame and pretends that the faulting instruction has
    /// called `sigpanic`.
    fn fault(&mut self, sigpanic: usize) {
        let pushed = self.layout.machine.signal_pushes as i32;
        let faulting = self.code.label();
        self.code.emit(&[
            GetLr(V0),
            AddImm(Sp, -pushed),
            Store(V0, Sp, 0, Word),
            LabelAddr(V0, faulting),
            SetLr(V0),
            Jump(self.entries[sigpanic]),
        ]);
        self.code.bind(faulting);
    }

    fn defers(&mut self, block: &Block) -> Result<(), FactError> {
        let stack = &self.layout.stacks[block.goroutine];
        for (defer, &addr) in block.activation.defers.iter().zip(&stack.defers[block.frame]) {
            self.value(&defer.fun.value());
            self.code.emit(&[Mov(V2, V0), Imm(V0, stack.g), Imm(V1, addr), Call(self.stubs.deferproc)]);
            self.sites[block.goroutine][block.frame].defers.push(self.code.here());
            if defer.no_args {
                self.code.emit(&[Imm(V1, addr), Imm(V2, u64::MAX)]);
                self.code.store(V2, V1, "runtime._defer", "sp")?;
            }
        }
        Ok(())
    }

    fn stop(&mut self, block: &Block) -> Result<(), FactError> {
        self.install_barriers(block)?;
        let stack = &self.layout.stacks[block.goroutine];
        self.code.emit(&[Imm(V0, stack.g)]);
        match block.g.stop {
            Stop::Park => self.code.emit(&[Call(self.stubs.mcall)]),
            Stop::Syscall => self.code.emit(&[Call(self.stubs.entersyscall)]),
            Stop::NilCall => self.code.emit(&[Call(self.stubs.nil)]),
            Stop::Barrier { counted } => {
                let size = self.code.layouts.size("runtime.stkbar")?;
                let entry = stack.stkbar + block.g.hit_barriers as u64 * size;
                self.code.emit(&[Imm(V1, counted.into()), Imm(V2, entry), Call(self.stubs.returning)]);
            }
            Stop::Preempted | Stop::NotStarted => unreachable!("there is no block for what has no frame"),
        }
        Ok(())
    }

    /// `gcInstallStackBarrier` (mgcmark.go), from the innermost frame to the outermost.
    fn install_barriers(&mut self, block: &Block) -> Result<(), FactError> {
        let stack = &self.layout.stacks[block.goroutine];
        let size = self.code.layouts.size("runtime.stkbar")?;
        let first = stack.stkbar_len - stack.barriers.len() as u64;
        for (i, &frame) in stack.barriers.iter().enumerate() {
            let slot =
                stack.frames[frame].return_slot.expect("the world puts barriers on frames in memory only");
            let entry = stack.stkbar + (first + i as u64) * size;
            self.code.emit(&[Imm(V0, slot), Load(V1, V0, 0, Word), Imm(V2, entry)]);
            self.code.store(V0, V2, "runtime.stkbar", "savedLRPtr")?;
            self.code.store(V1, V2, "runtime.stkbar", "savedLRVal")?;
            self.code.emit(&[LabelAddr(V1, self.stubs.stack_barrier), Store(V1, V0, 0, Word)]);
        }
        Ok(())
    }

    /// V0 = value; V1 is lost.
    fn value(&mut self, value: &Value) {
        match self.layout.place(value) {
            Placed::At(number) => self.code.emit(&[Imm(V0, number)]),
            Placed::Entry(function) => self.code.emit(&[LabelAddr(V0, self.entries[function])]),
            Placed::InObject { handle, offset } => {
                self.code.emit(&[Imm(V0, handle), Load(V0, V0, 0, Word), Imm(V1, offset), Add(V0, V1)])
            }
        }
    }

    /// From here on, line and stack map index are those of the activation's call.
    fn begin_site(&mut self, block: &Block) {
        let here = self.code.here();
        let current = self.code.current();
        current.lines.push((here, block.activation.line as i32));
        if block.g.has_frame(block.frame) {
            current.stack_maps.push((here, block.activation.stack_map));
        }
    }

    /// The return PC is after the call, where other values hold: whoever looks up the return PC and not the
    /// instruction before it gets a wrong line, and a stack map index that is wrong or out of range.
    fn end_site(&mut self, block: &Block) {
        let here = self.code.here();
        self.sites[block.goroutine][block.frame].resumes = here;
        let current = self.code.current();
        current.lines.push((here, block.activation.line as i32 + 1));
        if block.g.has_frame(block.frame) {
            current.stack_maps.push((here, block.activation.stack_map.max(0) + 1));
        }
        self.code.emit(&[Trap(UNREACHABLE)]);
    }
}

/// The goroutines that the program runs: neither dead ones nor those that have not begun.
pub(crate) fn runs(g: &Goroutine) -> bool {
    g.status != Status::Dead && g.stop != Stop::NotStarted
}
