//! The dumping code's own variables: what the runtime changes in the process that it dumps, and then finds there.
//!
//! `typecache` and `tmpbuf` hold pointers and so lie in the bss segment, as `m0` does, which keeps what it has looked up in
//! the symbol tables (`cache`). Every other M is an object of the heap, which has been dumped before any stack is unwound.

use super::Go119;
use super::cache::PcvalueCache;
use super::layout::At;
use crate::error::Place;
use crate::go15::SysAlloc;
use crate::layouts::Layouts;
use crate::memory::Addr;
use crate::process::patch::{Patch, push};
use crate::process::{Process, offset};
use crate::runtime::Moment;
use crate::target::Target;

/// `cap(tmpbuf)` when it was allocated: the reference slices a `*[1 << 30]byte`.
const CAPACITY: u64 = 1 << 30;
/// What is known of them.
pub(super) struct Own<'m> {
    pub tmpbuf: Tmpbuf<'m>,
    pub cache: PcvalueCache,
    pub palloc: Option<Palloc>,
}

/// `p.palloc` of the P that dumps, which is an object of the heap: since Go 1.24 the masks of large types are allocated from
/// it when they are first asked for, which may be by the dump.
pub(super) struct Palloc {
    /// Where its `off` is.
    at: Addr,
    size: u64,
    off: u64,
    changed: bool,
}

/// `persistentChunkSize`, in bytes.
const PERSISTENT_CHUNK_SIZE: u64 = 256 << 10;
/// `maxBlock` of `persistentalloc1`: larger pieces come from the system.
const MAX_BLOCK: u64 = 64 << 10;

/// Where the fields are by which [`Palloc`] is found.
pub(super) struct PallocLayout {
    p: At,
    palloc: At,
    base: At,
    off: At,
}

impl PallocLayout {
    /// Nothing where the program does not say.
    pub(super) fn find(layouts: &dyn Layouts) -> Option<Self> {
        let at = |structure: &str, field: &'static str| {
            let at = layouts.field(structure, field)?;
            Some(At { offset: at.offset, size: at.size, place: Place::new("p", field) })
        };
        Some(PallocLayout {
            p: at("runtime.m", "p")?,
            palloc: at("runtime.p", "palloc")?,
            base: at("runtime.persistentAlloc", "base")?,
            off: at("runtime.persistentAlloc", "off")?,
        })
    }
}

impl Palloc {
    /// That of the P of an M; nothing where there is no chunk yet.
    pub(super) fn new<T: Target>(process: &Process<'_, T>, layout: &PallocLayout, mp: Addr) -> Option<Self> {
        let &PallocLayout { p, palloc, base, off } = layout;
        let p = process.ptr(mp, p).ok()?;
        let palloc = offset::<T>(p, palloc.offset);
        if p.is_nil() || process.ptr(palloc, base).ok()?.is_nil() {
            return None;
        }
        let at = offset::<T>(palloc, off.offset);
        Some(Palloc { at, size: off.size, off: process.uint(palloc, off).ok()?, changed: false })
    }

    /// Where its `off` is.
    pub(super) fn at(&self) -> Addr {
        self.at
    }

    /// Port of `persistentalloc1`, as far as a chunk has room.
    pub(super) fn alloc<T: Target>(&mut self, size: u64) {
        let off = self.off.next_multiple_of(T::PTR_SIZE);
        if size < MAX_BLOCK && off.checked_add(size).is_some_and(|end| end <= PERSISTENT_CHUNK_SIZE) {
            (self.off, self.changed) = (off + size, true);
        }
    }

    fn patch<T: Target>(&self) -> Option<Patch> {
        let mut bytes = Vec::new();
        push::<T>(&mut bytes, self.off, super::read::small(self.size));
        self.changed.then_some(Patch { at: self.at, bytes })
    }
}

/// `tmpbuf`, without contents: `makeheapobjbv` builds an object's bit vector in it.
pub(super) struct Tmpbuf<'m> {
    sys_alloc: Option<SysAlloc<'m>>,
    len: u64,
    array: Option<Addr>,
}

