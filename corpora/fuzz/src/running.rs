//! What must hold when `exec` loads and runs any program: it ends, within its limits, and the host lives.

use std::io;

use heapmatrix_emu::guest::asm::assemble;
use heapmatrix_emu::guest::ir::{Label, Op, Reg, Width};
use heapmatrix_emu::linux::system_call;
use heapmatrix_emu::linux::{Host, Options, Process, Stream};
use heapmatrix_emu::machine::Machine;
use heapmatrix_writer::AnyTarget;

use crate::{machines, memory};

/// The machines.
pub const TARGETS: &[AnyTarget] = Machine::ALL;

/// What a program may take of the host's memory, in bytes.
const MEMORY: u64 = 32 << 20;

/// What it may execute, in instructions.
const INSTRUCTIONS: u64 = 200_000;

/// Bytes that the kernel may have on the heap beside what it charges: buffers of one system call, and the program's
/// file.
const BUFFERS: usize = 8 << 20;

/// Where programs lie, and how long they are in memory.
const ORIGIN: u64 = 0x10_0000;
const SIZE: u64 = 0x2_0000;
/// Where their data lies.
const DATA: u64 = ORIGIN + 0x1_0000;

/// Any program ends, or is stopped at its limits: neither its file, nor its instructions, nor its system calls bring
/// the host down or make it hold more than that.
///
/// An input that begins as an ELF file is one. In all others the first byte [names a machine](crate::machines), and
/// whether what follows is machine code or system calls, of [`CALL`] bytes each.
pub fn exec(input: &[u8]) {
    let elf = match input {
        [0x7f, b'E', b'L', b'F', ..] => input.to_vec(),
        [how, rest @ ..] => {
            let Some((target, makes_calls)) = machines::machine(*how) else { return };
            if !TARGETS.contains(&target) {
                return;
            }
            if makes_calls {
                elf(target, &calls(target, rest))
            } else {
                elf(target, &rest[..rest.len().min((DATA - ORIGIN) as usize)])
            }
        }
        [] => return,
    };
    let options =
        Options { max_memory: MEMORY, max_instructions: INSTRUCTIONS, cpus: 2, ..Options::default() };
    let (taken, peak) = memory::peak(|| {
        let mut process = match Process::load(&elf, options, Box::new(Silent)) {
            Ok(process) => process,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return 0;
            }
        };
        if let Err(error) = process.run(None) {
            assert!(!error.to_string().is_empty());
        }
        process.stats().memory
    });
    assert!(taken <= MEMORY, "{taken} bytes were charged, of {MEMORY}");
    // A call may copy all that the program has, once.
    let most = 2 * MEMORY as usize + BUFFERS + 8 * elf.len();
    assert!(peak <= most, "the kernel had {peak} bytes on the heap");
}

/// Nobody reads what the program writes.
struct Silent;

