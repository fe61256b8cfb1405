//! mips, mipsle, mips64 and mips64le.
//!
//! Processes of 64 bits live below 2 GiB: `ll` and `sc` translate addresses by the CPU's own rules, past the virtual
//! TLB, and those rules leave no more as it is (`Status.ERL`).
//!
//! A fault in the delay slot of a branch loses the branch: the program goes on after the slot. Go's compilers and assembler put
//! nops there, which do not fault.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterMIPS as Mips;
use unicorn_engine::{Arch as UcArch, Mode};

use super::arch::{Arch, Encoding, ExceptionPc, Interrupt, TRAP_BYTES};
use super::fault::FaultKind;
use super::straight::{self, InBlock};
use super::{Machine, Register};

pub(super) static MIPS: Arch =
    Arch { target: AnyTarget::Mips, engine: engine(Mode::MIPS32.0, true), ..NARROW };
pub(super) static MIPSLE: Arch =
    Arch { target: AnyTarget::Mipsle, engine: engine(Mode::MIPS32.0, false), ..LITTLE_NARROW };
pub(super) static MIPS64: Arch =
    Arch { target: AnyTarget::Mips64, engine: engine(Mode::MIPS64.0, true), ..WIDE };
pub(super) static MIPS64LE: Arch = Arch {
    target: AnyTarget::Mips64le,
    engine: engine(Mode::MIPS64.0, false),
    branches: LITTLE,
    trap_code: little,
    ..WIDE
};

const LITTLE_NARROW: Arch = Arch { branches: LITTLE, trap_code: little, ..NARROW };

const fn engine(bits: u32, big: bool) -> (UcArch, Mode) {
    (UcArch::MIPS, Mode(bits | if big { Mode::BIG_ENDIAN.0 } else { 0 }))
}

const LITTLE: Option<fn([u8; 4]) -> bool> = Some(|word| has_slot(u32::from_le_bytes(word)));

const WIDE: Arch = Arch {
    // The default, an R4000, lacks conditional moves and `rdhwr`.
    model: Some(MODEL_64R2),
    start: |engine| engine.reg_write(Mips::CP0_STATUS, CU1 | FR | ERL | KX | SX | UX),
    ..NARROW
};

const NARROW: Arch = Arch {
    target: AnyTarget::Mips,
    engine: engine(Mode::MIPS32.0, true),
    model: None,
    pc: Mips::PC as i32,
    sp: Mips::R29 as i32,
    lr: Some(Mips::R31 as i32),
    flags: None,
    ctr: None,
    xer: None,
    // HI and LO follow.
    general: &[
        Mips::R0 as i32,
        Mips::R1 as i32,
        Mips::R2 as i32,
        Mips::R3 as i32,
        Mips::R4 as i32,
        Mips::R5 as i32,
        Mips::R6 as i32,
        Mips::R7 as i32,
        Mips::R8 as i32,
        Mips::R9 as i32,
        Mips::R10 as i32,
        Mips::R11 as i32,
        Mips::R12 as i32,
        Mips::R13 as i32,
        Mips::R14 as i32,
        Mips::R15 as i32,
        Mips::R16 as i32,
        Mips::R17 as i32,
        Mips::R18 as i32,
        Mips::R19 as i32,
        Mips::R20 as i32,
        Mips::R21 as i32,
        Mips::R22 as i32,
        Mips::R23 as i32,
        Mips::R24 as i32,
        Mips::R25 as i32,
        Mips::R26 as i32,
        Mips::R27 as i32,
        Mips::R28 as i32,
        Mips::R29 as i32,
        Mips::R30 as i32,
        Mips::R31 as i32,
        Mips::HI as i32,
        Mips::LO as i32,
    ],
    guest: [
        Mips::R8 as i32,
        Mips::R9 as i32,
        Mips::R10 as i32,
        Mips::R11 as i32,
        Mips::R12 as i32,
        Mips::R13 as i32,
    ],
    thread: Some(Mips::CP0_USERLOCAL as i32),
    encoding: Encoding::Fixed { bytes: 4 },
    rests: true,
    start: |engine| engine.reg_write(Mips::CP0_STATUS, CU1 | ERL),
    interrupt: |number| match number {
        EXCP_SYSCALL => Interrupt::Trap,
        EXCP_RI => Interrupt::Illegal,
        _ => Interrupt::Exception,
    },
    trap_skid: 0,
    exception_pc: ExceptionPc::Lost(at_fault),
    noted: &[],
    branches: Some(|word| has_slot(u32::from_be_bytes(word))),
    hook_code: Some(|engine, region| straight::hook(engine, region, in_block)),
    withheld: &[],
    poison: None,
    trap_code: big,
};

fn big(&[.., a, b, c, d]: &[u8; TRAP_BYTES]) -> Option<u16> {
    trap_code(u32::from_be_bytes([a, b, c, d]))
}

fn little(&[.., a, b, c, d]: &[u8; TRAP_BYTES]) -> Option<u16> {
    trap_code(u32::from_le_bytes([a, b, c, d]))
}

/// syscall code: 000000 code20 001100
fn trap_code(instruction: u32) -> Option<u16> {
    (instruction & !(0xf_ffff << 6) == 0x0c).then_some(())?;
    u16::try_from(instruction >> 6).ok()
}

