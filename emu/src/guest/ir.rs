//! The instruction set that guest programs are written in.
//!
//! A program is a flat list of [`Op`]s. A code generator for each architecture turns it into machine
//! code for the emulated CPU; the interpreter runs the same list by plain Rust stores. Both must
//! leave the same memory behind, down to the return PCs on the stacks, so everything here has one
//! meaning on all machines: registers hold *words* (the target's pointer size) and arithmetic wraps
//! at the word.

/// A register of the guest program: a general one, or the stack pointer.
///
/// There are as few as 386 affords. None survives a [`Op::Call`] unless the callee says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reg {
    /// General register 0.
    V0,
    /// General register 1.
    V1,
    /// General register 2.
    V2,
    /// General register 3.
    V3,
    /// General register 4.
    V4,
    /// General register 5.
    V5,
    /// The machine's stack pointer. Only a base of loads and stores, and an operand of
    /// [`Op::Mov`] and [`Op::AddImm`].
    Sp,
}

/// The width of a load (zero-extended) or a store (truncated).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// One byte.
    B1,
    /// Two bytes in the target's order.
    B2,
    /// Four bytes in the target's order.
    B4,
    /// A pointer in the target's order: four or eight bytes.
    Word,
}

/// A place in the program, defined once by [`Op::Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// One instruction of a guest program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Defines a label: the address of the next instruction. Emits no code.
    Label(Label),
    /// Aligns the next instruction to a multiple of so many bytes (a power of two), padding with
    /// what the machine traps on. Control never falls into it.
    Align(u32),
    /// `d = value`, truncated to the word.
    Imm(Reg, u64),
    /// `d = address of label`.
    LabelAddr(Reg, Label),
    /// `d = s`.
    Mov(Reg, Reg),
    /// `d = d + s`.
    Add(Reg, Reg),
    /// `d = d - s`.
    Sub(Reg, Reg),
    /// `d = d & s`.
    And(Reg, Reg),
    /// `d = d | s`.
    Or(Reg, Reg),
    /// `d = d ^ s`.
    Xor(Reg, Reg),
    /// `d = d + value`; the value is sign-extended.
    AddImm(Reg, i32),
    /// `d = d << bits`, with `bits` less than the word's.
    ShlImm(Reg, u8),
    /// `d = d >> bits`, filling with zeros, with `bits` less than the word's.
    ShrImm(Reg, u8),
    /// `d = memory[base + offset]`. The base is a multiple of the width: some machines want it. The offset need not
    /// be.
    Load(Reg, Reg, i32, Width),
    /// `memory[base + offset] = s`, written as `Store(s, base, offset, width)`.
    Store(Reg, Reg, i32, Width),
    /// Goes to the label.
    Jump(Label),
    /// Goes to the label if the register is zero.
    JumpIfZero(Reg, Label),
    /// Goes to the label if the two registers are equal.
    JumpIfEq(Reg, Reg, Label),
    /// Goes to the label if the first register is less than the second, both unsigned.
    JumpIfBelow(Reg, Reg, Label),
    /// Goes to the address in the register.
    JumpReg(Reg),
    /// Calls the label: the return PC goes to the stack, or to the link register.
    Call(Label),
    /// `d = link register`. Only on machines that have one.
    GetLr(Reg),
    /// `link register = s`. Only on machines that have one.
    SetLr(Reg),
    /// A function's prologue with a frame of so many bytes, as the Go 1.5 compiler makes it.
    ///
    /// Without a link register: `SP -= frame` (the call has pushed the return PC above it). With
    /// one: `SP -= frame` where the frame's lowest word receives the link register, so `frame` is
    /// the whole distance by which SP moves, and at least a word. Zero emits no code: a leaf.
    Enter(u32),
    /// Undoes [`Op::Enter`] with the same frame and returns to the caller. The link register then holds
    /// the return PC.
    Leave(u32),
    /// Stops the machine and hands control to the host, with the code for it to see
    /// ([`Machine::trap_code`](crate::machine::Machine::trap_code)). Execution can go on after it, and no
    /// register has changed.
    Trap(u16),
}

/// A program assembled for one target at one address.
#[derive(Clone, Debug, Default)]
pub struct Assembled {
    /// The machine code, to be loaded at the address that it was assembled for.
    pub code: Vec<u8>,
    /// The address of each op's first byte; for ops without code, that of the next one. One more
    /// entry than ops: the end.
    pub addrs: Vec<u64>,
    /// How many machine instructions each op became. Not all of them are executed when a conditional
    /// jump is, or is not, taken.
    pub instructions: Vec<u8>,
    /// The address of each label, indexed by its number; `u64::MAX` for numbers that no label has.
    pub labels: Vec<u64>,
}