impl Host for Silent {
    fn output(&mut self, _: Stream, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn note(&mut self, _: &str) {}
}

/// Bytes of a system call in an input: its number in two, and one for each of six arguments.
pub const CALL: usize = 8;

/// Calls at most: their code must fit.
const MAX_CALLS: usize = 240;

/// Arguments that mean something to one call or another: small numbers as they are, and those that few programs pass.
fn argument(byte: u8, target: AnyTarget) -> u64 {
    let value = match byte {
        0..=0x7f => u64::from(byte),
        // Pages, their neighbours, and what was mapped at a fixed place before.
        0x80..=0x9f => 0x2000_0000 + u64::from(byte & 31) * 0x1000,
        0xa0..=0xaf => 1 << (byte & 15 | 16),
        0xb0..=0xbf => u64::MAX - u64::from(byte & 15),
        0xc0..=0xcf => DATA + u64::from(byte & 15) * 64,
        0xd0..=0xdf => 1 << (32 + (byte & 15) * 2),
        0xe0..=0xef => DATA + SIZE / 2 - u64::from(byte & 15),
        0xf0..=0xf7 => 0x1000 << (byte & 7),
        _ => [0x22, 0x32, 0x31, 0x21, ORIGIN, 0x7fff_ff7f_f000, 0xbf7f_f000, i64::MAX as u64]
            [byte as usize & 7],
    };
    if target.ptr_size() == 4 { value & 0xffff_ffff } else { value }
}

/// A program that makes the calls one after the other, and ends.
fn calls(target: AnyTarget, input: &[u8]) -> Vec<u8> {
    const STUB: Label = Label(1);
    let word = target.ptr_size() as i32;
    let mut ops = vec![Op::AddImm(Reg::Sp, -256)];
    for call in input.chunks_exact(CALL).take(MAX_CALLS) {
        let number = u64::from(u16::from_le_bytes([call[0], call[1]]));
        // What a call answers is often what another takes: a number of 0xffff makes it the last argument.
        let values = [number].into_iter().chain(call[2..].iter().map(|&byte| argument(byte, target)));
        for (at, value) in (0..).step_by(word as usize).zip(values) {
            ops.extend([Op::Imm(Reg::V0, value), Op::Store(Reg::V0, Reg::Sp, at, Width::Word)]);
        }
        ops.push(Op::Call(STUB));
    }
    ops.extend([Op::Trap(0), Op::Label(STUB)]);
    let mut code = assemble(target, ORIGIN, &ops).expect("a program").code;
    code.extend(system_call(target).expect("a machine with a Linux"));
    code
}

/// An ELF file with one segment, in which everything is allowed, and some symbols.
fn elf(target: AnyTarget, code: &[u8]) -> Vec<u8> {
    let (wide, big) = (target.ptr_size() == 8, target.big_endian());
    let word = target.ptr_size();
    let flags = match target {
        AnyTarget::Mips | AnyTarget::Mipsle => 0x1000,
        // Function pointers are addresses of code: the second ABI.
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => 2,
        _ => 0,
    };
    let (header, entry, section, symbol) = if wide { (64, 56, 64, 24) } else { (52, 32, 40, 16) };
    let names = b"\0main.main\0runtime.buildVersion\0";
    let code_at = header + entry;
    let names_at = code_at + code.len() as u64;
    let symbols_at = names_at + names.len() as u64;
    let sections_at = symbols_at + 3 * symbol;

    let mut file = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1];
    file.resize(16, 0);
    fn put(file: &mut Vec<u8>, big: bool, fields: &[(u64, u64)]) {
        for &(value, size) in fields {
            let size = size as usize;
            if big {
                file.extend_from_slice(&value.to_be_bytes()[8 - size..]);
            } else {
                file.extend_from_slice(&value.to_le_bytes()[..size]);
            }
        }
    }
    let head = [
        (2, 2),
        (target.elf_machine().into(), 2),
        (1, 4),
        (ORIGIN, word),
        (header, word),
        (sections_at, word),
        (flags, 4),
    ];
    put(&mut file, big, &head);
    put(&mut file, big, &[header, entry, 1, section, 3, 2].map(|value| (value, 2)));
    let (load, all, len) = (1, 7, code.len() as u64);
    if wide {
        put(&mut file, big, &[(load, 4), (all, 4)]);
        put(&mut file, big, &[code_at, ORIGIN, ORIGIN, len, SIZE, 4096].map(|value| (value, 8)));
    } else {
        put(&mut file, big, &[load, code_at, ORIGIN, ORIGIN, len, SIZE, all, 4096].map(|value| (value, 4)));
    }
    file.extend_from_slice(code);
    file.extend_from_slice(names);
    for (name, addr, size) in [(0, 0, 0), (1, ORIGIN, 64), (11, DATA, 16)] {
        // A global function, in some section.
        if wide {
            put(&mut file, big, &[(name, 4), (0x12, 1), (0, 1), (1, 2), (addr, 8), (size, 8)]);
        } else {
            put(&mut file, big, &[(name, 4), (addr, 4), (size, 4), (0x12, 1), (0, 1), (1, 2)]);
        }
    }
    put(&mut file, big, &vec![(0, 1); section as usize]);
    let (symtab, strtab) = (2, 3);
    for (kind, at, len, link, each) in
        [(symtab, symbols_at, 3 * symbol, 2, symbol), (strtab, names_at, names.len() as u64, 0, 0)]
    {
        put(&mut file, big, &[(0, 4), (kind, 4), (0, word), (0, word), (at, word), (len, word)]);
        put(&mut file, big, &[(link, 4), (0, 4), (1, word), (each, word)]);
    }
    file
}

/// What kind of input [`generate`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program's file, with some bytes changed.
    Elf,
    /// Machine code, with some bytes changed, or nothing but random bytes.
    Code,
    /// Random system calls with random arguments.
    Calls,
}

impl Kind {
    /// All of them, by name.
    pub const ALL: [(&'static str, Kind); 3] =
        [("elf", Kind::Elf), ("code", Kind::Code), ("calls", Kind::Calls)];
}

/// The input of a kind and a number, for a machine: always the same.
pub fn generate(kind: Kind, target: AnyTarget, number: u64) -> Vec<u8> {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (kind as u64) << 32);
    let sound = calls(target, &random_calls(&mut random, 3));
    match kind {
        Kind::Elf => {
            let mut file = elf(target, &sound);
            // The structures at both ends of the file, and the code between them less often.
            let len = file.len() as u64;
            for _ in 0..1 + random.below(8) {
                let at = match random.below(4) {
                    0 | 1 => random.below(128.min(len)),
                    2 => len - 1 - random.below(260.min(len)),
                    _ => random.below(len),
                };
                random.change(&mut file[at as usize]);
            }
            if random.below(16) == 0 {
                file.truncate(random.below(len) as usize);
            }
            file
        }
        Kind::Code => {
            let mut code = sound;
            if random.below(4) == 0 {
                let len = 4 + random.below(400) as usize;
                code = (0..len).map(|_| random.next() as u8).collect();
            } else {
                for _ in 0..1 + random.below(16) {
                    let at = random.below(code.len() as u64) as usize;
                    random.change(&mut code[at]);
                }
            }
            [vec![machines::byte(target, false)], code].concat()
        }
        Kind::Calls => {
            let count = 1 + random.below(60);
            [vec![machines::byte(target, true)], random_calls(&mut random, count)].concat()
        }
    }
}

fn random_calls(random: &mut Random, count: u64) -> Vec<u8> {
    let mut calls = Vec::new();
    for _ in 0..count {
        let number = random.below(460) as u16;
        calls.extend(number.to_le_bytes());
        calls.extend((0..CALL - 2).map(|_| random.next() as u8));
    }
    calls
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn change(&mut self, byte: &mut u8) {
        match self.below(3) {
            0 => *byte ^= 1 << self.below(8),
            1 => *byte = [0, 1, 0x7f, 0x80, 0xff][self.below(5) as usize],
            _ => *byte = self.next() as u8,
        }
    }
}
