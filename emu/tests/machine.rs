//! Machines: exits, faults, limits, breakpoints, contexts, and memory that changes between runs.
//!
//! The code is written in bytes here, so that nothing depends on the code generators.

use heapmatrix_emu::machine::{
    Access, Exit, Fault, FaultKind, Limits, Machine, NewError, Register, Segment, Table,
};
use heapmatrix_emu::memory::Prot;
use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::memory::{Addr, Memory};

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;

/// The same small pieces of code for every architecture.
struct Pieces {
    target: AnyTarget,
    /// A trap.
    trap: &'static [u8],
    /// A load of a word at the address in general register `pointer` to register `value`.
    load: &'static [u8],
    /// A store, the other way round.
    store: &'static [u8],
    /// Adds one to register `value`.
    increment: &'static [u8],
    /// A jump to itself.
    spin: &'static [u8],
    /// An instruction that does not exist.
    illegal: &'static [u8],
    pointer: Register,
    value: Register,
}

const PIECES: [Pieces; 4] = [
    Pieces {
        target: AnyTarget::Amd64,
        trap: &[0x0f, 0x05],               // syscall
        load: &[0x48, 0x8b, 0x03],         // mov rax, [rbx]
        store: &[0x48, 0x89, 0x03],        // mov [rbx], rax
        increment: &[0x48, 0x83, 0xc0, 1], // add rax, 1
        spin: &[0xeb, 0xfe],               // jmp .
        illegal: &[0x0f, 0x0b],            // ud2
        pointer: Register::General(3),
        value: Register::General(0),
    },
    Pieces {
        target: AnyTarget::I386,
        trap: &[0xcd, 0x80],         // int 0x80
        load: &[0x8b, 0x03],         // mov eax, [ebx]
        store: &[0x89, 0x03],        // mov [ebx], eax
        increment: &[0x83, 0xc0, 1], // add eax, 1
        spin: &[0xeb, 0xfe],         // jmp .
        illegal: &[0x0f, 0x0b],      // ud2
        pointer: Register::General(3),
        value: Register::General(0),
    },
    Pieces {
        target: AnyTarget::Arm,
        trap: &[0, 0, 0, 0xef],               // svc #0
        load: &[0x00, 0x00, 0x93, 0xe5],      // ldr r0, [r3]
        store: &[0x00, 0x00, 0x83, 0xe5],     // str r0, [r3]
        increment: &[0x01, 0x00, 0x80, 0xe2], // add r0, r0, #1
        spin: &[0xfe, 0xff, 0xff, 0xea],      // b .
        illegal: &[0xf0, 0x00, 0xf0, 0xe7],   // udf #0
        pointer: Register::General(3),
        value: Register::General(0),
    },
    Pieces {
        target: AnyTarget::Ppc64,
        trap: &[0x44, 0, 0, 2],               // sc
        load: &[0xe8, 0x83, 0x00, 0x00],      // ld r4, 0(r3)
        store: &[0xf8, 0x83, 0x00, 0x00],     // std r4, 0(r3)
        increment: &[0x38, 0x84, 0x00, 0x01], // addi r4, r4, 1
        spin: &[0x48, 0x00, 0x00, 0x00],      // b .
        illegal: &[0, 0, 0, 0],
        pointer: Register::General(3),
        value: Register::General(4),
    },
];

/// A machine with code at [`CODE`] and a page of data at [`DATA`].
fn machine(target: AnyTarget, code: &[&[u8]]) -> Machine {
    let mut machine = Machine::new(target).unwrap();
    let memory = machine.memory_mut();
    memory.map("code", CODE, 0x1000, Prot::READ_EXEC).unwrap();
    memory.map("data", DATA, 0x1000, Prot::READ_WRITE).unwrap();
    memory.write(CODE, &code.concat()).unwrap();
    machine
}

