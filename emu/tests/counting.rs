//! The number of instructions executed is exact: it is what a hook on every single one counts.

mod common;

use common::generate::{functions, lower, start};
use common::raw;
use common::{Start, layout, memory, program, run_on};
use heapmatrix_emu::guest::ir::{Op, Reg, Width};
use heapmatrix_emu::machine::{Exit, FaultKind, Limits, Machine, Register};
use heapmatrix_writer::AnyTarget;
use proptest::prelude::*;
use unicorn_engine::Prot;

/// Runs a program from its beginning to a trap with a hook on every instruction, and returns the address
/// of each one executed.
fn traced(target: AnyTarget, ops: &[Op], start: Start) -> Vec<u64> {
    let code = program(target, ops);
    let mut engine = raw::engine(target, Vec::new());
    for region in memory(target, &code).regions() {
        engine.mem_map(region.addr(), region.len(), Prot::ALL).unwrap();
        engine.mem_write(region.addr(), region.bytes()).unwrap();
    }
    let [_, sp, v @ ..] = raw::registers(target);
    engine.reg_write(sp, layout(target).stack).unwrap();
    for &(register, value) in start {
        engine.reg_write(v[register as usize], value).unwrap();
    }
    engine.add_code_hook(1, 0, |engine, pc, _| engine.get_data_mut().push(pc)).unwrap();
    raw::stop_at_traps(&mut engine, target, |_, _| {});
    engine.emu_start(layout(target).code, 0, 0, 0).unwrap_or_else(|error| panic!("{target}: {error:?}"));
    std::mem::take(engine.get_data_mut())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whole_runs_are_counted_exactly(functions in functions(), start in start()) {
        for &target in Machine::ALL {
            let ops = lower(target, &functions);
            let mut machine = Machine::new(target).unwrap();
            run_on(&mut machine, &ops, &start);
            prop_assert_eq!(machine.instructions(), traced(target, &ops, &start).len() as u64, "{}", target);
        }
    }

    #[test]
    fn runs_in_pieces_are_counted_exactly(functions in functions(), start in start(), step in 1..40u64, op in any::<u16>()) {
        for &target in Machine::ALL {
            let ops = lower(target, &functions);
            let code = program(target, &ops);
            let trace = traced(target, &ops, &start);
            let mut machine = Machine::new(target).unwrap();
            let whole = run_on(&mut machine, &ops, &start);

            machine.reset();
            *machine.memory_mut() = memory(target, &code);
            machine.set_sp(layout(target).stack);
            for &(register, value) in &start {
                machine.set(Register::Guest(register), value).unwrap();
            }
            let breakpoint = code.addrs[usize::from(op) % ops.len()];
            machine.set_breakpoint(breakpoint).unwrap();
            let mut pc = layout(target).code;
            loop {
                let exit = machine.run(pc, Limits::instructions(step)).unwrap();
                pc = exit.pc();
                let done = machine.instructions() as usize;
                match exit {
                    Exit::Trap { .. } => {
                        prop_assert_eq!(done, trace.len());
                        break;
                    }
                    Exit::Limit { pc } => prop_assert_eq!(pc, trace[done], "{} after {}", target, done),
                    Exit::Breakpoint { pc } => {
                        prop_assert_eq!(pc, breakpoint);
                        prop_assert_eq!(pc, trace[done], "{} after {}", target, done);
                    }
                }
            }
            let registers = common::VREGS.map(|r| machine.get(Register::Guest(r)).unwrap());
            prop_assert_eq!(&registers[..], &whole.registers[..6]);
        }
    }
}

#[test]
fn faults_in_long_blocks_are_counted_exactly() {
    // Longer than the blocks that the engine makes, with the fault in any part of them.
    for &target in Machine::ALL {
        for before in [0, 1, 100, 505, 511, 512, 513, 600, 1023, 1024, 1500] {
            let mut ops = vec![Op::Add(Reg::V1, Reg::V2); before];
            ops.push(Op::Load(Reg::V0, Reg::V3, 0, Width::Word));
            ops.extend(vec![Op::Add(Reg::V1, Reg::V2); 1200]);
            ops.push(Op::Trap(1));
            let code = program(target, &ops);
            let mut machine = Machine::new(target).unwrap();
            *machine.memory_mut() = memory(target, &code);
            for round in 1..=2 {
                let fault = machine.run(layout(target).code, Limits::NONE).unwrap_err();
                assert!(matches!(fault.kind, FaultKind::Unmapped { addr: 0, .. }), "{fault}");
                assert_eq!(fault.pc, code.addrs[before]);
                assert_eq!(machine.instructions(), round * before as u64, "{target} {before}");
            }
        }
    }
}

#[test]
fn a_fault_before_code_without_end_is_counted_exactly() {
    // Zeros are instructions of two bytes on x86, to the end of the mapping: translated from an odd place on, they
    // never come to an end that a block begun at an even one has.
    for target in [AnyTarget::Amd64, AnyTarget::I386] {
        for nops in [12, 13] {
            let mut machine = Machine::new(target).unwrap();
            let memory = machine.memory_mut();
            memory.map("code", 0x40_0000, 0x1000, heapmatrix_emu::memory::Prot::ALL).unwrap();
            memory.write(0x40_00ac, &vec![0x90; nops]).unwrap();
            let fault = machine.run(0x40_00ac, Limits::NONE).unwrap_err();
            assert!(matches!(fault.kind, FaultKind::Unmapped { addr: 0, .. }), "{target}: {fault}");
            assert_eq!(
                (fault.pc, machine.instructions()),
                (0x40_00ac + nops as u64, nops as u64),
                "{target}"
            );
        }
    }
}
