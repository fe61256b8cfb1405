//! Keeping the engine's memory map like the guest memory's.

use std::sync::Arc;

use memmap2::MmapRaw;
use unicorn_engine::{Prot as UcPerms, Unicorn, uc_error};

use super::hooks::State;
use crate::memory::{GuestMemory, Prot, Region};

/// A region that the engine has mapped, and the host memory that it needs for that.
pub(super) struct Attached {
    addr: u64,
    len: u64,
    prot: Prot,
    start: *mut u8,
    /// Alive for as long as the engine may use it, even when the guest memory has dropped it.
    _host: Arc<MmapRaw>,
}

impl Attached {
    /// Whether an address lies in it that the guest can't write.
    pub fn is_constant_at(&self, addr: u64) -> bool {
        (self.addr..self.addr + self.len).contains(&addr) && !self.prot.write
    }

    /// Whether an address lies in it that the guest can execute.
    pub fn is_code_at(&self, addr: u64) -> bool {
        (self.addr..self.addr + self.len).contains(&addr) && self.prot.exec
    }

    /// Whether this is what the engine should have mapped for a region.
    fn is(&self, region: &Region) -> bool {
        (self.addr, self.len, self.prot, self.start)
            == (region.addr(), region.len(), region.prot(), region.host_ptr())
    }
}

/// Maps in the engine what the memory maps, and nothing else.
///
/// Regions without any access stay unmapped: the engine would refuse the first load and let the next one
/// through.
pub(super) fn attach(engine: &mut Unicorn<'static, State>, memory: &GuestMemory) -> Result<(), uc_error> {
    let old = std::mem::take(&mut engine.get_data_mut().attached);
    let mut kept = Vec::with_capacity(memory.regions().len());
    let mut gone = Vec::new();
    let mut new = Vec::new();

    let mut old = old.into_iter().peekable();
    for region in memory.regions().filter(|r| r.prot() != Prot::NONE) {
        while let Some(before) = old.next_if(|a| a.addr < region.addr()) {
            gone.push(before);
        }
        match old.next_if(|a| a.is(region)) {
            Some(same) => kept.push(same),
            None => new.push(region),
        }
    }
    gone.extend(old);

    // First all that goes, since the new may lie across it. An entry stays until the engine has let go.
    let mut failed = Ok(());
    for region in gone {
        engine.get_data_mut().poison.forget(region.addr, region.len);
        if failed.is_ok() {
            failed = engine.mem_unmap(region.addr, region.len);
        }
        if failed.is_err() {
            kept.push(region);
        }
    }
    for region in new {
        if failed.is_err() {
            break;
        }
        failed = map(engine, region).map(|attached| kept.push(attached));
    }
    kept.sort_unstable_by_key(|a| a.addr);
    engine.get_data_mut().attached = kept;
    failed
}

fn map(engine: &mut Unicorn<'static, State>, region: &Region) -> Result<Attached, uc_error> {
    let (addr, len, prot, start) = (region.addr(), region.len(), region.prot(), region.host_ptr());
    // What can be written or executed can be read, as on the real machines.
    let mut perms = UcPerms::READ;
    if prot.write {
        perms |= UcPerms::WRITE;
    }
    if prot.exec {
        perms |= UcPerms::EXEC;
    }
    // SAFETY: the `len` bytes from `start` on stay mapped in the host for as long as the result lives,
    // which is until the engine has unmapped them or is gone. The engine uses them only while it runs,
    // under an exclusive borrow of the machine and so of the memory.
    unsafe { engine.mem_map_ptr(addr, len, perms, start.cast()) }?;
    Ok(Attached { addr, len, prot, start, _host: Arc::clone(region.host()) })
}
