//! Where a stripped program has what its symbols would tell.

use object::{File, Object, ObjectSection};

use super::elf::{Elf, Places};

/// Where `runtime.moduledata` has its words, counted from its start. Source: `runtime/symtab.go`, Go 1.16 to 1.27.
mod at {
    pub const DATA: u64 = 26;
    pub const BSS: u64 = 28;
    /// Of Go 1.16 to 1.19; then the counters of coverage came before it.
    pub const TYPES: u64 = 35;
    pub const TYPES_SINCE_20: u64 = 37;
}

/// Finds the module's data: it is what points to the table of functions, and to the data segment at its place.
pub(super) fn places(elf: &Elf<'_>, file: &File<'_>) -> Option<Places> {
    let table = file.section_by_name(".gopclntab")?.address();
    let data = file.section_by_name(".data")?.address();
    let word = elf.word.bytes();
    let modules = elf.words().filter(|&(_, value)| value == table).map(|(address, _)| address);
    let mut found = modules.filter_map(|module| {
        let get = |at: u64| elf.word_at(module.checked_add(at * word)?);
        let pair = |at: u64| Some((get(at)?, get(at + 1)?)).filter(|(start, end)| start <= end);
        let segments = (pair(at::DATA)?, pair(at::BSS)?);
        if segments.0.0 != data {
            return None;
        }
        let start = if minor(elf) < 20 { at::TYPES } else { at::TYPES_SINCE_20 };
        let types = get(start)?;
        // Since Go 1.27 a length comes between.
        let end = [start + 1, start + 2].into_iter().filter_map(get).find(|&end| end > types)?;
        Some(Places { data: Some(segments.0), bss: Some(segments.1), types: Some((types, end)) })
    });
    found.next()
}

/// The minor version of Go, if the program tells it; otherwise a recent one.
pub(super) fn minor(elf: &Elf<'_>) -> u32 {
    let digits = |text: &[u8]| {
        let text = text.strip_prefix(b"go1.")?;
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
    };
    elf.release.and_then(digits).unwrap_or(u32::MAX)
}
