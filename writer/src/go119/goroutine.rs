//! Goroutines and threads (proc.go, runtime2.go, traceback.go).

use super::Go119;
use super::layout::At;
use super::shape::Finalizing;
use super::stack_objects::StackObjects;
use super::symtab::Func;
use crate::error::{Error, Place};
use crate::layouts::VariableAt;
use crate::memory::Addr;
use crate::process::field::Header;
use crate::process::out_of_range;
use crate::record::{Defer, Frame, Goroutine, Locals, OsThread, Panic, Text};
use crate::runtime::Goroutines;
use crate::target::Target;

/// `_Grunnable`.
const G_RUNNABLE: u32 = 1;
/// `_Grunning`.
const G_RUNNING: u32 = 2;
/// `_Gsyscall`.
const G_SYSCALL: u32 = 3;
/// `_Gwaiting`.
pub(super) const G_WAITING: u32 = 4;
/// `_Gidle`.
const G_IDLE: u32 = 0;
/// `_Gcopystack`: the stack is being copied.
const G_COPYSTACK: u32 = 8;
/// `_Gpreempted`.
const G_PREEMPTED: u32 = 9;
/// `_Gleaked`, since Go 1.26.
const G_LEAKED: u32 = 10;
/// `_Gscan`: the collector holds the status.
const G_SCAN: u32 = 0x1000;
/// `_Gdead`.
const G_DEAD: u32 = 6;
/// `_Gdeadextra`, since Go 1.26: an M that C may use has a goroutine of its own, which does nothing yet.
const G_DEADEXTRA: u32 = 11;

const ALLGS: Place = Place::variable("allgs");
const ALLM: Place = Place::variable("allm");
const DUMPFD: Place = Place::variable("dumpfd");
const WAIT_REASON_STRINGS: Place = Place::variable("waitReasonStrings");
const FUNCVAL: Place = Place::new("funcval", "fn");

/// Where a goroutine stands still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    pub sp: u64,
    pub pc: u64,
    pub lr: u64,
}

/// The status that a goroutine of a process has, stopped anywhere, would have if the runtime had stopped it: one that
/// runs would be preempted. `None` for one that does not live.
fn stopped_status(g: Addr, status: u32) -> Result<Option<u32>, Error> {
    Ok(match status & !G_SCAN {
        G_IDLE | G_DEAD | G_DEADEXTRA => None,
        G_RUNNING | G_COPYSTACK => Some(G_RUNNABLE),
        G_PREEMPTED | G_LEAKED => Some(G_WAITING),
        status @ (G_RUNNABLE | G_SYSCALL | G_WAITING) => Some(status),
        status => return Err(Error::BadStatus { g, status }),
    })
}

/// What `reflectcall` chooses from, by the size of the arguments (asm_*.s, `DISPATCH`).
#[rustfmt::skip]
const CALLS: [&str; 27] = [
    "runtime.call16", "runtime.call32", "runtime.call64", "runtime.call128", "runtime.call256", "runtime.call512",
    "runtime.call1024", "runtime.call2048", "runtime.call4096", "runtime.call8192", "runtime.call16384",
    "runtime.call32768", "runtime.call65536", "runtime.call131072", "runtime.call262144", "runtime.call524288",
    "runtime.call1048576", "runtime.call2097152", "runtime.call4194304", "runtime.call8388608",
    "runtime.call16777216", "runtime.call33554432", "runtime.call67108864", "runtime.call134217728",
    "runtime.call268435456", "runtime.call536870912", "runtime.call1073741824",
];

