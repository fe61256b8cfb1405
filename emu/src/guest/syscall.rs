//! System calls of guest programs: [`Op`](super::ir::Op) has none, since what they do is not the machine's business.

use heapmatrix_writer::AnyTarget;

/// A function that makes a Linux system call, or nothing for a machine without one.
///
/// The caller puts the call's number and six arguments in words at its stack pointer, one after the other. The answer
/// takes the number's place; on every machine, errors are negative. The code lies anywhere, and changes all general
/// registers.
pub fn system_call(target: AnyTarget) -> Option<Vec<u8>> {
    let words = |words: &[u32]| -> Vec<u8> {
        let bytes = |word: &u32| if target.big_endian() { word.to_be_bytes() } else { word.to_le_bytes() };
        words.iter().flat_map(bytes).collect()
    };
    Some(match target {
        AnyTarget::Amd64 => AMD64.concat(),
        AnyTarget::I386 => I386.concat(),
        AnyTarget::S390x => S390X.concat(),
        AnyTarget::Arm => words(&ARM),
        AnyTarget::Arm64 => words(&ARM64),
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => words(&PPC64),
        AnyTarget::Mips | AnyTarget::Mipsle => words(&MIPS),
        AnyTarget::Mips64 | AnyTarget::Mips64le => words(&MIPS64),
        AnyTarget::Riscv64 => words(&RISCV64),
        AnyTarget::Loong64 | AnyTarget::Amd64p32 => return None,
    })
}

/// The return PC is at the stack pointer.
const AMD64: [&[u8]; 10] = [
    &[0x48, 0x8b, 0x44, 0x24, 0x08], // mov rax, [rsp+8]
    &[0x48, 0x8b, 0x7c, 0x24, 0x10], // mov rdi, [rsp+16]
    &[0x48, 0x8b, 0x74, 0x24, 0x18], // mov rsi, [rsp+24]
    &[0x48, 0x8b, 0x54, 0x24, 0x20], // mov rdx, [rsp+32]
    &[0x4c, 0x8b, 0x54, 0x24, 0x28], // mov r10, [rsp+40]
    &[0x4c, 0x8b, 0x44, 0x24, 0x30], // mov r8, [rsp+48]
    &[0x4c, 0x8b, 0x4c, 0x24, 0x38], // mov r9, [rsp+56]
    &[0x0f, 0x05],                   // syscall
    &[0x48, 0x89, 0x44, 0x24, 0x08], // mov [rsp+8], rax
    &[0xc3],                         // ret
];

const I386: [&[u8]; 10] = [
    &[0x8b, 0x44, 0x24, 0x04], // mov eax, [esp+4]
    &[0x8b, 0x5c, 0x24, 0x08], // mov ebx, [esp+8]
    &[0x8b, 0x4c, 0x24, 0x0c], // mov ecx, [esp+12]
    &[0x8b, 0x54, 0x24, 0x10], // mov edx, [esp+16]
    &[0x8b, 0x74, 0x24, 0x14], // mov esi, [esp+20]
    &[0x8b, 0x7c, 0x24, 0x18], // mov edi, [esp+24]
    &[0x8b, 0x6c, 0x24, 0x1c], // mov ebp, [esp+28]
    &[0xcd, 0x80],             // int 0x80
    &[0x89, 0x44, 0x24, 0x04], // mov [esp+4], eax
    &[0xc3],                   // ret
];

const ARM: [u32; 10] = [
    0xe59d_7000, // ldr r7, [sp]
    0xe59d_0004, // ldr r0, [sp, #4]
    0xe59d_1008, // ldr r1, [sp, #8]
    0xe59d_200c, // ldr r2, [sp, #12]
    0xe59d_3010, // ldr r3, [sp, #16]
    0xe59d_4014, // ldr r4, [sp, #20]
    0xe59d_5018, // ldr r5, [sp, #24]
    0xef00_0000, // svc 0
    0xe58d_0000, // str r0, [sp]
    0xe12f_ff1e, // bx lr
];

const ARM64: [u32; 10] = [
    0xf940_03e8, // ldr x8, [sp]
    0xf940_07e0, // ldr x0, [sp, #8]
    0xf940_0be1, // ldr x1, [sp, #16]
    0xf940_0fe2, // ldr x2, [sp, #24]
    0xf940_13e3, // ldr x3, [sp, #32]
    0xf940_17e4, // ldr x4, [sp, #40]
    0xf940_1be5, // ldr x5, [sp, #48]
    0xd400_0001, // svc 0
    0xf900_03e0, // str x0, [sp]
    0xd65f_03c0, // ret
];

