//! The dumping code's own variables.
//!
//! The reference dumps the process that it runs in, and so dumps what it is itself doing there. Where
//! one of its variables lies in memory that is dumped, the value at that moment counts, and not
//! the one from before the dump:
//!
//! - `typecache` and `tmpbuf` hold pointers and lie in the bss segment;
//! - `buf` and `nbuf` come after it, and are read when a type's name is taken from raw memory;
//! - `m.divmod` is where arm's compiler leaves the denominator of a division for the routine that
//!   divides. The `m` is a heap object, or `m0` in the bss segment.

use super::Go15;
use super::defects::Defects;
use super::goroutine::{G_WAITING, iterate_ms, readgstatus};
use super::structs::{G, M as GoM};
use super::symbols::Symbols;
use crate::dump::typecache::TypeCache;
use crate::error::Error;
use crate::format::sink::BUF_SIZE;
use crate::go15::arch::Target;
use crate::memory::{Addr, Memory};
use crate::process::Process;
use crate::process::patch::{Patch, overlap, push};
use crate::record::Text;
use crate::runtime::Moment;
use crate::target::AnyTarget;

/// What `writeheapdump_m` sets as the `waitreason` of the g0 that it runs on.
const DUMPING: &[u8] = b"dumping heap";

/// Whether a thread dumps the heap: its g0 says so, and its goroutine waits. (g0 goes on saying so when
/// the dump is over.)
fn dumps<T: Target>(process: &Process<'_, T>, mp: Addr) -> Result<bool, Error> {
    let (g0, curg) = (process.get(mp, GoM::g0())?, process.get(mp, GoM::curg())?);
    if g0.is_nil() || curg.is_nil() || readgstatus(process, curg)? != G_WAITING {
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
    pub fn new<T: Target>(process: &Process<'_, T>, symbols: &Symbols, defects: Defects) -> Self {
        let mut at = None;
        if T::ANY == AnyTarget::Arm && defects.own_variables_in_bss {
            let _ = iterate_ms(process, symbols.allm, |mp| {
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
}

/// Whether the reference's output buffer is itself dumped, with what is in it at the moment.
pub(super) fn sees_buf(defects: Defects, symbols: &Symbols) -> bool {
    defects.type_names_by_address && defects.own_variables_in_bss && !symbols.buf.is_nil()
}

impl<T: Target> Go15<'_, T> {
    /// See [`Runtime::own_variables`](crate::runtime::Runtime::own_variables).
    #[inline]
    pub(super) fn own_variables(&self, moment: &Moment<'_>, start: Addr, len: u64) -> Vec<Patch> {
        if self.defects.own_variables_in_bss { self.changed(moment, start, len) } else { Vec::new() }
    }

    fn changed(&self, moment: &Moment<'_>, start: Addr, len: u64) -> Vec<Patch> {
        let Symbols { typecache, tmpbuf, buf, nbuf, .. } = *self.symbols;
        // What is large is made only where it lies.
        let lies = |at, size| overlap((at, size), (start, len)).is_some();
        let mut patches = Vec::new();
        if lies(typecache, TypeCache::WORDS * T::PTR_SIZE) {
            patches.push(Patch::words::<T>(typecache, moment.typecache.words()));
        }
        if sees_buf(self.defects, self.symbols) {
            if lies(buf, BUF_SIZE as u64) {
                patches.push(Patch { at: buf, bytes: moment.buf.to_vec() });
            }
            patches.push(Patch::words::<T>(nbuf, [moment.nbuf as u64]));
        }
        patches.extend(self.tmpbuf.borrow().words().map(|words| Patch::words::<T>(tmpbuf, words)));
        patches.extend(self.divmod.borrow().patch::<T>());
        patches.retain(|patch| !patch.at.is_nil() && patch.lies_in(start, len));
        patches
    }
}

/// What `buf` holds before the dump, if its address is known.
pub(super) fn initial_buf(memory: &dyn Memory, buf: Addr) -> Option<[u8; BUF_SIZE]> {
    let mut bytes = [0; BUF_SIZE];
    (!buf.is_nil() && memory.read(buf, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::go15::Program;
    use crate::target::{Amd64, Arm};
    use crate::testing::Image;

    /// Each variable counts where any byte of it lies, and nowhere else.
    #[test]
    fn own_variables_lie_where_they_are() {
        const TYPECACHE: Addr = Addr(0x10_0000);
        const BUF: Addr = Addr(0x11_0000);
        const NBUF: Addr = Addr(0x12_0000);
        let mut image = Image::<Amd64>::new();
        (image.symbols.typecache, image.symbols.buf, image.symbols.nbuf) = (TYPECACHE, BUF, NBUF);
        image.finish();
        let own = |dialect, start: u64| {
            let program = Program::new(&image.symbols, dialect);
            let go = Go15::<Amd64>::new(&image.memory, &program).unwrap();
            let moment = Moment { typecache: &TypeCache::new(), buf: &[7; BUF_SIZE], nbuf: 9 };
            let patches = go.own_variables(&moment, Addr(start), 1);
            patches.into_iter().map(|patch| (patch.at, patch.bytes.len() as u64)).collect::<Vec<_>>()
        };
        for (at, size) in [(TYPECACHE, 256 * 4 * 8), (BUF, 4096), (NBUF, 8)] {
            for there in [at.0, at.0 + size - 1] {
                assert_eq!(own(Dialect::Go15Exact, there), [(at, size)]);
                assert!(own(Dialect::Go15, there).is_empty());
            }
            assert!(
                own(Dialect::Go15Exact, at.0 - 1).is_empty()
                    && own(Dialect::Go15Exact, at.0 + size).is_empty()
            );
        }
    }

    #[test]
    fn the_last_denominator_counts_where_it_lies() {
        let mut divmod = Divmod { at: Some(Addr(0x120)), denominator: None };
        assert!(
            divmod.patch::<Arm>().filter(|patch| patch.lies_in(Addr(0x100), 0x100)).is_none(),
            "nothing has been divided"
        );
        divmod.divides(48);
        divmod.divides(0x0102);
        assert_eq!(
            divmod.patch::<Arm>().filter(|patch| patch.lies_in(Addr(0x100), 0x100)).unwrap().bytes,
            [2, 1, 0, 0]
        );
        assert!(divmod.patch::<Arm>().filter(|patch| patch.lies_in(Addr(0x124), 8)).is_none());
        assert!(divmod.patch::<Arm>().filter(|patch| patch.lies_in(Addr(0x123), 1)).is_some());
        assert!(
            Divmod { at: None, denominator: Some(1) }
                .patch::<Arm>()
                .filter(|patch| patch.lies_in(Addr(0), u64::MAX))
                .is_none()
        );
    }
}
