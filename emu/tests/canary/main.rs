//! What the machines assume of the emulation engine.
//!
//! None of this is in the engine's documentation; it was found by experiment. When a new version of the
//! engine fails one of these tests, its comment says what else no longer holds.

mod arm;
mod arm64;
#[path = "../common/mod.rs"]
mod common;
mod mips;
mod poison;
mod ppc64;
mod riscv64;
mod s390x;
mod x86;

use common::codes::{CODES, Code, Illegal, of};
use common::raw::{self, Engine};
use heapmatrix_emu::machine::{Exit, Fault, FaultKind, Limits, Machine, Register};
use heapmatrix_emu::memory::Prot as Perms;
use heapmatrix_writer::AnyTarget;
use unicorn_engine::{HookType, Prot, TlbType, TranslationBlock, Unicorn, uc_error, uc_version};

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;

/// What the hooks of a test have seen.
#[derive(Default)]
struct Seen {
    interrupt: Option<u32>,
    pc: Option<u64>,
    blocks: Vec<(u64, u32)>,
}

/// An engine with code at [`CODE`] and a page of data at [`DATA`].
fn engine(target: AnyTarget, code: &[u8]) -> Engine<Seen> {
    let mut engine = raw::engine(target, Seen::default());
    engine.mem_map(CODE, 0x1000, Prot::READ | Prot::EXEC).unwrap();
    engine.mem_map(DATA, 0x1000, Prot::READ | Prot::WRITE).unwrap();
    engine.mem_write(CODE, code).unwrap();
    engine
}

/// As [`engine`], stopped at traps and exceptions.
fn trapping(target: AnyTarget, code: &[u8]) -> Engine<Seen> {
    let mut engine = engine(target, code);
    raw::stop_at_traps(&mut engine, target, |seen, number| seen.interrupt = number);
    engine
}

fn pc(target: AnyTarget) -> i32 {
    raw::registers(target)[0]
}

/// If not: a machine has no canaries.
#[test]
fn there_are_instructions_of_every_machine() {
    for &target in Machine::ALL {
        assert_eq!(of(target).target, target);
    }
    assert_eq!(CODES.len(), Machine::ALL.len());
}

/// If another version is linked, or an old libunicorn of the system: nothing here can be trusted, and
/// ppc64 does not work at all.
#[test]
fn the_engine_is_the_one_that_was_examined() {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the function only writes the two numbers.
    unsafe { uc_version(&mut major, &mut minor) };
    assert_eq!((major, minor), (2, 1));
}

/// If not: `Exit::Trap` on all machines but amd64, whose system calls are interrupts by these numbers, with the PC
/// already after them; but on s390x, where it stays (`trap_skid`).
#[test]
fn system_calls_are_interrupts_with_the_pc_after() {
    for code in CODES {
        let Some(number) = code.interrupt else { continue };
        let mut e = trapping(code.target, code.trap);
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(e.get_data().interrupt, Some(number), "{}", code.target);
        let after = if code.target == AnyTarget::S390x { CODE } else { CODE + code.trap.len() as u64 };
        assert_eq!(e.reg_read(pc(code.target)), Ok(after), "{}", code.target);
    }
}

/// If not: `FaultKind::Illegal`, and the PC of such faults.
#[test]
fn illegal_instructions_are_an_error_or_an_interrupt() {
    for code in CODES {
        let (illegal, answer) = code.illegal;
        let mut e = trapping(code.target, illegal);
        let outcome = e.emu_start(CODE, 0, 0, 0);
        let (number, skid) = match answer {
            Illegal::Error => (None, Some(0)),
            Illegal::Interrupt { number, skid } => (Some(number), Some(skid)),
            Illegal::Lost { number } => (Some(number), None),
        };
        let expected = if number.is_none() { Err(uc_error::INSN_INVALID) } else { Ok(()) };
        assert_eq!((outcome, e.get_data().interrupt), (expected, number), "{}", code.target);
        let at = e.reg_read(pc(code.target)).unwrap();
        assert!(skid.map_or(at != CODE, |skid| at == CODE + skid), "{}: {at:#x}", code.target);
        let fault = machine(code.target, illegal).run(CODE, Limits::NONE).unwrap_err();
        // s390x has one number for all that programs do wrong.
        let kind = match (number, code.breakpoint.1) {
            (Some(number), Some(other)) if number == other => FaultKind::Exception { number },
            _ => FaultKind::Illegal,
        };
        assert_eq!((fault.pc, fault.kind), (CODE, kind), "{}", code.target);
    }
}

