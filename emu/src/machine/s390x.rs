//! s390x, big-endian.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterS390X as Z;
use unicorn_engine::{Arch as UcArch, Mode, Unicorn, uc_error};

use super::Machine;
use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;
use super::withheld::{self, Withheld};

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::S390x,
    engine: (UcArch::S390X, Mode::BIG_ENDIAN),
    model: None,
    pc: Z::PC as i32,
    sp: Z::R15 as i32,
    lr: Some(Z::R14 as i32),
    flags: Some(Z::PSWM as i32),
    ctr: None,
    xer: None,
    // The access registers follow.
    general: &[
        Z::R0 as i32,
        Z::R1 as i32,
        Z::R2 as i32,
        Z::R3 as i32,
        Z::R4 as i32,
        Z::R5 as i32,
        Z::R6 as i32,
        Z::R7 as i32,
        Z::R8 as i32,
        Z::R9 as i32,
        Z::R10 as i32,
        Z::R11 as i32,
        Z::R12 as i32,
        Z::R13 as i32,
        Z::R14 as i32,
        Z::R15 as i32,
        Z::A0 as i32,
        Z::A1 as i32,
        Z::A2 as i32,
        Z::A3 as i32,
        Z::A4 as i32,
        Z::A5 as i32,
        Z::A6 as i32,
        Z::A7 as i32,
        Z::A8 as i32,
        Z::A9 as i32,
        Z::A10 as i32,
        Z::A11 as i32,
        Z::A12 as i32,
        Z::A13 as i32,
        Z::A14 as i32,
        Z::A15 as i32,
    ],
    guest: [Z::R2 as i32, Z::R3 as i32, Z::R4 as i32, Z::R5 as i32, Z::R6 as i32, Z::R7 as i32],
    // In two access registers of 32 bits.
    thread: None,
    encoding: Encoding::S390x,
    rests: false,
    start,
    interrupt: |number| if number == EXCP_SVC { Interrupt::Trap } else { Interrupt::Exception },
    // The engine stays at `svc`.
    trap_skid: 2,
    exception_pc: ExceptionPc::Exact,
    noted: &[],
    branches: None,
    hook_code: Some(withheld::hook),
    withheld: Some(Withheld { matches: stores_clock, execute: store_clock, align: 2 }),
    // brcl never, code; svc 0. Or svc number
    trap_code: |bytes| match *bytes {
        [0xc0, 0x04, 0, 0, high, low, 0x0a, 0] => Some(u16::from_be_bytes([high, low])),
        [.., 0x0a, number] => Some(number.into()),
        _ => None,
    },
};

/// The engine's number for a supervisor call.
const EXCP_SVC: u32 = 2;
/// CR0: all floating-point registers, and the vector facility.
const CR0_UNITS: u64 = 1 << 18 | 1 << 17;
/// The program status word's condition code.
const CONDITION: u64 = 3 << 44;
/// The program status word's mask: addresses of 64 bits.
const PSW_WIDE: u64 = 0x1_8000_0000;

fn start(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    let cr0 = engine.reg_read(Z::CR0)?;
    engine.reg_write(Z::CR0, cr0 | CR0_UNITS)?;
    engine.reg_write(Z::PSWM, PSW_WIDE)
}

/// Whether an instruction stores the clock, which stands still in the engine: `stck`, `stckf` or `stcke`.
fn stores_clock(instruction: u32) -> bool {
    matches!(instruction >> 16, 0xb205 | 0xb27c | 0xb278)
}

/// The clock counts instructions, as nanoseconds: bit 51 of it is a microsecond.
fn store_clock(machine: &mut Machine, instruction: u32, clock: u64) -> bool {
    const EXTENDED: u32 = 0xb278;
    let (base, displacement) = ((instruction >> 12 & 15) as usize, u64::from(instruction & 0xfff));
    let base = if base == 0 { 0 } else { machine.read(machine.arch.general[base]) };
    let addr = base.wrapping_add(displacement);
    let time = (u128::from(clock) * 4096 / 1000) as u64;
    let mut value = [0; 16];
    let stored = if instruction >> 16 == EXTENDED {
        value[1..9].copy_from_slice(&time.to_be_bytes());
        &value[..]
    } else {
        value[..8].copy_from_slice(&time.to_be_bytes());
        &value[..8]
    };
    let end = addr.wrapping_add(stored.len() as u64);
    let writable = |at| machine.memory().region_at(at).is_some_and(|region| region.prot().write);
    if !writable(addr) || !writable(end.wrapping_sub(1)) || machine.memory_mut().write(addr, stored).is_err()
    {
        return false;
    }
    // Condition code 0: the clock is set.
    let flags = machine.arch.flags.expect("the program status word");
    let mask = machine.read(flags);
    machine.write(flags, mask & !CONDITION);
    true
}
