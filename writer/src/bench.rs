//! What the benches reach of the writer's inside. No part of the interface.

use std::io::Write;

use crate::error::Error;
use crate::format::sink::{Losses, Sink};

/// The encoder and its buffered sink.
pub struct Encoder<'w>(Sink<'w>);

#[allow(missing_docs, reason = "the functions of the sink, under their own names")]
impl<'w> Encoder<'w> {
    pub fn new(out: &'w mut dyn Write, capacity: usize) -> Self {
        Encoder(Sink::new(out, capacity, Losses::default()))
    }

    #[inline]
    pub fn dumpint(&mut self, v: u64) -> Result<(), Error> {
        self.0.dumpint(v)
    }

    #[inline]
    pub fn dumpints(&mut self, values: &[u64]) -> Result<(), Error> {
        self.0.dumpints(values)
    }

    #[inline]
    pub fn dwrite(&mut self, data: &[u8]) -> Result<(), Error> {
        self.0.dwrite(data)
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.0.flush()
    }
}

/// Writes what was dumped before as [`write_heap_dump_pipelined`](crate::write_heap_dump_pipelined) writes a dump.
#[allow(missing_docs, reason = "the errors are the writer's")]
pub fn copy_pipelined(dump: &[u8], out: impl Write + Send) -> Result<(), Error> {
    crate::pipelined::copy_pipelined(dump, out)
}
