//! A piece of guest memory: host memory at a guest address.

use std::fmt;
use std::io;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

use super::error::MemoryError;
use super::{PAGE, Prot};

/// A range of guest addresses with a name and one protection.
///
/// Several regions may share one piece of host memory (they were split by [`GuestMemory::unmap`](super::GuestMemory::unmap) or
/// [`GuestMemory::protect`](super::GuestMemory::protect)), but never the same bytes of it.
pub struct Region {
    pub(super) name: &'static str,
    pub(super) addr: u64,
    pub(super) len: u64,
    pub(super) prot: Prot,
    pub(super) host: Arc<MmapRaw>,
    /// Where in `host` the region begins.
    pub(super) offset: usize,
}

impl Region {
    /// A region with zeroed memory of its own, of `room` bytes.
    pub(super) fn new(
        name: &'static str,
        addr: u64,
        len: u64,
        room: u64,
        prot: Prot,
    ) -> Result<Region, MemoryError> {
        let host_error = |source| MemoryError::Host { name, len, source };
        let room = usize::try_from(room).map_err(|_| host_error(io::ErrorKind::OutOfMemory.into()))?;
        let host = MmapOptions::new().len(room).no_reserve_swap().map_anon().map_err(host_error)?;
        Ok(Region { name, addr, len, prot, host: Arc::new(host.into()), offset: 0 })
    }

    /// How much host memory lies behind it.
    pub(super) fn spare(&self) -> u64 {
        (self.host.len() - self.offset) as u64 - self.len
    }

    /// Gives its pages back to the host; they are zero again. Nothing else may use them.
    pub(super) fn discard(&self) {
        #[cfg(unix)]
        // SAFETY: private anonymous memory, of which no slice is alive: the caller has the regions to itself.
        let done = unsafe {
            use memmap2::UncheckedAdvice;
            self.host.unchecked_advise_range(UncheckedAdvice::DontNeed, self.offset, self.len as usize)
        };
        #[cfg(not(unix))]
        let done: io::Result<()> = Err(io::ErrorKind::Unsupported.into());
        if done.is_err() {
            // SAFETY: as above.
            unsafe { self.host_ptr().write_bytes(0, self.len as usize) };
        }
    }

    /// What it was mapped as.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its first address.
    pub fn addr(&self) -> u64 {
        self.addr
    }

    /// Its length in bytes, never zero.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The address after its last byte.
    pub fn end(&self) -> u64 {
        self.addr + self.len
    }

    /// What the guest may do with it.
    pub fn prot(&self) -> Prot {
        self.prot
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.slice(0, self.len as usize)
    }

    /// The host memory behind it, for the engine to keep alive while it maps it.
    pub(crate) fn host(&self) -> &Arc<MmapRaw> {
        &self.host
    }

    /// The host address of its first byte.
    pub(crate) fn host_ptr(&self) -> *mut u8 {
        self.host.as_mut_ptr().wrapping_add(self.offset)
    }

    /// `len` bytes from `from` on. They may reach into the regions that follow, as far as these
    /// continue this one in the host too.
    pub(super) fn slice(&self, from: usize, len: usize) -> &[u8] {
        assert!(self.offset + from + len <= self.host.len());
        // SAFETY: the range lies in the mapping, which lives as long as `self.host`. Only the methods
        // of `GuestMemory` that take `&mut self` write to it, and the engine, which runs under an
        // exclusive borrow of the machine that owns the memory.
        unsafe { std::slice::from_raw_parts(self.host_ptr().add(from), len) }
    }

    /// As [`Region::slice`], to write.
    pub(super) fn slice_mut(&mut self, from: usize, len: usize) -> &mut [u8] {
        assert!(self.offset + from + len <= self.host.len());
        // SAFETY: as in `slice`; and `&mut self` comes from `&mut GuestMemory`, so that no slice of
        // this region or of another that shares `host` is alive.
        unsafe { std::slice::from_raw_parts_mut(self.host_ptr().add(from), len) }
    }

    /// The part of the region between two addresses in it.
    pub(super) fn part(&self, from: u64, to: u64) -> Region {
        debug_assert!(self.addr <= from && from < to && to <= self.end());
        Region {
            name: self.name,
            addr: from,
            len: to - from,
            prot: self.prot,
            host: Arc::clone(&self.host),
            offset: self.offset + (from - self.addr) as usize,
        }
    }

    /// Whether `next` follows this region in the guest and in the host.
    pub(super) fn continues_in(&self, next: &Region) -> bool {
        self.end() == next.addr
            && Arc::ptr_eq(&self.host, &next.host)
            && self.offset + self.len as usize == next.offset
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x} {} {}", self.addr, self.end(), self.prot, self.name)
    }
}

/// Copies one region's bytes to another that is at least as long. Pages that are zero are not touched, so
/// that they take no memory.
pub(super) fn copy(from: &Region, to: &mut Region) {
    for at in (0..from.len as usize).step_by(PAGE as usize) {
        let page = from.slice(at, PAGE as usize);
        if page.iter().any(|&byte| byte != 0) {
            to.slice_mut(at, PAGE as usize).copy_from_slice(page);
        }
    }
}
