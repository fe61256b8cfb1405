//! The engine without this crate's machine around it, to find out what is true of the engine, and to
//! count instructions in the slow and certain way.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::{
    MemType, Prot, RegisterMIPS, RegisterPPC, RegisterS390X, TlbEntry, TlbType, Unicorn, X86Insn,
};

pub use super::codes::{mode, registers};

pub type Engine<D> = Unicorn<'static, D>;

/// An engine of a target, set up with no more than it takes to execute.
pub fn engine<D: 'static>(target: AnyTarget, data: D) -> Engine<D> {
    let (arch, mode) = mode(target);
    let mut engine = Unicorn::new_with_data(arch, mode, data).unwrap();
    set_up(&mut engine, target);
    if needs_virtual_tlb(target) {
        engine.ctl_set_tlb_type(TlbType::VIRTUAL).unwrap();
        let grant = |_: &mut Unicorn<'_, D>, paddr, access| {
            let perms =
                if access == MemType::FETCH { Prot::READ | Prot::EXEC } else { Prot::READ | Prot::WRITE };
            Some(TlbEntry { paddr, perms })
        };
        engine.add_tlb_hook(1, 0, grant).unwrap();
    }
    engine
}

/// Whether nothing is executed where the CPU translates addresses itself.
pub fn needs_virtual_tlb(target: AnyTarget) -> bool {
    matches!(target, AnyTarget::Ppc64 | AnyTarget::Ppc64le | AnyTarget::S390x)
}

/// Brings a CPU into a state in which it executes the target's code.
pub fn set_up<D>(engine: &mut Engine<D>, target: AnyTarget) {
    match target {
        AnyTarget::Ppc64le => {
            let msr = engine.reg_read(RegisterPPC::MSR).unwrap();
            engine.reg_write(RegisterPPC::MSR, msr | 1).unwrap();
        }
        // The lower half of the addresses is not translated; with 64 bits, instructions of 64 bits.
        AnyTarget::Mips | AnyTarget::Mipsle => engine.reg_write(RegisterMIPS::CP0_STATUS, 4).unwrap(),
        AnyTarget::Mips64 | AnyTarget::Mips64le => {
            engine.reg_write(RegisterMIPS::CP0_STATUS, 0xe4).unwrap();
        }
        // Addresses of 64 bits.
        AnyTarget::S390x => engine.reg_write(RegisterS390X::PSWM, 0x1_8000_0000).unwrap(),
        _ => {}
    }
}

/// Stops the engine at system calls, and tells the interrupt's number, where there is one.
pub fn stop_at_traps<D: 'static>(engine: &mut Engine<D>, target: AnyTarget, note: fn(&mut D, Option<u32>)) {
    engine
        .add_intr_hook(move |engine, number| {
            note(engine.get_data_mut(), Some(number));
            engine.emu_stop().unwrap();
        })
        .unwrap();
    if target == AnyTarget::Amd64 {
        engine
            .add_insn_sys_hook(X86Insn::SYSCALL, 1, 0, move |engine| {
                note(engine.get_data_mut(), None);
                engine.emu_stop().unwrap();
            })
            .unwrap();
    }
}
