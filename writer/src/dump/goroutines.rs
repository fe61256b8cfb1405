//! Goroutines, and their deferred calls and panics.

use super::frames::FrameDumper;
use super::{Dumper, Records};
use crate::error::Error;
use crate::format::tags::Tag;
use crate::memory::Addr;
use crate::record::{Defer, Goroutine, Panic};
use crate::runtime::Runtime;

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `dumpgs`.
    pub(super) fn dumpgs(&mut self) -> Result<(), Error> {
        let Dumper { runtime, out, .. } = self;
        runtime.goroutines(|gp| dumpgoroutine(*runtime, out, &gp))
    }
}

/// Port of `dumpgoroutine`.
fn dumpgoroutine<R: Runtime>(runtime: &R, out: &mut Records<'_>, gp: &Goroutine) -> Result<(), Error> {
    out.tag(Tag::Goroutine)?;
    out.dumpptr(gp.g)?;
    out.sink.dumpint(gp.sp)?;
    out.sink.dumpint(gp.goid)?;
    out.sink.dumpint(gp.gopc)?;
    out.sink.dumpint(gp.status.into())?;
    out.sink.dumpbool(gp.is_system)?;
    out.sink.dumpbool(false)?; // isbackground
    out.sink.dumpint(gp.waitsince)?;
    out.dumpstr(runtime.memory(), gp.waitreason)?;
    out.dumpptr(gp.ctxt)?;
    out.dumpptr(gp.m)?;
    out.dumpptr(gp.defer)?;
    out.dumpptr(gp.panic)?;

    // dump stack
    let mut frames = FrameDumper::new(runtime, out, gp.g);
    runtime.frames(gp.g, |s| frames.dumpframe(s))?;

    // dump defer & panic records
    runtime.defers(gp.g, |d| dumpdefer(out, gp.g, &d))?;
    runtime.panics(gp.g, |p| dumppanic(out, gp.g, &p))
}

fn dumpdefer(out: &mut Records<'_>, gp: Addr, d: &Defer) -> Result<(), Error> {
    out.tag(Tag::Defer)?;
    out.dumpptr(d.d)?;
    out.dumpptr(gp)?;
    out.sink.dumpint(d.sp)?;
    out.sink.dumpint(d.pc)?;
    out.dumpptr(d.func)?;
    out.sink.dumpint(d.entry)?;
    out.dumpptr(d.link)
}

fn dumppanic(out: &mut Records<'_>, gp: Addr, p: &Panic) -> Result<(), Error> {
    out.tag(Tag::Panic)?;
    out.dumpptr(p.p)?;
    out.dumpptr(gp)?;
    out.dumpptr(p.type_)?;
    out.dumpptr(p.data)?;
    out.sink.dumpint(0)?; // was p->defer, no longer recorded
    out.dumpptr(p.link)
}