fn word(machine: &Machine, addr: u64) -> u64 {
    let mut bytes = vec![0; machine.target().ptr_size() as usize];
    machine.memory().read(Addr(addr), &mut bytes).unwrap();
    if machine.target().big_endian() {
        bytes.reverse();
    }
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[test]
fn a_trap_returns_behind_itself_and_execution_goes_on() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.increment, p.trap, p.increment, p.store, p.trap]);
        let first = CODE + (p.increment.len() + p.trap.len()) as u64;
        m.set(p.pointer, DATA).unwrap();
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: first }), "{}", p.target);
        assert_eq!(m.instructions(), 2, "{}", p.target);
        let exit = m.run(m.pc(), Limits::NONE).unwrap();
        assert_eq!(
            exit.pc(),
            first + (p.increment.len() + p.store.len() + p.trap.len()) as u64,
            "{}",
            p.target
        );
        assert_eq!((m.instructions(), word(&m, DATA)), (5, 2), "{}", p.target);
    }
}

#[test]
fn bad_accesses_name_address_and_instruction_and_change_nothing() {
    for p in PIECES {
        let len = p.target.ptr_size();
        let at = CODE + p.increment.len() as u64;
        for (code, access) in [(p.load, Access::Read), (p.store, Access::Write)] {
            let mut m = machine(p.target, &[p.increment, code, p.increment, p.trap]);
            for round in 0..2 {
                m.set(p.pointer, 0x18).unwrap();
                m.set(p.value, 5).unwrap();
                let kind = FaultKind::Unmapped { access, addr: 0x18, len };
                let fault = Fault { target: p.target, pc: at, kind };
                assert_eq!(m.run(CODE, Limits::NONE), Err(fault));
                assert_eq!((m.pc(), m.get(p.value)), (at, Ok(6)), "{}", p.target);
                assert_eq!(m.instructions(), 1 + round * 4, "{}", p.target);
                // Repaired, the same instruction goes through.
                m.set(p.pointer, DATA).unwrap();
                assert!(m.run(at, Limits::NONE).is_ok());
                assert_eq!(m.instructions(), 4 + round * 4, "{}", p.target);
            }
        }
        let mut m = machine(p.target, &[p.trap]);
        let gone = 0x55_0000;
        let Err(Fault { pc, kind: FaultKind::Unmapped { access: Access::Fetch, addr, .. }, .. }) =
            m.run(gone, Limits::NONE)
        else {
            panic!("{}: a fetch from nowhere", p.target)
        };
        assert_eq!((pc, addr), (gone, gone));
        let Err(Fault { kind: FaultKind::Unmapped { access: Access::Fetch, .. }, .. }) =
            m.run(0, Limits::NONE)
        else {
            panic!("{}: address zero is no exit", p.target)
        };
    }
}

#[test]
fn protections_hold_on_every_access() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.load, p.store, p.store, p.trap]);
        m.set(p.pointer, DATA).unwrap();
        m.memory_mut().write(DATA, &[7; 8]).unwrap();
        m.memory_mut().protect(DATA, 0x1000, Prot::READ).unwrap();
        for store in [CODE + p.load.len() as u64, CODE + (p.load.len() + p.store.len()) as u64] {
            let kind = FaultKind::Protected {
                access: Access::Write,
                addr: DATA,
                len: p.target.ptr_size(),
                region: "data",
                prot: Prot::READ,
            };
            let from = if store == CODE + p.load.len() as u64 { CODE } else { store };
            assert_eq!(m.run(from, Limits::NONE), Err(Fault { target: p.target, pc: store, kind }));
        }
        m.memory_mut().protect(DATA, 0x1000, Prot::NONE).unwrap();
        for _ in 0..2 {
            let fault = m.run(CODE, Limits::NONE).unwrap_err();
            assert!(matches!(
                fault.kind,
                FaultKind::Protected { access: Access::Read, addr: DATA, prot: Prot::NONE, .. }
            ));
        }
        m.memory_mut().protect(DATA, 0x1000, Prot::READ_WRITE).unwrap();
        assert!(m.run(CODE, Limits::NONE).is_ok(), "{}", p.target);
        // Data is no code.
        m.memory_mut().write(DATA, p.trap).unwrap();
        let fault = m.run(DATA, Limits::NONE).unwrap_err();
        assert!(
            matches!(fault.kind, FaultKind::Protected { access: Access::Fetch, region: "data", .. }),
            "{fault}"
        );
    }
}

