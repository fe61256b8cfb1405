//! Goroutines (proc1.go, traceback.go).

use super::layout::{Bool, Field, Ptr, Uintptr};
use super::list::LoopCheck;
use super::process::{Process, check_range};
use super::structs::{G, M as GoM};
use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};
use crate::target::Target;

/// `_Grunnable` (runtime2.go).
pub(crate) const G_RUNNABLE: u32 = 1;
/// `_Gsyscall` (runtime2.go).
pub(crate) const G_SYSCALL: u32 = 3;
/// `_Gwaiting` (runtime2.go).
pub(crate) const G_WAITING: u32 = 4;
/// `_Gdead` (runtime2.go).
pub(crate) const G_DEAD: u32 = 6;

impl<T: Target, M: Memory + ?Sized> Process<'_, T, M> {
    /// `allgs[i]` for each `i < allglen` in turn.
    pub(crate) fn iterate_gs(&self, mut each: impl FnMut(Addr) -> Result<(), Error>) -> Result<(), Error> {
        let place = Place::variable("allglen");
        let len = self.variable::<Uintptr>(self.symbols.allglen, place.field)?;
        let allgs = self.variable::<Ptr>(self.symbols.allgs, "allgs")?;
        check_range::<T>(allgs, len.saturating_mul(T::PTR_SIZE), place, self.symbols.allglen)?;
        let first = Field::<T, Ptr>::variable("allgs");
        for i in 0..len {
            each(self.get(allgs, first.element(i))?)?;
        }
        Ok(())
    }

    /// `allm` and all that it links to.
    pub(crate) fn iterate_ms(&self, mut each: impl FnMut(Addr) -> Result<(), Error>) -> Result<(), Error> {
        let alllink = GoM::alllink();
        let mut check = LoopCheck::new(alllink.place);
        let mut mp = self.variable::<Ptr>(self.symbols.allm, "allm")?;
        while !mp.is_nil() {
            check.visit(mp)?;
            each(mp)?;
            mp = self.get(mp, alllink)?;
        }
        Ok(())
    }

    /// Port of `readgstatus`.
    pub(crate) fn readgstatus(&self, gp: Addr) -> Result<u32, Error> {
        self.get(gp, G::atomicstatus())
    }

    /// Port of `isSystemGoroutine`.
    pub(crate) fn is_system_goroutine(&self, gp: Addr) -> Result<bool, Error> {
        let symbols = self.symbols;
        let pc = Addr(self.get(gp, G::startpc())?);
        if pc == symbols.runfinq {
            return Ok(!self.variable::<Bool>(symbols.fing_running, "fingRunning")?);
        }
        Ok([
            symbols.backgroundgc,
            symbols.bgsweep,
            symbols.forcegchelper,
            symbols.timerproc,
            symbols.gc_bg_mark_worker,
        ]
        .contains(&pc))
    }
}
