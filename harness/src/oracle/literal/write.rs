//! `runtime/heapdump.go`, lines 52 to 147: the buffer, the varints, and `write` below them.

use heapmatrix_writer::{Addr, AnyTarget};

use super::memory::{Pointer, string};
use super::{Cause, MAX_BYTES, R, Runtime, Write, throw_at};

// buffer of pending write data
pub(super) const bufSize: u64 = 4096;

/// The most that Linux writes in one call, in bytes.
const MAX_RW_COUNT: u64 = 0x7fff_f000;

impl Runtime<'_> {
    /// The system call `write(dumpfd, p, n)`, sys_linux_*.s, and of the kernel what the dump shows of
    /// it: a length is bounded, and a hole in memory ends the write.
    fn write(&mut self, p: Pointer<'_>, n: i64) -> R<()> {
        let count = match u64::try_from(n) {
            Ok(count) if self.fixes.long_writes => count,
            Ok(count) => count.min(MAX_RW_COUNT),
            // amd64 loads n by MOVL, without its sign; for the others it is negative, which is
            // EINVAL.
            Err(_) if self.target == AnyTarget::Amd64 => u64::from(n as u32).min(MAX_RW_COUNT),
            Err(_) => 0,
        };
        let old = self.file.bytes.len() as u64;
        let room = MAX_BYTES - old;
        let mut bytes = std::mem::take(&mut self.file.bytes);
        let hole = match p {
            Pointer::Host(host) => {
                bytes.extend_from_slice(&host[..count as usize]);
                None
            }
            Pointer::Target(addr) => self.readable(addr, count.min(room), &mut bytes).err(),
        };
        let written = bytes.len() as u64 - old;
        self.file.bytes = bytes;
        self.file.writes.push(Write { n, written });
        match hole {
            Some(source) if self.fixes.write_errors => Err(Cause::Fault { what: "dumped memory", source }),
            None if count > written || self.file.bytes.len() as u64 > MAX_BYTES => Err(Cause::Runaway),
            _ => Ok(()),
        }
    }

    /// `int32(len)`
    fn int32(&self, len: u64) -> i64 {
        if self.fixes.long_writes { len as i64 } else { i64::from(len as i32) }
    }

    /// `write(dumpfd, (unsafe.Pointer)(&buf), int32(nbuf))`
    fn write_buf(&mut self) -> R<()> {
        if self.nbuf == 0 && self.fixes.empty_writes {
            return Ok(());
        }
        let buf = self.buf;
        self.write(Pointer::Host(&buf[..self.nbuf as usize]), self.int32(self.nbuf))
    }

    pub(super) fn dwrite(&mut self, data: Pointer<'_>, len: u64) -> R<()> {
        if len == 0 {
            return Ok(());
        }
        if self.add(self.nbuf, len) <= bufSize {
            self.copy_to_buf(self.nbuf, data, len)?;
            self.set_nbuf(self.add(self.nbuf, len));
            return Ok(());
        }

        self.write_buf()?;
        if len >= bufSize {
            self.write(data, self.int32(len))?;
            self.set_nbuf(0);
        } else {
            self.copy_to_buf(0, data, len)?;
            self.set_nbuf(len);
        }
        Ok(())
    }

    /// `copy(buf[at:], (*[bufSize]byte)(data)[:len])`
    fn copy_to_buf(&mut self, at: u64, data: Pointer<'_>, len: u64) -> R<()> {
        // In Go the sum above may wrap; the slice expression does not let that pass.
        if len > bufSize {
            return throw_at("slice bounds out of range", "dwrite of", len);
        }
        let data = self.bytes(data, len, "dumped memory")?;
        self.buf[at as usize..][..data.len()].copy_from_slice(&data);
        self.store_own(self.symbols.buf, at, &data);
        Ok(())
    }

    fn set_nbuf(&mut self, n: u64) {
        self.nbuf = n;
        if !self.fixes.own_variables {
            self.store_uintptr(self.symbols.nbuf, 0, n);
        }
    }

    /// A store to a variable of heapdump.go.
    pub(super) fn store_own(&mut self, variable: Addr, offset: u64, bytes: &[u8]) {
        if !self.fixes.own_variables {
            self.store(variable, offset, bytes);
        }
    }

    pub(super) fn dwritebyte(&mut self, b: u8) -> R<()> {
        self.dwrite(Pointer::Host(&[b]), 1)
    }

    pub(super) fn flush(&mut self) -> R<()> {
        self.write_buf()?;
        self.set_nbuf(0);
        Ok(())
    }

    /// dump a uint64 in a varint format parseable by encoding/binary
    pub(super) fn dumpint(&mut self, mut v: u64) -> R<()> {
        let mut buf = [0; 10];
        let mut n = 0;
        while v >= 0x80 {
            buf[n] = (v | 0x80) as u8;
            n += 1;
            v >>= 7;
        }
        buf[n] = v as u8;
        n += 1;
        self.dwrite(Pointer::Host(&buf), n as u64)
    }

    pub(super) fn dumpbool(&mut self, b: bool) -> R<()> {
        if b { self.dumpint(1) } else { self.dumpint(0) }
    }

    /// dump varint uint64 length followed by memory contents
    pub(super) fn dumpmemrange(&mut self, data: Pointer<'_>, len: u64) -> R<()> {
        self.dumpint(len)?;
        self.dwrite(data, len)
    }

    pub(super) fn dumpslice(&mut self, b: &[u8]) -> R<()> {
        self.dumpint(b.len() as u64)?;
        if !b.is_empty() {
            self.dwrite(Pointer::Host(b), b.len() as u64)?;
        }
        Ok(())
    }

    pub(super) fn dumpstr(&mut self, s: string<'_>) -> R<()> {
        self.dumpmemrange(s.str, s.len)
    }
}