impl<T: Target> Goroutines for Go119<'_, T> {
    fn goroutines(&self, mut each: impl FnMut(Goroutine) -> Result<(), Error>) -> Result<(), Error> {
        let at = At { offset: 0, size: T::PTR_SIZE, place: ALLGS };
        let allgs = self.process.elements(self.shape.variables.allgs, at, T::PTR_SIZE)?;
        for i in 0..allgs.len {
            let gp = self.process.pointer(allgs.array, i, ALLGS)?;
            match self.readgstatus(gp)? {
                status if self.stopped.is_some() => {
                    if let Some(status) = stopped_status(gp, status)? {
                        each(self.goroutine(gp, status)?)?;
                    }
                }
                G_DEAD | G_DEADEXTRA => {}
                // A goroutine that leaves a system call, and will park: where it entered the call it stands still.
                G_RUNNING if self.process.uint(gp, self.shape.g.syscallsp)? != 0 => {
                    each(self.goroutine(gp, G_RUNNING)?)?
                }
                status @ (G_RUNNABLE | G_SYSCALL | G_WAITING) => each(self.goroutine(gp, status)?)?,
                status => return Err(Error::BadStatus { g: gp, status }),
            }
        }
        Ok(())
    }

    fn frames(&self, gp: Addr, mut callback: impl FnMut(&Frame) -> Result<(), Error>) -> Result<(), Error> {
        // Where the runtime itself has stopped the world, every goroutine stands at a call.
        if let Some(stopped) = self.stopped.filter(|_| !self.standings.world_is_stopped) {
            return self.stopped_frames(stopped, gp, callback);
        }
        let mut objects = StackObjects::default();
        let mut preempted = false;
        self.unwind(gp, true, |f, s| {
            let mut frame = self.frame(gp, f, s)?;
            if preempted && !self.defects.maps_of_preempted {
                (frame.args, frame.locals) = (None, Locals::Unknown);
            }
            preempted = self.is_preemption(f);
            if !self.defects.stack_objects_left_out {
                frame.objects = objects.of(self, f, &frame)?;
            }
            callback(&frame)
        })
    }

    fn defers(&self, gp: Addr, mut each: impl FnMut(Defer) -> Result<(), Error>) -> Result<(), Error> {
        let (process, layout) = (&self.process, &self.shape.defer);
        process.linked(process.ptr(gp, self.shape.g.defer)?, layout.link, |d| {
            let func = process.ptr(d, layout.func)?;
            each(Defer {
                d,
                sp: process.uint(d, layout.sp)?,
                pc: process.uint(d, layout.pc)?,
                func,
                // d.fn can be nil for open-coded defers
                entry: if func.is_nil() { 0 } else { self.funcval(func)? },
                link: process.ptr(d, layout.link)?,
            })
        })
    }

    fn panics(&self, gp: Addr, mut each: impl FnMut(Panic) -> Result<(), Error>) -> Result<(), Error> {
        let (process, layout) = (&self.process, &self.shape.panic);
        process.linked(process.ptr(gp, self.shape.g.panic)?, layout.link, |p| {
            each(Panic {
                p,
                type_: Addr(process.word_at(p, layout.arg)?),
                data: Addr(process.word_at(p, layout.arg.after(T::PTR_SIZE))?),
                link: process.ptr(p, layout.link)?,
            })
        })
    }

    fn threads(&self, mut each: impl FnMut(OsThread) -> Result<(), Error>) -> Result<(), Error> {
        self.each_m(|mp| {
            let id = self.process.uint(mp, self.shape.m.id)?;
            each(OsThread { mp, id, procid: self.process.uint(mp, self.shape.m.procid)? })
        })
    }
}

