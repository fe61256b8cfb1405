//! What the kernel leaves on the stack for a new program: arguments, environment, auxiliary vector.

use super::arch::Linux;
use super::clock::Random;
use super::elf::Program;
use super::user::Record;
use crate::memory::PAGE;

/// The size of the main thread's stack in bytes. It doesn't grow.
pub const STACK_SIZE: u64 = 8 << 20;

/// Entries of the auxiliary vector (`elf.h`).
mod at {
    pub const PHDR: u64 = 3;
    pub const PHENT: u64 = 4;
    pub const PHNUM: u64 = 5;
    pub const BASE: u64 = 7;
    pub const PAGESZ: u64 = 6;
    pub const ENTRY: u64 = 9;
    pub const UID: u64 = 11;
    pub const EUID: u64 = 12;
    pub const GID: u64 = 13;
    pub const EGID: u64 = 14;
    pub const PLATFORM: u64 = 15;
    pub const HWCAP: u64 = 16;
    pub const CLKTCK: u64 = 17;
    pub const SECURE: u64 = 23;
    pub const RANDOM: u64 = 25;
    pub const HWCAP2: u64 = 26;
    pub const EXECFN: u64 = 31;
}

/// The initial stack: its lowest address, which becomes the stack pointer, and its contents.
#[derive(Debug, PartialEq, Eq)]
pub struct InitialStack {
    /// The stack pointer.
    pub sp: u64,
    /// What lies from there to the stack's top.
    pub bytes: Vec<u8>,
    /// `AT_RANDOM` and the like in words, for `/proc/self/auxv`.
    pub auxv: Vec<u8>,
}

impl InitialStack {
    /// Lays out the stack of a program whose interpreter, if it has one, lies at `interpreter`. Strings lie at the top, the vectors below them.
    pub fn new(
        linux: &Linux,
        program: &Program<'_>,
        interpreter: u64,
        args: &[String],
        env: &[String],
        random: &mut Random,
    ) -> Self {
        let (order, can, top) = (linux.order, linux.capabilities, linux.addresses.stack_top);

        let mut strings = Vec::new();
        let mut offsets = Vec::new();
        for string in args.iter().chain(env).map(String::as_str).chain([can.platform]) {
            offsets.push(strings.len() as u64);
            strings.extend_from_slice(string.as_bytes());
            strings.push(0);
        }
        let mut seed = [0; 16];
        random.fill(&mut seed);
        let seed_offset = strings.len() as u64;
        strings.extend_from_slice(&seed);

        let strings_at = (top - strings.len() as u64) & !15;
        let at = |offset: u64| strings_at + offset;
        let auxv = [
            (at::PHDR, program.phdr),
            (at::PHENT, program.phent),
            (at::PHNUM, program.phnum),
            (at::PAGESZ, PAGE),
            (at::BASE, interpreter),
            (at::ENTRY, program.entry),
            (at::UID, 1000),
            (at::EUID, 1000),
            (at::GID, 1000),
            (at::EGID, 1000),
            (at::CLKTCK, 100),
            (at::SECURE, 0),
            (at::PLATFORM, at(offsets[args.len() + env.len()])),
            (at::HWCAP, can.hwcap),
            (at::HWCAP2, can.hwcap2),
            (at::RANDOM, at(seed_offset)),
            (at::EXECFN, at(0)),
            (0, 0),
        ];
        let auxv = auxv.iter().fold(Record::new(order), |r, &(tag, value)| r.word(tag).word(value)).finish();
        let pointers =
            |range: std::ops::Range<usize>| offsets[range].iter().map(|&o| at(o)).collect::<Vec<_>>();
        let vectors = Record::new(order)
            .word(args.len() as u64)
            .words(pointers(0..args.len()))
            .word(0)
            .words(pointers(args.len()..args.len() + env.len()))
            .word(0)
            .raw(&auxv)
            .finish();

        let sp = (strings_at - vectors.len() as u64) & !15;
        let mut bytes = vectors;
        bytes.resize((strings_at - sp) as usize, 0);
        bytes.extend_from_slice(&strings);
        InitialStack { sp, bytes, auxv }
    }
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::AnyTarget;

    use super::*;
    use crate::linux::arch;
    use crate::linux::elf::SymbolTable;

    #[test]
    fn a_program_finds_its_arguments() {
        for linux in AnyTarget::ALL.iter().copied().filter_map(arch::of) {
            let program = Program {
                target: linux.target,
                movable: false,
                interpreter: None,
                entry: 0x1234,
                descriptors: false,
                segments: Vec::new(),
                phdr: 0x40,
                phent: 56,
                phnum: 3,
                symbols: SymbolTable::default(),
            };
            let (args, env) = (["prog".to_owned(), "-x".to_owned()], ["A=b".to_owned()]);
            let stack = InitialStack::new(linux, &program, 0, &args, &env, &mut Random::new(1));
            assert!(stack.sp.is_multiple_of(16));
            let order = linux.order;
            let word = |i: u64| {
                let at = (i * order.word) as usize;
                order.decode(&stack.bytes[at..at + order.word as usize])
            };
            let string = |addr: u64| {
                let from = &stack.bytes[(addr - stack.sp) as usize..];
                String::from_utf8(from[..from.iter().position(|&b| b == 0).unwrap()].to_vec()).unwrap()
            };
            assert_eq!(
                (word(0), string(word(1)), string(word(2)), word(3)),
                (2, "prog".into(), "-x".into(), 0)
            );
            assert_eq!((string(word(4)), word(5)), ("A=b".to_owned(), 0));
            let auxv: Vec<(u64, u64)> = (0..18).map(|i| (word(6 + 2 * i), word(7 + 2 * i))).collect();
            assert!(auxv.contains(&(at::PAGESZ, 4096)) && auxv.contains(&(at::ENTRY, 0x1234)));
            assert_eq!(auxv[17], (0, 0));
            let random = auxv.iter().find(|e| e.0 == at::RANDOM).unwrap().1;
            assert!(random >= stack.sp && random + 16 <= linux.addresses.stack_top);
        }
    }
}
