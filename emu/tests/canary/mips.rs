//! What is true of the four kinds of MIPS.

use super::*;
use unicorn_engine::RegisterMIPS;

const ALL: [AnyTarget; 4] = [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le];
const SYSCALL: u32 = 0x0c;

fn bytes(target: AnyTarget, words: &[u32]) -> Vec<u8> {
    let bytes = |word: &u32| if target.big_endian() { word.to_be_bytes() } else { word.to_le_bytes() };
    words.iter().flat_map(bytes).collect()
}

/// If not: `Status.CU1` in the set-up. Without it floating point is an exception on a real CPU.
#[test]
fn floating_point_is_executed_on_mips() {
    for target in ALL {
        let mut m = machine(target, &bytes(target, &[0x4622_0000, SYSCALL])); // add.d $f0, $f0, $f2
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }), "{target}");
    }
}

/// If not: `Status.ERL` in the set-up, and processes of 64 bits may have more than 2 GiB. `ll` asks the CPU's own
/// translation, past the virtual TLB.
#[test]
fn load_linked_of_mips_goes_past_the_virtual_tlb() {
    let code = [0xc12a_0000, 0xe128_0000, SYSCALL]; // ll t2, 0(t1); sc t0, 0(t1)
    for target in ALL {
        let mut e = virtual_tlb(of(target), &[&bytes(target, &code)]);
        let status = e.reg_read(RegisterMIPS::CP0_STATUS).unwrap();
        e.reg_write(RegisterMIPS::CP0_STATUS, status & !4).unwrap();
        assert!(e.emu_start(CODE, 0, 0, 0).is_err(), "{target}: there is no translation");

        let mut m = machine(target, &bytes(target, &code));
        m.memory_mut().map("high", 0x7fff_0000, 0x1000, Perms::READ_WRITE).unwrap();
        for addr in [DATA, 0x7fff_0000] {
            m.set(Register::General(9), addr).unwrap();
            assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 12 }), "{target}");
            assert_eq!(m.get(Register::General(8)), Ok(1), "{target}: it was stored");
        }
    }
}

/// If not: `model` of mips64. The engine's default lacks `movz` and `rdhwr`.
#[test]
fn mips64_needs_another_model() {
    for (target, plain) in [(AnyTarget::Mips, true), (AnyTarget::Mips64, false)] {
        for instruction in [0x0109_500a, 0x7c0a_103b] {
            let code = bytes(target, &[instruction, SYSCALL]); // movz t2, t0, t1; rdhwr t2, $2
            let mut e = trapping(target, &code);
            e.emu_start(CODE, 0, 0, 0).unwrap();
            assert_eq!(e.get_data().interrupt == Some(17), plain, "{target} {instruction:#x}");
            let mut m = machine(target, &code);
            assert_eq!(
                m.run(CODE, Limits::NONE),
                Ok(Exit::Trap { pc: CODE + 8 }),
                "{target} {instruction:#x}"
            );
        }
    }
}

/// If not: a program on MIPS may read the host's time.
#[test]
fn the_counter_of_mips_stands_still() {
    for target in ALL {
        let read = || {
            let mut m = machine(target, &bytes(target, &[0x7c0a_103b, SYSCALL])); // rdhwr t2, $2
            m.run(CODE, Limits::NONE).unwrap();
            m.get(Register::General(10)).unwrap()
        };
        let first = read();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(read(), first, "{target}");
    }
}

/// If not: `ExceptionPc::Lost`. The engine's PC is anywhere after an exception.
#[test]
fn conditional_traps_of_mips_are_found() {
    for target in ALL {
        let code = bytes(target, &[0, 0, 0x0100_0034, 0, SYSCALL]); // teq t0, zero
        let mut m = machine(target, &code);
        m.set(Register::General(8), 1).unwrap();
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 20 }), "{target}");
        assert_eq!(m.instructions(), 5);
        m.set(Register::General(8), 0).unwrap();
        let fault = m.run(CODE, Limits::NONE).unwrap_err();
        assert_eq!((fault.pc, fault.kind), (CODE + 8, FaultKind::Exception { number: 22 }), "{target}");
        assert_eq!(m.instructions(), 7, "{target}");
    }
}

/// If not: `slot`. The engine would stay in the branch, wherever it goes on.
#[test]
fn a_fault_in_a_delay_slot_leaves_the_branch() {
    for target in ALL {
        // b +4; lw t2, 0(t1)
        let mut m = machine(target, &bytes(target, &[0x1000_0003, 0x8d2a_0000, 0, 0, SYSCALL, 0, SYSCALL]));
        m.set(Register::General(9), 0x10).unwrap();
        assert_eq!(m.run(CODE, Limits::NONE).unwrap_err().pc, CODE, "{target}: it is the branch's");
        let end = m.run(CODE + 20, Limits::NONE);
        assert_eq!(end, Ok(Exit::Trap { pc: CODE + 28 }), "{target}: where it was told to go");
    }
}

/// If not: `straight`. A block of more than some 350 instructions makes the engine write past its tables. With hooks on
/// them blocks are shorter than that.
#[test]
fn straight_code_of_mips_becomes_short_blocks() {
    for target in ALL {
        // addiu t0, t0, 1
        let code = bytes(target, &[vec![0x2508_0001; 1000], vec![SYSCALL]].concat());
        let mut e = trapping(target, &code);
        e.add_code_hook(CODE, CODE + 0xfff, |_, _, _| {}).unwrap();
        e.add_block_hook(1, 0, |e, addr, bytes| e.get_data_mut().blocks.push((addr, bytes))).unwrap();
        e.emu_start(CODE, 0, 0, 0).unwrap();
        let blocks = &e.get_data().blocks;
        assert!(
            blocks.len() > 2 && blocks.iter().all(|&(_, bytes)| bytes / 4 < 330),
            "{target}: {blocks:x?}"
        );

        let mut m = machine(target, &code);
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 4004 }), "{target}");
        assert_eq!((m.get(Register::General(8)), m.instructions()), (Ok(1000), 1001), "{target}");
    }
}

/// If not: a limit may stop a guest anywhere. A branch on the last word of a page has its slot in a block of its own, at
/// which nothing must stop: wherever the guest went on, it would end at the branch's target.
#[test]
fn nothing_stops_in_a_delay_slot() {
    for target in ALL {
        let mut m = Machine::new(target).unwrap();
        m.memory_mut().map("code", CODE, 0x2000, Perms::READ_EXEC).unwrap();
        // At the page's end: b -1, which is a loop of two instructions in two blocks.
        m.memory_mut().write(CODE + 0xffc, &bytes(target, &[0x1000_ffff, 0])).unwrap();
        let mut pc = CODE + 0xffc;
        for steps in 1..20 {
            let Ok(Exit::Limit { pc: at }) = m.run(pc, Limits::instructions(steps)) else {
                panic!("{target}")
            };
            assert_eq!(at, CODE + 0xffc, "{target}: after {steps}");
            pc = at;
        }
    }
}

/// A loop that begins after the word of a branch does not escape a limit: who jumps there is in no delay slot.
#[test]
fn a_loop_after_a_branch_is_stopped() {
    for target in ALL {
        // b -1, which nobody executes; b -1, the loop; its slot
        let mut m = machine(target, &bytes(target, &[0x1000_ffff, 0x1000_ffff, 0]));
        for _ in 0..3 {
            assert_eq!(
                m.run(CODE + 4, Limits::instructions(10)),
                Ok(Exit::Limit { pc: CODE + 4 }),
                "{target}"
            );
        }
        assert_eq!(m.instructions(), 30, "{target}");
    }
}
