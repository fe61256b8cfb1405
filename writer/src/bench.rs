//! What the benches reach of the writer's inside. No part of the interface.

use std::io::Write;

use crate::error::Error;
use crate::format::dialect::Defects;
use crate::format::sink::Sink;

/// The encoder and its buffered sink.
pub struct Encoder<W>(Sink<W>);

#[allow(missing_docs, reason = "the functions of the sink, under their own names")]
impl<W: Write> Encoder<W> {
    pub fn new(out: W, capacity: usize) -> Self {
        Encoder(Sink::new(out, capacity, Defects::NONE, false))
    }

    #[inline]
    pub fn dump_int(&mut self, v: u64) -> Result<(), Error> {
        self.0.dump_int(v)
    }

    #[inline]
    pub fn dump_ints(&mut self, values: &[u64]) -> Result<(), Error> {
        self.0.dump_ints(values)
    }

    #[inline]
    pub fn dwrite(&mut self, data: &[u8]) -> Result<(), Error> {
        self.0.dwrite(data)
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.0.flush()
    }
}