#[test]
fn memory_may_change_between_runs() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.load, p.trap]);
        m.set(p.pointer, DATA + 0x3000).unwrap();
        assert!(m.run(CODE, Limits::NONE).is_err());
        m.memory_mut().map("more", DATA + 0x2000, 0x4000, Prot::READ_WRITE).unwrap();
        m.memory_mut().fill(DATA + 0x3000, 8, 1).unwrap();
        m.run(CODE, Limits::NONE).unwrap();
        let ones = m.get(p.value).unwrap();
        assert_eq!(ones & 0xffff_ffff, 0x0101_0101, "{}", p.target);
        // The middle goes, and comes back zeroed.
        m.memory_mut().unmap(DATA + 0x3000, 0x1000).unwrap();
        assert!(m.run(CODE, Limits::NONE).is_err(), "{}", p.target);
        m.memory_mut().map("again", DATA + 0x3000, 0x1000, Prot::READ).unwrap();
        m.run(CODE, Limits::NONE).unwrap();
        assert_eq!(m.get(p.value), Ok(0), "{}", p.target);
        // Another memory altogether, while the first lives on elsewhere.
        let first = std::mem::take(m.memory_mut());
        assert!(m.run(CODE, Limits::NONE).is_err(), "{}", p.target);
        *m.memory_mut() = first;
        m.run(CODE, Limits::NONE).unwrap();
    }
}

#[test]
fn new_code_is_seen_after_a_flush() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.increment, p.trap]);
        m.run(CODE, Limits::NONE).unwrap();
        m.memory_mut().write(CODE, &[p.increment, p.increment, p.trap].concat()).unwrap();
        m.flush_code(CODE, 0x20);
        m.set(p.value, 0).unwrap();
        m.run(CODE, Limits::NONE).unwrap();
        assert_eq!((m.get(p.value), m.instructions()), (Ok(2), 5), "{}", p.target);
    }
}

#[test]
fn illegal_instructions_are_told_with_their_address() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.increment, p.illegal]);
        let pc = CODE + p.increment.len() as u64;
        assert_eq!(m.run(CODE, Limits::NONE), Err(Fault { target: p.target, pc, kind: FaultKind::Illegal }));
        assert_eq!((m.pc(), m.instructions()), (pc, 1), "{}", p.target);
    }
}

#[test]
fn limits_stop_busy_guests_at_the_same_instruction_every_time() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.increment, p.spin]);
        let spin = CODE + p.increment.len() as u64;
        assert_eq!(m.run(CODE, Limits::instructions(1000)), Ok(Exit::Limit { pc: spin }), "{}", p.target);
        assert_eq!(m.instructions(), 1000, "{}", p.target);
        assert_eq!(m.run(spin, Limits::instructions(10)), Ok(Exit::Limit { pc: spin }), "{}", p.target);
        assert_eq!(m.instructions(), 1010, "{}", p.target);
        assert_eq!(m.run(CODE, Limits::instructions(0)), Ok(Exit::Limit { pc: CODE }), "{}", p.target);
        assert_eq!(m.instructions(), 1010, "{}", p.target);
    }
}

#[test]
fn breakpoints_stop_before_their_instruction_and_let_go_on() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.increment, p.increment, p.increment, p.spin]);
        let step = p.increment.len() as u64;
        m.run(CODE, Limits::instructions(10)).unwrap();
        let before = m.instructions();
        m.set(p.value, 0).unwrap();
        m.set_breakpoint(CODE + 2 * step).unwrap();
        m.set_breakpoint(CODE).unwrap();
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Breakpoint { pc: CODE + 2 * step }), "{}", p.target);
        assert_eq!((m.get(p.value), m.instructions() - before), (Ok(2), 2), "{}", p.target);
        m.clear_breakpoint(CODE + 2 * step);
        m.set_breakpoint(CODE + 3 * step).unwrap();
        assert_eq!(m.run(m.pc(), Limits::NONE), Ok(Exit::Breakpoint { pc: CODE + 3 * step }), "{}", p.target);
        assert_eq!((m.get(p.value), m.instructions() - before), (Ok(3), 3), "{}", p.target);
        // A loop comes back to the breakpoint at which its run began.
        assert_eq!(m.run(m.pc(), Limits::NONE), Ok(Exit::Breakpoint { pc: CODE + 3 * step }), "{}", p.target);
        assert_eq!(m.instructions() - before, 4, "{}", p.target);
        m.clear_breakpoint(CODE + 3 * step);
        assert!(matches!(m.run(m.pc(), Limits::instructions(50)), Ok(Exit::Limit { .. })), "{}", p.target);
    }
}

