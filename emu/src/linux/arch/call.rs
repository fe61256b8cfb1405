//! System calls of programs that are made here, not by a compiler.

use heapmatrix_writer::AnyTarget;

use super::of;

/// Machine code.
pub enum Code {
    /// Instructions of various lengths.
    Bytes(&'static [&'static [u8]]),
    /// Instructions of four bytes, in the machine's order.
    Words(&'static [u32]),
}

/// A function that makes a Linux system call, or nothing for a machine without one.
///
/// The caller puts the call's number and six arguments in words at its stack pointer, one after the other; on amd64 and
/// 386 the return PC is before them. The answer takes the number's place; on every machine, errors are negative. The code
/// lies anywhere, and changes all general registers.
pub fn system_call(target: AnyTarget) -> Option<Vec<u8>> {
    let linux = of(target)?;
    Some(match linux.call {
        Code::Bytes(instructions) => instructions.concat(),
        Code::Words(words) if linux.order.big => words.iter().flat_map(|word| word.to_be_bytes()).collect(),
        Code::Words(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
    })
}
