//! A process that stands still.

use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::go119::Thread;

use crate::machine::Registers;

/// A process that stands still, wherever it was stopped.
#[derive(Clone, Debug)]
pub struct Process<M> {
    /// Its machine.
    pub target: AnyTarget,
    /// Its memory.
    pub memory: M,
    /// Its threads.
    pub threads: Vec<Thread>,
    /// How far its program lies from where it was linked for, in bytes; 0 for most programs of Go.
    pub bias: u64,
}

impl Registers {
    /// A thread whose registers are in these bytes, as `elf_gregset_t` has them.
    pub(crate) fn thread(&self, target: AnyTarget, tid: u64, bytes: &[u8]) -> Thread {
        let value = |at: usize| {
            let bytes = bytes.chunks_exact(self.size).nth(at).unwrap_or(&[]);
            let digit = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
            if target.big_endian() { bytes.iter().fold(0, digit) } else { bytes.iter().rev().fold(0, digit) }
        };
        Thread {
            tid,
            pc: value(self.pc),
            sp: value(self.sp),
            lr: self.lr.map_or(0, value),
            general: self.general.iter().map(|&at| value(at)).collect(),
        }
    }
}
