//! What the kernel writes into the program's memory, and what it refuses to.

use heapmatrix_emu::guest::asm::assemble;
use heapmatrix_emu::guest::ir::{Op, Reg, Width};
use heapmatrix_emu::linux::Options;

use super::each;
use super::guest::Arg::Is;
use super::guest::{DATA, Guest};

const EFAULT: i64 = -14;
const EINVAL: i64 = -22;

#[test]
fn code_that_read_has_overwritten_is_executed_as_it_is_now() {
    // In memory of its own, which the program may write, and in its own segment.
    const PAGE: u64 = 0x2000_0000;
    for function in [PAGE, DATA + 0x800] {
        each(|target| {
            let version = |value| {
                let ops = [Op::Imm(Reg::V0, value), Op::JumpReg(Reg::V2)];
                assemble(target, function, &ops).unwrap().code
            };
            let (first, second) = (version(1), version(2));
            let mut g = Guest::new(target);
            let call = |g: &mut Guest, result| {
                let back = g.label();
                g.ops(&[Op::LabelAddr(Reg::V2, back), Op::Imm(Reg::V1, function), Op::JumpReg(Reg::V1)]);
                g.ops(&[Op::Label(back)]).keep(result);
            };
            let put = |g: &mut Guest, at, code: &[u8]| {
                for (at, &byte) in (at..).zip(code) {
                    g.store(at, byte.into(), Width::B1);
                }
            };
            g.call("mmap", &[Is(PAGE), Is(4096), Is(7), Is(0x32), Is(u64::MAX), Is(0)]);
            put(&mut g, function, &first);
            call(&mut g, DATA);
            put(&mut g, DATA + 0x100, &second);
            let len = Is(second.len() as u64);
            g.call("pipe2", &[Is(DATA + 64), Is(0)]).call("write", &[Is(4), Is(DATA + 0x100), len]);
            g.call("read", &[Is(3), Is(function), len]).keep(DATA + 8);
            call(&mut g, DATA + 16);
            g.exit(0);
            let done = g.run(Options::default());
            let seen = [DATA, DATA + 8, DATA + 16].map(|at| done.word(at));
            assert_eq!((done.status(), seen), (0, [1, second.len() as i64, 2]), "{target} {function:#x}");
        });
    }
}

#[test]
fn what_the_program_may_not_access_the_kernel_does_not_access_for_it() {
    const CONSTANTS: u64 = 0x2000_0000;
    const RESERVED: u64 = 0x2000_1000;
    each(|target| {
        let mut g = Guest::new(target);
        for (at, prot) in [(CONSTANTS, 1), (RESERVED, 0)] {
            g.call("mmap", &[Is(at), Is(4096), Is(prot), Is(0x32), Is(u64::MAX), Is(0)]);
        }
        g.call("pipe2", &[Is(DATA + 64), Is(0)]).call("write", &[Is(4), Is(DATA + 64), Is(4)]);
        let mut results = Vec::new();
        let mut check = |name, args: &[_], expected| {
            let at = DATA + 128 + 8 * results.len() as u64;
            g.call(name, args).keep(at);
            results.push((name, at, expected));
        };
        check("read", &[Is(3), Is(CONSTANTS), Is(4)], EFAULT);
        check("read", &[Is(3), Is(RESERVED), Is(4)], EFAULT);
        let too_many = if target.ptr_size() == 8 { EFAULT } else { EINVAL };
        check("read", &[Is(3), Is(0), Is(u64::MAX)], too_many);
        check("write", &[Is(4), Is(DATA), Is(u64::MAX)], too_many);
        check("clock_gettime", &[Is(1), Is(CONSTANTS)], EFAULT);
        check("nanosleep", &[Is(RESERVED), Is(0)], EFAULT);
        check("write", &[Is(1), Is(RESERVED), Is(1)], EFAULT);
        // A range is written as far as it can be read.
        check("write", &[Is(1), Is(RESERVED - 2), Is(4)], 2);
        check("read", &[Is(3), Is(DATA + 96), Is(4)], 4);
        g.exit(0);
        let done = g.run(Options::default());
        assert_eq!(done.status(), 0, "{target}: {:?}", done.outcome);
        for (name, at, expected) in results {
            assert_eq!(done.word(at), expected, "{target}: {name}, result at {at:#x}");
        }
    });
}