impl<T: Target> Go119<'_, T> {
    /// Whether a function is one that a signal has a goroutine call, wherever it is (`scanframeworker`).
    pub(super) fn is_preemption(&self, f: &Func) -> bool {
        let ids = &self.shape.func_ids;
        [ids.async_preempt, ids.debug_call].iter().any(|&id| self.symtab.is(f, id))
    }

    /// Port of `readgstatus`.
    pub(super) fn readgstatus(&self, gp: Addr) -> Result<u32, Error> {
        Ok(self.process.uint(gp, self.shape.g.atomicstatus)? as u32)
    }

    /// `allm` and all that it links to.
    pub(super) fn each_m(&self, each: impl FnMut(Addr) -> Result<(), Error>) -> Result<(), Error> {
        let at = At { offset: 0, size: T::PTR_SIZE, place: ALLM };
        let allm = self.process.ptr(self.shape.variables.allm, at)?;
        self.process.linked(allm, self.shape.m.alllink, each)
    }

    fn goroutine(&self, gp: Addr, status: u32) -> Result<Goroutine, Error> {
        let (process, g) = (&self.process, &self.shape.g);
        let sched = |at: At| At { offset: g.sched.offset + at.offset, ..at };
        Ok(Goroutine {
            g: gp,
            sp: self.stack_pointer(gp)?,
            goid: process.uint(gp, g.goid)?,
            gopc: process.uint(gp, g.gopc)?,
            status,
            is_system: self.is_system_goroutine(gp)?,
            waitsince: process.uint(gp, g.waitsince)?,
            waitreason: self.wait_reason(gp)?,
            ctxt: process.ptr(gp, sched(self.shape.gobuf.ctxt))?,
            m: process.ptr(gp, g.m)?,
            defer: process.ptr(gp, g.defer)?,
            panic: process.ptr(gp, g.panic)?,
        })
    }

    /// In a system call where it was entered, elsewhere where stacks were switched.
    pub(super) fn registers(&self, gp: Addr) -> Result<Registers, Error> {
        if let Some(standing) = self.standings.of(gp) {
            return Ok(standing.registers);
        }
        let (process, g) = (&self.process, &self.shape.g);
        let syscallsp = process.uint(gp, g.syscallsp)?;
        if syscallsp != 0 {
            return Ok(Registers { sp: syscallsp, pc: process.uint(gp, g.syscallpc)?, lr: 0 });
        }
        self.saved(gp)
    }

    /// Where its stack ends that is in use.
    pub(super) fn stack_pointer(&self, gp: Addr) -> Result<u64, Error> {
        match self.standings.of(gp) {
            Some(standing) => Ok(standing.sp),
            None => Ok(self.registers(gp)?.sp),
        }
    }

    /// `sched`: where stacks were switched.
    pub(super) fn saved(&self, gp: Addr) -> Result<Registers, Error> {
        let (process, g, gobuf) = (&self.process, &self.shape.g, &self.shape.gobuf);
        let sched = |at: At| process.uint(gp, At { offset: g.sched.offset + at.offset, ..at });
        Ok(Registers { sp: sched(gobuf.sp)?, pc: sched(gobuf.pc)?, lr: gobuf.lr.map_or(Ok(0), sched)? })
    }

    /// `fn.fn`: the code of a closure.
    pub(super) fn funcval(&self, func: Addr) -> Result<u64, Error> {
        self.process.word(func, FUNCVAL)
    }

    /// Port of `waitReason.String`.
    fn wait_reason(&self, gp: Addr) -> Result<Text, Error> {
        let reason = self.process.uint(gp, self.shape.g.waitreason)?;
        let size = 2 * T::PTR_SIZE;
        match self.shape.variables.wait_reason_strings {
            Some(strings) if reason < strings.size / size => {
                let at = At { offset: reason * size, size, place: WAIT_REASON_STRINGS };
                let Header { array, len } = self.process.header(strings.addr, at)?;
                Ok(Text::Target(Header { array, len }))
            }
            Some(_) => Ok(Text::Literal("unknown wait reason")),
            None => {
                Err(out_of_range(WAIT_REASON_STRINGS, gp, reason, "where reasons are spelled is not known"))
            }
        }
    }

    /// Port of `isSystemGoroutine`.
    fn is_system_goroutine(&self, gp: Addr) -> Result<bool, Error> {
        let (ids, symtab) = (&self.shape.func_ids, &self.symtab);
        let Some(f) = symtab.findfunc(self.process.uint(gp, self.shape.g.startpc)?)? else {
            return Ok(false);
        };
        if [ids.runtime_main, ids.handle_async_event, ids.corostart].iter().any(|&id| symtab.is(&f, id)) {
            return Ok(false);
        }
        let byte = |place| At { offset: 0, size: 1, place };
        if symtab.is(&f, ids.run_finalizers) {
            return Ok(match self.shape.finalizing {
                Finalizing::Running(at) => self.process.uint(at, byte(Place::variable("fingRunning")))? == 0,
                Finalizing::Status(at, running) => {
                    let place = Place::variable("fingStatus");
                    self.process.uint(at, At { offset: 0, size: 4, place })? & running == 0
                }
                Finalizing::Frames => !self.runs_a_finalizer(gp),
            });
        }
        if symtab.is(&f, ids.run_cleanups)
            && let Some(running) = self.shape.g.running_cleanups
        {
            return Ok(self.process.uint(gp, running)? == 0);
        }
        symtab.name_is(&f, "runtime.", false)
    }

    /// Whether the goroutine of finalizers runs one: on its stack is a function that is not the runtime's, or `reflectcall` or one
    /// of those that this chooses from (`call16`, `call32`, …). A stack that cannot be unwound is taken for one that does.
    fn runs_a_finalizer(&self, gp: Addr) -> bool {
        let mut found = false;
        let unwound = self.unwind(gp, false, |f, _| {
            found = found
                || !self.symtab.name_is(f, "runtime.", false)?
                || self.symtab.name_is(f, "runtime.reflectcall", true)?;
            for call in CALLS {
                found = found || self.symtab.name_is(f, call, true)?;
            }
            Ok(())
        });
        found || unwound.is_err()
    }

    /// The goroutine that has called `debug.WriteHeapDump`, and its thread: while the heap is dumped it waits.
    pub(super) fn dumping(&self) -> Result<Option<(Addr, Addr)>, Error> {
        let Some(dumping_heap) = self.shape.dumping_heap else { return Ok(None) };
        let at = At { offset: 0, size: T::PTR_SIZE, place: DUMPFD };
        let dumpfd = self.shape.variables.dumpfd;
        if let Some(VariableAt { addr, .. }) = dumpfd
            && self.process.uint(addr, at)? == 0
        {
            return Ok(None);
        }
        let mut found = None;
        self.each_m(|mp| {
            let curg = self.process.ptr(mp, self.shape.m.curg)?;
            if found.is_some() || curg.is_nil() || self.readgstatus(curg)? != G_WAITING {
                return Ok(());
            }
            // Up to Go 1.19 it is the g0 that is said to dump, and goes on saying so after the dump.
            let g0 = if dumpfd.is_some() { self.process.ptr(mp, self.shape.m.g0)? } else { Addr::NIL };
            for gp in [curg, g0] {
                if !gp.is_nil() && self.process.uint(gp, self.shape.g.waitreason)? == dumping_heap {
                    found = Some((curg, mp));
                }
            }
            Ok(())
        })?;
        Ok(found)
    }
}
