//! The buffered sink: `dwrite` and `flush` of heapdump.go.

use std::io::{self, Write};

use super::buffer::Buffer;
use super::room::{MAX_FIELD, Room};
use super::tags::FIELD_KIND_PTR;
use super::uvarint::{MAX_LEN, put_uvarint, put_uvarints};
use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};

/// The reference's `bufSize`, in bytes.
pub(crate) const BUF_SIZE: usize = 4096;

/// The most that Linux writes in one call, in bytes (`MAX_RW_COUNT`).
const MAX_RW_COUNT: u64 = 0x7fff_f000;

/// The smallest page of any target: memory is readable, or not, by pages.
const PAGE: u64 = 4096;

/// Bytes that the reference loses where it calls `write`; see [`Defects`](crate::Defects), where they are explained.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// The length goes through an `int32`.
    pub int32_lengths: bool,
    /// Whether a length with bit 31 set reaches the kernel as an unsigned one.
    pub unsigned_count: bool,
    /// Nobody looks at what `write` answers.
    pub write_errors_ignored: bool,
    /// An empty buffer is written as well.
    pub empty_writes: bool,
}

impl Losses {
    /// Whether there are any.
    fn any(self) -> bool {
        let Losses { int32_lengths, unsigned_count, write_errors_ignored, empty_writes } = self;
        int32_lengths | unsigned_count | write_errors_ignored | empty_writes
    }
}

/// Collects small data in a buffer and hands large data on as they are.
///
/// With a capacity of 4096 bytes the calls of `out.write` have the reference's boundaries exactly,
/// as long as `out` takes what it is given and the memory lends what it is asked for.
pub(crate) struct Sink<'w> {
    out: &'w mut dyn Write,
    buffer: Buffer,
    losses: Losses,
    /// From so many bytes on, data go to `out` as they are where nothing is waiting; none do if it matters how.
    large: usize,
    written: u64,
    lost: u64,
}

impl<'w> Sink<'w> {
    /// A sink of the given capacity in bytes.
    pub(crate) fn new(out: &'w mut dyn Write, capacity: usize, losses: Losses) -> Self {
        let large = if losses.any() { usize::MAX } else { capacity };
        Sink { out, buffer: Buffer::new(capacity), losses, large, written: 0, lost: 0 }
    }

    /// Fills the buffer after what is waiting in it, that is, with what nobody will write. From then on
    /// nothing but the data themselves goes into the buffer, so that it holds what the reference's does.
    pub(crate) fn preload(&mut self, bytes: &[u8]) {
        self.buffer.preload(bytes);
        self.large = usize::MAX;
    }

    /// `buf` and `nbuf`.
    pub(crate) fn buffer(&self) -> (&[u8], usize) {
        (self.buffer.bytes(), self.buffer.waiting().len())
    }

    /// How many bytes `out` has taken.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes were lost where the reference loses them.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Port of `dumpint`.
    #[inline]
    pub(crate) fn dumpint(&mut self, v: u64) -> Result<(), Error> {
        let Some(free) = self.buffer.free(MAX_LEN) else { return self.dumpint_at_edge(v) };
        let n = put_uvarint(free.first_chunk_mut().expect("so many are free"), v);
        self.buffer.put(n);
        Ok(())
    }

    /// `dumpint` of each.
    #[inline]
    pub(crate) fn dumpints(&mut self, values: &[u64]) -> Result<(), Error> {
        for values in values.chunks(256) {
            match self.buffer.free(values.len() * MAX_LEN) {
                Some(free) => {
                    let n = put_uvarints(free, values);
                    self.buffer.put(n);
                }
                None => values.iter().try_for_each(|&v| self.dumpint(v))?,
            }
        }
        Ok(())
    }

    /// `dumpint` and `dwrite` literally, close to the end of the buffer.
    #[cold]
    fn dumpint_at_edge(&mut self, v: u64) -> Result<(), Error> {
        let mut buf = [0; MAX_LEN];
        let n = put_uvarint(&mut buf, v);
        self.dwrite(&buf[..n])
    }

    /// A field for each bit of `words` that is set; see [`Room::pointers`].
    #[inline]
    pub(crate) fn dump_pointers(&mut self, mut words: u64, offset: u64, step: u64) -> Result<(), Error> {
        if let Some(mut room) = self.room(64 * MAX_FIELD) {
            room.pointers(words, offset, step);
            let used = room.used();
            self.put(used);
            return Ok(());
        }
        while words != 0 {
            self.dumpint(FIELD_KIND_PTR)?;
            self.dumpint(offset + u64::from(words.trailing_zeros()) * step)?;
            words &= words - 1;
        }
        Ok(())
    }

