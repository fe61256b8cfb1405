//! The engine's modes and registers for each machine that can be emulated, and instructions to execute.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::{
    Arch, Mode, RegisterARM, RegisterARM64, RegisterMIPS, RegisterPPC, RegisterRISCV, RegisterS390X,
    RegisterX86,
};

/// How the engine answers an instruction that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Illegal {
    /// An error, with the PC at the instruction.
    Error,
    /// An interrupt, with the PC so many bytes further.
    Interrupt { number: u32, skid: u64 },
    /// An interrupt, with the PC anywhere else.
    Lost { number: u32 },
}

/// What an engine executes in these tests: a nop, a store of V0 to the address in V1, a load of V2 from there, and a trap.
pub struct Code {
    pub target: AnyTarget,
    pub nop: &'static [u8],
    pub store: &'static [u8],
    pub load: &'static [u8],
    pub trap: &'static [u8],
    /// The engine's number of the interrupt that the trap is, where it is one.
    pub interrupt: Option<u32>,
    /// An instruction that does not exist, and how the engine says so.
    pub illegal: (&'static [u8], Illegal),
    /// The breakpoint instruction, and the engine's number of its exception: none where it is as one that does not
    /// exist.
    pub breakpoint: (&'static [u8], Option<u32>),
    /// A floating-point register.
    pub float: i32,
}

pub const CODES: &[Code] = &[
    Code {
        target: AnyTarget::Amd64,
        nop: &[0x90],
        store: &[0x48, 0x89, 0x01], // mov [rcx], rax
        load: &[0x48, 0x8b, 0x11],  // mov rdx, [rcx]
        trap: &[0x0f, 0x05],        // syscall
        interrupt: None,
        illegal: (&[0x0f, 0x0b], Illegal::Error),
        breakpoint: (&[0xcc], Some(3)),
        float: RegisterX86::XMM0 as i32,
    },
    Code {
        target: AnyTarget::I386,
        nop: &[0x90],
        store: &[0x89, 0x01], // mov [ecx], eax
        load: &[0x8b, 0x11],  // mov edx, [ecx]
        trap: &[0xcd, 0x80],  // int 0x80
        interrupt: Some(0x80),
        illegal: (&[0x0f, 0x0b], Illegal::Error),
        breakpoint: (&[0xcc], Some(3)),
        float: RegisterX86::XMM0 as i32,
    },
    Code {
        target: AnyTarget::Arm,
        nop: &[0, 0xf0, 0x20, 0xe3],
        store: &[0, 0, 0x81, 0xe5],   // str r0, [r1]
        load: &[0, 0x20, 0x91, 0xe5], // ldr r2, [r1]
        trap: &[0, 0, 0, 0xef],       // svc #0
        interrupt: Some(2),
        illegal: (&[0xf0, 0, 0xf0, 0xe7], Illegal::Error),
        breakpoint: (&[0x70, 0, 0x20, 0xe1], Some(7)), // bkpt #0
        float: RegisterARM::D8 as i32,
    },
    Code {
        target: AnyTarget::Ppc64,
        nop: &[0x60, 0, 0, 0],
        store: &[0xf8, 0x64, 0, 0], // std r3, 0(r4)
        load: &[0xe8, 0xa4, 0, 0],  // ld r5, 0(r4)
        trap: &[0x44, 0, 0, 2],     // sc
        interrupt: Some(8),
        illegal: (&[0; 4], Illegal::Interrupt { number: 96, skid: 4 }),
        breakpoint: (&[0x7f, 0xe0, 0, 8], Some(6)), // trap
        float: RegisterPPC::FPR20 as i32,
    },
    Code {
        target: AnyTarget::Arm64,
        nop: &[0x1f, 0x20, 3, 0xd5],
        store: &[0x20, 0, 0, 0xf9],   // str x0, [x1]
        load: &[0x22, 0, 0x40, 0xf9], // ldr x2, [x1]
        trap: &[1, 0, 0, 0xd4],       // svc #0
        interrupt: Some(2),
        illegal: (&[0; 4], Illegal::Interrupt { number: 1, skid: 0 }), // udf #0
        breakpoint: (&[0, 0, 0x20, 0xd4], Some(7)),                    // brk #0
        float: RegisterARM64::D8 as i32,
    },
    Code {
        target: AnyTarget::Ppc64le,
        nop: &[0, 0, 0, 0x60],
        store: &[0, 0, 0x64, 0xf8], // std r3, 0(r4)
        load: &[0, 0, 0xa4, 0xe8],  // ld r5, 0(r4)
        trap: &[2, 0, 0, 0x44],     // sc
        interrupt: Some(8),
        illegal: (&[0; 4], Illegal::Interrupt { number: 96, skid: 4 }),
        breakpoint: (&[8, 0, 0xe0, 0x7f], Some(6)), // trap
        float: RegisterPPC::FPR20 as i32,
    },
    Code {
        target: AnyTarget::Mips,
        nop: &[0; 4],
        store: &[0xad, 0x28, 0, 0], // sw t0, 0(t1)
        load: &[0x8d, 0x2a, 0, 0],  // lw t2, 0(t1)
        trap: &[0, 0, 0, 0x0c],     // syscall
        interrupt: Some(17),
        illegal: (&[0xdc, 0, 0, 0], Illegal::Lost { number: 20 }),
        breakpoint: (&[0, 0, 0, 0x0d], Some(18)), // break
        float: RegisterMIPS::F20 as i32,
    },
    Code {
        target: AnyTarget::Mipsle,
        nop: &[0; 4],
        store: &[0, 0, 0x28, 0xad], // sw t0, 0(t1)
        load: &[0, 0, 0x2a, 0x8d],  // lw t2, 0(t1)
        trap: &[0x0c, 0, 0, 0],     // syscall
        interrupt: Some(17),
        illegal: (&[0, 0, 0, 0xdc], Illegal::Lost { number: 20 }),
        breakpoint: (&[0x0d, 0, 0, 0], Some(18)), // break
        float: RegisterMIPS::F20 as i32,
    },
    Code {
        target: AnyTarget::Mips64,
        nop: &[0; 4],
        store: &[0xfd, 0x28, 0, 0], // sd t0, 0(t1)
        load: &[0xdd, 0x2a, 0, 0],  // ld t2, 0(t1)
        trap: &[0, 0, 0, 0x0c],     // syscall
        interrupt: Some(17),
        illegal: (&[0x7c, 0, 0, 0x3f], Illegal::Lost { number: 20 }),
        breakpoint: (&[0, 0, 0, 0x0d], Some(18)), // break
        float: RegisterMIPS::F20 as i32,
    },
    Code {
        target: AnyTarget::Mips64le,
        nop: &[0; 4],
        store: &[0, 0, 0x28, 0xfd], // sd t0, 0(t1)
        load: &[0, 0, 0x2a, 0xdd],  // ld t2, 0(t1)
        trap: &[0x0c, 0, 0, 0],     // syscall
        interrupt: Some(17),
        illegal: (&[0x3f, 0, 0, 0x7c], Illegal::Lost { number: 20 }),
        breakpoint: (&[0x0d, 0, 0, 0], Some(18)), // break
        float: RegisterMIPS::F20 as i32,
    },
    Code {
        target: AnyTarget::Riscv64,
        nop: &[0x13, 0, 0, 0],
        store: &[0x23, 0xb0, 0xa5, 0], // sd a0, 0(a1)
        load: &[0x03, 0xb6, 0x05, 0],  // ld a2, 0(a1)
        trap: &[0x73, 0, 0, 0],        // ecall
        interrupt: Some(8),
        illegal: (&[0xff; 4], Illegal::Interrupt { number: 2, skid: 4 }),
        breakpoint: (&[0x73, 0, 0x10, 0], None), // ebreak
        float: RegisterRISCV::F8 as i32,
    },
    Code {
        target: AnyTarget::S390x,
        nop: &[0x47, 0, 0, 0],
        store: &[0xe3, 0x20, 0x30, 0, 0, 0x24], // stg %r2, 0(%r3)
        load: &[0xe3, 0x40, 0x30, 0, 0, 0x04],  // lg %r4, 0(%r3)
        trap: &[0x0a, 0],                       // svc 0
        interrupt: Some(2),
        illegal: (&[0, 0], Illegal::Interrupt { number: 3, skid: 0 }),
        breakpoint: (&[0, 1], Some(3)),
        float: RegisterS390X::F8 as i32,
    },
];

/// The instructions of a machine.
pub fn of(target: AnyTarget) -> &'static Code {
    CODES.iter().find(|code| code.target == target).unwrap_or_else(|| panic!("no canaries of {target}"))
}

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
