//! Goroutines and threads (proc1.go, runtime2.go, traceback.go).

use super::Go15;
use super::structs::{Defer as GoDefer, Eface, Funcval, G, Gobuf, M as GoM, Panic as GoPanic};
use crate::error::{Error, Place};
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{Bool, Field, Ptr, Uintptr};
use crate::process::{Process, check_range};
use crate::record::{Defer, Frame, Goroutine, OsThread, Panic};
use crate::runtime::Goroutines;

/// `_Grunnable` (runtime2.go).
pub(crate) const G_RUNNABLE: u32 = 1;
/// `_Gsyscall` (runtime2.go).
pub(crate) const G_SYSCALL: u32 = 3;
/// `_Gwaiting` (runtime2.go).
pub(crate) const G_WAITING: u32 = 4;
/// `_Gdead` (runtime2.go).
pub(crate) const G_DEAD: u32 = 6;

/// `allm` and all that it links to.
pub(super) fn iterate_ms<T: Target>(
    process: &Process<'_, T>,
    allm: Addr,
    each: impl FnMut(Addr) -> Result<(), Error>,
) -> Result<(), Error> {
    process.list(process.variable::<Ptr>(allm, "allm")?, GoM::alllink(), each)
}

/// Port of `readgstatus`.
pub(super) fn readgstatus<T: Target>(process: &Process<'_, T>, gp: Addr) -> Result<u32, Error> {
    process.get(gp, G::atomicstatus())
}

/// Where a goroutine stands still.
struct Registers {
    sp: u64,
    pc: u64,
    lr: u64,
}

impl<T: Target> Goroutines for Go15<'_, T> {
    fn goroutines(&self, mut each: impl FnMut(Goroutine) -> Result<(), Error>) -> Result<(), Error> {
        let place = Place::variable("allglen");
        let len = self.process.variable::<Uintptr>(self.symbols.allglen, place.field)?;
        let allgs = self.process.variable::<Ptr>(self.symbols.allgs, "allgs")?;
        check_range::<T>(allgs, len.saturating_mul(T::PTR_SIZE), place, self.symbols.allglen)?;
        let first = Field::<T, Ptr>::variable("allgs");
        for i in 0..len {
            let gp = self.process.get(allgs, first.element(i))?;
            match readgstatus(&self.process, gp)? {
                G_DEAD => {}
                status @ (G_RUNNABLE | G_SYSCALL | G_WAITING) => each(self.goroutine(gp, status)?)?,
                status => return Err(Error::BadStatus { g: gp, status }),
            }
        }
        Ok(())
    }

    fn frames(&self, gp: Addr, mut callback: impl FnMut(&Frame) -> Result<(), Error>) -> Result<(), Error> {
        let Registers { sp, pc, lr } = self.registers(gp)?;
        self.gentraceback(pc, sp, lr, gp, |f, s| callback(&self.frame(gp, f, s)?))
    }

    fn defers(&self, gp: Addr, mut each: impl FnMut(Defer) -> Result<(), Error>) -> Result<(), Error> {
        let process = &self.process;
        process.list(process.get(gp, G::_defer())?, GoDefer::link(), |d| {
            let func = process.get(d, GoDefer::r#fn())?;
            each(Defer {
                d,
                sp: process.get(d, GoDefer::sp())?,
                pc: process.get(d, GoDefer::pc())?,
                func,
                entry: self.funcval(func)?,
                link: process.get(d, GoDefer::link())?,
            })
        })
    }

    fn panics(&self, gp: Addr, mut each: impl FnMut(Panic) -> Result<(), Error>) -> Result<(), Error> {
        let process = &self.process;
        process.list(process.get(gp, G::_panic())?, GoPanic::link(), |p| {
            each(Panic {
                p,
                type_: process.get(p, GoPanic::arg().then(Eface::_type()))?,
                data: process.get(p, GoPanic::arg().then(Eface::data()))?,
                link: process.get(p, GoPanic::link())?,
            })
        })
    }

    fn threads(&self, mut each: impl FnMut(OsThread) -> Result<(), Error>) -> Result<(), Error> {
        iterate_ms(&self.process, self.symbols.allm, |mp| {
            let id = self.process.get(mp, GoM::id())? as u64;
            each(OsThread { mp, id, procid: self.process.get(mp, GoM::procid())? })
        })
    }
}

impl<T: Target> Go15<'_, T> {
    fn goroutine(&self, gp: Addr, status: u32) -> Result<Goroutine, Error> {
        let process = &self.process;
        Ok(Goroutine {
            g: gp,
            sp: self.registers(gp)?.sp,
            goid: process.get(gp, G::goid())? as u64,
            gopc: process.get(gp, G::gopc())?,
            status,
            is_system: self.is_system_goroutine(gp)?,
            waitsince: process.get(gp, G::waitsince())? as u64,
            waitreason: process.string(gp, G::waitreason())?,
            ctxt: process.get(gp, G::sched().then(Gobuf::ctxt()))?,
            m: process.get(gp, G::m())?,
            defer: process.get(gp, G::_defer())?,
            panic: process.get(gp, G::_panic())?,
        })
    }

    /// In a system call where it was entered, elsewhere where stacks were switched.
    fn registers(&self, gp: Addr) -> Result<Registers, Error> {
        let (process, sched) = (&self.process, G::sched());
        let syscallsp = process.get(gp, G::syscallsp())?;
        if syscallsp != 0 {
            return Ok(Registers { sp: syscallsp, pc: process.get(gp, G::syscallpc())?, lr: 0 });
        }
        Ok(Registers {
            sp: process.get(gp, sched.then(Gobuf::sp()))?,
            pc: process.get(gp, sched.then(Gobuf::pc()))?,
            lr: process.get(gp, sched.then(Gobuf::lr()))?,
        })
    }

    /// `fn.fn`: the code of a closure.
    pub(super) fn funcval(&self, func: Addr) -> Result<u64, Error> {
        self.process.get(func, Funcval::r#fn())
    }

    /// Port of `isSystemGoroutine`.
    fn is_system_goroutine(&self, gp: Addr) -> Result<bool, Error> {
        let symbols = self.symbols;
        let pc = Addr(self.process.get(gp, G::startpc())?);
        if pc == symbols.runfinq {
            return Ok(!self.process.variable::<Bool>(symbols.fing_running, "fingRunning")?);
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
