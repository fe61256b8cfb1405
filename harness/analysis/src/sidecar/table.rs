//! The types as sections.

use std::io::{self, Write};

use super::sections::{Sections, Writer};
use crate::types::Typing;

pub(super) fn write(typing: &Typing, out: &mut Writer<impl Write>) -> io::Result<()> {
    let (ids, headed, table) = typing.parts();
    out.halves(&ids.collect::<Vec<_>>())?;
    out.words(headed)?;
    out.bytes(&table)
}

pub(super) fn read(objects: usize, sections: &mut Sections<'_>) -> Option<Typing> {
    Typing::from_parts(objects, sections.halves()?, sections.words()?, sections.bytes()?)
}
