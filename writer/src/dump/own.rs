//! The dumping code's own variables.
//!
//! The reference dumps the process that it runs in, and so dumps what it is itself doing there. Where
//! one of its variables lies in memory that is dumped, the value at that moment counts, and not
//! the one from before the dump:
//!
//! - `typecache` and `tmpbuf` hold pointers and lie in the bss segment;
//! - `buf` and `nbuf` lie behind it, and are read when a type's name is taken from raw memory;
//! - `m.divmod` is where arm's compiler leaves the denominator of a division for the routine that
//!   divides. The `m` is a heap object, or `m0` in the bss segment.

use super::typecache::TypeCache;
use crate::error::Error;
use crate::format::dialect::Defects;
use crate::format::sink::BUF_SIZE;
use crate::memory::{Addr, Memory, Unreadable};
use crate::runtime::goroutine::G_WAITING;
use crate::runtime::process::Process;
use crate::runtime::structs::{G, M as GoM};
use crate::runtime::symtab::Text;
use crate::target::{AnyTarget, Target};

/// What `writeheapdump_m` sets as the `waitreason` of the g0 that it runs on.
const DUMPING: &[u8] = b"dumping heap";

/// Bytes that memory holds in place of the target's.
pub(super) struct Patch {
    pub at: Addr,
    pub bytes: Vec<u8>,
}

impl Patch {
    /// A variable that consists of pointer-sized integers.
    pub fn words<T: Target>(at: Addr, words: impl IntoIterator<Item = u64>) -> Self {
        let mut bytes = Vec::new();
        for word in words {
            push::<T>(&mut bytes, word, T::PTR_SIZE as usize);
        }
        Patch { at, bytes }
    }

    /// Whether any of it lies in a range.
    pub fn lies_in(&self, addr: Addr, len: u64) -> bool {
        self.overlap(addr, len).is_some()
    }

    /// Where the patch and a range overlap: the offsets in the range and in the patch, and the length.
    fn overlap(&self, addr: Addr, len: u64) -> Option<(usize, usize, usize)> {
        let from = self.at.0.max(addr.0);
        let to = self.at.0.saturating_add(self.bytes.len() as u64).min(addr.0.saturating_add(len));
        let n = to.checked_sub(from).filter(|&n| n > 0)?;
        Some(((from - addr.0) as usize, (from - self.at.0) as usize, n as usize))
    }
}

/// The last `size` bytes of an integer, in the target's order.
fn push<T: Target>(bytes: &mut Vec<u8>, value: u64, size: usize) {
    if T::BIG_ENDIAN {
        bytes.extend_from_slice(&value.to_be_bytes()[8 - size..]);
    } else {
        bytes.extend_from_slice(&value.to_le_bytes()[..size]);
    }
}

/// Target memory with patches over it.
pub(super) struct Patched<'a, M: ?Sized> {
    memory: &'a M,
    patches: Vec<Patch>,
}

impl<'a, M: ?Sized> Patched<'a, M> {
    pub fn new(memory: &'a M, patches: Vec<Patch>) -> Self {
        Patched { memory, patches }
    }
}

impl<M: Memory + ?Sized> Memory for Patched<'_, M> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.memory.read(addr, buf)?;
        for patch in &self.patches {
            if let Some((at, from, n)) = patch.overlap(addr, buf.len() as u64) {
                buf[at..at + n].copy_from_slice(&patch.bytes[from..from + n]);
            }
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        let untouched = !self.patches.iter().any(|patch| patch.lies_in(addr, len));
        if untouched { self.memory.borrow(addr, len) } else { None }
    }
}

/// Whether a thread dumps the heap: its g0 says so, and its goroutine waits. (g0 goes on saying so when
/// the dump is over.)
fn dumps<T: Target, M: Memory + ?Sized>(process: &Process<'_, T, M>, mp: Addr) -> Result<bool, Error> {
    let (g0, curg) = (process.get(mp, GoM::g0())?, process.get(mp, GoM::curg())?);
    if g0.is_nil() || curg.is_nil() || process.readgstatus(curg)? != G_WAITING {
        return Ok(false);
    }
    let Text::Target(reason) = process.string(g0, G::waitreason())? else { return Ok(false) };
    let mut text = [0; DUMPING.len()];
    Ok(reason.len == DUMPING.len() as u64
        && process.memory.read(reason.array, &mut text).is_ok()
        && text == DUMPING)
}

