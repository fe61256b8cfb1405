//! amd64.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterX86 as X86;
use unicorn_engine::{Arch as UcArch, Mode};

use super::arch::{Arch, Encoding, ExceptionPc, Interrupt, x86_trap_code};
use super::noted::AMD64_REGISTERS;
use super::poison::Poison;
use super::{hooks, x86_lock, x87};

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::Amd64,
    engine: (UcArch::X86, Mode::MODE_64),
    model: None,
    pc: X86::RIP as i32,
    sp: X86::RSP as i32,
    lr: None,
    flags: Some(X86::RFLAGS as i32),
    ctr: None,
    xer: None,
    general: &[
        X86::RAX as i32,
        X86::RCX as i32,
        X86::RDX as i32,
        X86::RBX as i32,
        X86::RSP as i32,
        X86::RBP as i32,
        X86::RSI as i32,
        X86::RDI as i32,
        X86::R8 as i32,
        X86::R9 as i32,
        X86::R10 as i32,
        X86::R11 as i32,
        X86::R12 as i32,
        X86::R13 as i32,
        X86::R14 as i32,
        X86::R15 as i32,
    ],
    guest: [
        X86::RAX as i32,
        X86::RCX as i32,
        X86::RDX as i32,
        X86::RBX as i32,
        X86::RSI as i32,
        X86::RDI as i32,
    ],
    thread: Some(X86::FS_BASE as i32),
    encoding: Encoding::X86 { bits: 64 },
    rests: false,
    // `syscall` reaches the host by its own hook and raises no interrupt.
    start: |engine| {
        hooks::on_syscall(engine)?;
        hooks::on_time_stamp::<true>(engine)?;
        x87::start_units(engine)
    },
    interrupt: |_| Interrupt::Exception,
    trap_skid: 0,
    exception_pc: ExceptionPc::Exact,
    noted: AMD64_REGISTERS,
    branches: None,
    hook_code: None,
    withheld: &[],
    poison: Some(Poison { find: x86_lock::find::<true>, overlap: x86_lock::OVERLAP }),
    trap_code: |bytes| x86_trap_code(bytes, [0x0f, 0x05]),
};
