//! `buf` and `nbuf` of heapdump.go: what is waiting to be written.

/// How many bytes of a buffer are prepared at once: so few that they are still in the nearest cache when data come.
const STEP: usize = 16 << 10;

/// So many bytes are copied as two pieces. More make the memory that is not prepared yet; it is cheaper to prepare it for fewer.
const SHORT: usize = 64;

/// A buffer whose memory is prepared as it is used: a dump of a few bytes does not pay for a large buffer.
pub(super) struct Buffer {
    /// What is prepared of the buffer, what is waiting first.
    bytes: Vec<u8>,
    /// `nbuf`: how many bytes are waiting.
    nbuf: usize,
    capacity: usize,
    /// Whether what comes after `nbuf` matters: see [`preload`](Self::preload).
    tidy: bool,
}

impl Buffer {
    /// An empty buffer of so many bytes.
    pub(super) fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(capacity.min(STEP), 0);
        Buffer { bytes, nbuf: 0, capacity, tidy: false }
    }

    /// In bytes.
    #[inline(always)]
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether nothing but data may go into it.
    pub(super) fn is_tidy(&self) -> bool {
        self.tidy
    }

    /// Whether nothing is waiting.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.nbuf == 0
    }

    /// What is waiting.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[..self.nbuf]
    }

    /// What is waiting, and what is prepared after it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is waiting, which then waits no more.
    #[inline(always)]
    pub(super) fn take(&mut self) -> &[u8] {
        let waiting = &self.bytes[..self.nbuf];
        self.nbuf = 0;
        waiting
    }

    /// Fills the buffer after what is waiting with what nobody will write. From then on nothing but the data
    /// themselves goes into it, so that it holds what the reference's does.
    pub(super) fn preload(&mut self, bytes: &[u8]) {
        self.tidy = true;
        self.bytes.resize(self.capacity, 0);
        let n = bytes.len().min(self.capacity);
        self.bytes[self.nbuf..n].copy_from_slice(&bytes[self.nbuf..n]);
    }

    /// Whether so many bytes more go into the buffer.
    #[inline(always)]
    pub(super) fn fits(&self, len: usize) -> bool {
        len <= self.capacity - self.nbuf
    }

    /// The free part of the buffer, if it has `len` bytes and may be scribbled on.
    #[inline(always)]
    pub(super) fn free(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.tidy || self.bytes.len() - self.nbuf < len && !self.prepare(len) {
            return None;
        }
        Some(&mut self.bytes[self.nbuf..])
    }

    /// So many bytes of the free part are waiting now.
    #[inline(always)]
    pub(super) fn put(&mut self, len: usize) {
        self.nbuf += len;
    }

    /// The next `len` bytes, which [`fit`](Self::fits).
    #[inline(always)]
    pub(super) fn next(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.nbuf < len {
            self.prepare(len);
        }
        &mut self.bytes[self.nbuf..][..len]
    }

    /// Puts data for which nothing has to be done before; whether they are such. Data that would fill an empty buffer are
    /// not.
    #[inline(always)]
    pub(super) fn append(&mut self, data: &[u8]) -> bool {
        let free = &mut self.bytes[self.nbuf..];
        if data.len() <= free.len() {
            if data.len() <= SHORT {
                copy(&mut free[..data.len()], data);
            } else if data.len() < self.capacity {
                free[..data.len()].copy_from_slice(data);
            } else {
                return false;
            }
        } else if data.len() > SHORT && data.len() < self.capacity - self.nbuf {
            self.bytes.truncate(self.nbuf);
            self.bytes.extend_from_slice(data);
        } else {
            return false;
        }
        self.nbuf += data.len();
        true
    }

    /// Puts data that [`fit`](Self::fits).
    pub(super) fn fill(&mut self, data: &[u8]) {
        if !self.append(data) {
            self.next(data.len()).copy_from_slice(data);
            self.nbuf += data.len();
        }
    }

    /// Prepares more of the buffer, [`STEP`] at least; whether `len` bytes are free now.
    #[cold]
    fn prepare(&mut self, len: usize) -> bool {
        if !self.fits(len) {
            return false;
        }
        let len = (self.nbuf + len.max(STEP)).min(self.capacity);
        self.bytes.resize(len, 0);
        true
    }
}

/// Copies data of one length, [`SHORT`] at most. The shortest are most, and a call of `memcpy` costs more than they do: they are
/// copied as two pieces of a fixed length, which may overlap.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    if len == 1 {
        to[0] = from[0];
    } else if len > 16 {
        if len > 32 { copy_ends::<32>(to, from) } else { copy_ends::<16>(to, from) }
    } else if len >= 8 {
        copy_ends::<8>(to, from);
    } else if len >= 4 {
        copy_ends::<4>(to, from);
    } else if len >= 2 {
        copy_ends::<2>(to, from);
    }
}

/// Copies the first `N` bytes and the last `N`.
#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_every_length_are_appended() {
        let data: Vec<u8> = (0..200).collect();
        for len in 0..data.len() {
            let mut buffer = Buffer::new(1000);
            assert!(buffer.append(&[9; 3]) && buffer.append(&data[..len]));
            assert_eq!(buffer.waiting(), [&[9; 3][..], &data[..len]].concat(), "{len} bytes");
            assert!(buffer.bytes()[3 + len..].iter().all(|&b| b == 0), "{len} bytes and no more");
        }
    }

    /// Where what is prepared ends anywhere in them, or before them.
    #[test]
    fn data_of_every_length_are_put_where_little_is_prepared() {
        let data: Vec<u8> = (0..200).collect();
        for len in 0..data.len() {
            for prepared in 0..=len {
                let mut buffer = Buffer::new(2 * STEP);
                buffer.fill(&vec![9; STEP - prepared]);
                buffer.fill(&data[..len]);
                buffer.fill(&[8]);
                let expected = [&vec![9; STEP - prepared][..], &data[..len], &[8]].concat();
                assert!(buffer.waiting() == expected, "{len} bytes, {prepared} of them prepared");
            }
        }
    }

    #[test]
    fn memory_is_prepared_as_it_is_used() {
        let mut buffer = Buffer::new(5 * STEP);
        assert_eq!(buffer.bytes().len(), STEP);
        buffer.put(STEP - 1);
        assert_eq!(buffer.free(1).map(|free| free.len()), Some(1));
        assert_eq!(buffer.free(2).map(|free| free.len()), Some(STEP));
        assert!(buffer.append(&[7; 2 * STEP]));
        assert_eq!(buffer.bytes().len(), 3 * STEP - 1, "nothing but the data");
        assert!(buffer.fits(2 * STEP + 1) && !buffer.fits(2 * STEP + 2));
        assert!(!buffer.append(&[7; SHORT]), "not what is cheaper to prepare for");
        assert!(!buffer.append(&[7; 2 * STEP + 1]), "not what fills the buffer");
        assert_eq!(buffer.free(2 * STEP + 1).map(|free| free.len()), Some(2 * STEP + 1));
        assert!(buffer.free(2 * STEP + 2).is_none());
        // What is prepared suffices, and nothing more is prepared for it.
        let mut buffer = Buffer::new(2 * STEP);
        buffer.put(STEP - 8);
        assert_eq!((buffer.next(8).len(), buffer.bytes().len()), (8, STEP));
        assert!(!Buffer::new(STEP).append(&[7; STEP]), "not what fills an empty buffer");
    }
}