impl<'m> Tmpbuf<'m> {
    pub(super) fn new(sys_alloc: Option<SysAlloc<'m>>) -> Self {
        Tmpbuf { sys_alloc, len: 0, array: None }
    }

    /// The beginning of `makeheapobjbv`: extend the temp buffer if necessary.
    #[inline]
    pub(super) fn extend(&mut self, nptr: u64) {
        let n = nptr / 8 + 1;
        if self.len < n {
            self.len = n;
            self.array = self.sys_alloc.map(|sys_alloc| sys_alloc(n));
        }
    }
}

impl<T: Target> Go119<'_, T> {
    /// See [`Runtime::own_variables`](crate::runtime::Runtime::own_variables).
    pub(super) fn own_variables(&self, moment: &Moment<'_>, start: Addr, len: u64) -> Vec<Patch> {
        let module = self.symtab.first();
        if !self.defects.own_variables_in_bss {
            return Vec::new();
        }
        let (variables, own) = (&self.shape.variables, self.own.borrow());
        let mut patches: Vec<Patch> = own.palloc.as_ref().and_then(Palloc::patch::<T>).into_iter().collect();
        // The others are in the bss segment, or where the linker may put it.
        if start.0 != module.bss.0 && start.0 != module.data.0 {
            patches.retain(|patch| patch.lies_in(start, len));
            return patches;
        }
        patches.extend(own.cache.patches::<T>());
        if let Some(typecache) = variables.typecache {
            patches.push(Patch::words::<T>(typecache.addr, moment.typecache.words()));
        }
        if let (Some(tmpbuf), Some(array)) = (variables.tmpbuf, own.tmpbuf.array) {
            patches.push(Patch::words::<T>(tmpbuf.addr, [array.0, own.tmpbuf.len, CAPACITY]));
        }
        patches.retain(|patch| patch.lies_in(start, len));
        patches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Amd64, Mips};
    use std::cell::RefCell;

    #[test]
    fn tmpbuf_grows_when_an_object_needs_it() {
        let asked = RefCell::new(Vec::new());
        let sys_alloc = |n| {
            asked.borrow_mut().push(n);
            Addr(0x1000 * n)
        };
        let mut tmpbuf = Tmpbuf::new(Some(&sys_alloc));
        for (nptr, n) in [(0, 1), (7, 1), (8, 2), (3, 2), (15, 2), (16, 3), (24, 4), (9, 4)] {
            tmpbuf.extend(nptr);
            assert_eq!((tmpbuf.len, tmpbuf.array), (n, Some(Addr(0x1000 * n))), "{nptr}");
        }
        assert_eq!(asked.into_inner(), [1, 2, 3, 4]);
    }

    #[test]
    fn chunks_have_room_for_small_pieces() {
        let chunk = |off| Palloc { at: Addr(0x50), size: 8, off, changed: false };
        for (off, size, after) in [
            (8, 16, Some(24)),
            (9, 16, Some(32)),
            (0, MAX_BLOCK - 1, Some(MAX_BLOCK - 1)),
            (0, MAX_BLOCK, None),
            (PERSISTENT_CHUNK_SIZE - 16, 16, Some(PERSISTENT_CHUNK_SIZE)),
            (PERSISTENT_CHUNK_SIZE - 16, 17, None),
            (PERSISTENT_CHUNK_SIZE - 7, 1, None),
        ] {
            let mut palloc = chunk(off);
            palloc.alloc::<Amd64>(size);
            let patch = palloc.patch::<Amd64>().map(|patch| (patch.at, patch.bytes));
            assert_eq!(patch, after.map(|off: u64| (Addr(0x50), off.to_le_bytes().to_vec())), "{off}");
        }
        let mut palloc = Palloc { size: 4, ..chunk(9) };
        palloc.alloc::<Mips>(3);
        assert_eq!((palloc.at(), palloc.patch::<Mips>().unwrap().bytes), (Addr(0x50), vec![0, 0, 0, 15]));
    }
}
