//! The threads' own storage on 386, where a segment leads to it.

use heapmatrix_emu::linux::{Options, Process, Recorder};
use heapmatrix_writer::{Addr, AnyTarget, Memory};

use super::guest::{DATA, STACK, elf};

/// Machine code of 386.
#[derive(Default)]
struct Code(Vec<u8>);

impl Code {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// An instruction that ends in an address or a number.
    fn with(&mut self, opcode: &[u8], value: u32) -> &mut Self {
        self.bytes(opcode).bytes(&value.to_le_bytes())
    }

    /// `mov dword [at], value`
    fn store(&mut self, at: u64, value: u32) -> &mut Self {
        self.with(&[0xc7, 0x05], at as u32).bytes(&value.to_le_bytes())
    }

    /// Copies the first word of the thread's storage: `mov eax, gs:[0]; mov [at], eax`.
    fn own_word(&mut self, at: u64) -> &mut Self {
        self.with(&[0x65, 0xa1], 0).with(&[0xa3], at as u32)
    }

    /// A system call with the arguments in EBX, ECX, EDX and ESI.
    fn call(&mut self, number: u32, args: [u64; 4]) -> &mut Self {
        for (opcode, value) in [0xbb, 0xb9, 0xba, 0xbe].into_iter().zip(args) {
            self.with(&[opcode], value as u32);
        }
        self.with(&[0xb8], number).bytes(&[0xcd, 0x80])
    }
}

#[test]
fn every_thread_has_its_own() {
    const SET_THREAD_AREA: u32 = 243;
    const CLONE: u32 = 120;
    const EXIT: u32 = 1;
    const EXIT_GROUP: u32 = 252;
    const FLAGS: u64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x8_0000;
    /// The first entry for threads.
    const ENTRY: u32 = 6;
    // Descriptors of the first thread's storage, of where it moves to later, and of the second's: entry
    // number, base, limit, flags.
    let (first, moved, second) = (DATA, DATA + 0x10, DATA + 0x20);
    let (in_parent, in_child, after, at_last) = (DATA + 0x40, DATA + 0x44, DATA + 0x48, DATA + 0x4c);
    let flag = DATA + 0x50;
    let storage = [
        (first, u32::MAX, DATA + 0x100, 111),
        (moved, ENTRY, DATA + 0x140, 333),
        (second, ENTRY, DATA + 0x180, 222),
    ];

    let mut code = Code::default();
    for (descriptor, entry, base, word) in storage {
        code.store(descriptor, entry).store(descriptor + 4, base as u32).store(descriptor + 8, 0xfffff);
        code.store(descriptor + 12, 0x51).store(base, word);
    }
    code.call(SET_THREAD_AREA, [first, 0, 0, 0]);
    code.with(&[0xa1], first as u32).bytes(&[0xc1, 0xe0, 3, 0x83, 0xc8, 3, 0x8e, 0xe8]); // mov gs, entry << 3 | 3
    code.call(CLONE, [FLAGS, STACK, 0, second]);
    let mut parent = Code::default();
    parent.own_word(in_parent);
    let spin = parent.0.len() as u8;
    parent.with(&[0x83, 0x3d], flag as u32).bytes(&[0]); // cmp dword [flag], 0
    let back = spin.wrapping_sub(parent.0.len() as u8 + 2);
    parent.bytes(&[0x74, back]).own_word(after); // je spin
    parent.call(SET_THREAD_AREA, [moved, 0, 0, 0]).own_word(at_last).call(EXIT_GROUP, [0; 4]);
    // test eax, eax; jz child
    code.bytes(&[0x85, 0xc0]).with(&[0x0f, 0x84], parent.0.len() as u32).bytes(&parent.0);
    code.own_word(in_child).store(flag, 1).call(EXIT, [0; 4]);

    let program = elf(AnyTarget::I386, &code.0);
    let mut process = Process::load(&program, Options::default(), Box::new(Recorder::default())).unwrap();
    process.run(None).unwrap();
    let words = [in_parent, in_child, after, at_last].map(|at| {
        let mut word = [0; 4];
        process.memory().read(Addr(at), &mut word).unwrap();
        u32::from_le_bytes(word)
    });
    assert_eq!(words, [111, 222, 111, 333]);
}
