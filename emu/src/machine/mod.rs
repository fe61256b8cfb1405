//! Emulated machines: a CPU of one of several architectures ([`Machine::ALL`]) on a [`GuestMemory`].
//!
//! ```
//! use heapmatrix_emu::machine::{Exit, Limits, Machine};
//! use heapmatrix_emu::memory::Prot;
//! use heapmatrix_writer::AnyTarget;
//!
//! let mut machine = Machine::new(AnyTarget::Arm)?;
//! machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC)?;
//! machine.memory_mut().write(0x1_0000, &0xef00_0000u32.to_le_bytes())?; // svc #0
//! assert_eq!(machine.run(0x1_0000, Limits::NONE)?, Exit::Trap { pc: 0x1_0004 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod amd64;
mod arch;
mod arm;
mod arm64;
mod attach;
mod count;
mod diagnose;
mod engine;
mod fault;
mod flags;
mod hooks;
mod i386;
mod list;
mod mips;
mod noted;
mod poison;
mod ppc64;
mod quad;
mod regions;
mod registers;
mod riscv64;
mod s390x;
mod slot;
mod stop;
mod straight;
mod withheld;
mod x86_lock;
mod x87;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use heapmatrix_writer::memory::{Addr, Memory};
use unicorn_engine::{UcHookId, Unicorn, uc_error};

use crate::memory::GuestMemory;
use arch::{Arch, TRAP_BYTES};
use hooks::{State, Stop};
use regions::Hooked;

pub use heapmatrix_writer::AnyTarget;

pub use fault::{Access, EngineError, Fault, FaultKind};
pub use i386::{Segment, Table};
pub use registers::Register;
pub use stop::{Exit, ForeignContext, Limits, NewError, NoRegister};

/// The registers of a CPU at one moment, all of them, without memory.
///
/// What a thread is while another one runs. Belongs to the machine that saved it.
#[derive(Debug)]
pub struct Context {
    registers: unicorn_engine::Context,
    machine: u64,
}

/// An emulated machine. It lives on the thread that made it.
pub struct Machine {
    engine: Unicorn<'static, State>,
    memory: GuestMemory,
    /// The layout of `memory` that the engine has.
    layout: Option<u64>,
    breakpoints: BTreeMap<u64, UcHookId>,
    hooked: Hooked,
    /// The registers of a new machine.
    initial: unicorn_engine::Context,
    /// The CPU as it was before the last run, where that is needed.
    before: Option<unicorn_engine::Context>,
    arch: &'static Arch,
    /// Tells this machine from all others.
    id: u64,
}