    /// Room to encode up to `most` bytes in the buffer itself, if it has so many free. What was
    /// put there counts from [`put`](Self::put) on.
    ///
    /// The reference does not write its buffer either where that much is free: whether things are put one by
    /// one or in place, the boundaries of writes remain the same.
    #[inline(always)]
    pub(crate) fn room(&mut self, most: usize) -> Option<Room<'_>> {
        self.buffer.free(most).map(Room::new)
    }

    /// So many bytes have been put into the [`room`](Self::room).
    #[inline(always)]
    pub(crate) fn put(&mut self, bytes: usize) {
        self.buffer.put(bytes);
    }

    /// Port of `dumpbool`.
    pub(crate) fn dumpbool(&mut self, b: bool) -> Result<(), Error> {
        self.dumpint(u64::from(b))
    }

    /// Port of `dwritebyte`.
    pub(crate) fn dwritebyte(&mut self, b: u8) -> Result<(), Error> {
        self.dwrite(&[b])
    }

    /// Port of `dumpslice`: the length, then the bytes.
    pub(crate) fn dumpslice(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.dumpint(bytes.len() as u64)?;
        self.dwrite(bytes)
    }

    /// Port of `dwrite`, for bytes of the host.
    #[inline]
    pub(crate) fn dwrite(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.buffer.append(data) {
            Ok(())
        } else if data.len() < self.large {
            self.dwrite_after_flush(data)
        } else {
            self.dwrite_directly(data)
        }
    }

    /// `dwrite` of data as large as the buffer. After others of the kind they are one write and one count.
    #[inline(never)]
    fn dwrite_directly(&mut self, data: &[u8]) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            return self.dwrite_after_flush(data);
        }
        match self.out.write(data) {
            Ok(n) if n == data.len() => {
                self.written += n as u64;
                Ok(())
            }
            answer => self.write_rest(data, answer),
        }
    }

    #[inline(never)]
    fn dwrite_after_flush(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.large == usize::MAX {
            return self.dwrite_literally(data);
        }
        if !self.buffer.fits(data.len()) {
            write_all(self.out, self.buffer.take(), &mut self.written)?;
        }
        if data.len() >= self.buffer.capacity() {
            return write_all(self.out, data, &mut self.written);
        }
        self.buffer.fill(data);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn write_rest(&mut self, data: &[u8], answer: io::Result<usize>) -> Result<(), Error> {
        write_rest(self.out, data, &mut self.written, answer)
    }

    /// `dwrite` where it matters how it is done: bytes are lost, or somebody looks at the buffer.
    #[cold]
    fn dwrite_literally(&mut self, data: &[u8]) -> Result<(), Error> {
        let whole = data.len() >= self.buffer.capacity();
        // As large as the buffer, it goes through an empty one; whether it is copied can be seen only in the buffer
        // itself, or from an empty write after it.
        let copied = !whole || self.buffer.is_tidy() || self.losses.empty_writes;
        if self.buffer.fits(data.len()) && copied {
            self.buffer.fill(data);
            return Ok(());
        }
        self.write_buf()?;
        if !whole {
            self.buffer.fill(data);
            return Ok(());
        }
        let data = &data[..self.count(data.len() as u64) as usize];
        self.write(data)
    }

    /// Port of `dwrite`, for bytes of the target.
    ///
    /// # Errors
    /// [`Error::Unreadable`] names `place`. A datum that fits into the buffer is then not written at
    /// all; of a larger one the readable pieces before the hole may be.
    pub(crate) fn dwrite_from(
        &mut self,
        memory: &dyn Memory,
        addr: Addr,
        len: u64,
        place: Place,
    ) -> Result<(), Error> {
        if len == 0 {
            return Ok(());
        }
        // What the reference gives to the kernel in one call ends where memory ends; it does so from
        // its own buffer's size on, however large this one is.
        let cut_at_holes = self.losses.write_errors_ignored && len >= BUF_SIZE as u64;
        if let Some(n) =
            usize::try_from(len).ok().filter(|&n| n < self.buffer.capacity() || self.buffer.fits(n))
        {
            if !self.buffer.fits(n) {
                self.write_buf()?;
            }
            let to = self.buffer.next(n);
            match memory.borrow(addr, len) {
                Some(from) => to.copy_from_slice(from),
                None => match memory.read(addr, to) {
                    Ok(()) => {}
                    Err(_) if cut_at_holes => {
                        self.write_buf()?;
                        return self.write_large(memory, addr, len, place);
                    }
                    Err(source) => return Err(Error::Unreadable { place, source }),
                },
            }
            self.buffer.put(n);
            return Ok(());
        }
        self.write_buf()?;
        self.write_large(memory, addr, len, place)
    }

    /// Port of `flush`.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.write_buf()
    }

    /// `write(dumpfd, &buf, nbuf)`.
    #[inline]
    fn write_buf(&mut self) -> Result<(), Error> {
        let tally = Tally { losses: self.losses, written: &mut self.written, lost: &mut self.lost };
        write(self.out, self.buffer.take(), tally)
    }

    /// `write(dumpfd, addr, len)` for memory that does not fit into the buffer.
    fn write_large(&mut self, memory: &dyn Memory, addr: Addr, len: u64, place: Place) -> Result<(), Error> {
        let count = self.count(len);
        let end = addr.add(count);
        let mut at = addr;
        while at != end {
            let left = end.0.wrapping_sub(at.0);
            if let Some(loan) = longest_loan(memory, at, left) {
                self.write(loan)?;
                at = at.add(loan.len() as u64);
                continue;
            }
            let mut page = [0; PAGE as usize];
            let n = left.min(PAGE - at.0 % PAGE) as usize;
            match memory.read(at, &mut page[..n]) {
                Ok(()) => {}
                Err(_) if self.losses.write_errors_ignored => {
                    self.lost = self.lost.saturating_add(left);
                    break;
                }
                Err(source) => return Err(Error::Unreadable { place, source }),
            }
            self.write(&page[..n])?;
            at = at.add(n as u64);
        }
        Ok(())
    }

    /// How many bytes of a datum of `len` bytes a single `write` is asked for.
    #[inline]
    fn count(&mut self, len: u64) -> u64 {
        let count =
            if self.losses.int32_lengths { int32_count(len, self.losses.unsigned_count) } else { len };
        self.lost = self.lost.saturating_add(len - count);
        count
    }

    #[inline]
    fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        let tally = Tally { losses: self.losses, written: &mut self.written, lost: &mut self.lost };
        write(self.out, data, tally)
    }
}

