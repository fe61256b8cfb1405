//! Goroutines, and their deferred calls and panics.

use std::io::Write;

use super::frames::FrameDumper;
use super::{Dumper, Records};
use crate::error::Error;
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::options::Options;
use crate::runtime::goroutine::{G_DEAD, G_RUNNABLE, G_SYSCALL, G_WAITING};
use crate::runtime::list::LoopCheck;
use crate::runtime::process::Process;
use crate::runtime::structs::{Defer, Eface, G, Gobuf, Panic};
use crate::target::Target;

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpgs`.
    pub(super) fn dumpgs(&mut self) -> Result<(), Error> {
        let Dumper { process, out, options, .. } = self;
        process.iterate_gs(|gp| match process.readgstatus(gp)? {
            G_DEAD => Ok(()),
            G_RUNNABLE | G_SYSCALL | G_WAITING => dumpgoroutine(process, out, options, gp),
            status => Err(Error::BadStatus { g: gp, status }),
        })
    }
}

/// Port of `dumpgoroutine`.
fn dumpgoroutine<T: Target, M: Memory + ?Sized, W: Write>(
    process: &Process<'_, T, M>,
    out: &mut Records<W>,
    options: &Options<'_>,
    gp: Addr,
) -> Result<(), Error> {
    let sched = G::sched();
    let syscallsp = process.get(gp, G::syscallsp())?;
    let (sp, pc, lr) = if syscallsp != 0 {
        (syscallsp, process.get(gp, G::syscallpc())?, 0)
    } else {
        let sp = process.get(gp, sched.then(Gobuf::sp()))?;
        (sp, process.get(gp, sched.then(Gobuf::pc()))?, process.get(gp, sched.then(Gobuf::lr()))?)
    };

    out.tag(Tag::Goroutine)?;
    out.dumpptr(gp)?;
    out.sink.dump_int(sp)?;
    out.sink.dump_int(process.get(gp, G::goid())? as u64)?;
    out.sink.dump_int(process.get(gp, G::gopc())?)?;
    out.sink.dump_int(u64::from(process.readgstatus(gp)?))?;
    out.sink.dump_bool(process.is_system_goroutine(gp)?)?;
    out.sink.dump_bool(false)?; // isbackground
    out.sink.dump_int(process.get(gp, G::waitsince())? as u64)?;
    out.dumpstr(process.memory, process.string(gp, G::waitreason())?)?;
    out.dumpptr(process.get(gp, sched.then(Gobuf::ctxt()))?)?;
    out.dumpptr(process.get(gp, G::m())?)?;
    out.dumpptr(process.get(gp, G::_defer())?)?;
    out.dumpptr(process.get(gp, G::_panic())?)?;

    // dump stack
    let mut frames = FrameDumper::new(process, out, options.defects, gp);
    process.gentraceback(pc, sp, lr, gp, |s| frames.dumpframe(s))?;

    // dump defer & panic records
    dumpdefers(process, out, gp)?;
    dumppanics(process, out, gp)
}

fn dumpdefers<T: Target, M: Memory + ?Sized, W: Write>(
    process: &Process<'_, T, M>,
    out: &mut Records<W>,
    gp: Addr,
) -> Result<(), Error> {
    let link = Defer::link();
    let mut check = LoopCheck::new(link.place);
    let mut d = process.get(gp, G::_defer())?;
    while !d.is_nil() {
        check.visit(d)?;
        let next = process.get(d, link)?;
        let func = process.get(d, Defer::r#fn())?;
        out.tag(Tag::Defer)?;
        out.dumpptr(d)?;
        out.dumpptr(gp)?;
        out.sink.dump_int(process.get(d, Defer::sp())?)?;
        out.sink.dump_int(process.get(d, Defer::pc())?)?;
        out.dumpptr(func)?;
        out.sink.dump_int(process.funcval(func)?)?;
        out.dumpptr(next)?;
        d = next;
    }
    Ok(())
}

fn dumppanics<T: Target, M: Memory + ?Sized, W: Write>(
    process: &Process<'_, T, M>,
    out: &mut Records<W>,
    gp: Addr,
) -> Result<(), Error> {
    let link = Panic::link();
    let mut check = LoopCheck::new(link.place);
    let mut p = process.get(gp, G::_panic())?;
    while !p.is_nil() {
        check.visit(p)?;
        let next = process.get(p, link)?;
        out.tag(Tag::Panic)?;
        out.dumpptr(p)?;
        out.dumpptr(gp)?;
        out.dumpptr(process.get(p, Panic::arg().then(Eface::_type()))?)?;
        out.dumpptr(process.get(p, Panic::arg().then(Eface::data()))?)?;
        out.sink.dump_int(0)?; // was p->defer, no longer recorded
        out.dumpptr(next)?;
        p = next;
    }
    Ok(())
}
