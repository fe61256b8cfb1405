//! The sections of an executable that DWARF consists of, decompressed.

use std::borrow::Cow;

use gimli::{EndianSlice, RunTimeEndian};
use object::{CompressionFormat, Object, ObjectSection};

use super::{DwarfError, Slice};

/// The most bytes that one of zlib's can become.
const MOST_A_BYTE: u64 = 1032;

/// A section's bytes.
pub(crate) struct Section<'f> {
    bytes: Cow<'f, [u8]>,
    endian: RunTimeEndian,
}

impl Section<'_> {
    pub(crate) fn slice(&self) -> Slice<'_> {
        EndianSlice::new(&self.bytes, self.endian)
    }
}

/// Loads the sections of an ELF file.
pub(crate) fn load(elf: &[u8]) -> Result<gimli::DwarfSections<Section<'_>>, DwarfError> {
    let file = object::File::parse(elf)?;
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let sections = gimli::DwarfSections::load(|id| {
        let bytes = match file.section_by_name(id.name()) {
            Some(section) => bytes(&section, id.name())?,
            None => Cow::Borrowed(&[][..]),
        };
        Ok::<_, DwarfError>(Section { bytes, endian })
    })?;
    if file.section_by_name(".debug_info").is_none() {
        return Err(DwarfError::Stripped);
    }
    Ok(sections)
}

fn bytes<'f>(section: &impl ObjectSection<'f>, name: &str) -> Result<Cow<'f, [u8]>, DwarfError> {
    let data = section.compressed_data()?;
    let (size, compressed) = (data.uncompressed_size, data.data.len() as u64);
    if data.format != CompressionFormat::None && size / MOST_A_BYTE > compressed {
        return Err(DwarfError::Bomb { name: name.to_owned(), size, compressed });
    }
    Ok(data.decompress()?)
}
