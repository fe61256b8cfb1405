//! A world's program: everything that it does, as one list of ops and one list of steps.
//!
//! The program is the Go process: it allocates the world's objects from the spans' freelists, sets
//! their pointer bits and stores their words, registers and queues finalizers, and then runs each
//! goroutine on its own stack until it stands still.

pub(crate) mod code;
mod doings;
mod frames;
mod handlers;
mod heap_bits;
mod steps;
mod stubs;

use self::code::{Code, Whose};
use self::frames::{Sites, numbers, runs};
use self::handlers::Machinery;
use self::steps::{Handlers, Number, Step};
use self::stubs::{Stubs, UNREACHABLE};
use super::ir::Op::*;
use super::ir::Reg::*;
use super::ir::Width::Word;
use super::ir::{Assembled, Label};
use crate::image::facts::FactError;
use crate::image::layout::{FIN_BLOCK_SIZE, Layout};
use crate::image::section::{In, Sections};
use crate::world::{MEANINGFUL, World};

/// The trap with which a program says that it is done.
pub const DONE: u16 = 0;

/// Bytes of the stack that the program begins on.
const SYSTEM_STACK_SIZE: u64 = 4096;

/// A world's program, not assembled yet.
pub(crate) struct Program {
    /// The code.
    pub code: Code,
    /// The entry labels of the world's functions.
    pub entries: Vec<Label>,
    /// Where the activations' code is.
    pub sites: Sites,
    /// The runtime's functions.
    pub stubs: Stubs,
    handlers: Handlers,
    steps: Vec<Step>,
}

impl Program {
    /// Writes the program of a world.
    pub fn new(world: &World, layout: &Layout, sections: &mut Sections) -> Result<Program, FactError> {
        let mut code = Code::new(sections.target, sections.layouts);
        let stubs = Stubs::new(&mut code);
        let entries = code.labels(world.functions.len());
        let (dispatch, end) = (code.label(), code.label());

        // Rt0_go comes first, so that the program begins at the beginning of the text.
        let stack = sections.reserve(In::SystemStack, SYSTEM_STACK_SIZE, 16) + SYSTEM_STACK_SIZE;
        code.function(Whose::Image("runtime.rt0_go"), stubs.rt0_go, 1);
        code.emit(&[
            Mov(V0, V0),
            Imm(V0, stack),
            Mov(Sp, V0),
            Imm(V0, sections.base(In::Steps)),
            Jump(dispatch),
        ]);
        code.bind(end);
        scheduler(&mut code, world, layout, &stubs, &entries);

        let machinery = Machinery {
            arena_start: layout.heap.arena_start,
            spans_lookup: layout.heap.spans_lookup,
            finq: layout.vars.finq,
            finc: layout.vars.finc,
            allfin: layout.vars.allfin,
            finblock_pool: layout.cells.finblock_pool,
            finblock_size: FIN_BLOCK_SIZE as i32,
            finblock_capacity: layout.finblock_capacity,
            queued: layout.cells.queued,
            spill: layout.cells.spill,
        };
        let handlers = handlers::handlers(&mut code, &machinery, dispatch, end)?;
        stubs::stubs(&mut code, &stubs, layout.cells.resume)?;
        for &name in MEANINGFUL {
            if !world.functions.iter().any(|f| f.name.as_deref() == Some(name)) {
                let entry = code.label();
                code.function(Whose::Image(name), entry, 1);
                code.emit(&[Trap(UNREACHABLE)]);
            }
        }
        let sites = frames::functions(&mut code, world, layout, &stubs, &entries)?;
        code.emit(&[Align(16)]);
        let steps = doings::steps(code.target, code.layouts, world, layout, &stubs, &entries, &sites)?;
        Ok(Program { code, entries, sites, stubs, handlers, steps })
    }

    /// The address of a label.
    pub fn address(&self, assembled: &Assembled, label: Label) -> u64 {
        assembled.labels[label.0 as usize]
    }

    /// The steps in the target's form, to be loaded at `base`.
    pub fn steps(&self, assembled: &Assembled, base: u64) -> Vec<u8> {
        steps::encode_steps(self.code.target, base, &self.steps, &self.handlers, |number| match number {
            Number::Known(number) => number,
            Number::Label(label, offset) => self.address(assembled, label) + offset,
            Number::Op(op) => assembled.addrs[op],
        })
    }

    /// The activation at which a goroutine stands still goes on there, and each other one where its call
    /// returns to.
    pub fn resumes(&self, assembled: &Assembled, goroutine: usize, frame: usize) -> u64 {
        assembled.addrs[self.sites[goroutine][frame].resumes]
    }
}

/// Runs one goroutine after the other: `gogo` to a function that the bottom seems to have called.
fn scheduler(code: &mut Code, world: &World, layout: &Layout, stubs: &Stubs, entries: &[Label]) {
    let target = code.target;
    for ((g, stack), number) in world.goroutines.iter().zip(&layout.stacks).zip(numbers(world)) {
        if !runs(g) {
            continue;
        }
        let next = code.label();
        code.emit(&[
            LabelAddr(V0, next),
            Imm(V1, layout.cells.resume),
            Store(V0, V1, 0, Word),
            Imm(V0, stack.frames[0].entry_sp),
            Mov(Sp, V0),
            LabelAddr(V1, stubs.bottom(g.bottom)),
            AddImm(V1, target.pc_quantum() as i32),
            if target.uses_lr() { SetLr(V1) } else { Store(V1, Sp, 0, Word) },
            Imm(V5, number),
            Jump(entries[g.activations[0].function]),
        ]);
        code.bind(next);
    }
    code.emit(&[Trap(DONE)]);
}