/// If not: `FaultKind::Exception`. Breakpoint instructions are exceptions and no traps.
#[test]
fn breakpoint_instructions_are_exceptions() {
    for code in CODES {
        let (breakpoint, number) = code.breakpoint;
        // A nop before it, and one in the slot after it.
        // x86's PC is after it.
        let x86 = matches!(code.target, AnyTarget::Amd64 | AnyTarget::I386);
        let code_at = CODE + code.nop.len() as u64 + u64::from(x86);
        let fault = machine(code.target, &[code.nop, breakpoint, code.nop].concat()).run(CODE, Limits::NONE);
        let kind = number.map_or(FaultKind::Illegal, |number| FaultKind::Exception { number });
        let expected = Fault { target: code.target, pc: code_at, kind };
        assert_eq!(fault, Err(expected), "{}", code.target);
    }
}

/// An engine of any target with a virtual TLB, whose misses are noted and answered as the machine does.
fn virtual_tlb(code: &Code, instructions: &[&[u8]]) -> Engine<Vec<u64>> {
    let (arch, mode) = raw::mode(code.target);
    let mut e = Unicorn::new_with_data(arch, mode, Vec::new()).unwrap();
    e.ctl_set_tlb_type(TlbType::VIRTUAL).unwrap();
    raw::set_up(&mut e, code.target);
    e.mem_map(CODE, 0x1000, Prot::READ | Prot::EXEC).unwrap();
    e.mem_map(DATA, 0x1000, Prot::READ | Prot::WRITE).unwrap();
    e.mem_write(CODE, &instructions.concat()).unwrap();
    e.reg_write(raw::registers(code.target)[3], DATA).unwrap();
    e.add_tlb_hook(1, 0, |e, paddr, access| {
        e.get_data_mut().push(paddr);
        let other = if access == unicorn_engine::MemType::FETCH { Prot::EXEC } else { Prot::WRITE };
        Some(unicorn_engine::TlbEntry { paddr, perms: Prot::READ | other })
    })
    .unwrap();
    raw::stop_at_traps(&mut e, code.target, |_, _| {});
    e
}

/// If not: the hook that answers TLB misses may be left out. Without one, each miss grants the access at hand
/// alone, and a load and a store of one page are two misses for ever.
#[test]
fn a_virtual_tlb_asks_the_hook_once_a_page_for_data_and_once_for_code() {
    for code in CODES {
        let mut e = virtual_tlb(code, &[code.load, code.store, code.load, code.store, code.trap]);
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(*e.get_data(), [CODE, DATA], "{}", code.target);
    }
}

/// If not: what the hook grants must be what the region allows, and `attach` must flush the TLB. The engine
/// looks at its own map behind the TLB, and forgets entries when that changes.
#[test]
fn a_virtual_tlb_does_not_outlive_the_memory_behind_it() {
    for code in CODES {
        let mut e = virtual_tlb(code, &[code.load, code.store, code.trap]);
        e.emu_start(CODE, 0, 0, 0).unwrap();
        e.mem_protect(DATA, 0x1000, Prot::READ).unwrap();
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::WRITE_PROT), "{}", code.target);
        e.mem_unmap(DATA, 0x1000).unwrap();
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::READ_UNMAPPED), "{}", code.target);
        e.mem_map(DATA, 0x1000, Prot::READ | Prot::WRITE).unwrap();
        e.emu_start(CODE, 0, 0, 0).unwrap();
    }
}

/// If not: borrowing guest memory without a copy, which all else rests on.
#[test]
fn mapped_host_memory_is_shared_both_ways() {
    for code in CODES {
        let mut m = machine(code.target, &[code.load, code.store, code.trap].concat());
        m.memory_mut().write(DATA, &[7; 8]).unwrap();
        let value = if code.target.ptr_size() == 8 { 0x0101_0101_0202_0202 } else { 0x0202_0202 };
        let [v0, v1, v2] = [0, 1, 2].map(|n| Register::Guest(common::VREGS[n]));
        m.set(v0, value).unwrap();
        m.set(v1, DATA).unwrap();
        m.run(CODE, Limits::NONE).unwrap();
        let word = code.target.ptr_size() as usize;
        assert_eq!(
            m.get(v2).unwrap(),
            common::value(code.target, &[7; 8][..word]),
            "the host's write is loaded"
        );
        let bytes = &m.memory().region_at(DATA).unwrap().bytes()[..word];
        assert_eq!(common::value(code.target, bytes), value, "the guest's store is seen");
    }
}

