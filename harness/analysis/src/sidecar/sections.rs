//! Arrays of numbers in a file.

use std::io::{self, Write};

use crc32fast::Hasher;

/// How many numbers are turned into bytes at a time.
const CHUNK: usize = 4096;

/// Writes sections, and their checksum at the end.
pub(super) struct Writer<W> {
    out: W,
    hash: Hasher,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> Self {
        Self { out, hash: Hasher::new() }
    }

    /// Bytes that are no section.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }

    /// A section of bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.raw(&(bytes.len() as u64).to_le_bytes())?;
        self.raw(bytes)
    }

    /// A section of numbers of 64 bits.
    pub fn words(&mut self, words: &[u64]) -> io::Result<()> {
        self.raw(&(8 * words.len() as u64).to_le_bytes())?;
        words.chunks(CHUNK).try_for_each(|chunk| {
            self.raw(&chunk.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>())
        })
    }

    /// A section of numbers of 32 bits.
    pub fn halves(&mut self, halves: &[u32]) -> io::Result<()> {
        self.raw(&(4 * halves.len() as u64).to_le_bytes())?;
        halves.chunks(CHUNK).try_for_each(|chunk| {
            self.raw(&chunk.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<u8>>())
        })
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<()> {
        let hash = self.hash.clone().finalize();
        self.out.write_all(&hash.to_le_bytes())?;
        self.out.flush()
    }
}

/// Reads sections in the order in which they were written. `None` where the file is not what it should be.
pub(super) struct Sections<'b>(&'b [u8]);

impl<'b> Sections<'b> {
    pub fn new(rest: &'b [u8]) -> Self {
        Self(rest)
    }

    /// Whether `file` ends in its checksum, which is then no longer a part of what is left.
    pub fn end(&mut self, file: &[u8]) -> Option<()> {
        let (whole, sum) = file.split_last_chunk()?;
        self.0 = self.0.split_last_chunk::<4>()?.0;
        (crc32fast::hash(whole) == u32::from_le_bytes(*sum)).then_some(())
    }

    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (bytes, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    pub fn words(&mut self) -> Option<Vec<u64>> {
        let (words, []) = self.bytes()?.as_chunks() else { return None };
        Some(words.iter().map(|&word| u64::from_le_bytes(word)).collect())
    }

    pub fn halves(&mut self) -> Option<Vec<u32>> {
        let (halves, []) = self.bytes()?.as_chunks() else { return None };
        Some(halves.iter().map(|&half| u32::from_le_bytes(half)).collect())
    }

    /// Numbers of 64 bits, so many together.
    pub fn tuples<const N: usize>(&mut self) -> Option<Vec<[u64; N]>> {
        let (words, []) = self.bytes()?.as_chunks::<8>() else { return None };
        let (tuples, []) = words.as_chunks::<N>() else { return None };
        Some(tuples.iter().map(|tuple| tuple.map(u64::from_le_bytes)).collect())
    }
}