/// What is known of `m.divmod`, on arm.
pub(super) struct Divmod {
    /// Its address, if the dumping thread is known.
    at: Option<Addr>,
    /// The last denominator.
    denominator: Option<u64>,
}

impl Divmod {
    /// Finds the thread that dumps. Where memory is not in order, there is none: the dump itself will
    /// say why.
    pub fn new<T, M>(process: &Process<'_, T, M>, defects: Defects) -> Self
    where
        T: Target,
        M: Memory + ?Sized,
    {
        let mut at = None;
        if T::ANY == AnyTarget::Arm && defects.own_variables_in_bss {
            let _ = process.iterate_ms(|mp| {
                if dumps(process, mp)? {
                    at = Some(mp.add(GoM::divmod::<T>().offset));
                }
                Ok(())
            });
        }
        Divmod { at, denominator: None }
    }

    /// The reference divides.
    #[inline]
    pub fn divides(&mut self, denominator: u64) {
        self.denominator = Some(denominator);
    }

    /// The variable as it is now, if it is known and has changed.
    pub fn patch<T: Target>(&self) -> Option<Patch> {
        let mut bytes = Vec::new();
        push::<T>(&mut bytes, self.denominator?, 4);
        Some(Patch { at: self.at?, bytes })
    }

    /// The variable as it is now, if it lies in a range.
    #[inline]
    pub fn patch_in<T: Target>(&self, addr: Addr, len: u64) -> Option<Patch> {
        self.at?;
        self.patch::<T>().filter(|patch| patch.lies_in(addr, len))
    }
}

/// `buf`, `nbuf` and `typecache`, where their addresses are known.
pub(super) fn buffers<T: Target, M: Memory + ?Sized>(
    process: &Process<'_, T, M>,
    (buf, nbuf): (&[u8], usize),
    typecache: &TypeCache,
) -> Vec<Patch> {
    let symbols = process.symbols;
    [
        Patch { at: symbols.buf, bytes: buf.to_vec() },
        Patch::words::<T>(symbols.nbuf, [nbuf as u64]),
        Patch::words::<T>(symbols.typecache, typecache.words()),
    ]
    .into_iter()
    .filter(|patch| !patch.at.is_nil())
    .collect()
}

/// What `buf` holds before the dump, if its address is known.
pub(super) fn initial_buf<M: Memory + ?Sized>(memory: &M, buf: Addr) -> Option<[u8; BUF_SIZE]> {
    let mut bytes = [0; BUF_SIZE];
    (!buf.is_nil() && memory.read(buf, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Arm, Ppc64};

    struct Flat(Vec<u8>);

    impl Memory for Flat {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
            let len = buf.len() as u64;
            buf.copy_from_slice(self.borrow(addr, len).ok_or(Unreadable { addr, len })?);
            Ok(())
        }

        fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
            self.0.get(addr.0 as usize..addr.0.checked_add(len)? as usize)
        }
    }

    #[test]
    fn patches_lie_over_memory() {
        let flat = Flat(vec![0; 64]);
        let patched = Patched::new(
            &flat,
            vec![Patch::words::<Ppc64>(Addr(16), [0x0102]), Patch::words::<Arm>(Addr(30), [3])],
        );
        let mut buf = [9; 12];
        patched.read(Addr(20), &mut buf).unwrap();
        assert_eq!(buf, [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 0]);
        assert!(patched.borrow(Addr(0), 17).is_none());
        assert_eq!(patched.borrow(Addr(0), 16), Some(&[0; 16][..]));
        assert!(patched.borrow(Addr(24), 6).is_some() && patched.borrow(Addr(33), 1).is_none());
        assert!(patched.read(Addr(60), &mut buf).is_err(), "patches don't make memory");
    }

    #[test]
    fn the_last_denominator_counts_where_it_lies() {
        let mut divmod = Divmod { at: Some(Addr(0x120)), denominator: None };
        assert!(divmod.patch_in::<Arm>(Addr(0x100), 0x100).is_none(), "nothing has been divided");
        divmod.divides(48);
        divmod.divides(0x0102);
        assert_eq!(divmod.patch_in::<Arm>(Addr(0x100), 0x100).unwrap().bytes, [2, 1, 0, 0]);
        assert!(divmod.patch_in::<Arm>(Addr(0x124), 8).is_none());
        assert!(divmod.patch_in::<Arm>(Addr(0x123), 1).is_some());
        assert!(Divmod { at: None, denominator: Some(1) }.patch_in::<Arm>(Addr(0), u64::MAX).is_none());
    }
}
