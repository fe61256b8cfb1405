//! What the machines assume of the emulation engine.
//!
//! None of this is in the engine's documentation; it was found by experiment. When a new version of the
//! engine fails one of these tests, its comment says what else no longer holds.

mod common;

use common::TARGETS;
use common::raw::{self, Engine};
use heapmatrix_emu::machine::{Exit, Fault, FaultKind, Limits, Machine, Register};
use heapmatrix_emu::memory::Prot as Perms;
use heapmatrix_writer::AnyTarget;
use unicorn_engine::{
    Arch, HookType, Mode, Prot, RegisterARM, RegisterPPC, RegisterX86, TlbType, TranslationBlock, Unicorn,
    X86Insn, uc_error, uc_version,
};

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

/// The first bytes of a nop, a store of V0 to the address in V1, a load of V2 from there, and a trap.
struct Code {
    target: AnyTarget,
    nop: &'static [u8],
    store: &'static [u8],
    load: &'static [u8],
    trap: &'static [u8],
}

const CODES: [Code; 4] = [
    Code {
        target: AnyTarget::Amd64,
        nop: &[0x90],
        store: &[0x48, 0x89, 0x01], // mov [rcx], rax
        load: &[0x48, 0x8b, 0x11],  // mov rdx, [rcx]
        trap: &[0x0f, 0x05],        // syscall
    },
    Code {
        target: AnyTarget::I386,
        nop: &[0x90],
        store: &[0x89, 0x01], // mov [ecx], eax
        load: &[0x8b, 0x11],  // mov edx, [ecx]
        trap: &[0xcd, 0x80],  // int 0x80
    },
    Code {
        target: AnyTarget::Arm,
        nop: &[0, 0xf0, 0x20, 0xe3],
        store: &[0, 0, 0x81, 0xe5],   // str r0, [r1]
        load: &[0, 0x20, 0x91, 0xe5], // ldr r2, [r1]
        trap: &[0, 0, 0, 0xef],       // svc #0
    },
    Code {
        target: AnyTarget::Ppc64,
        nop: &[0x60, 0, 0, 0],
        store: &[0xf8, 0x64, 0, 0], // std r3, 0(r4)
        load: &[0xe8, 0xa4, 0, 0],  // ld r5, 0(r4)
        trap: &[0x44, 0, 0, 2],     // sc
    },
];

/// If another version is linked, or an old libunicorn of the system: nothing here can be trusted, and
/// ppc64 does not work at all.
#[test]
fn the_engine_is_the_one_that_was_examined() {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the function only writes the two numbers.
    unsafe { uc_version(&mut major, &mut minor) };
    assert_eq!((major, minor), (2, 1));
}

/// If not: `Exit::Trap` and system calls. The hook is before the instruction, and the engine steps over it
/// afterwards, whatever the PC then is; real hardware's changes to RCX and R11 are not made.
#[test]
fn amd64_syscall_is_a_hook_before_a_step_of_two_bytes() {
    let mut e = engine(AnyTarget::Amd64, &[0x0f, 0x05]);
    e.reg_write(RegisterX86::RCX, 11).unwrap();
    e.reg_write(RegisterX86::R11, 12).unwrap();
    e.add_insn_sys_hook(X86Insn::SYSCALL, 1, 0, |e| {
        let pc = e.reg_read(RegisterX86::RIP).unwrap();
        e.get_data_mut().pc = Some(pc);
        e.emu_stop().unwrap();
    })
    .unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.get_data().pc, Some(CODE));
    assert_eq!(e.reg_read(RegisterX86::RIP), Ok(CODE + 2));
    assert_eq!((e.reg_read(RegisterX86::RCX), e.reg_read(RegisterX86::R11)), (Ok(11), Ok(12)));

    let mut e = engine(AnyTarget::Amd64, &[0x0f, 0x05]);
    e.add_insn_sys_hook(X86Insn::SYSCALL, 1, 0, |e| {
        e.reg_write(RegisterX86::RIP, DATA).unwrap();
        e.emu_stop().unwrap();
    })
    .unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.reg_read(RegisterX86::RIP), Ok(DATA + 2), "a PC written in the hook is stepped over too");
}

