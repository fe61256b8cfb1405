//! What a signal handler finds on its stack.

use super::super::errno::Errno;
use super::super::signal::{Action, AltStack, Cause, SEGV_ACCERR, Signal};
use super::super::user::{Order, User};
use super::Linux;
use super::signals::{ILL, SEGV, TRAP};
use crate::machine::{Machine, Register};

/// A signal, about to be handled by a thread.
#[derive(Debug)]
pub struct Delivery {
    /// The system.
    pub linux: &'static Linux,
    /// The signal.
    pub signal: Signal,
    /// What the process wants done.
    pub action: Action,
    /// The thread's mask before.
    pub mask: u128,
    /// The thread's stack for handlers.
    pub alt_stack: AltStack,
    /// Where the handler returns to.
    pub restorer: u64,
    /// Whether function pointers point to descriptors.
    pub descriptors: bool,
}

impl Delivery {
    /// The signal's `siginfo_t`.
    pub fn info(&self) -> Vec<u8> {
        self.signal.info(self.linux)
    }

    /// The thread's mask as a frame has it.
    pub fn mask_bytes(&self) -> Vec<u8> {
        self.linux.order.encode_set(self.mask, self.linux.signals.set_size())
    }

    /// The address that the fault is about, or zero.
    pub fn fault_addr(&self) -> u64 {
        match self.signal.cause {
            Cause::Fault { addr, .. } => addr,
            Cause::Sent { .. } => 0,
        }
    }
}

/// What a handler that returned left in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The signal mask to go on with.
    pub mask: u128,
}

/// An architecture's `struct rt_sigframe`.
pub trait SignalFrame: Sync {
    /// Puts a frame on the stack and points the CPU at the handler; returns the frame's address.
    ///
    /// # Errors
    /// `EFAULT` when there is no stack for it: nothing has changed then.
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno>;

    /// The address of the frame that a handler returns from: what [`SignalFrame::push`] returned.
    fn addr(&self, machine: &Machine) -> u64;

    /// Loads the integer registers from a frame.
    ///
    /// # Errors
    /// `EFAULT` when the frame isn't there.
    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno>;
}

/// Bits of the page-fault error code that x86 handlers see, and the address.
pub fn x86_fault(signal: &Signal) -> (u64, u64) {
    match (signal.number, signal.cause) {
        (SEGV, Cause::Fault { code, addr }) => (if code == SEGV_ACCERR { 5 } else { 4 }, addr),
        _ => (0, 0),
    }
}

/// The number of the x86 exception that became a signal.
pub fn x86_trap(number: u32) -> u64 {
    match number {
        TRAP => 3,
        ILL => 6,
        SEGV => 14,
        _ => 0,
    }
}

/// A register that this architecture has.
pub fn get(machine: &Machine, register: Register) -> u64 {
    machine.get(register).expect("a register of this architecture")
}

/// Sets a register that this architecture has.
pub fn set(machine: &mut Machine, register: Register, value: u64) {
    machine.set(register, value).expect("a register of this architecture");
}

/// Sets the flags from a frame: those in `own`, which are the program's. The others, such as the CPU's mode, stay as
/// they are, whatever a program has written there.
pub fn set_flags(machine: &mut Machine, flags: u64, own: u64) {
    let kept = get(machine, Register::Flags) & !own;
    set(machine, Register::Flags, kept | flags & own);
}

/// CF, PF, AF, ZF, SF, TF, DF, OF, RF and AC: what Linux takes from a frame on x86 (`FIX_EFLAGS`).
pub const X86_FLAGS: u64 = 0x5_0dd5;

/// A general register, by the architecture's number.
pub fn general(machine: &Machine, number: usize) -> u64 {
    get(machine, Register::General(number as u8))
}

/// Sets a general register, by the architecture's number.
pub fn set_general(machine: &mut Machine, number: usize, value: u64) {
    set(machine, Register::General(number as u8), value);
}

/// Writes a frame, or nothing.
pub fn store(machine: &mut Machine, order: Order, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
    User::new(machine.memory_mut(), order).write(addr, bytes)
}

/// Reads consecutive integers of `len` bytes each.
pub fn load(
    machine: &mut Machine,
    order: Order,
    addr: u64,
    len: usize,
    count: usize,
) -> Result<Vec<u64>, Errno> {
    let bytes = User::new(machine.memory_mut(), order).bytes(addr, len * count)?;
    Ok(bytes.chunks_exact(len).map(|chunk| order.decode(chunk)).collect())
}

/// Reads a signal mask of so many bytes.
pub fn load_mask(machine: &mut Machine, order: Order, addr: u64, len: usize) -> Result<u128, Errno> {
    let bytes = User::new(machine.memory_mut(), order).bytes(addr, len)?;
    Ok(order.decode_set(&bytes))
}
