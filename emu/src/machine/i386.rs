//! 386, and its segments.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterX86 as X86;
use unicorn_engine::{Arch as UcArch, Mode, uc_error};

use super::arch::{Arch, Encoding, ExceptionPc, Interrupt, x86_trap_code};
use super::noted::I386_REGISTERS;
use super::poison::Poison;
use super::{EngineError, Machine, hooks, x86_lock, x87};

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::I386,
    engine: (UcArch::X86, Mode::MODE_32),
    model: None,
    pc: X86::EIP as i32,
    sp: X86::ESP as i32,
    lr: None,
    flags: Some(X86::EFLAGS as i32),
    ctr: None,
    xer: None,
    general: &[
        X86::EAX as i32,
        X86::ECX as i32,
        X86::EDX as i32,
        X86::EBX as i32,
        X86::ESP as i32,
        X86::EBP as i32,
        X86::ESI as i32,
        X86::EDI as i32,
    ],
    guest: [
        X86::EAX as i32,
        X86::ECX as i32,
        X86::EDX as i32,
        X86::EBX as i32,
        X86::ESI as i32,
        X86::EDI as i32,
    ],
    // Threads find their storage through a segment: see `Machine::set_segment`.
    thread: None,
    encoding: Encoding::X86 { bits: 32 },
    rests: false,
    start: |engine| {
        hooks::on_time_stamp::<false>(engine)?;
        x87::start_units(engine)
    },
    interrupt: |number| if number == 0x80 { Interrupt::Trap } else { Interrupt::Exception },
    trap_skid: 0,
    exception_pc: ExceptionPc::Exact,
    noted: I386_REGISTERS,
    branches: None,
    hook_code: None,
    withheld: &[],
    poison: Some(Poison { find: x86_lock::find::<false>, overlap: x86_lock::OVERLAP }),
    trap_code: |bytes| x86_trap_code(bytes, [0xcd, 0x80]),
};

/// A segment register of 386.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Code.
    Cs,
    /// Data.
    Ds,
    /// More data.
    Es,
    /// More data.
    Fs,
    /// The thread's own storage, on Linux.
    Gs,
    /// The stack.
    Ss,
}

/// A table of segment descriptors in guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// The one that all processes share.
    Global,
    /// The process's own.
    Local,
}

impl Machine {
    /// Tells a 386 where a table of segment descriptors lies: `len` bytes, eight for each of them.
    ///
    /// # Errors
    /// The engine's, and on another machine.
    pub fn set_descriptor_table(&mut self, table: Table, addr: u32, len: u16) -> Result<(), EngineError> {
        self.require_386()?;
        let register = match table {
            Table::Global => X86::GDTR,
            Table::Local => X86::LDTR,
        };
        // uc_x86_mmr: selector u16, base u64, limit u32 (the last byte's offset), flags u32
        let mut value = [0; 24];
        value[8..12].copy_from_slice(&addr.to_le_bytes());
        value[16..20].copy_from_slice(&u32::from(len.saturating_sub(1)).to_le_bytes());
        self.engine.reg_write_long(register, &value).map_err(EngineError)
    }

    /// Loads a segment register of a 386 from the tables in guest memory, as `mov` to it does.
    ///
    /// The first load of any makes the engine look at the others, too: load CS, SS, DS and ES along with
    /// FS or GS. The CPU is in ring 0, and so must CS and SS be.
    ///
    /// # Errors
    /// The engine's for a selector that the tables do not allow, and on another machine.
    pub fn set_segment(&mut self, segment: Segment, selector: u16) -> Result<(), EngineError> {
        self.require_386()?;
        // The engine reads the descriptor from guest memory.
        self.attach().map_err(EngineError)?;
        self.engine.reg_write(segment.register(), selector.into()).map_err(EngineError)
    }

    /// The selector in a segment register of a 386.
    ///
    /// # Errors
    /// On another machine.
    pub fn segment(&self, segment: Segment) -> Result<u16, EngineError> {
        self.require_386()?;
        Ok(self.read(segment.register() as i32) as u16)
    }

    fn require_386(&self) -> Result<(), EngineError> {
        if self.arch.target == AnyTarget::I386 { Ok(()) } else { Err(EngineError(uc_error::ARCH)) }
    }
}

impl Segment {
    fn register(self) -> X86 {
        match self {
            Segment::Cs => X86::CS,
            Segment::Ds => X86::DS,
            Segment::Es => X86::ES,
            Segment::Fs => X86::FS,
            Segment::Gs => X86::GS,
            Segment::Ss => X86::SS,
        }
    }
}
