//! The dump's parameters, and the threads.

use std::io::Write;

use super::Dumper;
use crate::error::Error;
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::runtime::layout::{Field, Int32, Ptr};
use crate::runtime::list::LoopCheck;
use crate::runtime::structs::M as GoM;
use crate::runtime::symtab::Text;
use crate::target::Target;
use crate::wrong::{truncated, wrong};

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpparams`.
    pub(super) fn dumpparams(&mut self) -> Result<(), Error> {
        let symbols = self.process.symbols;
        self.out.tag(Tag::Params)?;
        self.out.sink.dump_bool(T::BIG_ENDIAN && !wrong!(ParamsLittleEndian))?;
        self.out.sink.dump_int(if wrong!(PointerSizeOfHost) { 8 } else { T::PTR_SIZE })?;
        self.out.sink.dump_int(self.heap.arena_start)?;
        self.out.sink.dump_int(self.heap.arena_used - u64::from(wrong!(HeapEndTooLow)))?;
        self.out.sink.dump_int(u64::from(if wrong!(TheCharOfAmd64) { b'6' } else { T::THECHAR }))?;
        let goexperiment = match symbols.goexperiment {
            Addr::NIL => Text::Literal(""),
            at => self.process.string(at, Field::variable("goexperiment"))?,
        };
        self.out.dumpstr(self.process.memory, goexperiment)?;
        self.out.sink.dump_int(self.process.variable::<Int32>(symbols.ncpu, "ncpu")? as u64)
    }

    /// Port of `dumpms`.
    pub(super) fn dumpms(&mut self) -> Result<(), Error> {
        let alllink = GoM::alllink();
        let mut check = LoopCheck::new(alllink.place);
        let mut mp = self.process.variable::<Ptr>(self.process.symbols.allm, "allm")?;
        while !mp.is_nil() {
            check.visit(mp)?;
            self.out.tag(Tag::OsThread)?;
            self.out.dumpptr(mp)?;
            let id = self.process.get(mp, GoM::id())? as u64;
            self.out.sink.dump_int(truncated(wrong!(ThreadIdUnsigned), id))?;
            self.out.sink.dump_int(self.process.get(mp, GoM::procid())?)?;
            mp = self.process.get(mp, alllink)?;
        }
        Ok(())
    }
}
