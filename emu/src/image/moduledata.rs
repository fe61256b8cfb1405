//! `firstmoduledata` and what is linked to it, as the linker fills it and `schedinit` completes it (symtab.go).

use super::facts::FactError;
use super::section::{In, Sections};
use super::symtab::Symtab;
use super::vars::Vars;
use crate::world::{Slot, World};

/// Fills `firstmoduledata`, and adds the further modules. Of these a dump uses the tables only.
pub(crate) fn fill(
    world: &World,
    vars: &Vars,
    symtabs: &[Symtab],
    sections: &mut Sections,
) -> Result<(), FactError> {
    let data_mask: Vec<bool> = world.data.iter().map(Slot::is_pointer).collect();
    let tail = vars.bss_tail_mask(sections);
    let bss_mask: Vec<bool> = world.bss.iter().map(Slot::is_pointer).chain(tail).collect();
    let (data_words, bss_words) = (data_mask.len() as u64, bss_mask.len() as u64);
    let data_mask = sections.bitmap(data_mask);
    let bss_mask = sections.bitmap(bss_mask);
    let end = sections.end(In::NoptrBss);
    let slice = |(array, len): (u64, u64), fields: [&'static str; 3]| {
        [(fields[0], array), (fields[1], len), (fields[2], len)]
    };
    let bounds = [
        ("noptrdata", sections.base(In::NoptrData)),
        ("enoptrdata", sections.end(In::NoptrData)),
        ("data", sections.base(In::Data)),
        ("edata", sections.end(In::Data)),
        ("bss", vars.bss),
        ("ebss", vars.ebss),
        ("noptrbss", sections.base(In::NoptrBss)),
        ("enoptrbss", end),
        ("end", end),
        ("gcdatamask.n", data_words),
        ("gcdatamask.bytedata", data_mask),
        ("gcbssmask.n", bss_words),
        ("gcbssmask.bytedata", bss_mask),
    ];
    sections.fill("runtime.moduledata", vars.firstmoduledata, &bounds)?;
    let next = sections.layouts.offset("runtime.moduledata", "next")?;
    let mut module = vars.firstmoduledata;
    for (i, symtab) in symtabs.iter().enumerate() {
        if i > 0 {
            let further = sections.reserve_structure(In::NoptrData, "runtime.moduledata")?;
            sections.put_word(module + next, further);
            module = further;
        }
        let text = [
            ("findfunctab", symtab.findfunctab),
            ("minpc", symtab.minpc),
            ("maxpc", symtab.maxpc),
            ("text", symtab.minpc),
            ("etext", symtab.maxpc),
        ];
        let tables = [
            slice(symtab.pclntable, ["pclntable.array", "pclntable.len", "pclntable.cap"]),
            slice(symtab.ftab, ["ftab.array", "ftab.len", "ftab.cap"]),
            slice(symtab.filetab, ["filetab.array", "filetab.len", "filetab.cap"]),
        ];
        sections.fill("runtime.moduledata", module, &text)?;
        sections.fill("runtime.moduledata", module, &tables.concat())?;
    }
    Ok(())
}
