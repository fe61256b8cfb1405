//! arm, little-endian.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterARM as Arm;
use unicorn_engine::{Arch as UcArch, Mode, Unicorn, uc_error};

use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::Arm,
    engine: (UcArch::ARM, Mode::ARM),
    model: None,
    pc: Arm::PC as i32,
    sp: Arm::SP as i32,
    lr: Some(Arm::LR as i32),
    flags: Some(Arm::CPSR as i32),
    ctr: None,
    xer: None,
    general: &[
        Arm::R0 as i32,
        Arm::R1 as i32,
        Arm::R2 as i32,
        Arm::R3 as i32,
        Arm::R4 as i32,
        Arm::R5 as i32,
        Arm::R6 as i32,
        Arm::R7 as i32,
        Arm::R8 as i32,
        Arm::R9 as i32,
        Arm::R10 as i32,
        Arm::R11 as i32,
        Arm::R12 as i32,
        Arm::SP as i32,
        Arm::LR as i32,
        Arm::PC as i32,
    ],
    guest: [Arm::R0 as i32, Arm::R1 as i32, Arm::R2 as i32, Arm::R3 as i32, Arm::R4 as i32, Arm::R5 as i32],
    // TPIDRURO, which the kernel sets and the process reads.
    thread: Some(Arm::C13_C0_3 as i32),
    encoding: Encoding::Fixed { bytes: 4 },
    rests: true,
    start,
    interrupt: |number| if number == EXCP_SWI { Interrupt::Trap } else { Interrupt::Exception },
    trap_skid: 0,
    exception_pc: ExceptionPc::Exact,
    noted: &[],
    branches: None,
    hook_code: None,
    withheld: &[],
    poison: None,
    // svc #code: cond=1110 1111 imm24, of which sixteen bits are used
    trap_code: |bytes| match *bytes {
        [.., lo, hi, 0, 0xef] => Some(u16::from_le_bytes([lo, hi])),
        _ => None,
    },
};

/// The engine's number for a supervisor call.
const EXCP_SWI: u32 = 2;
/// CPSR: user mode, ARM instructions, interrupts on.
const USER_MODE: u64 = 0x10;
/// CPACR: full access to coprocessors 10 and 11, the floating-point unit.
const CPACR_VFP: u64 = 0x00f0_0000;
/// FPEXC.EN: the floating-point unit is on.
const FPEXC_EN: u64 = 0x4000_0000;

fn start(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    engine.reg_write(Arm::C1_C0_2, CPACR_VFP)?;
    engine.reg_write(Arm::FPEXC, FPEXC_EN)?;
    // Last, since it is what makes the engine look at the others; and before anything writes SP, of
    // which every mode has its own.
    engine.reg_write(Arm::CPSR, USER_MODE)
}
