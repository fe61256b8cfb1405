//! How system calls are called, and how they answer.

use super::super::user::{Order, User};
use crate::machine::{Machine, Register};

/// The registers of a system call, by the architecture's own numbers.
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// Which holds the call's number.
    pub number: u8,
    /// Where the instruction before the PC may say the number itself: in its last byte, if that is not zero.
    pub immediate: bool,
    /// Which hold the arguments.
    pub args: &'static [u8],
    /// Where the arguments are that have no register: at this offset from the stack pointer, a word each.
    pub on_stack: u64,
    /// Which takes the answer.
    pub result: u8,
    /// How an error is told.
    pub errors: Errors,
}

/// How a program is told that a call has failed.
#[derive(Clone, Copy, Debug)]
pub enum Errors {
    /// The answer is the error's number, negative.
    Negative,
    /// The answer is the error's number, and this bit of the condition register is set.
    Condition(u64),
    /// The answer is the error's number, and this register is 1 and not 0.
    Register(u8),
}

/// How 64-bit arguments are passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Long {
    /// In one register.
    One,
    /// In two, the first of which is the next.
    Two,
    /// In two, the first of which has an even number.
    EvenTwo,
}

/// Where `clone` has its arguments.
#[derive(Clone, Copy, Debug)]
pub struct CloneArguments {
    /// The index of the flags.
    pub flags: usize,
    /// The index of the new stack pointer.
    pub stack: usize,
    /// The index of the address of the new thread's storage.
    pub tls: usize,
    /// The index of where the new thread's number is put for itself.
    pub child_tid: usize,
}

impl CloneArguments {
    /// The kernel's own order.
    pub const FORWARDS: CloneArguments = CloneArguments { flags: 0, stack: 1, tls: 4, child_tid: 3 };
    /// `CLONE_BACKWARDS`.
    pub const BACKWARDS: CloneArguments = CloneArguments { flags: 0, stack: 1, tls: 3, child_tid: 4 };
}

impl Convention {
    /// The number and the arguments of the call for which the machine has trapped.
    pub fn call(&self, machine: &mut Machine, order: Order) -> (u64, [u64; 6]) {
        let mut number = get(machine, self.number);
        if self.immediate {
            let last = machine.pc().wrapping_sub(1);
            let said = User::new(machine.memory_mut(), order).bytes(last, 1).map_or(0, |byte| byte[0]);
            number = if said == 0 { number } else { said.into() };
        }
        let mut args = [0; 6];
        for (arg, &register) in args.iter_mut().zip(self.args) {
            *arg = get(machine, register);
        }
        let mut at = machine.sp().wrapping_add(self.on_stack);
        for arg in &mut args[self.args.len()..] {
            // A call with fewer arguments may be made at the end of a stack.
            *arg = User::new(machine.memory_mut(), order).word(at).unwrap_or(0);
            at = at.wrapping_add(order.word);
        }
        (number, args)
    }

    /// Gives a call's answer: a value, or the number of an error.
    pub fn answer(&self, machine: &mut Machine, result: Result<u64, u32>) {
        let failed = result.is_err();
        let value = match (result, self.errors) {
            (Ok(value), _) => value,
            (Err(errno), Errors::Negative) => (-i64::from(errno)) as u64,
            (Err(errno), Errors::Condition(_) | Errors::Register(_)) => errno.into(),
        };
        set(machine, Register::General(self.result), value);
        match self.errors {
            Errors::Negative => {}
            Errors::Condition(bit) => {
                let others = machine.get(Register::Flags).unwrap_or(0) & !bit;
                set(machine, Register::Flags, others | if failed { bit } else { 0 });
            }
            Errors::Register(register) => set(machine, Register::General(register), failed.into()),
        }
    }
}

fn get(machine: &Machine, register: u8) -> u64 {
    machine.get(Register::General(register)).expect("a register of this architecture")
}

fn set(machine: &mut Machine, register: Register, value: u64) {
    machine.set(register, value).expect("a register of this architecture");
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::*;

    #[test]
    fn answers_tell_values_from_errors() {
        for linux in Machine::ALL.iter().copied().filter_map(of) {
            let mut machine = Machine::new(linux.target).unwrap();
            let convention = &linux.convention;
            let negative = match linux.order.word {
                4 => 0xffff_fffe,
                _ => -2_i64 as u64,
            };
            convention.answer(&mut machine, Err(2));
            let told = match convention.errors {
                Errors::Negative => (negative, true),
                Errors::Condition(bit) => (2, machine.get(Register::Flags).unwrap() & bit != 0),
                Errors::Register(register) => (2, get(&machine, register) == 1),
            };
            assert_eq!((get(&machine, convention.result), true), told, "{linux:?}");
            convention.answer(&mut machine, Ok(3));
            let told = match convention.errors {
                Errors::Negative => false,
                Errors::Condition(bit) => machine.get(Register::Flags).unwrap() & bit != 0,
                Errors::Register(register) => get(&machine, register) == 1,
            };
            assert_eq!((get(&machine, convention.result), told), (3, false), "{linux:?}");
        }
    }
}
