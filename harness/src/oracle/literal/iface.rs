//! `runtime/iface.go`: the table of itabs.

use super::{R, Runtime};

const hashSize: u64 = 1009;

impl Runtime<'_> {
    pub(super) fn iterate_itabs(&mut self, callback: fn(&mut Self, u64) -> R<()>) -> R<()> {
        for i in 0..hashSize {
            let slot = self.add(self.symbols.itab_hash.0, i * self.ptrSize);
            let mut h = self.load_uintptr(slot, "runtime.hash")?;
            while h != 0 {
                self.tick()?;
                callback(self, h)?;
                h = self.load(h, "itab.link")?;
            }
        }
        Ok(())
    }
}
