//! Code in several sections, as the linker cuts that of large programs on machines whose calls do not reach far.

use super::*;
use crate::target::{Amd64, I386};

/// A module of two sections with a gap after the first, and nothing else.
fn module() -> Module {
    let none = Header::default();
    let no_bits = || BitVector { n: 0, bytedata: Addr::NIL };
    Module {
        data: (0, 0),
        bss: (0, 0),
        gcdatamask: no_bits(),
        gcbssmask: no_bits(),
        types: 0,
        etypes: 0,
        rodata: 0,
        gofunc: 0,
        text: 0x3000,
        minpc: 0x4000,
        maxpc: 0x9041,
        findfunctab: Addr::NIL,
        funcnametab: none,
        cutab: none,
        filetab: none,
        pctab: none,
        pclntable: none,
        ftab: none,
        sections: vec![(0, 0x100, 0x4000), (0x140, 0x180, 0x9000)],
    }
}

#[test]
fn offsets_of_code_are_those_of_its_section() {
    for (off, addr) in [
        (0, 0x4000),
        (0xff, 0x40ff),
        // In no section: as if there were none.
        (0x100, 0x3100),
        (0x13f, 0x313f),
        (0x140, 0x9000),
        (0x17f, 0x903f),
        // The end of the last section belongs to it.
        (0x180, 0x9040),
        (0x181, 0x3181),
    ] {
        assert_eq!(module().text_addr::<Amd64>(off), addr, "{off:#x}");
    }
    let far = Module { sections: vec![(0, 8, 0xffff_fffc)], ..module() };
    assert_eq!(far.text_addr::<I386>(6), 2);
}

#[test]
fn code_has_offsets_by_its_section() {
    for (pc, off) in [
        (0x3fff, None),
        (0x4000, Some(0)),
        (0x40ff, Some(0xff)),
        (0x4100, None),
        (0x8fff, None),
        (0x9000, Some(0x140)),
        (0x903f, Some(0x17f)),
        (0x9040, Some(0x180)),
        (0x9041, Some(0x6041)),
    ] {
        assert_eq!(module().text_off(pc), off, "{pc:#x}");
    }
}
