//! What has been found out about a dump, kept in a file beside it, so that the next look at the dump starts at once.
//!
//! The file is a cache: it can be deleted at any time, and one that is of another version, of another dump or program, or
//! damaged is [refused](Refused), and made again. It names what it is of by contents, not by name.
//!
//! It begins with [`MAGIC`] and a version. Sections follow, each with its length in bytes before it, all numbers the lowest
//! byte first, and at last the CRC-32 of all of it.

mod parts;
mod sections;
mod table;

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use heapmatrix_reader::{Dump, Index};

use crate::dominators::Dominators;
use crate::graph::Graph;
use crate::heap::Heap;
use crate::types::Typing;
use sections::{Sections, Writer};

/// What the file begins with.
pub const MAGIC: &[u8; 8] = b"heapmtx\n";
/// The version of all that follows. It changes with the format, and when the same dump would be understood differently.
const VERSION: u64 = 1;

/// What is kept of a dump.
pub struct Kept<'a> {
    /// Its objects.
    pub index: Index<'a>,
    /// Their types.
    pub typing: Typing,
    /// What points to what.
    pub graph: Graph,
    /// What dominates what.
    pub dominators: Dominators,
    /// What each node retains, in bytes.
    pub retained: Vec<u64>,
}

/// What is kept, and what it was found in.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    /// The whole dump.
    pub dump: &'k [u8],
    /// When the dump's file was last changed. One that is as long as it was, has not been changed since, and has the same
    /// bytes in some places, is not read whole to see that it is the same.
    pub modified: Option<SystemTime>,
    /// The program's file, if there is one.
    pub program: Option<&'k [u8]>,
}

/// Why a file is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It begins with something else.
    #[error("it is no index of heapmatrix")]
    NoIndex,
    /// It was made by another release.
    #[error("it is of version {0}, and this release makes version {VERSION}")]
    Version(u64),
    /// It is of another dump, or the dump has changed.
    #[error("it is of another dump")]
    OtherDump,
    /// It was made with another program, with none, or is asked for without one.
    #[error("it was made with another program")]
    OtherProgram,
    /// Its checksum is wrong, or what it says can't be.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl Key<'_> {
    /// What the file says of what it is of.
    fn words(&self) -> [u64; 7] {
        let [length, modified, places] = self.quick();
        let (program_length, program) = self.program();
        let is_there = self.program.is_some().into();
        [length, modified, places, crc(self.dump), is_there, program_length, program]
    }

    fn quick(&self) -> [u64; 3] {
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let modified = self.modified.and_then(since).as_ref().map(Duration::as_nanos);
        let modified = modified.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(u64::MAX);
        [self.dump.len() as u64, modified, places(self.dump)]
    }

    fn program(&self) -> (u64, u64) {
        self.program.map_or((0, 0), |program| (program.len() as u64, crc(program)))
    }

    /// Whether the file that says this is of the same.
    fn check(&self, says: [u64; 7]) -> Result<(), Refused> {
        let [length, modified, places, whole, is_there, program_length, program] = says;
        let quick = self.quick();
        let unchanged = quick == [length, modified, places] && modified != u64::MAX;
        if quick[0] != length || !unchanged && crc(self.dump) != whole {
            return Err(Refused::OtherDump);
        }
        if is_there != u64::from(self.program.is_some()) || (program_length, program) != self.program() {
            return Err(Refused::OtherProgram);
        }
        Ok(())
    }
}

/// The checksum of some bytes.
fn crc(bytes: &[u8]) -> u64 {
    crc32fast::hash(bytes).into()
}

/// The checksum of what is in some places of a dump: its start, its end, and others between.
fn places(dump: &[u8]) -> u64 {
    const PLACES: usize = 64;
    const LENGTH: usize = 4096;
    let mut hash = crc32fast::Hasher::new();
    let last = dump.len().saturating_sub(LENGTH);
    for place in 0..=PLACES {
        let start = last / PLACES * place + if place == PLACES { last % PLACES } else { 0 };
        hash.update(&dump[start..dump.len().min(start + LENGTH)]);
    }
    hash.finalize().into()
}

/// Writes what is known of a dump. Nothing of a dump that no runtime has written: that is not kept.
///
/// # Errors
/// Those of `out`.
pub fn write(key: &Key<'_>, heap: &Heap<'_, '_>, typing: &Typing, out: impl Write) -> io::Result<()> {
    let Some(objects) = heap.index().parts() else { return Ok(()) };
    let mut out = Writer::new(out);
    out.raw(MAGIC)?;
    out.raw(&VERSION.to_le_bytes())?;
    out.words(&key.words())?;
    parts::write_index(objects, &mut out)?;
    table::write(typing, &mut out)?;
    parts::write_graph(heap.graph(), &mut out)?;
    parts::write_dominators(heap.dominators(), &mut out)?;
    out.words(heap.all_retained())?;
    out.finish()
}

/// Reads what was [written](fn@write), in memory in proportion to it.
///
/// A file that somebody has made to deceive can make reports wrong, but no reading of them panics.
///
/// # Errors
/// Why it is of no use.
pub fn read<'a>(file: &[u8], key: &Key<'_>, dump: Dump<'a>) -> Result<Kept<'a>, Refused> {
    let rest = file.strip_prefix(MAGIC).ok_or(Refused::NoIndex)?;
    let (version, rest) = rest.split_first_chunk().ok_or(Refused::NoIndex)?;
    let version = u64::from_le_bytes(*version);
    if version != VERSION {
        return Err(Refused::Version(version));
    }
    let mut sections = Sections::new(rest);
    let says = sections.words().and_then(|words| words.try_into().ok());
    key.check(says.ok_or(Refused::Damaged("what it is of"))?)?;
    // Only now: what follows is as long as the heap is large.
    sections.end(file).ok_or(Refused::Damaged("its checksum"))?;
    let index = parts::read_index(dump, &mut sections).ok_or(Refused::Damaged("its objects"))?;
    let typing = table::read(index.len(), &mut sections).ok_or(Refused::Damaged("its types"))?;
    let graph = parts::read_graph(index.len(), &mut sections).ok_or(Refused::Damaged("its graph"))?;
    let dominators =
        parts::read_dominators(&graph, &mut sections).ok_or(Refused::Damaged("its dominators"))?;
    let retained = sections.words().filter(|sizes| sizes.len() == graph.len() as usize);
    let retained = retained.filter(|_| sections.is_at_end()).ok_or(Refused::Damaged("its retained sizes"))?;
    Ok(Kept { index, typing, graph, dominators, retained })
}