/// An error is a bit of the condition register.
const PPC64: [u32; 12] = [
    0xe801_0000, // ld r0, 0(r1)
    0xe861_0008, // ld r3, 8(r1)
    0xe881_0010, // ld r4, 16(r1)
    0xe8a1_0018, // ld r5, 24(r1)
    0xe8c1_0020, // ld r6, 32(r1)
    0xe8e1_0028, // ld r7, 40(r1)
    0xe901_0030, // ld r8, 48(r1)
    0x4400_0002, // sc
    0x4083_0008, // bns +8
    0x7c63_00d0, // neg r3, r3
    0xf861_0000, // std r3, 0(r1)
    0x4e80_0020, // blr
];

/// Two of the arguments are on the stack, after room for the first four. An error is a register.
const MIPS: [u32; 18] = [
    0x8fb8_0014, // lw t8, 20(sp)
    0x8fb9_0018, // lw t9, 24(sp)
    0x27bd_ffe0, // addiu sp, sp, -32
    0xafb8_0010, // sw t8, 16(sp)
    0xafb9_0014, // sw t9, 20(sp)
    0x8fa2_0020, // lw v0, 32(sp)
    0x8fa4_0024, // lw a0, 36(sp)
    0x8fa5_0028, // lw a1, 40(sp)
    0x8fa6_002c, // lw a2, 44(sp)
    0x8fa7_0030, // lw a3, 48(sp)
    0x0000_000c, // syscall
    0x10e0_0002, // beq a3, zero, +12
    0x0000_0000, // nop
    0x0002_1023, // subu v0, zero, v0
    0xafa2_0020, // sw v0, 32(sp)
    0x27bd_0020, // addiu sp, sp, 32
    0x03e0_0008, // jr ra
    0x0000_0000, // nop
];

const MIPS64: [u32; 14] = [
    0xdfa2_0000, // ld v0, 0(sp)
    0xdfa4_0008, // ld a0, 8(sp)
    0xdfa5_0010, // ld a1, 16(sp)
    0xdfa6_0018, // ld a2, 24(sp)
    0xdfa7_0020, // ld a3, 32(sp)
    0xdfa8_0028, // ld a4, 40(sp)
    0xdfa9_0030, // ld a5, 48(sp)
    0x0000_000c, // syscall
    0x10e0_0002, // beq a3, zero, +12
    0x0000_0000, // nop
    0x0002_102f, // dsubu v0, zero, v0
    0xffa2_0000, // sd v0, 0(sp)
    0x03e0_0008, // jr ra
    0x0000_0000, // nop
];

const RISCV64: [u32; 10] = [
    0x0001_3883, // ld a7, 0(sp)
    0x0081_3503, // ld a0, 8(sp)
    0x0101_3583, // ld a1, 16(sp)
    0x0181_3603, // ld a2, 24(sp)
    0x0201_3683, // ld a3, 32(sp)
    0x0281_3703, // ld a4, 40(sp)
    0x0301_3783, // ld a5, 48(sp)
    0x0000_0073, // ecall
    0x00a1_3023, // sd a0, 0(sp)
    0x0000_8067, // ret
];

const S390X: [&[u8]; 10] = [
    &[0xe3, 0x10, 0xf0, 0x00, 0x00, 0x04], // lg %r1, 0(%r15)
    &[0xe3, 0x20, 0xf0, 0x08, 0x00, 0x04], // lg %r2, 8(%r15)
    &[0xe3, 0x30, 0xf0, 0x10, 0x00, 0x04], // lg %r3, 16(%r15)
    &[0xe3, 0x40, 0xf0, 0x18, 0x00, 0x04], // lg %r4, 24(%r15)
    &[0xe3, 0x50, 0xf0, 0x20, 0x00, 0x04], // lg %r5, 32(%r15)
    &[0xe3, 0x60, 0xf0, 0x28, 0x00, 0x04], // lg %r6, 40(%r15)
    &[0xe3, 0x70, 0xf0, 0x30, 0x00, 0x04], // lg %r7, 48(%r15)
    &[0x0a, 0x00],                         // svc 0
    &[0xe3, 0x20, 0xf0, 0x00, 0x00, 0x24], // stg %r2, 0(%r15)
    &[0x07, 0xfe],                         // br %r14
];