/// If not: `Machine::flush_code` no longer works, with which a run begins where the host has written code.
#[test]
fn code_that_the_host_has_written_is_executed_as_it_is_now() {
    for code in CODES {
        let mut m = Machine::new(code.target).unwrap();
        m.memory_mut().map("code", CODE, 0x1000, Perms::READ_EXEC).unwrap();
        m.memory_mut().write(CODE, code.trap).unwrap();
        let first = CODE + code.trap.len() as u64;
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: first }));
        m.memory_mut().write(CODE, &[code.nop, code.trap].concat()).unwrap();
        let second = first + code.nop.len() as u64;
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: second }), "{}", code.target);
    }
}

/// If not: the PC of faults. It is exact though no hook looks for it, and the rest of the block is not
/// executed.
#[test]
fn faults_stop_at_their_instruction_without_a_hook() {
    for code in CODES {
        for access in [code.load, code.store] {
            let mut e = trapping(code.target, &[code.nop, access, code.trap].concat());
            let unmapped = [uc_error::READ_UNMAPPED, uc_error::WRITE_UNMAPPED];
            assert!(unmapped.contains(&e.emu_start(CODE, 0, 0, 0).unwrap_err()), "{}", code.target);
            assert_eq!(e.reg_read(pc(code.target)), Ok(CODE + code.nop.len() as u64), "{}", code.target);
            assert_eq!(e.get_data().interrupt, None);
        }
    }
}

/// If not: read-only regions must be protected in some further way. Stores to them are refused every time,
/// even after loads have put the page into the TLB.
#[test]
fn read_only_pages_refuse_stores_after_loads() {
    for code in CODES {
        let mut e = trapping(code.target, &[code.load, code.store, code.trap].concat());
        let mut page = vec![0u64; 512];
        e.mem_unmap(DATA, 0x1000).unwrap();
        // SAFETY: the page is not used otherwise before the engine is gone.
        unsafe { e.mem_map_ptr(DATA, 0x1000, Prot::READ, page.as_mut_ptr().cast()) }.unwrap();
        e.reg_write(raw::registers(code.target)[2], 9).unwrap();
        e.reg_write(raw::registers(code.target)[3], DATA).unwrap();
        for _ in 0..3 {
            assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::WRITE_PROT), "{}", code.target);
        }
        drop(e);
        assert_eq!(page[0], 0, "{}", code.target);
    }
}

/// If not: regions without any access may be mapped. With the CPU's own translation they are refused once, and then no
/// more; with the virtual TLB, without which some machines do not work, always.
#[test]
fn unreadable_pages_are_read_the_second_time() {
    for code in CODES.iter().filter(|code| !raw::needs_virtual_tlb(code.target)) {
        let mut e = trapping(code.target, &[code.load, code.trap].concat());
        e.mem_protect(DATA, 0x1000, Prot::NONE).unwrap();
        e.reg_write(raw::registers(code.target)[3], DATA).unwrap();
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::READ_PROT), "{}", code.target);
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Ok(()), "{}", code.target);
    }
}

/// If not: counting instructions, and `Exit::Limit`. A hook on blocks comes before each of them, with its
/// length; the engine says how many instructions that is; and stopping there executes none of them.
#[test]
fn blocks_are_told_before_they_are_executed() {
    for code in CODES {
        let mut e = trapping(code.target, &[code.nop, code.nop, code.nop, code.trap].concat());
        e.add_block_hook(1, 0, |e, addr, bytes| {
            let mut block = TranslationBlock { pc: 0, icount: 0, size: 0 };
            e.ctl_request_cache(addr, Some(&mut block)).unwrap();
            assert_eq!((block.pc, u32::from(block.size)), (addr, bytes));
            e.get_data_mut().blocks.push((addr, block.icount.into()));
        })
        .unwrap();
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(e.get_data().blocks, [(CODE, 4)], "{}", code.target);

        let mut e = trapping(code.target, &[code.nop, code.store, code.trap].concat());
        e.add_block_hook(1, 0, |e, _, _| e.emu_stop().unwrap()).unwrap();
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Ok(()), "{}: the store is not reached", code.target);
        assert_eq!((e.reg_read(pc(code.target)), e.get_data().interrupt), (Ok(CODE), None));
    }
}

