//! Bit tests of a register with a LOCK prefix, which no CPU has: the engine takes the register for memory, and does not survive.

/// `bt`, `bts`, `btr` and `btc` are `0f` and these, or `0f ba /4` to `/7`.
const BY_REGISTER: [u8; 4] = [0xa3, 0xab, 0xb3, 0xbb];
const BY_NUMBER: u8 = 0xba;
const LOCK: u8 = 0xf0;

/// The most prefixes that an instruction may have.
const MOST_PREFIXES: usize = 14;

/// How many bytes of one may lie in the next page.
pub(super) const OVERLAP: usize = 16;

/// Adds the offsets of those that begin in some code, of 64 bits (`LONG`) or 32: at any of the prefixes before LOCK, too.
pub(super) fn find<const LONG: bool>(code: &[u8], found: &mut Vec<usize>) {
    for (at, window) in code.windows(3).enumerate() {
        let register = match *window {
            [0x0f, BY_NUMBER, operand] => operand >= 0xe0,
            [0x0f, which, operand] => BY_REGISTER.contains(&which) && operand >= 0xc0,
            _ => false,
        };
        if !register {
            continue;
        }
        let prefixes =
            code[..at].iter().rev().take(MOST_PREFIXES).take_while(|&&byte| is_prefix::<LONG>(byte));
        let mut locked = false;
        for (before, &byte) in (1..).zip(prefixes) {
            locked |= byte == LOCK;
            if locked {
                found.push(at - before);
            }
        }
    }
}

fn is_prefix<const LONG: bool>(byte: u8) -> bool {
    // Segments, sizes, LOCK and repetitions; REX.
    matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | LOCK | 0xf2 | 0xf3)
        || LONG && byte & 0xf0 == 0x40
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::AnyTarget;

    use super::*;
    use crate::machine::{Exit, FaultKind, Limits, Machine};
    use crate::memory::Prot;

    #[test]
    fn they_begin_at_lock_or_before() {
        let offsets = |code: &[u8]| {
            let mut found = Vec::new();
            find::<true>(code, &mut found);
            found.sort_unstable();
            found
        };
        assert_eq!(offsets(&[0x90, 0x66, 0xf0, 0x48, 0x0f, 0xab, 0xc1, 0x90]), [1, 2]);
        assert_eq!(offsets(&[0xf0, 0x0f, 0xba, 0xe0]), [0]);
        // Of memory; without LOCK; another group; LOCK before another instruction.
        for code in [
            &[0xf0, 0x0f, 0xab, 0x08][..],
            &[0x0f, 0xab, 0xc8],
            &[0xf0, 0x0f, 0xba, 0xd8],
            &[0xf0, 0x90, 0x0f, 0xab, 0xc8],
        ] {
            assert!(offsets(code).is_empty(), "{code:x?}");
        }
        let mut narrow = Vec::new();
        find::<false>(&[0xf0, 0x48, 0x0f, 0xab, 0xc1], &mut narrow);
        assert!(narrow.is_empty(), "0x48 is an instruction of 32 bits");
    }

    #[test]
    fn they_are_illegal() {
        for target in [AnyTarget::Amd64, AnyTarget::I386] {
            let trap: &[u8] = if target == AnyTarget::Amd64 { &[0x0f, 0x05] } else { &[0xcd, 0x80] };
            let poison = [
                &[0xf0, 0x0f, 0xab, 0xc1][..],
                &[0x66, 0xf0, 0x0f, 0xba, 0xe9, 3],
                &[0xf0, 0x2e, 0x0f, 0xa3, 0xc9],
            ];
            // In a page, and across the end of one.
            for (code, at) in
                poison.iter().flat_map(|code| [0x1_0000, 0x1_0ffb, 0x1_0ffd].map(|at| (code, at)))
            {
                let mut machine = Machine::new(target).unwrap();
                machine.memory_mut().map("code", 0x1_0000, 0x2000, Prot::READ_EXEC).unwrap();
                // inc %cl; twice
                let whole = [&[0xfe, 0xc1, 0xfe, 0xc1], *code, trap].concat();
                machine.memory_mut().write(at, &whole).unwrap();
                for _ in 0..2 {
                    let fault = machine.run(at, Limits::NONE).unwrap_err();
                    assert_eq!((fault.pc, fault.kind), (at + 4, FaultKind::Illegal), "{target}: {code:x?}");
                }
                assert_eq!(machine.instructions(), 4, "{target}: {code:x?}");
                let exit = machine.run(at + 4 + code.len() as u64, Limits::NONE);
                assert_eq!(exit, Ok(Exit::Trap { pc: at + whole.len() as u64 }), "{target}: {code:x?}");
            }
        }
    }

    /// At the start of a page into which the code before leads, and which the guest itself has changed.
    #[test]
    fn the_guest_writes_one_where_it_goes_next() {
        const NEXT: u64 = 0x1_1000;
        const NOP: u8 = 0x90;
        for target in [AnyTarget::Amd64, AnyTarget::I386] {
            let (store, trap): (&[u8], &[u8]) = match target {
                AnyTarget::Amd64 => (&[0xc7, 0x04, 0x25], &[0x0f, 0x05]),
                _ => (&[0xc7, 0x05], &[0xcd, 0x80]),
            };
            let mut machine = Machine::new(target).unwrap();
            let all = Prot { read: true, write: true, exec: true };
            machine.memory_mut().map("code", 0x1_0000, 0x2000, all).unwrap();
            // Stores lock bts %eax, %ecx.
            let store = [store, &(NEXT as u32).to_le_bytes(), &[0xf0, 0x0f, 0xab, 0xc1]].concat();
            let start = NEXT - 16;
            let code = [&*store, &[NOP; 12]].concat();
            machine.memory_mut().write(start, &[&code[..16], &[NOP; 4], trap].concat()).unwrap();
            let end = NEXT + 6;
            assert_eq!(machine.run(NEXT - 1, Limits::NONE), Ok(Exit::Trap { pc: end }), "{target}");
            assert_eq!(machine.run(NEXT, Limits::NONE), Ok(Exit::Trap { pc: end }), "{target}");
            for _ in 0..2 {
                let fault = machine.run(start, Limits::NONE).unwrap_err();
                assert_eq!((fault.pc, fault.kind), (NEXT, FaultKind::Illegal), "{target}");
            }
        }
    }
}
