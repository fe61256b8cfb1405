//! The engine without this crate's machine around it, to find out what is true of the engine, and to
//! count instructions in the slow and certain way.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::{
    Arch, MemType, Mode, Prot, RegisterARM, RegisterARM64, RegisterPPC, RegisterX86, TlbEntry, TlbType,
    Unicorn, X86Insn,
};

pub type Engine<D> = Unicorn<'static, D>;

/// What the engine calls a target.
pub fn mode(target: AnyTarget) -> (Arch, Mode) {
    match target {
        AnyTarget::Amd64 => (Arch::X86, Mode::MODE_64),
        AnyTarget::I386 => (Arch::X86, Mode::MODE_32),
        AnyTarget::Arm => (Arch::ARM, Mode::ARM),
        AnyTarget::Arm64 => (Arch::ARM64, Mode::ARM),
        AnyTarget::Ppc64 => (Arch::PPC, Mode::PPC64 | Mode::BIG_ENDIAN),
        other => panic!("no engine for {other}"),
    }
}

/// An engine of a target, set up with no more than it takes to execute.
pub fn engine<D: 'static>(target: AnyTarget, data: D) -> Engine<D> {
    let (arch, mode) = mode(target);
    let mut engine = Unicorn::new_with_data(arch, mode, data).unwrap();
    if target == AnyTarget::Ppc64 {
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

/// The registers of a target: PC, SP, V0 to V5.
pub fn registers(target: AnyTarget) -> [i32; 8] {
    use RegisterX86 as X;
    match target {
        AnyTarget::Amd64 => {
            [X::RIP, X::RSP, X::RAX, X::RCX, X::RDX, X::RBX, X::RSI, X::RDI].map(|r| r as i32)
        }
        AnyTarget::I386 => [X::EIP, X::ESP, X::EAX, X::ECX, X::EDX, X::EBX, X::ESI, X::EDI].map(|r| r as i32),
        AnyTarget::Arm => {
            use RegisterARM as R;
            [R::PC, R::SP, R::R0, R::R1, R::R2, R::R3, R::R4, R::R5].map(|r| r as i32)
        }
        AnyTarget::Arm64 => {
            use RegisterARM64 as R;
            [R::PC, R::SP, R::X0, R::X1, R::X2, R::X3, R::X4, R::X5].map(|r| r as i32)
        }
        AnyTarget::Ppc64 => {
            use RegisterPPC as R;
            [R::PC, R::R1, R::R3, R::R4, R::R5, R::R6, R::R7, R::R8].map(|r| r as i32)
        }
        other => panic!("no engine for {other}"),
    }
}
