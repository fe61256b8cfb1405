//! What differs between the emulated architectures, as one table for each of them.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::{Arch as UcArch, Mode, Unicorn, uc_error};

use super::Machine;
use super::fault::FaultKind;
use super::hooks::State;
use super::poison::Poison;
use super::regions::HookCode;
use super::withheld::Withheld;

/// An architecture: which registers have which role, and how the engine behaves on it.
///
/// Registers are the engine's numbers.
pub(super) struct Arch {
    pub target: AnyTarget,
    pub engine: (UcArch, Mode),
    /// The engine's number of the CPU model, where its default does not do.
    pub model: Option<i32>,
    pub pc: i32,
    pub sp: i32,
    /// The link register, on machines that have one.
    pub lr: Option<i32>,
    /// Condition codes, on machines that have them: RFLAGS, EFLAGS, CPSR, NZCV, CR, the program status word.
    pub flags: Option<i32>,
    /// The count register and the fixed-point exception register of Power.
    pub ctr: Option<i32>,
    pub xer: Option<i32>,
    /// General registers in the order of the architecture's own numbering; after them those that a signal handler
    /// finds saved with them.
    pub general: &'static [i32],
    /// The guest program's V0 to V5.
    pub guest: [i32; 6],
    /// What holds the address of the thread's own storage, where that is a register.
    pub thread: Option<i32>,
    pub encoding: Encoding,
    /// Whether it has hints to take a rest (yield, wait, low priority) at which the engine stops.
    pub rests: bool,
    /// Brings the CPU of a new engine into the state in which a Linux process starts.
    pub start: fn(&mut Unicorn<'static, State>) -> Result<(), uc_error>,
    /// What an interrupt of the engine means.
    pub interrupt: fn(u32) -> Interrupt,
    /// Bytes by which the engine's PC is before the end of a trap.
    pub trap_skid: u64,
    /// Where the engine's PC is when an instruction has raised an exception.
    pub exception_pc: ExceptionPc,
    /// The registers, besides the general ones, of a CPU that must be made to forget an exception.
    pub noted: &'static [i32],
    /// Whether an instruction has a delay slot, on machines where some have.
    pub branches: Option<fn([u8; 4]) -> bool>,
    /// Hooks that code needs, where it does.
    pub hook_code: Option<HookCode>,
    /// The instructions that the host executes, whether the engine knows them or not.
    pub withheld: &'static [Withheld],
    /// Instructions that the engine does not survive.
    pub poison: Option<Poison>,
    /// The code of the trap whose instruction ends at the end of these bytes.
    pub trap_code: fn(&[u8; TRAP_BYTES]) -> Option<u16>,
}

impl Arch {
    /// Whether it is amd64 or 386.
    pub fn is_x86(&self) -> bool {
        matches!(self.encoding, Encoding::X86 { .. })
    }
}

/// How long instructions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// All of them so many bytes.
    Fixed { bytes: u64 },
    /// As the x86 decoder of this mode says.
    X86 { bits: u32 },
    /// Two bytes or four, as the first byte says.
    Riscv,
    /// Two bytes, four or six, as the first byte says.
    S390x,
}

/// Where the engine's PC is at an exception.
#[derive(Clone, Copy, Debug)]
pub(super) enum ExceptionPc {
    /// At the instruction.
    Exact,
    /// So many bytes further.
    Past(u64),
    /// Anywhere: the instruction is found in its block, of which these are the address and the length, by what it does
    /// with the registers as they are.
    Lost(fn(&Machine, (u64, u32), FaultKind) -> Option<u64>),
}

/// The most bytes that a trap and its code take.
pub(super) const TRAP_BYTES: usize = 8;

/// The meaning of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// The instruction for system calls.
    Trap,
    /// An instruction that does not exist.
    Illegal,
    /// Any other exception.
    Exception,
}

/// The code in `<compare with an immediate>; <trap>` as x86 has it: `A9 imm32` before a trap of two
/// bytes.
pub(super) fn x86_trap_code(bytes: &[u8; TRAP_BYTES], trap: [u8; 2]) -> Option<u16> {
    let [_, test, lo, hi, 0, 0, t0, t1] = *bytes else { return None };
    (test == 0xa9 && [t0, t1] == trap).then_some(u16::from_le_bytes([lo, hi]))
}