/// Whether an instruction is a branch, after which another is executed before it goes anywhere.
fn has_slot(instruction: u32) -> bool {
    // syscall, break
    let exception = instruction >> 26 == 0 && matches!(instruction & 0x3f, 0x0c | 0x0d);
    in_block(instruction) == InBlock::Ends && !exception
}

/// Which instruction is a branch, or always an exception. A branch that compares a register with itself, or zero with zero, and so
/// is never taken, is none for the engine.
fn in_block(instruction: u32) -> InBlock {
    let (code, function) = (instruction >> 26, instruction & 0x3f);
    let (s, t) = (instruction >> 21 & 0x1f, instruction >> 16 & 0x1f);
    match (code, t) {
        // bne, bgtz, bltz
        (0x05, _) if s == t => InBlock::Straight,
        (0x07, _) | (0x01, 0x00) if s == 0 => InBlock::Straight,
        // The same, likely; bltzall
        (0x15, _) if s == t => InBlock::Skips,
        (0x17, _) | (0x01, 0x02 | 0x12) if s == 0 => InBlock::Skips,
        // bltz to bgezl, and those with a link
        (0x01, 0x00..=0x03 | 0x10..=0x13) => InBlock::Ends,
        // jr, jalr, syscall, break
        (0x00, _) if matches!(function, 0x08 | 0x09 | 0x0c | 0x0d) => InBlock::Ends,
        // j, jal, beq to bgtz, beql to bgtzl
        (0x02..=0x07 | 0x14..=0x17, _) => InBlock::Ends,
        // bc1f to bc1tl
        (0x11, _) if s == 8 => InBlock::Ends,
        _ => InBlock::Straight,
    }
}

/// The first instruction of a block that would raise an exception, with the registers as they are. Those that always
/// do end their block.
fn at_fault(machine: &Machine, (start, bytes): (u64, u32), kind: FaultKind) -> Option<u64> {
    let mut places = (0..bytes / 4).map(|nth| start + 4 * u64::from(nth));
    match kind {
        FaultKind::Illegal => places.next_back(),
        _ => places.find(|&at| machine.instruction(at).is_some_and(|word| raises(machine, word, kind))),
    }
}

/// Whether an instruction would raise an exception.
fn raises(machine: &Machine, instruction: u32, kind: FaultKind) -> bool {
    const EXCP_ADDRESS_LOAD: u32 = 12;
    const EXCP_ADDRESS_STORE: u32 = 13;
    const EXCP_BREAK: u32 = 18;
    const EXCP_OVERFLOW: u32 = 21;
    const EXCP_TRAP: u32 = 22;
    /// The code of instructions that a function code tells apart, and of those that a register number does.
    const SPECIAL: u32 = 0;
    const REGIMM: u32 = 1;
    let (code, register, function) = (instruction >> 26, instruction >> 16 & 0x1f, instruction & 0x3f);
    // Sign-extended.
    let immediate = instruction as i16 as i64;
    let value = |number: u32| {
        let value = machine.get(Register::General(number as u8)).unwrap_or(0);
        if machine.target().ptr_size() == 4 { value as i32 as i64 } else { value as i64 }
    };
    let s = || value(instruction >> 21 & 0x1f);
    let holds = |condition: u32, other: i64| match condition {
        0 => s() >= other,
        1 => s() as u64 >= other as u64,
        2 => s() < other,
        3 => (s() as u64) < other as u64,
        4 => s() == other,
        6 => s() != other,
        _ => false,
    };
    match kind {
        FaultKind::Exception { number: EXCP_BREAK } => code == SPECIAL && function == 0x0d,
        // add, sub, dadd, dsub; addi, daddi
        FaultKind::Exception { number: EXCP_OVERFLOW } => match code {
            SPECIAL => matches!(function, 0x20 | 0x22 | 0x2c | 0x2e),
            _ => matches!(code, 0x08 | 0x18),
        },
        // tge, tgeu, tlt, tltu, teq and tne; with an immediate
        FaultKind::Exception { number: EXCP_TRAP } => match code {
            SPECIAL => function >= 0x30 && holds(function - 0x30, value(register)),
            REGIMM => register >= 0x08 && holds(register - 0x08, immediate),
            _ => false,
        },
        FaultKind::Misaligned { .. }
        | FaultKind::Exception { number: EXCP_ADDRESS_LOAD | EXCP_ADDRESS_STORE } => {
            let size = match code {
                0x21 | 0x25 | 0x29 => 2,
                0x23 | 0x27 | 0x2b | 0x30 | 0x31 | 0x38 | 0x39 => 4,
                0x34 | 0x35 | 0x37 | 0x3c | 0x3d | 0x3f => 8,
                _ => 1,
            };
            s().wrapping_add(immediate) & (size - 1) != 0
        }
        _ => false,
    }
}

/// The engine's number of a CPU with release 2 of the 64-bit architecture.
const MODEL_64R2: i32 = 5;
/// The engine's number for a system call.
const EXCP_SYSCALL: u32 = 17;
/// The engine's number for an instruction that does not exist.
const EXCP_RI: u32 = 20;

/// Status: the floating-point unit is on.
const CU1: u64 = 1 << 29;
/// Status: it has 32 registers of 64 bits.
const FR: u64 = 1 << 26;
/// Status: addresses and instructions of 64 bits in all modes.
const KX: u64 = 1 << 7;
const SX: u64 = 1 << 6;
const UX: u64 = 1 << 5;
/// Status: the lower half of the addresses is not translated.
const ERL: u64 = 1 << 2;
