//! The engine without this crate's machine around it, to find out what is true of the engine, and to
//! count instructions in the slow and certain way.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::{
    Arch, MemType, Mode, Prot, RegisterARM, RegisterARM64, RegisterMIPS, RegisterPPC, RegisterRISCV,
    RegisterS390X, RegisterX86, TlbEntry, TlbType, Unicorn, X86Insn,
};

pub type Engine<D> = Unicorn<'static, D>;

/// What the engine calls a target.
pub fn mode(target: AnyTarget) -> (Arch, Mode) {
    match target {
        AnyTarget::Amd64 => (Arch::X86, Mode::MODE_64),
        AnyTarget::I386 => (Arch::X86, Mode::MODE_32),
        AnyTarget::Arm => (Arch::ARM, Mode::ARM),
        AnyTarget::Arm64 => (Arch::ARM64, Mode::ARM),
        // The CPU itself is told to be little-endian.
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => (Arch::PPC, Mode::PPC64 | Mode::BIG_ENDIAN),
        AnyTarget::Mips => (Arch::MIPS, Mode::MIPS32 | Mode::BIG_ENDIAN),
        AnyTarget::Mipsle => (Arch::MIPS, Mode::MIPS32),
        AnyTarget::Mips64 => (Arch::MIPS, Mode::MIPS64 | Mode::BIG_ENDIAN),
        AnyTarget::Mips64le => (Arch::MIPS, Mode::MIPS64),
        AnyTarget::Riscv64 => (Arch::RISCV, Mode::RISCV64),
        AnyTarget::S390x => (Arch::S390X, Mode::BIG_ENDIAN),
        other => panic!("no engine for {other}"),
    }
}

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
        AnyTarget::Mips | AnyTarget::Mipsle | AnyTarget::Mips64 | AnyTarget::Mips64le => {
            use RegisterMIPS as R;
            [R::PC, R::R29, R::R8, R::R9, R::R10, R::R11, R::R12, R::R13].map(|r| r as i32)
        }
        AnyTarget::Riscv64 => {
            use RegisterRISCV as R;
            [R::PC, R::X2, R::X10, R::X11, R::X12, R::X13, R::X14, R::X15].map(|r| r as i32)
        }
        AnyTarget::S390x => {
            use RegisterS390X as R;
            [R::PC, R::R15, R::R2, R::R3, R::R4, R::R5, R::R6, R::R7].map(|r| r as i32)
        }
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => {
            use RegisterPPC as R;
            [R::PC, R::R1, R::R3, R::R4, R::R5, R::R6, R::R7, R::R8].map(|r| r as i32)
        }
        other => panic!("no engine for {other}"),
    }
}
