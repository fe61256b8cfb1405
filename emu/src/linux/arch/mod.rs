//! What Linux does differently on each architecture, beyond the registers of a system call: how a
//! thread starts, and what a signal handler finds on its stack.

mod amd64;
mod arm;
mod i386;
mod ppc64;

use heapmatrix_writer::AnyTarget;

use super::errno::Errno;
use super::signal::{Action, AltStack, Signal};
use super::user::{Order, User};
use crate::machine::{Machine, Register};

/// A signal, about to be handled by a thread.
#[derive(Debug)]
pub struct Delivery {
    /// The signal.
    pub signal: Signal,
    /// What the process wants done.
    pub action: Action,
    /// The thread's mask before.
    pub mask: u64,
    /// The thread's stack for handlers.
    pub alt_stack: AltStack,
    /// Where the handler returns to.
    pub restorer: u64,
    /// Whether function pointers point to descriptors.
    pub descriptors: bool,
}

/// What a handler that returned left in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The signal mask to go on with.
    pub mask: u64,
}

/// One architecture's ways.
pub trait Arch: Sync {
    /// Puts a frame on the stack and points the CPU at the handler; returns the frame's address.
    ///
    /// # Errors
    /// `EFAULT` when there is no stack for it: nothing has changed then.
    fn push_frame(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno>;

    /// The address of the frame that a handler returns from: what [`Arch::push_frame`] returned.
    fn frame(&self, machine: &Machine) -> u64;

    /// Loads the integer registers from a frame.
    ///
    /// # Errors
    /// `EFAULT` when the frame isn't there.
    fn pop_frame(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno>;

    /// The argument of `clone` that says where the new thread's storage is.
    fn clone_tls(&self) -> usize {
        3
    }
}

/// The ways of a target's Linux.
pub fn of(target: AnyTarget) -> Option<&'static dyn Arch> {
    match target {
        AnyTarget::Amd64 => Some(&amd64::Amd64),
        AnyTarget::I386 => Some(&i386::I386),
        AnyTarget::Arm => Some(&arm::Arm),
        AnyTarget::Ppc64 => Some(&ppc64::Ppc64),
        AnyTarget::Arm64
        | AnyTarget::Ppc64le
        | AnyTarget::Amd64p32
        | AnyTarget::Mips
        | AnyTarget::Mipsle
        | AnyTarget::Mips64
        | AnyTarget::Mips64le
        | AnyTarget::Riscv64
        | AnyTarget::S390x
        | AnyTarget::Loong64 => None,
    }
}

/// Bits of the page-fault error code that x86 handlers see.
fn x86_fault(signal: &Signal) -> (u64, u64) {
    use super::signal::{Cause, SEGV_ACCERR, sig};
    match (signal.number, signal.cause) {
        (sig::SEGV, Cause::Fault { code, addr }) => (if code == SEGV_ACCERR { 5 } else { 4 }, addr),
        _ => (0, 0),
    }
}

/// The number of the x86 exception behind a signal.
fn x86_trap(number: u32) -> u64 {
    use super::signal::sig;
    match number {
        sig::TRAP => 3,
        sig::ILL => 6,
        sig::SEGV => 14,
        _ => 0,
    }
}

/// A register that this architecture has.
fn get(machine: &Machine, register: Register) -> u64 {
    machine.get(register).expect("a register of this architecture")
}

/// Sets a register that this architecture has.
fn set(machine: &mut Machine, register: Register, value: u64) {
    machine.set(register, value).expect("a register of this architecture");
}

/// Sets the flags from a frame: those in `own`, which are the program's. The others, such as the CPU's mode, stay as
/// they are, whatever a program has written there.
fn set_flags(machine: &mut Machine, flags: u64, own: u64) {
    let kept = get(machine, Register::Flags) & !own;
    set(machine, Register::Flags, kept | flags & own);
}

/// CF, PF, AF, ZF, SF, TF, DF, OF, RF and AC: what Linux takes from a frame on x86 (`FIX_EFLAGS`).
const X86_FLAGS: u64 = 0x5_0dd5;

/// A general register, by the architecture's number.
fn general(machine: &Machine, number: usize) -> u64 {
    get(machine, Register::General(number as u8))
}

/// Sets a general register, by the architecture's number.
fn set_general(machine: &mut Machine, number: usize, value: u64) {
    set(machine, Register::General(number as u8), value);
}

/// Writes a frame, or nothing.
fn store(machine: &mut Machine, order: Order, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
    User::new(machine.memory_mut(), order).write(addr, bytes)
}

/// Reads consecutive integers of `len` bytes each.
fn load(machine: &mut Machine, order: Order, addr: u64, len: usize, count: usize) -> Result<Vec<u64>, Errno> {
    let bytes = User::new(machine.memory_mut(), order).bytes(addr, len * count)?;
    Ok(bytes.chunks_exact(len).map(|chunk| order.decode(chunk)).collect())
}
