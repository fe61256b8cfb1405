//! What files that are no programs for these machines are told.

use super::*;

/// The head of an ELF file, which says what it is for.
fn head(class: u8, big: bool, machine: u16, flags: u32) -> Vec<u8> {
    let int = |value: u32, len: usize| {
        let bytes = value.to_be_bytes()[4 - len..].to_vec();
        if big { bytes } else { bytes.into_iter().rev().collect() }
    };
    let mut file = vec![0x7f, b'E', b'L', b'F', class, if big { 2 } else { 1 }, 1];
    file.resize(16, 0);
    file.extend([int(2, 2), int(machine.into(), 2), int(1, 4)].concat());
    // Entry, program headers, section headers.
    file.resize(if class == 2 { 48 } else { 36 }, 0);
    file.extend(int(flags, 4));
    file.resize(if class == 2 { 64 } else { 52 }, 0);
    file
}

#[test]
fn programs_of_other_machines_are_told_their_name() {
    for (class, big, machine, says) in [
        (2, false, 258, "a program for loong64, which is not emulated: there are amd64, 386, arm,"),
        (2, true, 183, "for arm64 (64-bit big-endian)"),
        (1, true, 40, "for arm (32-bit big-endian)"),
        (1, false, 62, "for x32, amd64 with pointers of 32 bits"),
        (1, true, 20, "for powerpc (32-bit big-endian)"),
        (1, true, 22, "for s390 (32-bit big-endian)"),
        (1, false, 243, "for riscv (32-bit little-endian)"),
        (2, true, 43, "for sparc64 (64-bit big-endian)"),
        (2, false, 999, "for the unknown machine 999 (64-bit little-endian)"),
    ] {
        let error = Program::parse(&head(class, big, machine, 0)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn programs_of_other_abis_are_told_which() {
    for (class, big, machine, flags, says) in [
        (
            1,
            true,
            8,
            0x6000_0020,
            Some("for mips of the n32 ABI, which is not emulated: expected the o32 ABI"),
        ),
        (1, false, 8, 0x2000, Some("for mipsle of the o64 ABI")),
        (1, false, 8, 0x7000_1007, None),
        (2, true, 8, 0x1000, Some("for mips64 of the o32 ABI, which is not emulated: expected the n64 ABI")),
        (2, false, 8, 0x2000_0000, None),
        (
            2,
            false,
            21,
            1,
            Some("for ppc64le of the ELFv1 ABI, which is not emulated: expected the ELFv2 ABI"),
        ),
        (2, false, 21, 2, None),
        (2, true, 21, 1, None),
        (2, true, 21, 2, None),
        (2, false, 243, 8, Some("for riscv64 of the RV64E ABI")),
        (2, false, 243, 4, None),
        (2, true, 22, 0, None),
    ] {
        let error = Program::parse(&head(class, big, machine, flags)).unwrap_err();
        match says {
            Some(says) => assert!(error.to_string().contains(says), "{error}"),
            None => assert!(matches!(error, ElfError::Empty), "{machine} {flags:#x}: {error}"),
        }
    }
}
