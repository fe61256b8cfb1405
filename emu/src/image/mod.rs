//! Images: the memory of a Go 1.5 process when its program begins.
//!
//! An image holds what the linker, the loader and the runtime's start-up lay out: code and its tables,
//! type descriptors, spans with fresh freelists, and runtime structures that are still empty. The rest
//! is for the world's [program](crate::guest::program) to do, on an emulated CPU or in the interpreter:
//! an image whose program has not run shows no objects and no goroutines.

mod contents;
pub(crate) mod dirt;
mod error;
pub use heapmatrix_facts as facts;
pub(crate) mod heap;
pub(crate) mod layout;
mod locations;
pub(crate) mod machine;
mod moduledata;
pub(crate) mod section;
pub(crate) mod sizes;
pub(crate) mod stack;
mod symtab;
mod types;
mod vars;

use heapmatrix_writer::{Addr, AnyTarget, Symbols};

pub use error::BuildError;
pub use locations::{DeferAt, FrameAt, GoroutineAt, Locations, ObjectAt, Segment};

use self::dirt::Dirt;
use self::layout::Layout;
use self::section::{In, Sections};
use crate::guest::asm::assemble;
use crate::guest::ir::{Assembled, Op};
use crate::guest::program::Program;
use crate::guest::program::code::Whose;
use crate::memory::GuestMemory;
use crate::world::World;

/// A world's process on one machine, before its program has run.
#[derive(Debug)]
pub struct Image {
    /// The machine.
    pub target: AnyTarget,
    /// Its memory.
    pub memory: GuestMemory,
    /// Where the runtime's variables and functions are.
    pub symbols: Symbols,
    /// Where the world's things are.
    pub locations: Locations,
    /// The program.
    pub ops: Vec<Op>,
    /// The program's machine code, which is in memory already.
    pub assembled: Assembled,
    /// The PC at which it begins.
    pub entry: u64,
}

impl Image {
    /// Builds the image of a world for a machine.
    ///
    /// # Errors
    /// [`BuildError`]: the world breaks a [rule](World::check), nobody has measured the machine's structures,
    /// or something does not fit.
    pub fn build(world: &World, target: AnyTarget) -> Result<Image, BuildError> {
        world.check()?;
        let dirt = Dirt::new(world.dirt);
        let mut sections = Sections::new(target, dirt)?;
        let layout = Layout::new(world, &mut sections)?;
        let program = Program::new(world, &layout, &mut sections)?;

        let text = sections.base(In::Text);
        let assembled = assemble(target, text, &program.code.ops)?;
        sections.bytes(In::Text, &assembled.code);
        sections.bytes(In::Steps, &program.steps(&assembled, sections.base(In::Steps)));
        for (&funcval, &entry) in layout.funcvals.iter().zip(&program.entries) {
            sections.put_word(funcval, program.address(&assembled, entry));
        }
        let symtabs = symtab::place(world, &program.code.functions, &assembled, &mut sections)?;
        moduledata::fill(world, &layout.vars, &symtabs, &mut sections)?;

        let mut memory = GuestMemory::new();
        sections.map(&mut memory)?;
        layout.heap.map(dirt, &mut memory)?;
        for stack in &layout.stacks {
            stack.scribble(dirt, &mut memory)?;
        }
        Ok(Image {
            target,
            memory,
            symbols: symbols(world, &layout, &program, &assembled),
            locations: Locations::new(world, &layout, &program, &assembled, &sections),
            ops: program.code.ops,
            assembled,
            entry: text,
        })
    }
}

/// The symbol table, as far as a dump asks for it.
fn symbols(world: &World, layout: &Layout, program: &Program, assembled: &Assembled) -> Symbols {
    let vars = &layout.vars;
    let function = |name: &str| {
        let named = |whose| match whose {
            Whose::World(i) => world.functions[i].name.as_deref() == Some(name),
            Whose::Image(image) => image == name,
        };
        let found = program.code.functions.iter().find(|f| named(f.whose));
        Addr(found.map_or(0, |f| program.address(assembled, f.entry)))
    };
    Symbols {
        mheap: Addr(vars.mheap),
        h_allspans: Addr(vars.h_allspans),
        allgs: Addr(vars.allgs),
        allglen: Addr(vars.allglen),
        allm: Addr(vars.allm),
        memstats: Addr(vars.memstats),
        firstmoduledata: Addr(vars.firstmoduledata),
        allfin: Addr(vars.allfin),
        fing_running: Addr(vars.fing_running),
        mbuckets: Addr(vars.mbuckets),
        itab_hash: Addr(vars.itab_hash),
        ncpu: Addr(vars.ncpu),
        goexperiment: Addr(vars.goexperiment),
        framepointer_enabled: Addr(vars.framepointer_enabled),
        typecache: Addr(vars.typecache),
        tmpbuf: Addr(vars.tmpbuf),
        buf: Addr(vars.buf),
        nbuf: Addr(vars.nbuf),
        dumpfd: Addr(vars.dumpfd),
        freemark: Addr(vars.freemark),
        goexit: function("runtime.goexit"),
        jmpdefer: function("runtime.jmpdefer"),
        mcall: function("runtime.mcall"),
        morestack: function("runtime.morestack"),
        mstart: function("runtime.mstart"),
        rt0_go: function("runtime.rt0_go"),
        sigpanic: function("runtime.sigpanic"),
        systemstack: function("runtime.systemstack"),
        stack_barrier: function("runtime.stackBarrier"),
        runfinq: function("runtime.runfinq"),
        backgroundgc: function("runtime.backgroundgc"),
        bgsweep: function("runtime.bgsweep"),
        forcegchelper: function("runtime.forcegchelper"),
        timerproc: function("runtime.timerproc"),
        gc_bg_mark_worker: function("runtime.gcBgMarkWorker"),
    }
}
