//! The dump's parameters, and the threads.

use super::Dumper;
use crate::error::Error;
use crate::format::tags::Tag;
use crate::format::version::Arch;
use crate::record::OsThread;
use crate::runtime::Runtime;
use crate::target::Target;

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `dumpparams`.
    pub(super) fn dumpparams(&mut self) -> Result<(), Error> {
        let Dumper { runtime, out, .. } = self;
        let params = runtime.params()?;
        out.tag(Tag::Params)?;
        out.sink.dumpbool(R::Target::BIG_ENDIAN)?;
        out.sink.dumpint(R::Target::PTR_SIZE)?;
        out.sink.dumpint(params.arena_start)?;
        out.sink.dumpint(params.arena_used)?;
        match params.arch {
            Arch::Letter(thechar) => out.sink.dumpint(thechar.into())?,
            Arch::Name(goarch) => out.sink.dumpslice(goarch.as_bytes())?,
        }
        out.dumpstr(runtime.memory(), params.goexperiment)?;
        out.sink.dumpint(params.ncpu)
    }

    /// Port of `dumpms`.
    pub(super) fn dumpms(&mut self) -> Result<(), Error> {
        let Dumper { runtime, out, .. } = self;
        runtime.threads(|OsThread { mp, id, procid }| {
            out.tag(Tag::OsThread)?;
            out.dumpptr(mp)?;
            out.sink.dumpint(id)?;
            out.sink.dumpint(procid)
        })
    }
}
