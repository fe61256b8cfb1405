//! The pages that the kernel gives to every process: helper functions, and where signal handlers
//! return to.

use heapmatrix_writer::AnyTarget;

use super::stack::stack_top;

/// A page of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPage {
    /// What it is called in `/proc/self/maps`.
    pub name: &'static str,
    /// Where it is.
    pub addr: u64,
    /// Code by its offset in the page.
    pub code: Vec<(usize, Vec<u8>)>,
}

/// Where a signal handler returns to if its program doesn't say.
pub const fn sigreturn_addr(target: AnyTarget) -> u64 {
    stack_top(target)
}

/// The pages of a process of this target.
pub fn kernel_pages(target: AnyTarget) -> Vec<KernelPage> {
    let sigpage =
        KernelPage { name: "[sigpage]", addr: sigreturn_addr(target), code: vec![(0, sigreturn(target))] };
    match target {
        AnyTarget::Amd64 => vec![sigpage, vsyscall()],
        AnyTarget::Arm => vec![sigpage, vectors()],
        _ => vec![sigpage],
    }
}

/// The system call `rt_sigreturn`.
fn sigreturn(target: AnyTarget) -> Vec<u8> {
    match target {
        // mov eax, 15; syscall
        AnyTarget::Amd64 => vec![0xb8, 15, 0, 0, 0, 0x0f, 0x05],
        // mov eax, 173; int 0x80
        AnyTarget::I386 => vec![0xb8, 173, 0, 0, 0, 0xcd, 0x80],
        // mov r7, #173; svc 0
        AnyTarget::Arm => arm(&[0xe3a0_70ad, 0xef00_0000]),
        // The handler's caller frame goes: addi r1, r1, 128; li r0, 172; sc
        _ => [0x3821_0080_u32, 0x3800_00ac, 0x4400_0002].iter().flat_map(|word| word.to_be_bytes()).collect(),
    }
}

/// amd64's first fast system calls, at fixed addresses. Go 1.5 calls `gettimeofday` there when it
/// finds no vDSO.
fn vsyscall() -> KernelPage {
    // mov eax, number; syscall; ret
    let call = |number: u32| [&[0xb8][..], &number.to_le_bytes(), &[0x0f, 0x05, 0xc3]].concat();
    KernelPage {
        name: "[vsyscall]",
        addr: 0xffff_ffff_ff60_0000,
        code: vec![(0, call(96)), (0x400, call(201)), (0x800, call(309))],
    }
}

/// arm's helpers in the vector page (Documentation/arm/kernel_user_helpers): Go for ARMv5 has no
/// atomic instructions of its own.
fn vectors() -> KernelPage {
    let cmpxchg64 = arm(&[
        0xe92d_40f0, // push {r4-r7, lr}
        0xe1c0_40d0, // ldrd r4, r5, [r0]
        0xe1c1_60d0, // ldrd r6, r7, [r1]
        0xe1b2_0f9f, // again: ldrexd r0, r1, [r2]
        0xe030_3004, // eors r3, r0, r4
        0x0031_3005, // eorseq r3, r1, r5
        0x01a2_3f96, // strexdeq r3, r6, r7, [r2]
        0x0333_0001, // teqeq r3, #1
        0x0aff_fff9, // beq again
        0xe273_0000, // rsbs r0, r3, #0
        0xe8bd_80f0, // pop {r4-r7, pc}
    ]);
    let memory_barrier = arm(&[
        0xf57f_f05b, // dmb ish
        0xe12f_ff1e, // bx lr
    ]);
    let cmpxchg = arm(&[
        0xe192_3f9f, // again: ldrex r3, [r2]
        0xe053_3000, // subs r3, r3, r0
        0x0182_3f91, // strexeq r3, r1, [r2]
        0x0333_0001, // teqeq r3, #1
        0x0aff_fffa, // beq again
        0xe273_0000, // rsbs r0, r3, #0
        0xe12f_ff1e, // bx lr
    ]);
    let get_tls = arm(&[
        0xee1d_0f70, // mrc p15, 0, r0, c13, c0, 3
        0xe12f_ff1e, // bx lr
    ]);
    let version = 5_u32.to_le_bytes().to_vec();
    KernelPage {
        name: "[vectors]",
        addr: 0xffff_0000,
        code: vec![
            (0xf60, cmpxchg64),
            (0xfa0, memory_barrier),
            (0xfc0, cmpxchg),
            (0xfe0, get_tls),
            (0xffc, version),
        ],
    }
}

fn arm(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
