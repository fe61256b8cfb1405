//! ppc64 and ppc64le.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterPPC as Ppc;
use unicorn_engine::{Arch as UcArch, Mode, Unicorn, uc_error};

use super::Machine;
use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;
use super::withheld::{self, Withheld};

pub(super) static PPC64: Arch = BIG;

pub(super) static PPC64LE: Arch = Arch {
    target: AnyTarget::Ppc64le,
    start: start_little,
    trap_code: |bytes| match *bytes {
        [lo, hi, 0x20, 0x28, 2, 0, 0, 0x44] => Some(u16::from_le_bytes([lo, hi])),
        _ => None,
    },
    ..BIG
};

const BIG: Arch = Arch {
    target: AnyTarget::Ppc64,
    engine: (UcArch::PPC, Mode(Mode::PPC64.0 | Mode::BIG_ENDIAN.0)),
    // Choosing one selects a 32-bit CPU.
    model: None,
    pc: Ppc::PC as i32,
    sp: Ppc::R1 as i32,
    lr: Some(Ppc::LR as i32),
    flags: Some(Ppc::CR as i32),
    ctr: Some(Ppc::CTR as i32),
    xer: Some(Ppc::XER as i32),
    general: &[
        Ppc::R0 as i32,
        Ppc::R1 as i32,
        Ppc::R2 as i32,
        Ppc::R3 as i32,
        Ppc::R4 as i32,
        Ppc::R5 as i32,
        Ppc::R6 as i32,
        Ppc::R7 as i32,
        Ppc::R8 as i32,
        Ppc::R9 as i32,
        Ppc::R10 as i32,
        Ppc::R11 as i32,
        Ppc::R12 as i32,
        Ppc::R13 as i32,
        Ppc::R14 as i32,
        Ppc::R15 as i32,
        Ppc::R16 as i32,
        Ppc::R17 as i32,
        Ppc::R18 as i32,
        Ppc::R19 as i32,
        Ppc::R20 as i32,
        Ppc::R21 as i32,
        Ppc::R22 as i32,
        Ppc::R23 as i32,
        Ppc::R24 as i32,
        Ppc::R25 as i32,
        Ppc::R26 as i32,
        Ppc::R27 as i32,
        Ppc::R28 as i32,
        Ppc::R29 as i32,
        Ppc::R30 as i32,
        Ppc::R31 as i32,
    ],
    guest: [Ppc::R3 as i32, Ppc::R4 as i32, Ppc::R5 as i32, Ppc::R6 as i32, Ppc::R7 as i32, Ppc::R8 as i32],
    thread: Some(Ppc::R13 as i32),
    encoding: Encoding::Fixed { bytes: 4 },
    rests: true,
    start,
    interrupt: |number| match number {
        EXCP_SYSCALL => Interrupt::Trap,
        EXCP_INVALID => Interrupt::Illegal,
        _ => Interrupt::Exception,
    },
    // The engine steps over the instruction whatever the exception.
    trap_skid: 0,
    exception_pc: ExceptionPc::Past(4),
    noted: &[],
    branches: None,
    hook_code: Some(withheld::hook),
    withheld: &[Withheld { matches: reads_time_base, execute: read_time_base, bytes: 4, align: 4 }],
    poison: None,
    // cmpldi r0, code: 001010 000 01 00000 imm16; then sc
    trap_code: |bytes| match *bytes {
        [0x28, 0x20, hi, lo, 0x44, 0, 0, 2] => Some(u16::from_be_bytes([hi, lo])),
        _ => None,
    },
};

/// The engine's number for a system call.
const EXCP_SYSCALL: u32 = 8;
/// The engine's number for an instruction that does not exist.
const EXCP_INVALID: u32 = 96;
/// MSR.LE: little-endian. The engine's mode is big-endian all the same.
const MSR_LITTLE: u64 = 1;
/// MSR.VEC, MSR.VSX and MSR.FP: without them vector and floating-point instructions trap.
const MSR_UNITS: u64 = 1 << 25 | 1 << 23 | 1 << 13;

fn start(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    let msr = engine.reg_read(Ppc::MSR)?;
    engine.reg_write(Ppc::MSR, msr | MSR_UNITS)
}

fn start_little(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    let msr = engine.reg_read(Ppc::MSR)?;
    engine.reg_write(Ppc::MSR, msr | MSR_UNITS | MSR_LITTLE)
}

/// Whether an instruction reads the time base, which stands still in the engine: `mfspr` or `mftb`, of all of it or the
/// upper half.
fn reads_time_base(instruction: u64) -> bool {
    const RT: u64 = 0x1f << 21;
    matches!(instruction & !RT, 0x7c0c_42a6 | 0x7c0c_42e6 | 0x7c0d_42a6 | 0x7c0d_42e6)
}

/// It counts instructions.
fn read_time_base(machine: &mut Machine, instruction: u64, clock: u64) -> bool {
    const UPPER: u64 = 1 << 16;
    let register = (instruction >> 21 & 0x1f) as usize;
    let value = if instruction & UPPER != 0 { clock >> 32 } else { clock };
    machine.write(machine.arch.general[register], value);
    true
}
