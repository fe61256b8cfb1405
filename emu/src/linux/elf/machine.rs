//! The machine and the ABI that an ELF file is for.

use heapmatrix_writer::AnyTarget;
use object::read::elf::FileHeader;
use object::{Endian, Endianness};

use super::ElfError;
use crate::linux::arch;

/// The machine of a program, if it and the ABI are emulated.
pub(super) fn machine<E: FileHeader<Endian = Endianness>>(
    header: &E,
    endian: Endianness,
) -> Result<AnyTarget, ElfError> {
    let (wide, big, flags) = (header.is_type_64(), endian.is_big_endian(), header.e_flags(endian).0);
    let number = header.e_machine(endian);
    let target = AnyTarget::from_elf(number.0, wide, big).filter(|&target| arch::of(target).is_some());
    let target = target.ok_or_else(|| ElfError::Machine(unknown(number.0, wide, big)))?;
    match abi(target, flags) {
        Some((abi, expected)) => Err(ElfError::Abi { target, abi, expected }),
        None => Ok(target),
    }
}

/// The ABI that a program's flags name, and the one that is emulated, if they are not the same.
fn abi(target: AnyTarget, flags: u32) -> Option<(&'static str, &'static str)> {
    const EF_MIPS_ABI2: u32 = 0x20;
    const EF_MIPS_ABI: u32 = 0xf000;
    const EF_MIPS_ABI_O32: u32 = 0x1000;
    const EF_MIPS_ABI_O64: u32 = 0x2000;
    const EF_PPC64_ABI: u32 = 3;
    const EF_RISCV_RVE: u32 = 8;
    match target {
        AnyTarget::Mips | AnyTarget::Mipsle if flags & EF_MIPS_ABI2 != 0 => Some(("n32", "o32")),
        AnyTarget::Mips | AnyTarget::Mipsle => match flags & EF_MIPS_ABI {
            0 | EF_MIPS_ABI_O32 => None,
            EF_MIPS_ABI_O64 => Some(("o64", "o32")),
            _ => Some(("EABI", "o32")),
        },
        AnyTarget::Mips64 | AnyTarget::Mips64le => match flags & EF_MIPS_ABI {
            0 => None,
            EF_MIPS_ABI_O32 => Some(("o32", "n64")),
            EF_MIPS_ABI_O64 => Some(("o64", "n64")),
            _ => Some(("EABI", "n64")),
        },
        // Big-endian programs are of either, and zero means the first.
        AnyTarget::Ppc64 => (flags & EF_PPC64_ABI == 3).then_some(("ELFv3", "ELFv1 or ELFv2")),
        AnyTarget::Ppc64le => match flags & EF_PPC64_ABI {
            0 | 2 => None,
            1 => Some(("ELFv1", "ELFv2")),
            _ => Some(("ELFv3", "ELFv2")),
        },
        AnyTarget::Riscv64 => (flags & EF_RISCV_RVE != 0).then_some(("RV64E", "LP64")),
        AnyTarget::Amd64
        | AnyTarget::I386
        | AnyTarget::Arm
        | AnyTarget::Arm64
        | AnyTarget::S390x
        | AnyTarget::Loong64
        | AnyTarget::Amd64p32 => None,
    }
}

/// What people call a machine that is not emulated.
fn unknown(number: u16, wide: bool, big: bool) -> String {
    let order = if big { "big-endian" } else { "little-endian" };
    let bits = if wide { 64 } else { 32 };
    let name = match (number, wide) {
        (2 | 18, false) => "sparc",
        (43, _) => "sparc64",
        (3, _) => "386",
        (4, _) => "m68k",
        (8 | 10, _) => "mips",
        (15, _) => "parisc",
        (20, _) => "powerpc",
        (21, _) => "ppc64",
        (22, false) => "s390",
        (22, true) => "s390x",
        (40, _) => "arm",
        (42, _) => "sh",
        (50, _) => "ia64",
        (62, false) => "x32, amd64 with pointers of 32 bits",
        (62, true) => "amd64",
        (183, _) => "arm64",
        (243, _) => "riscv",
        (252, _) => "csky",
        (258, true) => return "loong64".to_owned(),
        (258, false) => "loongarch",
        (0x9026, _) => "alpha",
        _ => return format!("the unknown machine {number} ({bits}-bit {order})"),
    };
    format!("{name} ({bits}-bit {order})")
}