/// If not: `Exit::Trap` on the other three, whose system calls are interrupts by these numbers, with the PC
/// already behind them.
#[test]
fn system_calls_are_interrupts_with_the_pc_behind() {
    for (code, number) in CODES[1..].iter().zip([0x80, 2, 8]) {
        let mut e = trapping(code.target, code.trap);
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(e.get_data().interrupt, Some(number), "{}", code.target);
        assert_eq!(e.reg_read(pc(code.target)), Ok(CODE + code.trap.len() as u64), "{}", code.target);
    }
}

/// If not: `FaultKind::Illegal`, and the PC of faults on ppc64, where the engine stands behind whatever
/// raised an exception. Elsewhere it is an error of the engine, with the PC at the instruction.
#[test]
fn illegal_instructions_are_interrupt_96_or_an_error() {
    let mut e = trapping(AnyTarget::Ppc64, &[0; 4]);
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!((e.get_data().interrupt, e.reg_read(RegisterPPC::PC)), (Some(96), Ok(CODE + 4)));
    let mut e = trapping(AnyTarget::Ppc64, &[0x7f, 0xe0, 0, 8]); // trap
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.reg_read(RegisterPPC::PC), Ok(CODE + 4));

    for (target, illegal) in [
        (AnyTarget::Amd64, &[0x0f, 0x0b][..]),
        (AnyTarget::I386, &[0x0f, 0x0b]),
        (AnyTarget::Arm, &[0xf0, 0, 0xf0, 0xe7]),
    ] {
        let mut e = trapping(target, illegal);
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::INSN_INVALID), "{target}");
        assert_eq!(e.reg_read(pc(target)), Ok(CODE), "{target}");
    }
}

/// If not: `Machine::run` no longer need resume after a hint, or must find out otherwise.
#[test]
fn hints_to_rest_end_a_run_behind_themselves() {
    let mut e = trapping(AnyTarget::Ppc64, &[0x7c, 0x21, 0x0b, 0x78]); // or r1, r1, r1
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Ok(()));
    assert_eq!((e.get_data().interrupt, e.reg_read(RegisterPPC::PC)), (None, Ok(CODE + 4)));
    let mut e = trapping(AnyTarget::Arm, &[1, 0xf0, 0x20, 0xe3]); // yield
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::INSN_INVALID));
    assert_eq!(e.reg_read(RegisterARM::PC), Ok(CODE + 4));
}

/// If not: `Arch::rests` is true of x86 too. Its hint is no end of a run.
#[test]
fn pause_of_x86_is_nothing() {
    for code in &CODES[..2] {
        let mut e = trapping(code.target, &[&[0xf3, 0x90], code.trap].concat());
        e.emu_start(CODE, 0, 0, 0).unwrap();
        let behind = CODE + 2 + code.trap.len() as u64;
        assert_eq!(e.reg_read(pc(code.target)), Ok(behind), "{}", code.target);
    }
}

/// If not: `FaultKind::Halted` on x86. `hlt` ends a run without an error, behind itself, though a user may not
/// execute it.
#[test]
fn hlt_of_x86_ends_a_run_without_an_error() {
    for code in &CODES[..2] {
        let mut e = trapping(code.target, &[&[0xf4], code.trap].concat());
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Ok(()), "{}", code.target);
        assert_eq!((e.get_data().interrupt, e.reg_read(pc(code.target))), (None, Ok(CODE + 1)));
    }
}

/// If not: no two runs of a program on ppc64 are alike. Go seeds its random numbers from the time base, and it
/// can't be replaced: there is no hook for it. In this engine it stands still.
#[test]
fn the_time_base_of_ppc64_stands_still() {
    for code in [
        &[0x7c, 0x6c, 0x42, 0xa6, 0x44, 0, 0, 2], // mfspr r3, 268
        &[0x7c, 0x6c, 0x42, 0xe6, 0x44, 0, 0, 2], // mftb r3
    ] {
        let mut e = trapping(AnyTarget::Ppc64, code);
        let mut read = || {
            e.reg_write(RegisterPPC::R3, 7).unwrap();
            e.emu_start(CODE, 0, 0, 0).unwrap();
            assert_eq!(e.get_data().interrupt, Some(8), "it is executed");
            e.reg_read(RegisterPPC::R3).unwrap()
        };
        let first = read();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!((first, read()), (0, 0));
    }
}