impl Machine {
    /// A machine without memory, with all general registers zero, in user mode, floating point on.
    ///
    /// # Errors
    /// [`NewError::Unsupported`] for a target that is not in [`Machine::ALL`]; [`NewError::Engine`] when the host has no memory for it.
    pub fn new(target: AnyTarget) -> Result<Self, NewError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let arch = Arch::of(target).ok_or(NewError::Unsupported(target))?;
        let failed = |error| NewError::Engine(target, EngineError(error));
        let engine = engine::new(arch).map_err(failed)?;
        let initial = engine.context_init().map_err(failed)?;
        Ok(Machine {
            engine,
            initial,
            before: None,
            memory: GuestMemory::new(),
            layout: None,
            breakpoints: BTreeMap::new(),
            hooked: Hooked::default(),
            arch,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Makes the machine like new, which is much faster than making a new one: no memory, no breakpoints,
    /// nothing executed, and every register as in the beginning. Returns the memory that it had.
    pub fn reset(&mut self) -> GuestMemory {
        while let Some((&pc, _)) = self.breakpoints.first_key_value() {
            self.clear_breakpoint(pc);
        }
        self.engine.context_restore(&self.initial).expect("a context of this engine");
        self.engine.get_data_mut().count.clock().set(0);
        self.forget_poison();
        std::mem::take(&mut self.memory)
    }

    /// The machine's architecture.
    pub fn target(&self) -> AnyTarget {
        self.arch.target
    }

    /// The guest's memory.
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The guest's memory, to map and to write: the next run sees every change, of code too.
    pub fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.memory
    }

    /// The guest's memory, without its machine.
    pub fn into_memory(self) -> GuestMemory {
        self.memory
    }

    /// Forgets what the CPU knows of the code in a range of addresses. Gives how many bytes there are of it.
    pub fn flush_code(&mut self, addr: u64, len: u64) -> u64 {
        self.engine.get_data_mut().count.forget();
        let end = addr.saturating_add(len);
        let mut flushed = 0;
        // The engine looks at each page of a range, and there is nothing to do where there is no code.
        for region in self.memory.regions_in(addr, end).filter(|region| region.prot().exec) {
            let (from, to) = (addr.max(region.addr()), end.min(region.end()));
            let _ = self.engine.ctl_remove_cache(from, to);
            flushed += to - from;
        }
        flushed
    }

    /// Stops the guest whenever it is about to execute the instruction at an address.
    ///
    /// A run that begins there passes it. The rest of the code is not slowed down.
    ///
    /// # Errors
    /// The engine's, when it has no memory left.
    pub fn set_breakpoint(&mut self, pc: u64) -> Result<(), EngineError> {
        if !self.breakpoints.contains_key(&pc) {
            let hook = hooks::on_reaching(&mut self.engine, pc).map_err(EngineError)?;
            self.breakpoints.insert(pc, hook);
            self.flush_code(pc, 1);
        }
        Ok(())
    }

    /// Takes a breakpoint away, if there is one.
    pub fn clear_breakpoint(&mut self, pc: u64) {
        if let Some(hook) = self.breakpoints.remove(&pc) {
            // Fails only for hooks that are not there.
            let _ = self.engine.remove_hook(hook);
            self.flush_code(pc, 1);
        }
    }

    /// How many instructions the guest has executed, in all runs together: those that completed,
    /// traps included, and not the one at fault. Repeated string instructions count once a round.
    pub fn instructions(&self) -> u64 {
        self.engine.get_data().count.clock().get()
    }

    /// Executes from an address on.
    ///
    /// # Errors
    /// [`Fault`], with the machine standing at the instruction at fault.
    pub fn run(&mut self, pc: u64, limits: Limits) -> Result<Exit, Fault> {
        self.attach().map_err(|error| self.fault(pc, FaultKind::Engine(EngineError(error))))?;
        self.before_run();
        let passing = self.breakpoints.contains_key(&pc).then_some(pc);
        let state = self.engine.get_data_mut();
        state.count.begin(limits.instructions);
        state.passing = passing;
        state.stop = None;

        let mut pc = pc;
        let outcome = loop {
            let outcome = self.start(pc);
            self.clean_flags();
            pc = self.pc();
            let over = outcome.is_ok() && self.leave_slot() && self.engine.get_data().stop.is_none();
            let late = outcome == Err(uc_error::EXCEPTION) && self.knows_late();
            if over || late || outcome.is_ok() && self.leave_exit(pc) {
                continue;
            }
            if let Some(next) = self.execute_withheld() {
                pc = next;
            } else if !self.rested(outcome, pc) {
                break outcome;
            }
        };
        match (outcome, self.engine.get_data_mut().stop.take()) {
            (Ok(()), Some(Stop::Trap)) => {
                let pc = pc.wrapping_add(self.arch.trap_skid);
                if self.arch.trap_skid != 0 {
                    self.set_pc(pc);
                }
                Ok(Exit::Trap { pc })
            }
            (Ok(()), Some(Stop::Limit)) => Ok(Exit::Limit { pc }),
            (Ok(()), Some(Stop::Breakpoint)) => {
                self.stopped_at(pc);
                Ok(Exit::Breakpoint { pc })
            }
            (Ok(()), Some(Stop::Illegal)) => Err(self.exception(pc, FaultKind::Illegal)),
            (Ok(()), Some(Stop::Exception(number))) => {
                Err(self.exception(pc, FaultKind::Exception { number }))
            }
            (Ok(()), Some(Stop::Withheld) | None) => Err(self.fault(pc, FaultKind::Halted)),
            (Err(error), _) => {
                let fault = self.diagnose(pc, error);
                self.leave_slot();
                Err(fault)
            }
        }
    }

    /// The code of the [`Op::Trap`](crate::guest::ir::Op::Trap) that has just stopped a guest program.
    ///
    /// `None` when the machine stands after another instruction, or after a trap without a code.
    pub fn trap_code(&self) -> Option<u16> {
        let mut bytes = [0; TRAP_BYTES];
        let pc = self.pc();
        for (at, byte) in (pc.wrapping_sub(TRAP_BYTES as u64)..).zip(bytes.chunks_mut(1)) {
            // A code may lie at the very beginning of a region, and so be shorter than others.
            let _ = self.memory.read(Addr(at), byte);
        }
        (self.arch.trap_code)(&bytes)
    }

    /// Saves all registers.
    ///
    /// # Errors
    /// The engine's, when it has no memory left.
    pub fn save(&self) -> Result<Context, EngineError> {
        let registers = self.engine.context_init().map_err(EngineError)?;
        Ok(Context { registers, machine: self.id })
    }

    /// Saves all registers where others were saved before, without allocating.
    ///
    /// # Errors
    /// [`ForeignContext`].
    pub fn save_to(&self, context: &mut Context) -> Result<(), ForeignContext> {
        self.own(context)?;
        self.engine.context_save(&mut context.registers).expect("a context of this engine");
        Ok(())
    }

    /// Restores all registers.
    ///
    /// # Errors
    /// [`ForeignContext`].
    pub fn restore(&mut self, context: &Context) -> Result<(), ForeignContext> {
        self.own(context)?;
        self.engine.context_restore(&context.registers).expect("a context of this engine");
        Ok(())
    }

    fn own(&self, context: &Context) -> Result<(), ForeignContext> {
        // The engine copies pointers of its own along with the registers.
        if context.machine == self.id { Ok(()) } else { Err(ForeignContext) }
    }

    /// Shows the engine the memory as it is now.
    fn attach(&mut self) -> Result<(), uc_error> {
        let rewritten = self.memory.take_rewritten();
        let mut changed = false;
        if self.layout != Some(self.memory.layout()) {
            self.layout = None;
            self.engine.get_data_mut().count.forget();
            attach::attach(&mut self.engine, &self.memory)?;
            self.layout = Some(self.memory.layout());
            changed = true;
        }
        if self.arch.hook_code.is_some() && (changed || !rewritten.is_empty()) {
            self.hooked.update(&mut self.engine, &self.memory, &rewritten)?;
        }
        if !rewritten.is_empty() {
            self.look_for_poison_again();
        }
        for (addr, len) in rewritten {
            self.flush_code(addr, len);
        }
        Ok(())
    }

    fn start(&mut self, pc: u64) -> Result<(), uc_error> {
        // Neither an address to stop at (there are no exits but the hooks'), nor a time, nor a count.
        let outcome = self.engine.emu_start(pc, 0, 0, 0);
        let state = self.engine.get_data_mut();
        if state.count.take_reached() {
            state.stop = Some(Stop::Limit);
        }
        outcome
    }

    /// The CPU has stopped before the instruction at `pc`, which it has not executed.
    fn stopped_at(&self, pc: u64) {
        self.engine.get_data().count.stopped_at(self.engine.get_handle(), pc);
    }

    /// Whether the CPU has only taken a rest, after a hint to do so. The engine says that it has halted,
    /// or (of arm's `yield` and `wfe`) that it knows no such instruction, but it has executed the hint.
    fn rested(&self, outcome: Result<(), uc_error>, pc: u64) -> bool {
        let state = self.engine.get_data();
        let odd = matches!(outcome, Ok(()) | Err(uc_error::INSN_INVALID)) && state.stop.is_none();
        odd && self.arch.rests && state.count.completed(pc)
    }

    /// The host has done what an instruction does, and the guest goes on after it.
    pub fn executed(&mut self, next: u64) {
        let count = &self.engine.get_data().count;
        count.clock().set(count.clock().get() + 1);
        self.set_pc(next);
    }

    /// The four bytes of an instruction, in the machine's order.
    pub(crate) fn instruction(&self, pc: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.memory.read(Addr(pc), &mut bytes).ok()?;
        let big = self.arch.target.big_endian();
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("target", &self.arch.target)
            .field("pc", &format_args!("{:#x}", self.pc()))
            .field("instructions", &self.instructions())
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}
