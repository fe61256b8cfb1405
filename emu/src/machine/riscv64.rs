//! riscv64.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterRISCV as Rv;
use unicorn_engine::{Arch as UcArch, Mode, Unicorn, uc_error};

use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::Riscv64,
    engine: (UcArch::RISCV, Mode::RISCV64),
    model: None,
    pc: Rv::PC as i32,
    sp: Rv::X2 as i32,
    lr: Some(Rv::X1 as i32),
    flags: None,
    ctr: None,
    xer: None,
    general: &[
        Rv::X0 as i32,
        Rv::X1 as i32,
        Rv::X2 as i32,
        Rv::X3 as i32,
        Rv::X4 as i32,
        Rv::X5 as i32,
        Rv::X6 as i32,
        Rv::X7 as i32,
        Rv::X8 as i32,
        Rv::X9 as i32,
        Rv::X10 as i32,
        Rv::X11 as i32,
        Rv::X12 as i32,
        Rv::X13 as i32,
        Rv::X14 as i32,
        Rv::X15 as i32,
        Rv::X16 as i32,
        Rv::X17 as i32,
        Rv::X18 as i32,
        Rv::X19 as i32,
        Rv::X20 as i32,
        Rv::X21 as i32,
        Rv::X22 as i32,
        Rv::X23 as i32,
        Rv::X24 as i32,
        Rv::X25 as i32,
        Rv::X26 as i32,
        Rv::X27 as i32,
        Rv::X28 as i32,
        Rv::X29 as i32,
        Rv::X30 as i32,
        Rv::X31 as i32,
    ],
    guest: [Rv::X10 as i32, Rv::X11 as i32, Rv::X12 as i32, Rv::X13 as i32, Rv::X14 as i32, Rv::X15 as i32],
    thread: Some(Rv::X4 as i32),
    encoding: Encoding::Riscv,
    rests: true,
    start,
    interrupt: |number| match number {
        ECALL => Interrupt::Trap,
        ILLEGAL => Interrupt::Illegal,
        _ => Interrupt::Exception,
    },
    trap_skid: 0,
    // Past four bytes whatever the instruction's length.
    exception_pc: ExceptionPc::Past(4),
    branches: None,
    ends_block: None,
    replace: counter,
    trap_code: |_| None,
};

/// The engine's number for a system call of user mode.
const ECALL: u32 = 8;
/// The engine's number for an instruction that does not exist.
const ILLEGAL: u32 = 2;
/// mstatus.FS: floating point is on.
const FLOATS: u64 = 0x6000;

fn start(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    let status = engine.reg_read(Rv::MSTATUS)?;
    engine.reg_write(Rv::MSTATUS, status | FLOATS)
}

/// `rdtime`, which the engine lacks, counts instructions.
fn counter(instruction: u32, clock: u64) -> Option<(usize, u64)> {
    // csrrs rd, time, x0
    const RDTIME: u32 = 0xc010_2073;
    const RD: u32 = 0x1f << 7;
    (instruction & !RD == RDTIME).then_some(((instruction & RD) as usize >> 7, clock))
}
