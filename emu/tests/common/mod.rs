//! Runs a guest program on the emulated CPU and in the interpreter, from the same beginning.
#![allow(dead_code, unused_imports)] // each test file uses its own part

pub mod codes;
pub mod generate;
pub mod raw;

use std::cell::RefCell;

use heapmatrix_emu::guest::asm::assemble;
use heapmatrix_emu::guest::interpreter::{self, Interpreter};
use heapmatrix_emu::guest::ir::{Assembled, Op, Reg};
use heapmatrix_emu::machine::{Exit, Limits, Machine, Register};
use heapmatrix_emu::memory::{GuestMemory, Prot};
use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::memory::{Addr, Memory};

pub const VREGS: [Reg; 6] = [Reg::V0, Reg::V1, Reg::V2, Reg::V3, Reg::V4, Reg::V5];

/// Bytes of data and of stack: twice what the largest offsets, and calls as deep as programs make them, need.
pub const DATA_LEN: u64 = 1 << 19;
const CODE_LEN: u64 = 0x4_0000;

/// Where things lie, which is where Go 1.5 puts them.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub code: u64,
    pub data: u64,
    /// The middle of the stack's region: programs push and pop from there.
    pub stack: u64,
}

pub fn layout(target: AnyTarget) -> Layout {
    match target {
        // Processes have no more than 2 GiB.
        AnyTarget::Mips64 | AnyTarget::Mips64le => {
            Layout { code: 0x40_0000, data: 0x1870_0000, stack: 0x1900_0000 + DATA_LEN / 2 }
        }
        _ if target.ptr_size() == 8 => {
            Layout { code: 0x40_0000, data: 0xc8_2000_0000, stack: 0xc8_3000_0000 + DATA_LEN / 2 }
        }
        _ => Layout { code: 0x804_8000, data: 0x1870_0000, stack: 0x1900_0000 + DATA_LEN / 2 },
    }
}

/// Memory with a program in it, and with a pattern in its data.
pub fn memory(target: AnyTarget, code: &Assembled) -> GuestMemory {
    let at = layout(target);
    let mut memory = GuestMemory::new();
    memory.map("code", at.code, CODE_LEN, Prot::READ_EXEC).unwrap();
    memory.map("data", at.data, DATA_LEN, Prot::READ_WRITE).unwrap();
    memory.map("stack", at.stack - DATA_LEN / 2, DATA_LEN, Prot::READ_WRITE).unwrap();
    memory.write(at.code, &code.code).unwrap();
    for (n, byte) in (0u64..).zip(memory.borrow_mut(at.data, DATA_LEN).unwrap()) {
        *byte = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    }
    memory
}

/// What a program leaves behind.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// V0 to V5 and SP.
    pub registers: [u64; 7],
    pub link: u64,
    /// The code and the PC of the trap that it ended with.
    pub trap: (u16, u64),
    pub data: Vec<u8>,
    pub stack: Vec<u8>,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outcome { registers, link, trap, .. } = self;
        write!(f, "registers {registers:x?}, link {link:x}, trap {trap:x?}, and memory")
    }
}

impl Outcome {
    /// The value of `len` bytes of data.
    pub fn value(&self, target: AnyTarget, offset: usize, len: usize) -> u64 {
        value(target, &self.data[offset..offset + len])
    }
}

/// Bytes in the target's order, as a number.
pub fn value(target: AnyTarget, bytes: &[u8]) -> u64 {
    let append = |value, &byte| value << 8 | u64::from(byte);
    if target.big_endian() { bytes.iter().fold(0, append) } else { bytes.iter().rev().fold(0, append) }
}

/// The registers that a program starts with: SP in the middle of the stack, the others as given.
pub type Start<'a> = &'a [(Reg, u64)];

pub fn program(target: AnyTarget, ops: &[Op]) -> Assembled {
    assemble(target, layout(target).code, ops).unwrap_or_else(|e| panic!("{e}"))
}

/// Runs a program from its first op to its first trap on the emulated CPU.
pub fn on_cpu(target: AnyTarget, ops: &[Op], start: Start) -> Outcome {
    thread_local! {
        static MACHINES: RefCell<Vec<Machine>> =
            RefCell::new(Machine::ALL.iter().map(|&target| Machine::new(target).unwrap()).collect());
    }
    MACHINES.with_borrow_mut(|machines| {
        let machine = machines.iter_mut().find(|machine| machine.target() == target).unwrap();
        run_on(machine, ops, start)
    })
}

/// Runs a program from its first op to its first trap on a machine, which is reset before.
pub fn run_on(machine: &mut Machine, ops: &[Op], start: Start) -> Outcome {
    let target = machine.target();
    let code = program(target, ops);
    machine.reset();
    *machine.memory_mut() = memory(target, &code);
    machine.set_sp(layout(target).stack);
    for &(register, value) in start {
        machine.set(Register::Guest(register), value).unwrap();
    }
    let exit = machine.run(layout(target).code, Limits::instructions(1_000_000));
    let Ok(Exit::Trap { pc }) = exit else { panic!("{target}: {exit:x?} of {ops:?}") };
    let mut registers = [machine.sp(); 7];
    for (place, register) in registers.iter_mut().zip(VREGS) {
        *place = machine.get(Register::Guest(register)).unwrap();
    }
    let link = machine.get(Register::Lr).unwrap_or(0);
    let code = machine.trap_code().expect("a trap with a code");
    outcome(target, registers, link, (code, pc), machine.memory())
}

/// Runs a program from its first op to its first trap in the interpreter.
pub fn interpreted(target: AnyTarget, ops: &[Op], start: Start) -> Outcome {
    let code = program(target, ops);
    let mut memory = memory(target, &code);
    let mut interpreter = Interpreter::new(target, ops, &code);
    interpreter.set(Reg::Sp, layout(target).stack);
    for &(register, value) in start {
        interpreter.set(register, value);
    }
    let exit = interpreter.run(&mut memory, layout(target).code, 1_000_000);
    let Ok(interpreter::Exit::Trap { code, pc }) = exit else { panic!("{target}: {exit:x?} of {ops:?}") };
    let mut registers = [interpreter.get(Reg::Sp); 7];
    for (place, register) in registers.iter_mut().zip(VREGS) {
        *place = interpreter.get(register);
    }
    outcome(target, registers, interpreter.link(), (code, pc), &memory)
}

fn outcome(
    target: AnyTarget,
    registers: [u64; 7],
    link: u64,
    trap: (u16, u64),
    memory: &GuestMemory,
) -> Outcome {
    let at = layout(target);
    let bytes = |addr| memory.borrow(Addr(addr), DATA_LEN).unwrap().to_vec();
    Outcome { registers, link, trap, data: bytes(at.data), stack: bytes(at.stack - DATA_LEN / 2) }
}

/// Runs a program on both, which must agree.
pub fn both(target: AnyTarget, ops: &[Op], start: Start) -> Outcome {
    let cpu = on_cpu(target, ops, start);
    let interpreted = interpreted(target, ops, start);
    assert_eq!(cpu, interpreted, "{target}: CPU (left) and interpreter disagree on {ops:?} from {start:x?}");
    cpu
}
