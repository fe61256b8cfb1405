//! riscv64.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterRISCV as Rv;
use unicorn_engine::{Arch as UcArch, Mode, Unicorn, uc_error};

use super::Machine;
use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;
use super::withheld::{self, Withheld};

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
    noted: &[],
    branches: None,
    hook_code: Some(withheld::hook),
    withheld: &[Withheld { matches: reads_counter, execute: read_counter, bytes: 4, align: 2 }],
    poison: None,
    // lui zero, code; ecall
    trap_code: |&[a, b, c, d, trap @ ..]| {
        let hint = u32::from_le_bytes([a, b, c, d]);
        if hint & 0xfff != 0x037 || u32::from_le_bytes(trap) != 0x73 {
            return None;
        }
        u16::try_from(hint >> 12).ok()
    },
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

/// Whether an instruction reads `cycle`, `time` or `instret`. The engine lacks the second; the others are the host's.
fn reads_counter(instruction: u64) -> bool {
    // csrrs, csrrc, csrrsi or csrrci rd, counter, zero: nothing is written.
    const FIXED: u64 = 0xfff0_207f | 0x1f << 15;
    let bits = instruction & FIXED;
    matches!(bits, 0xc000_2073 | 0xc010_2073 | 0xc020_2073)
}

/// All three count instructions.
fn read_counter(machine: &mut Machine, instruction: u64, clock: u64) -> bool {
    let register = (instruction >> 7 & 0x1f) as usize;
    // The first register is always zero.
    if register != 0 {
        machine.write(machine.arch.general[register], clock);
    }
    true
}