#[test]
fn contexts_are_threads() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.increment, p.store, p.trap]);
        let mut other = Machine::new(p.target).unwrap();
        let mut threads = Vec::new();
        for n in 0..3 {
            m.set(p.value, n * 10).unwrap();
            m.set(p.pointer, DATA + n * 8).unwrap();
            m.set(Register::Flags, m.get(Register::Flags).unwrap()).unwrap();
            m.set_pc(CODE);
            threads.push(m.save().unwrap());
        }
        for thread in threads.iter_mut().rev() {
            m.restore(thread).unwrap();
            m.run(m.pc(), Limits::NONE).unwrap();
            m.save_to(thread).unwrap();
        }
        for (n, thread) in (0..).zip(&threads) {
            assert_eq!(word(&m, DATA + n * 8), n * 10 + 1, "{}", p.target);
            m.restore(thread).unwrap();
            assert_eq!(m.get(p.value), Ok(n * 10 + 1), "{}", p.target);
            assert!(other.restore(thread).is_err());
        }
    }
}

#[test]
fn registers_have_roles() {
    for &target in Machine::ALL {
        let mut m = Machine::new(target).unwrap();
        let mask = if target.ptr_size() == 8 { u64::MAX } else { 0xffff_ffff };
        m.set_sp(0x1234_5678_9abc_def0 & mask);
        assert_eq!(m.sp(), 0x1234_5678_9abc_def0 & mask);
        assert_eq!(m.set(Register::Lr, 0x40).is_ok(), target.uses_lr());
        assert_eq!(m.get(Register::Lr).ok(), target.uses_lr().then_some(0x40));
        // 386 has a segment, s390x two registers.
        let thread = !matches!(target, AnyTarget::I386 | AnyTarget::S390x);
        assert_eq!(m.set(Register::Thread, 0x7700).is_ok(), thread);
        assert_eq!(m.get(Register::Thread).is_ok(), thread);
        assert!(m.get(Register::General(34)).is_err());
        assert_eq!(m.get(Register::General(0)), Ok(0));
        let power = matches!(target, AnyTarget::Ppc64 | AnyTarget::Ppc64le);
        assert_eq!(m.get(Register::Ctr).is_ok(), power);
    }
    assert_eq!(
        Machine::new(AnyTarget::Loong64).unwrap_err(),
        NewError::Unsupported(AnyTarget::Loong64),
        "a target that nobody emulates"
    );
}

#[test]
fn time_stamps_count_instructions() {
    for target in [AnyTarget::Amd64, AnyTarget::I386] {
        let trap = if target == AnyTarget::Amd64 { [0x0f, 0x05] } else { [0xcd, 0x80] };
        // rdtsc; rdtscp; trap
        let mut m = machine(target, &[&[0x0f, 0x31], &[0x0f, 0x01, 0xf9], &trap]);
        for round in 1..=2 {
            m.set(Register::General(1), 99).unwrap();
            m.run(CODE, Limits::NONE).unwrap();
            assert_eq!(m.get(Register::General(0)), Ok(3 * round), "the whole block counts as it begins");
            assert_eq!(m.get(Register::General(1)), Ok(0));
            assert_eq!(m.get(Register::General(2)), Ok(0));
        }
    }
}