/// What becomes of what is written.
struct Tally<'s> {
    losses: Losses,
    written: &'s mut u64,
    lost: &'s mut u64,
}

/// One `write` of the reference: all of `data`, unless the dialect loses what is not taken.
#[inline]
fn write(out: &mut dyn Write, data: &[u8], tally: Tally<'_>) -> Result<(), Error> {
    if data.is_empty() && !tally.losses.empty_writes {
        return Ok(());
    }
    if tally.losses.write_errors_ignored {
        let taken = out.write(data).unwrap_or(0).min(data.len());
        *tally.written += taken as u64;
        *tally.lost = tally.lost.saturating_add((data.len() - taken) as u64);
        return Ok(());
    }
    write_all(out, data, tally.written)
}

/// Writes all of `data`, in as many pieces as `out` takes it, and counts what has been taken.
///
/// # Errors
/// [`Error::Write`] at the count. Interruptions are none.
#[inline]
pub(crate) fn write_all(out: &mut dyn Write, data: &[u8], written: &mut u64) -> Result<(), Error> {
    match out.write(data) {
        Ok(n) if n == data.len() => {
            *written += n as u64;
            Ok(())
        }
        answer => write_rest(out, data, written, answer),
    }
}

/// Goes on after an answer that was not all.
#[cold]
fn write_rest(
    out: &mut dyn Write,
    mut data: &[u8],
    written: &mut u64,
    mut answer: io::Result<usize>,
) -> Result<(), Error> {
    loop {
        match answer {
            Ok(0) if !data.is_empty() => {
                let source = io::Error::from(io::ErrorKind::WriteZero);
                return Err(Error::Write { offset: *written, source });
            }
            Ok(n) => {
                let n = n.min(data.len());
                *written += n as u64;
                data = &data[n..];
                if data.is_empty() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::Write { offset: *written, source }),
        }
        answer = out.write(data);
    }
}

/// What Linux makes of `write(fd, p, int32(len))`: how many bytes it is ready to write.
fn int32_count(len: u64, unsigned_count: bool) -> u64 {
    let n = len as u32;
    if n >= 1 << 31 && !unsigned_count { 0 } else { u64::from(n).min(MAX_RW_COUNT) }
}

/// The longest piece from `addr` on, of at most `len` bytes, that the memory lends in one.
///
/// Memory that is lent whole costs one question. Otherwise the piece ends at a page's boundary, which
/// is found by bisection.
fn longest_loan(memory: &dyn Memory, addr: Addr, len: u64) -> Option<&[u8]> {
    if let Some(all) = memory.borrow(addr, len) {
        return Some(all);
    }
    let to_boundary = |pages: u64| (PAGE - addr.0 % PAGE).saturating_add(pages * PAGE);
    let mut longest = None;
    let (mut low, mut high) = (0, len / PAGE + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match Some(to_boundary(middle)).filter(|&n| n < len).and_then(|n| memory.borrow(addr, n)) {
            Some(loan) => {
                longest = Some(loan);
                low = middle + 1;
            }
            None => high = middle,
        }
    }
    longest
}

#[cfg(test)]
mod tests;
