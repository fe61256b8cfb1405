//! Where stack frames are: what a chain of calls does to SP on each machine.

use super::dirt::Dirt;
use super::facts::FactError;
use super::machine::Machine;
use super::section::{In, Sections};
use crate::memory::{GuestMemory, MemoryError};
use crate::world::{Function, Goroutine, Status, World};

/// Room below the innermost frame for what it calls last, in bytes.
const BELOW: u64 = 512;

/// The frame of an activation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// SP when the function is entered. Without a link register, the return PC is there.
    pub entry_sp: u64,
    /// SP after the prologue, or [`entry_sp`](Frame::entry_sp) if there was none.
    pub sp: u64,
    /// The caller's SP, as the unwinder sees it.
    pub fp: u64,
    /// The lowest word of the world's.
    pub words: u64,
    /// Where the return PC is in memory. Leaf functions and those in their prologue may have it in
    /// the link register only.
    pub return_slot: Option<u64>,
    /// Where BP was saved.
    pub saved_bp: Option<u64>,
}

/// Addresses of a goroutine and its stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    /// Its `g`.
    pub g: u64,
    /// The stack's bounds.
    pub lo: u64,
    /// The stack's bounds.
    pub hi: u64,
    /// The first of the outermost activation's arguments.
    pub args: u64,
    /// One for each activation, outermost first.
    pub frames: Vec<Frame>,
    /// The goroutine's `_defer` structures, for each activation in order.
    pub defers: Vec<Vec<u64>>,
    /// The goroutine's `_panic` structures.
    pub panics: Vec<u64>,
    /// The array after `stkbar`.
    pub stkbar: u64,
    /// The activations whose return PCs are replaced by stack barriers, innermost first.
    pub barriers: Vec<usize>,
    /// The length of `stkbar`.
    pub stkbar_len: u64,
}

impl Stack {
    /// Leaves rubbish below the innermost frame, where frames have been before.
    pub fn scribble(&self, dirt: Dirt, memory: &mut GuestMemory) -> Result<(), MemoryError> {
        match self.frames.iter().map(|frame| frame.sp).min() {
            Some(sp) if dirt.is_some() => memory.write(self.lo, &dirt.bytes(self.lo, sp - self.lo)),
            _ => Ok(()),
        }
    }
}

/// By how many bytes a function's prologue moves SP.
pub(crate) fn frame_bytes(world: &World, machine: &Machine, function: &Function) -> u64 {
    let target = machine.target;
    let words = u64::from(function.frame) * target.ptr_size();
    if target.uses_lr() {
        if function.leaf { 0 } else { target.ptr_size() + words }
    } else if saves_bp(world, machine, function) {
        words + target.reg_size()
    } else {
        words
    }
}

fn saves_bp(world: &World, machine: &Machine, function: &Function) -> bool {
    world.framepointer && machine.saves_bp && function.frame > 0
}

/// The bytes above the outermost frame: its arguments, and what `newproc1` leaves free.
fn bytes_above(machine: &Machine, g: &Goroutine) -> u64 {
    let target = machine.target;
    let args = (g.args.len() as u64 * target.ptr_size()).next_multiple_of(8);
    let bytes = 4 * target.reg_size() + args + if target.uses_lr() { target.ptr_size() } else { 0 };
    bytes.next_multiple_of(machine.sp_align)
}

/// The bytes of stack that a goroutine needs; zero for dead ones.
pub(crate) fn stack_bytes(world: &World, machine: &Machine, g: &Goroutine) -> u64 {
    if g.status == Status::Dead {
        return 0;
    }
    // Each call takes a return PC, and a fault with a link register what the signal handler pushes.
    let frame = |a: &crate::world::Activation| {
        let pushed = machine.target.reg_size() + machine.signal_pushes;
        frame_bytes(world, machine, &world.functions[a.function]) + pushed
    };
    bytes_above(machine, g) + g.activations.iter().map(frame).sum::<u64>() + BELOW
}

/// Places a goroutine whose stack is at the given bounds.
pub(crate) fn place(
    world: &World,
    g: &Goroutine,
    lo: u64,
    hi: u64,
    sections: &mut Sections,
) -> Result<Stack, FactError> {
    let machine = sections.machine;
    let target = machine.target;
    let ptr_size = target.ptr_size();
    let addr = sections.reserve_structure(In::Persistent, "runtime.g")?;
    if g.status == Status::Dead {
        return Ok(Stack { g: addr, ..Stack::default() });
    }
    let top = hi - bytes_above(&machine, g);
    let frames = frames(world, &machine, g, top);
    let mut defers = Vec::with_capacity(frames.len());
    for a in &g.activations {
        let place = |_: &_| sections.reserve_structure(In::Persistent, "runtime._defer");
        defers.push(a.defers.iter().map(place).collect::<Result<_, _>>()?);
    }
    let place = |_: &_| sections.reserve_structure(In::Persistent, "runtime._panic");
    let panics = g.panics.iter().map(place).collect::<Result<_, _>>()?;
    let barriers: Vec<usize> = (0..g.activations.len()).rev().filter(|&k| g.activations[k].barrier).collect();
    let returned = u64::from(matches!(g.stop, crate::world::Stop::Barrier { .. }));
    let stkbar_len = g.hit_barriers as u64 + returned + barriers.len() as u64;
    let stkbar_size = sections.layouts.size("runtime.stkbar")?;
    Ok(Stack {
        g: addr,
        lo,
        hi,
        args: if target.uses_lr() { top + ptr_size } else { top },
        frames,
        defers,
        panics,
        stkbar: if stkbar_len == 0 {
            0
        } else {
            sections.reserve(In::Persistent, stkbar_len * stkbar_size, 8)
        },
        barriers,
        stkbar_len,
    })
}

/// The frames of a call chain, outermost first; `top` is the outermost one's frame pointer.
fn frames(world: &World, machine: &Machine, g: &Goroutine, top: u64) -> Vec<Frame> {
    let target = machine.target;
    let (ptr_size, uses_lr) = (target.ptr_size(), target.uses_lr());
    let mut frames: Vec<Frame> = Vec::with_capacity(g.activations.len());
    for (k, activation) in g.activations.iter().enumerate() {
        let function = &world.functions[activation.function];
        let mut caller_sp = frames.last().map_or(top, |caller| caller.sp);
        if uses_lr && k > 0 && function.is_sigpanic() {
            // The signal handler stores the link register below the frame that faults.
            caller_sp -= machine.signal_pushes;
        }
        let entry_sp = if uses_lr { caller_sp } else { caller_sp - target.reg_size() };
        let has_frame = g.has_frame(k);
        let sp = if has_frame { entry_sp - frame_bytes(world, machine, function) } else { entry_sp };
        frames.push(Frame {
            entry_sp,
            sp,
            fp: caller_sp,
            words: if uses_lr && !function.leaf { sp + ptr_size } else { sp },
            return_slot: match uses_lr {
                false => Some(entry_sp),
                true => (has_frame && !function.leaf).then_some(sp),
            },
            saved_bp: (has_frame && saves_bp(world, machine, function)).then(|| entry_sp - target.reg_size()),
        });
    }
    frames
}