/// If not: breakpoints. A hook on the code at one address is called there and nowhere else.
#[test]
fn code_hooks_can_be_bound_to_one_address() {
    for code in CODES {
        let mut e = trapping(code.target, &[code.nop, code.nop, code.nop, code.trap].concat());
        let second = CODE + code.nop.len() as u64;
        e.add_code_hook(second, second, |e, addr, _| e.get_data_mut().blocks.push((addr, 0))).unwrap();
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(e.get_data().blocks, [(second, 0)], "{}", code.target);
    }
}

/// If not: a run ends without a word at some address. With exits enabled and none set there is no such
/// address; otherwise it is the one that is given as the end, be it 0.
#[test]
fn without_exits_no_address_ends_a_run() {
    for &target in Machine::ALL {
        // Some machines look for the end only after a block.
        let ended = match target {
            AnyTarget::Mips | AnyTarget::Mipsle | AnyTarget::Mips64 | AnyTarget::Mips64le => {
                Err(uc_error::READ_UNMAPPED)
            }
            AnyTarget::Riscv64 => Err(uc_error::FETCH_UNMAPPED),
            _ => Ok(()),
        };
        assert_eq!(engine(target, &[]).emu_start(0, 0, 0, 0), ended, "{target}");
        let mut e = engine(target, &[]);
        e.ctl_exits_enable().unwrap();
        e.ctl_set_exits(&[]).unwrap();
        assert_eq!(e.emu_start(0, 0, 0, 0), Err(uc_error::FETCH_UNMAPPED), "{target}");
        let fault = Machine::new(target).unwrap().run(0, Limits::NONE).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::Unmapped { addr: 0, .. }), "{fault}");
    }
}

/// If not: threads as contexts. A context holds the registers, floating point too, and no memory.
#[test]
fn contexts_hold_registers_and_no_memory() {
    for code in CODES {
        let float = code.float;
        let mut e = engine(code.target, &[]);
        let set = |e: &mut Engine<Seen>, value: u8| {
            let bytes = [value; 16];
            e.reg_write_long(float, &bytes).unwrap();
            e.reg_write(raw::registers(code.target)[5], value.into()).unwrap();
            e.mem_write(DATA, &[value]).unwrap();
        };
        let get = |e: &Engine<Seen>| {
            let mut float_bytes = 0;
            if code.target.uses_lr() {
                float_bytes = e.reg_read(float).unwrap() & 0xff;
            } else if let Ok(long) = e.reg_read_long(float) {
                float_bytes = long[0].into();
            }
            let general = e.reg_read(raw::registers(code.target)[5]).unwrap();
            (float_bytes, general, e.mem_read_as_vec(DATA, 1).unwrap()[0])
        };
        set(&mut e, 1);
        let context = e.context_init().unwrap();
        set(&mut e, 2);
        assert_eq!(get(&e), (2, 2, 2), "{}", code.target);
        e.context_restore(&context).unwrap();
        assert_eq!(get(&e), (1, 1, 2), "{}", code.target);
    }
}

/// If not: the address and length of an access at fault. A hook on bad accesses tells them, even when added
/// after the code was translated, and the access that it does not mend fails as without it.
#[test]
fn a_hook_added_later_tells_the_access_at_fault() {
    for code in CODES {
        let mut e = trapping(code.target, &[code.store, code.trap].concat());
        e.reg_write(raw::registers(code.target)[3], 0x4008).unwrap();
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::WRITE_UNMAPPED));
        let hook = e
            .add_mem_hook(HookType::MEM_INVALID, 1, 0, |e, _, addr, len, _| {
                e.get_data_mut().blocks.push((addr, len as u32));
                false
            })
            .unwrap();
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::WRITE_UNMAPPED));
        e.remove_hook(hook).unwrap();
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::WRITE_UNMAPPED));
        assert_eq!(e.get_data().blocks, [(0x4008, code.target.ptr_size() as u32)], "{}", code.target);
    }
}

fn machine(target: AnyTarget, code: &[u8]) -> Machine {
    let mut machine = Machine::new(target).unwrap();
    machine.memory_mut().map("code", CODE, 0x1000, Perms::READ_EXEC).unwrap();
    machine.memory_mut().map("data", DATA, 0x1000, Perms::READ_WRITE).unwrap();
    machine.memory_mut().write(CODE, code).unwrap();
    machine
}