/// If not: arm's counters must be replaced as `rdtsc` is. User code can't read them: neither the cycle counter
/// nor the generic timer.
#[test]
fn arm_programs_have_no_counters() {
    for code in [
        &[0x1d, 0x0f, 0x19, 0xee, 0, 0, 0, 0xef], // mrc p15, 0, r0, c9, c13, 0: PMCCNTR
        &[0x1e, 0x0f, 0x51, 0xec, 0, 0, 0, 0xef], // mrrc p15, 1, r0, r1, c14: CNTVCT
    ] {
        let fault = machine(AnyTarget::Arm, code).run(CODE, Limits::NONE).unwrap_err();
        assert_eq!((fault.pc, fault.kind), (CODE, FaultKind::Illegal));
    }
}

/// If not: ppc64 may be set up in a simpler way, or no longer in this one. Without the virtual TLB the CPU
/// translates addresses by tables that are not there; `pc_read` does not know the machine.
#[test]
fn ppc64_executes_only_with_a_virtual_tlb() {
    // sldi r3, r3, 40: a 64-bit instruction; sc
    let code = [0x78, 0x63, 0x45, 0xc6, 0x44, 0, 0, 2];
    let mut e = trapping(AnyTarget::Ppc64, &code);
    e.reg_write(RegisterPPC::R3, 3).unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!((e.get_data().interrupt, e.reg_read(RegisterPPC::R3)), (Some(8), Ok(3 << 40)));
    assert!(e.pc_read().is_err());

    let mut e = Unicorn::new(Arch::PPC, Mode::PPC64 | Mode::BIG_ENDIAN).unwrap();
    e.mem_map(CODE, 0x1000, Prot::ALL).unwrap();
    e.mem_write(CODE, &code).unwrap();
    e.reg_write(RegisterPPC::R3, 3).unwrap();
    e.add_intr_hook(|e, _| e.emu_stop().unwrap()).unwrap();
    let _ = e.emu_start(CODE, 0, 0, 0);
    assert_ne!(e.reg_read(RegisterPPC::R3), Ok(3 << 40), "it does not execute");
}

/// An engine of any target with a virtual TLB, whose misses are noted and answered as the machine does.
fn virtual_tlb(code: &Code, instructions: &[&[u8]]) -> Engine<Vec<u64>> {
    let (arch, mode) = raw::mode(code.target);
    let mut e = Unicorn::new_with_data(arch, mode, Vec::new()).unwrap();
    e.ctl_set_tlb_type(TlbType::VIRTUAL).unwrap();
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
    for code in &CODES {
        let mut e = virtual_tlb(code, &[code.load, code.store, code.load, code.store, code.trap]);
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(*e.get_data(), [CODE, DATA], "{}", code.target);
    }
}

/// If not: what the hook grants must be what the region allows, and `attach` must flush the TLB. The engine
/// looks at its own map behind the TLB, and forgets entries when that changes.
#[test]
fn a_virtual_tlb_does_not_outlive_the_memory_behind_it() {
    for code in &CODES {
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

/// If not: `MSR_UNITS` in the set-up of ppc64. Without them floating point is an exception.
#[test]
fn ppc64_floating_point_needs_msr_bits() {
    let code = [0xfc, 0x22, 0x18, 0x2a, 0x44, 0, 0, 2]; // fadd f1, f2, f3; sc
    let mut e = trapping(AnyTarget::Ppc64, &code);
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_ne!(e.get_data().interrupt, Some(8), "it traps");

    let mut e = trapping(AnyTarget::Ppc64, &code);
    e.reg_write(RegisterPPC::FPR2, 1.5f64.to_bits()).unwrap();
    e.reg_write(RegisterPPC::FPR3, 2.0f64.to_bits()).unwrap();
    let msr = e.reg_read(RegisterPPC::MSR).unwrap();
    e.reg_write(RegisterPPC::MSR, msr | 1 << 13 | 1 << 23 | 1 << 25).unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.get_data().interrupt, Some(8));
    assert_eq!(e.reg_read(RegisterPPC::FPR1), Ok(3.5f64.to_bits()));

    let mut m = machine(AnyTarget::Ppc64, &code);
    assert!(matches!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { .. })), "and the machine has them set");
}