#[test]
fn segments_of_386_reach_thread_storage() {
    const TABLES: u64 = 0x3_0000;
    // mov eax, gs:[4]; int 0x80
    let mut m = machine(AnyTarget::I386, &[&[0x65, 0xa1, 4, 0, 0, 0], &[0xcd, 0x80]]);
    m.memory_mut().map("tables", TABLES, 0x1000, Prot::READ_WRITE).unwrap();
    // Base 31..24, flags and limit 19..16, access, base 23..0, limit 15..0; flat, 4 GiB. Code and stack
    // are of ring 0, in which the CPU is.
    let flat = |access: u64| 0x00cf_0000_0000_ffff | access << 40;
    let based = |base: u64| flat(0xf3) | (base & 0xff_ffff) << 16 | (base >> 24) << 56;
    for (n, descriptor) in [(1, flat(0x9b)), (2, flat(0x93)), (3, based(DATA))] {
        m.memory_mut().write(TABLES + n * 8, &u64::to_le_bytes(descriptor)).unwrap();
    }
    m.memory_mut().write(TABLES + 0x100, &u64::to_le_bytes(based(DATA + 0x100))).unwrap();
    m.memory_mut().write(DATA + 4, &[0x11]).unwrap();
    m.memory_mut().write(DATA + 0x104, &[0x22]).unwrap();
    m.set_descriptor_table(Table::Global, TABLES as u32, 32).unwrap();
    m.set_descriptor_table(Table::Local, TABLES as u32 + 0x100, 8).unwrap();
    for (segment, selector) in [
        (Segment::Cs, 0x08),
        (Segment::Ss, 0x10),
        (Segment::Ds, 0x10),
        (Segment::Es, 0x10),
        (Segment::Gs, 0x1b),
    ] {
        assert_eq!(m.set_segment(segment, selector), Ok(()), "{segment:?}");
        assert_eq!(m.segment(segment), Ok(selector));
    }
    m.run(CODE, Limits::NONE).unwrap();
    assert_eq!(m.get(Register::General(0)), Ok(0x11), "by the global table");
    m.set_segment(Segment::Gs, 7).unwrap();
    m.run(CODE, Limits::NONE).unwrap();
    assert_eq!(m.get(Register::General(0)), Ok(0x22), "by the local table");
    assert!(Machine::new(AnyTarget::Arm).unwrap().set_segment(Segment::Gs, 7).is_err());
}

#[test]
fn hints_to_take_a_rest_change_nothing() {
    let hints: [(AnyTarget, &[&[u8]]); 4] = [
        (AnyTarget::Amd64, &[&[0xf3, 0x90]]), // pause
        (AnyTarget::I386, &[&[0xf3, 0x90]]),
        // nop, yield, wfe, wfi, sev
        (
            AnyTarget::Arm,
            &[
                &[0, 0xf0, 0x20, 0xe3],
                &[1, 0xf0, 0x20, 0xe3],
                &[2, 0xf0, 0x20, 0xe3],
                &[3, 0xf0, 0x20, 0xe3],
                &[4, 0xf0, 0x20, 0xe3],
            ],
        ),
        // or r1, r1, r1; or r2, r2, r2; or r6, r6, r6; or r31, r31, r31
        (
            AnyTarget::Ppc64,
            &[
                &[0x7c, 0x21, 0x0b, 0x78],
                &[0x7c, 0x42, 0x13, 0x78],
                &[0x7c, 0xc6, 0x33, 0x78],
                &[0x7f, 0xff, 0xfb, 0x78],
            ],
        ),
    ];
    for ((target, hints), p) in hints.into_iter().zip(PIECES) {
        for hint in hints {
            let mut m = machine(target, &[p.increment, hint, p.increment, p.trap]);
            let end = CODE + (2 * p.increment.len() + hint.len() + p.trap.len()) as u64;
            assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: end }), "{target} {hint:x?}");
            assert_eq!((m.get(p.value), m.instructions()), (Ok(2), 4), "{target} {hint:x?}");
        }
    }
}

#[test]
fn a_reset_machine_is_like_a_new_one() {
    for p in PIECES {
        let mut m = machine(p.target, &[p.increment, p.trap]);
        let fresh = Machine::new(p.target).unwrap();
        m.set_breakpoint(CODE).unwrap();
        let zero_flag = if p.target.uses_lr() { 1 << 30 } else { 1 << 6 };
        m.set(Register::Flags, fresh.get(Register::Flags).unwrap() | zero_flag).unwrap();
        m.set_sp(0x50);
        m.run(CODE, Limits::NONE).unwrap();
        let memory = m.reset();
        assert_eq!(memory.regions().len(), 2);
        assert_eq!((m.memory().regions().len(), m.instructions()), (0, 0));
        for register in [p.value, Register::Sp, Register::Pc, Register::Flags, Register::Lr] {
            assert_eq!(m.get(register), fresh.get(register), "{} {register:?}", p.target);
        }
        assert!(m.run(CODE, Limits::NONE).is_err(), "the code is gone");
        *m.memory_mut() = memory;
        m.memory_mut().write(CODE, &[p.increment, p.increment, p.trap].concat()).unwrap();
        m.set(p.value, 0).unwrap();
        assert!(matches!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { .. })), "{}: no breakpoint", p.target);
        assert_eq!((m.get(p.value), m.instructions()), (Ok(2), 3), "{}", p.target);
    }
}
