//! Clocks that a program reads with an instruction: they count instructions, and are the same in every run.

use std::time::Duration;

use heapmatrix_emu::machine::{FaultKind, Limits, Machine, Register};
use heapmatrix_emu::memory::Prot;
use heapmatrix_writer::{Addr, AnyTarget, Memory};

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;

/// A nop, the instruction that reads a clock, and a trap.
fn machine(target: AnyTarget, nop: &[u8], read: &[u8], trap: &[u8]) -> Machine {
    let mut machine = Machine::new(target).unwrap();
    let memory = machine.memory_mut();
    memory.map("code", CODE, 0x1000, Prot::READ_EXEC).unwrap();
    memory.map("data", DATA, 0x1000, Prot::READ_WRITE).unwrap();
    memory.write(CODE, &[nop, read, nop, nop, trap].concat()).unwrap();
    machine
}

/// The instructions up to and with the one that reads, the two after it, and the trap.
const AT: u64 = 2;
const ALL: u64 = 5;

#[test]
fn counters_of_riscv64_and_ppc64_count_instructions() {
    let big = |word: u32| word.to_be_bytes();
    let little = |word: u32| word.to_le_bytes();
    let mut cases = Vec::new();
    for read in [0xc000_2673, 0xc010_2673, 0xc020_2673, 0xc000_3673, 0xc020_6673] {
        // rdcycle, rdtime and rdinstret a2, and two other ways to write them
        cases.push((AnyTarget::Riscv64, [little(0x13), little(read), little(0x73)], 12, AT));
    }
    for (read, value) in [(0x7c6c_42a6, AT), (0x7c6c_42e6, AT), (0x7c6d_42e6, 0)] {
        // mfspr r3, tb; mftb r3; mftbu r3
        cases.push((AnyTarget::Ppc64, [0x6000_0000, read, 0x4400_0002].map(big), 3, value));
        cases.push((AnyTarget::Ppc64le, [0x6000_0000, read, 0x4400_0002].map(little), 3, value));
    }
    for (target, [nop, read, trap], register, value) in cases {
        let mut m = machine(target, &nop, &read, &trap);
        for round in 0..3 {
            m.run(CODE, Limits::NONE).unwrap();
            let expected = if value == 0 { 0 } else { value + ALL * round };
            assert_eq!(m.get(Register::General(register)), Ok(expected), "{target} {read:x?} {round}");
            assert_eq!(m.instructions(), ALL * (round + 1), "{target} {read:x?}");
        }
    }
}

#[test]
fn the_clock_of_s390x_counts_instructions_in_its_units() {
    let (nop, trap) = (&[0x07, 0x00][..], &[0x0a, 0x00][..]);
    // stck, stckf and stcke 8(%r3)
    for (read, at) in [(&[0xb2, 0x05, 0x30, 8], 8), (&[0xb2, 0x7c, 0x30, 8], 8), (&[0xb2, 0x78, 0x30, 8], 9)]
    {
        let mut m = machine(AnyTarget::S390x, nop, read, trap);
        m.set(Register::General(3), DATA).unwrap();
        for round in 0..300 {
            m.run(CODE, Limits::NONE).unwrap();
            let mut time = [0; 8];
            m.memory().read(Addr(DATA + at), &mut time).unwrap();
            assert_eq!(u64::from_be_bytes(time), (AT + ALL * round) * 4096 / 1000, "{read:x?} {round}");
            assert_eq!(m.instructions(), ALL * (round + 1), "{read:x?}");
        }
        // Where it cannot be stored, that is the program's fault.
        m.set(Register::General(3), 0).unwrap();
        let fault = m.run(CODE, Limits::NONE).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::Unmapped { .. }), "{fault}");
        assert_eq!(fault.pc, CODE + nop.len() as u64, "{fault}");
        assert_eq!(m.instructions(), ALL * 300 + 1, "{read:x?}");
    }
}

/// A machine, a nop, an instruction, a trap, and the register that the instruction changes.
type Case = (AnyTarget, &'static [u8], &'static [u8], &'static [u8], u8);

/// Whatever a program reads, it is not the host's time: that of two machines in the same state is the same.
#[test]
fn no_machine_shows_the_hosts_time() {
    let cases: [Case; 10] = [
        (AnyTarget::Amd64, &[0x90], &[0x0f, 0x31], &[0x0f, 0x05], 0), // rdtsc
        (AnyTarget::I386, &[0x90], &[0x0f, 0x31], &[0xcd, 0x80], 0),
        (AnyTarget::Amd64, &[0x90], &[0x0f, 0x01, 0xf9], &[0x0f, 0x05], 0), // rdtscp
        // mrrc p15, 1, r0, r1, c14: the virtual counter
        (AnyTarget::Arm, &[0, 0xf0, 0x20, 0xe3], &[0x1e, 0x0f, 0x51, 0xec], &[0, 0, 0, 0xef], 0),
        // mrs x0, cntvct_el0
        (AnyTarget::Arm64, &[0x1f, 0x20, 3, 0xd5], &[0x40, 0xe0, 0x3b, 0xd5], &[1, 0, 0, 0xd4], 0),
        // mrs x0, cntpct_el0
        (AnyTarget::Arm64, &[0x1f, 0x20, 3, 0xd5], &[0x20, 0xe0, 0x3b, 0xd5], &[1, 0, 0, 0xd4], 0),
        // mrs x0, pmccntr_el0
        (AnyTarget::Arm64, &[0x1f, 0x20, 3, 0xd5], &[0x00, 0x9d, 0x3b, 0xd5], &[1, 0, 0, 0xd4], 0),
        // rdhwr $2, $2: the cycle counter
        (AnyTarget::Mips, &[0; 4], &[0x7c, 0x02, 0x10, 0x3b], &[0, 0, 0, 0x0c], 2),
        (AnyTarget::Mips64, &[0; 4], &[0x7c, 0x02, 0x10, 0x3b], &[0, 0, 0, 0x0c], 2),
        // mfc0 $2, $9: the same, which is the kernel's
        (AnyTarget::Mips, &[0; 4], &[0x40, 0x02, 0x48, 0x00], &[0, 0, 0, 0x0c], 2),
    ];
    for (target, nop, read, trap, register) in cases {
        let value = || {
            let mut m = machine(target, nop, read, trap);
            std::thread::sleep(Duration::from_millis(3));
            m.run(CODE, Limits::NONE).map(|_| m.get(Register::General(register)).unwrap())
        };
        assert_eq!(value(), value(), "{target} {read:x?}");
    }
}
