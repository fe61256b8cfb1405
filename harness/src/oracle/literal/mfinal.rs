//! `runtime/mfinal.go`: the queue of finalizers.

use super::{R, Runtime, throw_at};

const _FinBlockSize: u64 = 4 * 1024;

impl Runtime<'_> {
    pub(super) fn iterate_finq(
        &mut self,
        callback: fn(&mut Self, u64, u64, u64, u64, u64) -> R<()>,
    ) -> R<()> {
        // fin [(_FinBlockSize - 2*ptrSize - 2*4) / unsafe.Sizeof(finalizer{})]finalizer
        let len = (_FinBlockSize - 2 * self.ptrSize - 2 * 4) / self.layout.sizeof("finalizer");
        let mut fb = self.load_uintptr(self.symbols.allfin.0, "runtime.allfin")?;
        while fb != 0 {
            self.tick()?;
            let mut i: i32 = 0;
            while i < self.load_int32(fb, "finblock.cnt")? {
                if i as u64 >= len {
                    return throw_at("index out of range", "finblock.fin", i as u64);
                }
                let fin = self.field(fb, "finblock.fin");
                let f = self.add(fin, i as u64 * self.layout.sizeof("finalizer"));
                callback(
                    self,
                    self.load(f, "finalizer.fn")?,
                    self.load(f, "finalizer.arg")?,
                    self.load(f, "finalizer.nret")?,
                    self.load(f, "finalizer.fint")?,
                    self.load(f, "finalizer.ot")?,
                )?;
                i += 1;
            }
            fb = self.load(fb, "finblock.alllink")?;
        }
        Ok(())
    }
}
