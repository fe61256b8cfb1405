//! The contents of a file in memory: pages where something was written, and nothing for holes.

use std::collections::BTreeMap;
use std::io::{self, Seek, SeekFrom, Write};

use super::super::budget::{Budget, Charge};
use super::super::errno::Errno;

/// Bytes that are kept together.
const PAGE: u64 = 4096;
/// What a page costs besides its bytes.
const PAGE_COST: u64 = PAGE + 64;

/// The contents of a file.
#[derive(Debug)]
pub struct Data {
    pages: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
    len: u64,
    charge: Charge,
}

impl Data {
    /// Nothing. All that is written is taken from `room`.
    pub fn new(room: &Budget) -> Self {
        Data { pages: BTreeMap::new(), len: 0, charge: room.take(0).expect("nothing fits everywhere") }
    }

    /// The file's size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// How many bytes are stored.
    pub fn stored(&self) -> u64 {
        self.pages.len() as u64 * PAGE
    }

    /// Reads from `at` on; fewer bytes than asked for at the end.
    pub fn read(&self, at: u64, buf: &mut [u8]) -> usize {
        let n = self.len.saturating_sub(at).min(buf.len() as u64) as usize;
        for (page, from, piece) in pieces(at, n) {
            let slot = &mut buf[piece.clone()];
            match self.pages.get(&page) {
                Some(bytes) => slot.copy_from_slice(&bytes[from..from + slot.len()]),
                None => slot.fill(0),
            }
        }
        n
    }

    /// Writes from `at` on, as much as there is room for.
    ///
    /// # Errors
    /// `ENOSPC` when there is room for nothing, `EFBIG` when no file is that large.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let end = at.checked_add(bytes.len() as u64).filter(|&end| end <= i64::MAX as u64);
        end.ok_or(Errno::FBig)?;
        let mut written = 0;
        for (page, from, piece) in pieces(at, bytes.len()) {
            let bytes = &bytes[piece.clone()];
            let slot = match self.page(page) {
                Ok(slot) => slot,
                Err(errno) if written == 0 => return Err(errno),
                Err(_) => break,
            };
            slot[from..from + bytes.len()].copy_from_slice(bytes);
            written = piece.end;
            self.len = self.len.max(at + written as u64);
        }
        Ok(written)
    }

    fn page(&mut self, page: u64) -> Result<&mut [u8; PAGE as usize], Errno> {
        if !self.pages.contains_key(&page) {
            self.charge.set((self.pages.len() as u64 + 1) * PAGE_COST)?;
        }
        Ok(self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE as usize])))
    }

    /// Cuts the file off, or lengthens it by a hole.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            let whole = len.div_ceil(PAGE);
            self.pages.split_off(&whole);
            let last = self.pages.get_mut(&(len / PAGE)).filter(|_| !len.is_multiple_of(PAGE));
            if let Some(last) = last {
                last[(len % PAGE) as usize..].fill(0);
            }
            self.charge.set(self.pages.len() as u64 * PAGE_COST).expect("less than before");
        }
        self.len = len;
    }

    /// Sets a range to zeros, and gives back the pages that lie in it.
    pub fn zero(&mut self, from: u64, to: u64) {
        let to = to.min(self.len);
        let (first, last) = (from.div_ceil(PAGE), to / PAGE);
        let whole: Vec<u64> = self.pages.range(first..last.max(first)).map(|(&page, _)| page).collect();
        for page in whole {
            self.pages.remove(&page);
        }
        for (start, end) in [(from, to.min(first * PAGE)), (from.max(last * PAGE), to)] {
            if let Some(page) = self.pages.get_mut(&(start / PAGE)).filter(|_| start < end) {
                page[(start % PAGE) as usize..][..(end - start) as usize].fill(0);
            }
        }
        self.charge.set(self.pages.len() as u64 * PAGE_COST).expect("less than before");
    }

    /// Where the next byte lies that is stored, or the next hole begins, from `at` on; the end is a hole.
    /// `None` after the end.
    pub fn seek(&self, at: u64, hole: bool) -> Option<u64> {
        if at >= self.len {
            return None;
        }
        let mut page = at / PAGE;
        if hole {
            while self.pages.contains_key(&page) {
                page += 1;
            }
        } else {
            page = *self.pages.range(page..).next()?.0;
        }
        Some((page * PAGE).max(at).min(self.len))
    }

    /// All bytes, unless most of them would be holes.
    pub fn to_vec(&self) -> Option<Vec<u8>> {
        const HOLES: u64 = 64 << 20;
        let len = usize::try_from(self.len).ok().filter(|_| self.len <= self.stored() + HOLES)?;
        let mut bytes = vec![0; len];
        self.read(0, &mut bytes);
        Some(bytes)
    }

    /// Writes all to a new file of the host's, whose holes stay holes.
    pub fn copy_to(&self, file: &mut std::fs::File) -> io::Result<()> {
        for (page, bytes) in &self.pages {
            let at = page * PAGE;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&bytes[..self.len.saturating_sub(at).min(PAGE) as usize])?;
        }
        file.set_len(self.len)
    }
}

/// The parts of a range in each page: the page, where in it, and which bytes of the range.
fn pieces(at: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = at + done as u64;
        let from = (at % PAGE) as usize;
        let n = (len - done).min(PAGE as usize - from);
        let piece = done..done + n;
        done += n;
        (n > 0).then_some((at / PAGE, from, piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_cost_nothing_and_read_as_zeros() {
        let room = Budget::new(3 * PAGE_COST);
        let mut data = Data::new(&room);
        assert_eq!(data.write(1 << 40, b"far"), Ok(3));
        assert_eq!(data.write(PAGE - 1, b"ab"), Ok(2));
        assert_eq!((data.len(), data.stored(), room.left()), ((1 << 40) + 3, 3 * PAGE, 0));
        let mut buf = [9; 4];
        assert_eq!((data.read(PAGE - 2, &mut buf), buf), (4, [0, b'a', b'b', 0]));
        assert_eq!((data.read((1 << 40) + 1, &mut buf), &buf[..2]), (2, &b"ar"[..]));
        assert_eq!(data.write(1 << 30, b"x"), Err(Errno::NoSpc));
        assert_eq!(data.write(u64::MAX - 1, b"x"), Err(Errno::FBig));
        assert_eq!((data.seek(0, false), data.seek(5, true)), (Some(0), Some(2 * PAGE)));
        assert_eq!((data.seek(2 * PAGE, false), data.seek(1 << 41, true)), (Some(1 << 40), None));
        assert!(data.to_vec().is_none());

        data.set_len(PAGE);
        assert_eq!((data.stored(), room.left()), (PAGE, 2 * PAGE_COST));
        data.set_len(PAGE - 1);
        data.set_len(PAGE + 5);
        assert_eq!(data.to_vec().unwrap()[PAGE as usize - 2..], [0; 7], "what was cut off is gone");
        assert_eq!(
            data.write(PAGE - 2, &[1; 3 * PAGE as usize]),
            Ok(2 * PAGE as usize + 2),
            "up to the limit"
        );
        data.zero(PAGE - 1, 2 * PAGE + 1);
        assert_eq!((data.stored(), data.len()), (2 * PAGE, 3 * PAGE));
        let bytes = data.to_vec().unwrap();
        let ones: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == 1).collect();
        assert_eq!((ones[0], ones.len()), (PAGE as usize - 2, PAGE as usize));
        data.zero(PAGE - 2, PAGE - 1);
        assert_eq!(data.to_vec().unwrap()[PAGE as usize - 2], 0);
        drop(data);
        assert_eq!(room.left(), 3 * PAGE_COST);
    }
}
