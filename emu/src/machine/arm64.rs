//! arm64, little-endian.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::{Arch as UcArch, Arm64Insn, Mode, RegisterARM64 as A64, Unicorn, uc_error};

use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::Arm64,
    engine: (UcArch::ARM64, Mode::ARM),
    // The default, a Cortex-A57, lacks the atomic instructions of ARMv8.1 (LSE).
    model: Some(MODEL_MAX),
    pc: A64::PC as i32,
    sp: A64::SP as i32,
    lr: Some(A64::X30 as i32),
    flags: Some(A64::NZCV as i32),
    ctr: None,
    xer: None,
    general: &[
        A64::X0 as i32,
        A64::X1 as i32,
        A64::X2 as i32,
        A64::X3 as i32,
        A64::X4 as i32,
        A64::X5 as i32,
        A64::X6 as i32,
        A64::X7 as i32,
        A64::X8 as i32,
        A64::X9 as i32,
        A64::X10 as i32,
        A64::X11 as i32,
        A64::X12 as i32,
        A64::X13 as i32,
        A64::X14 as i32,
        A64::X15 as i32,
        A64::X16 as i32,
        A64::X17 as i32,
        A64::X18 as i32,
        A64::X19 as i32,
        A64::X20 as i32,
        A64::X21 as i32,
        A64::X22 as i32,
        A64::X23 as i32,
        A64::X24 as i32,
        A64::X25 as i32,
        A64::X26 as i32,
        A64::X27 as i32,
        A64::X28 as i32,
        A64::X29 as i32,
        A64::X30 as i32,
        A64::SP as i32,
    ],
    guest: [A64::X0 as i32, A64::X1 as i32, A64::X2 as i32, A64::X3 as i32, A64::X4 as i32, A64::X5 as i32],
    thread: Some(A64::TPIDR_EL0 as i32),
    encoding: Encoding::Fixed { bytes: 4 },
    rests: true,
    start,
    interrupt: |number| match number {
        EXCP_SWI => Interrupt::Trap,
        EXCP_UDEF => Interrupt::Illegal,
        _ => Interrupt::Exception,
    },
    trap_skid: 0,
    exception_pc: ExceptionPc::Exact,
    noted: &[],
    branches: None,
    hook_code: None,
    withheld: &[],
    // svc #code: 11010100000 imm16 00001
    trap_code: |&[.., a, b, c, d]| {
        let insn = u32::from_le_bytes([a, b, c, d]);
        (insn & 0xffe0_001f == 0xd400_0001).then_some((insn >> 5) as u16)
    },
};

/// The engine's number of the CPU that has everything.
const MODEL_MAX: i32 = 3;
/// The engine's number for an instruction that does not exist.
const EXCP_UDEF: u32 = 1;
/// The engine's number for a supervisor call.
const EXCP_SWI: u32 = 2;

/// Replaces what the engine would take from the host: the counters and random numbers.
fn start(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    engine.add_insn_sys_hook_arm64(Arm64Insn::UC_ARM64_INS_MRS, 1, 0, |engine, register, system| {
        let clock = engine.get_data().count.clock().get();
        let value = match (system.op0, system.op1, system.crn, system.crm, system.op2) {
            // CNTPCT_EL0 and CNTVCT_EL0 count instructions.
            (3, 3, 14, 0, 1 | 2) => clock,
            // RNDR and RNDRRS: the finalizer of SplitMix64, and flags that say that there is a number.
            (3, 3, 2, 4, 0 | 1) => {
                let _ = engine.reg_write(A64::NZCV, 0);
                let mixed = (clock ^ (clock >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
            _ => return false,
        };
        // Fails only for what is no register.
        let _ = engine.reg_write(register, value);
        true
    })?;
    Ok(())
}
