//! Exceptions of x86 one after the other: each is what it is, and changes nothing.

use heapmatrix_emu::machine::{FaultKind, Limits, Machine, Register};
use heapmatrix_emu::memory::Prot;
use heapmatrix_writer::{Addr, AnyTarget, Memory};

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;

/// A piece of code.
struct Piece {
    bytes: &'static [u8],
    instructions: u64,
}

/// Fills registers of all kinds, each from 32 bytes at [`DATA`]: two of SSE, two of x87, the control registers of both.
const FILL: Piece = Piece {
    bytes: &[
        0x0f, 0x10, 0x03, // movups xmm0, [ebx]
        0x0f, 0x10, 0x7b, 0x10, // movups xmm7, [ebx+16]
        0xdf, 0x2b, // fild qword [ebx]
        0xdf, 0x6b, 0x08, // fild qword [ebx+8]
        0xd9, 0x6b, 0x20, // fldcw [ebx+32]
        0x0f, 0xae, 0x53, 0x24, // ldmxcsr [ebx+36]
        0x39, 0xdb, // cmp ebx, ebx
    ],
    instructions: 7,
};

/// Divides by zero.
const DIVIDE: Piece = Piece { bytes: &[0xf7, 0xf1], instructions: 0 }; // div ecx

/// Stores the registers to [`DATA`] + 64 and what follows, and stops.
const SPILL: &[u8] = &[
    0x0f, 0x11, 0x43, 0x40, // movups [ebx+64], xmm0
    0x0f, 0x11, 0x7b, 0x50, // movups [ebx+80], xmm7
    0xd9, 0x7b, 0x60, // fnstcw [ebx+96]
    0x0f, 0xae, 0x5b, 0x64, // stmxcsr [ebx+100]
    0xdf, 0x7b, 0x48, // fistp qword [ebx+72]
    0xdf, 0x7b, 0x40, // fistp qword [ebx+64]
    0x0f, 0x94, 0x43, 0x68, // sete [ebx+104]
];

fn machine(target: AnyTarget, trap: &[u8]) -> Machine {
    let mut machine = Machine::new(target).unwrap();
    let memory = machine.memory_mut();
    memory.map("code", CODE, 0x1000, Prot::READ_EXEC).unwrap();
    memory.map("data", DATA, 0x1000, Prot::READ_WRITE).unwrap();
    memory.write(CODE, &[FILL.bytes, DIVIDE.bytes, SPILL, trap].concat()).unwrap();
    let numbers: Vec<u8> = (1..=32).collect();
    memory.write(DATA, &numbers).unwrap();
    memory.write(DATA + 32, &0x0f7f_u32.to_le_bytes()).unwrap(); // rounding towards zero
    memory.write(DATA + 36, &0x7f80_u32.to_le_bytes()).unwrap(); // the same
    machine.set(Register::General(3), DATA).unwrap();
    machine
}

#[test]
fn divisions_by_zero_in_a_row_leave_all_registers_as_they_are() {
    for (target, trap) in [(AnyTarget::Amd64, &[0x0f, 0x05]), (AnyTarget::I386, &[0xcd, 0x80])] {
        let mut m = machine(target, trap);
        let divide = CODE + FILL.bytes.len() as u64;
        for (round, start) in [CODE, divide, divide, divide].into_iter().enumerate() {
            m.set(Register::General(1), 0).unwrap();
            let fault = m.run(start, Limits::NONE).unwrap_err();
            assert_eq!(
                (fault.pc, fault.kind),
                (divide, FaultKind::Exception { number: 0 }),
                "{target} {round}"
            );
            assert_eq!(m.instructions(), FILL.instructions, "{target} {round}");
        }
        m.run(divide + DIVIDE.bytes.len() as u64, Limits::NONE).unwrap();
        let mut spilled = [0; 41];
        m.memory().read(Addr(DATA + 64), &mut spilled).unwrap();
        let expected: Vec<u8> = (1..=32).collect();
        // XMM0 was stored where the x87 numbers are later, which are the same bytes; all numbers, modes and flags are there.
        assert_eq!(spilled[..32], expected, "{target}");
        assert_eq!(spilled[32..34], [0x7f, 0x0f], "{target}: x87's control word");
        assert_eq!(spilled[36..40], 0x7f80_u32.to_le_bytes(), "{target}: MXCSR");
        assert_eq!(spilled[40], 1, "{target}: the flags");
    }
}
