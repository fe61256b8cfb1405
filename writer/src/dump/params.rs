//! The dump's parameters, and the threads.

use std::io::Write;

use super::Dumper;
use crate::error::Error;
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::runtime::layout::{Field, Int32};
use crate::runtime::structs::M as GoM;
use crate::runtime::symtab::Text;
use crate::target::Target;

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpparams`.
    pub(super) fn dumpparams(&mut self) -> Result<(), Error> {
        let symbols = self.process.symbols;
        self.out.tag(Tag::Params)?;
        self.out.sink.dump_bool(T::BIG_ENDIAN)?;
        self.out.sink.dump_int(T::PTR_SIZE)?;
        self.out.sink.dump_int(self.heap.arena_start)?;
        self.out.sink.dump_int(self.heap.arena_used)?;
        self.out.sink.dump_int(u64::from(T::THECHAR))?;
        let goexperiment = match symbols.goexperiment {
            Addr::NIL => Text::Literal(""),
            at => self.process.string(at, Field::variable("goexperiment"))?,
        };
        self.out.dumpstr(self.process.memory, goexperiment)?;
        self.out.sink.dump_int(self.process.variable::<Int32>(symbols.ncpu, "ncpu")? as u64)
    }

    /// Port of `dumpms`.
    pub(super) fn dumpms(&mut self) -> Result<(), Error> {
        let Dumper { process, out, .. } = self;
        process.iterate_ms(|mp| {
            out.tag(Tag::OsThread)?;
            out.dumpptr(mp)?;
            out.sink.dump_int(process.get(mp, GoM::id())? as u64)?;
            out.sink.dump_int(process.get(mp, GoM::procid())?)
        })
    }
}