/// If not: CPACR and FPEXC in the set-up of arm. Without them floating point is illegal.
#[test]
fn arm_floating_point_needs_two_registers() {
    let code = [1, 0x0b, 0x30, 0xee, 0, 0, 0, 0xef]; // vadd.f64 d0, d0, d1; svc #0
    let mut e = trapping(AnyTarget::Arm, &code);
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::INSN_INVALID));
    let mut m = machine(AnyTarget::Arm, &code);
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }));
}

/// If not: CPSR need not be written first. Every mode has an SP and an LR of its own.
#[test]
fn arm_banks_its_stack_pointer() {
    let mut e = engine(AnyTarget::Arm, &[]);
    e.reg_write(RegisterARM::SP, 0x1234).unwrap();
    e.reg_write(RegisterARM::CPSR, 0x10).unwrap();
    assert_ne!(e.reg_read(RegisterARM::SP), Ok(0x1234));
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

/// If not: regions without any access may be mapped. They are refused once, and then no more.
#[test]
fn unreadable_pages_are_read_the_second_time() {
    for code in &CODES[..3] {
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
    for target in TARGETS {
        assert_eq!(engine(target, &[]).emu_start(0, 0, 0, 0), Ok(()), "{target}");
        let mut e = engine(target, &[]);
        e.ctl_exits_enable().unwrap();
        e.ctl_set_exits(&[]).unwrap();
        assert_eq!(e.emu_start(0, 0, 0, 0), Err(uc_error::FETCH_UNMAPPED), "{target}");
    }
}

/// If not: threads as contexts. A context holds the registers, floating point too, and no memory.
#[test]
fn contexts_hold_registers_and_no_memory() {
    let floats: [i32; 4] = [
        RegisterX86::XMM0 as i32,
        RegisterX86::XMM0 as i32,
        RegisterARM::D8 as i32,
        RegisterPPC::FPR20 as i32,
    ];
    for (code, float) in CODES.iter().zip(floats) {
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

/// If not: `rdtsc` need not be replaced. It reads the host's clock, so that no two runs are alike.
#[test]
fn time_stamps_come_from_the_host_unless_replaced() {
    let code = [0x0f, 0x31, 0x0f, 0x05]; // rdtsc; syscall
    let mut e = trapping(AnyTarget::Amd64, &code);
    let mut read = || {
        e.emu_start(CODE, 0, 0, 0).unwrap();
        e.reg_read(RegisterX86::RDX).unwrap() << 32 | e.reg_read(RegisterX86::RAX).unwrap()
    };
    let first = read();
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(read() > first);
    // The machine's counts instructions.
    let mut m = machine(AnyTarget::Amd64, &code);
    m.run(CODE, Limits::NONE).unwrap();
    assert_eq!(m.get(Register::General(0)), Ok(2));
}

/// If not: 386 could have a GS base by register. Writing it answers Ok and does nothing.
#[test]
fn gs_base_of_386_cannot_be_written() {
    // mov eax, gs:[0]; int 0x80
    let mut e = trapping(AnyTarget::I386, &[0x65, 0xa1, 0, 0, 0, 0, 0xcd, 0x80]);
    assert_eq!(e.reg_write(RegisterX86::GS_BASE, DATA), Ok(()));
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::READ_UNMAPPED), "it reads at address 0");
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

/// If not: `FaultKind::Exception`. Breakpoint instructions are exceptions and no traps.
#[test]
fn breakpoint_instructions_are_exceptions() {
    for (target, code, number) in [
        (AnyTarget::Amd64, &[0xcc][..], 3),
        (AnyTarget::I386, &[0xcc], 3),
        (AnyTarget::Arm, &[0x70, 0, 0x20, 0xe1], 7), // bkpt #0
        (AnyTarget::Ppc64, &[0x7f, 0xe0, 0, 8], 6),  // trap
    ] {
        let fault = machine(target, code).run(CODE, Limits::NONE).unwrap_err();
        let Fault { kind: FaultKind::Exception { number: found }, .. } = fault else { panic!("{fault}") };
        assert_eq!(found, number, "{target}");
    }
}

fn machine(target: AnyTarget, code: &[u8]) -> Machine {
    let mut machine = Machine::new(target).unwrap();
    machine.memory_mut().map("code", CODE, 0x1000, Perms::READ_EXEC).unwrap();
    machine.memory_mut().map("data", DATA, 0x1000, Perms::READ_WRITE).unwrap();
    machine.memory_mut().write(CODE, code).unwrap();
    machine
}
