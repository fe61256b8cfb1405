//! Memory: `mmap` and its kind.

use super::super::errno::Errno;
use super::super::fd::Object;
use super::super::process::Process;
use super::super::thread::Call;
use super::Stop;
use crate::memory::{PAGE, Prot};

const PROT_READ: u64 = 1;
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;

const MAP_SHARED: u64 = 1;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;

const MADV_DONTNEED: u64 = 4;

fn prot(bits: u64) -> Prot {
    Prot { read: bits & PROT_READ != 0, write: bits & PROT_WRITE != 0, exec: bits & PROT_EXEC != 0 }
}

/// A length in whole pages.
fn pages(len: u64) -> Result<u64, Errno> {
    len.checked_next_multiple_of(PAGE).filter(|&len| len > 0).ok_or(Errno::Inval)
}

/// `mmap(addr, len, prot, flags, fd, offset)` with the offset in bytes.
pub fn mmap(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    map(p, call, call.args[5])
}

/// `mmap2`: the offset counts units of 4096 bytes.
pub fn mmap2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    map(p, call, call.args[5].wrapping_mul(4096))
}

fn map(p: &mut Process, call: &Call, offset: u64) -> Result<u64, Stop> {
    let [addr, len, bits, flags, fd, _] = call.args;
    let len = pages(len)?;
    let bytes = if flags & MAP_ANONYMOUS == 0 { Some(file_bytes(p, fd, offset, len, flags)?) } else { None };
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    let at = if fixed { addr } else { p.space.find(p.machine.memory(), addr, len)? };
    if !at.is_multiple_of(PAGE) || at < PAGE {
        return Err(Errno::Inval.into());
    }
    if flags & MAP_FIXED_NOREPLACE != 0 && p.space.find(p.machine.memory(), at, len) != Ok(at) {
        return Err(Errno::Exist.into());
    }
    p.space.map(p.machine.memory_mut(), "mmap", at, len, prot(bits))?;
    if let Some(bytes) = bytes {
        p.user().write(at, &bytes)?;
    }
    Ok(at)
}

/// The part of a file that is to be mapped: a private copy.
fn file_bytes(p: &Process, fd: u64, offset: u64, len: u64, flags: u64) -> Result<Vec<u8>, Errno> {
    let open = p.fds.get(fd)?;
    let open = open.borrow();
    if flags & MAP_SHARED != 0 || !offset.is_multiple_of(PAGE) {
        return Err(Errno::Inval);
    }
    let part = |bytes: &[u8]| {
        let from = bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let to = bytes.len().min(from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)));
        bytes[from..to].to_vec()
    };
    match &open.object {
        Object::File(content) => Ok(part(&content.borrow())),
        Object::View(bytes) => Ok(part(bytes)),
        _ => Err(Errno::NoDev),
    }
}

/// `munmap(addr, len)`.
pub fn munmap(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, ..] = call.args;
    p.space.unmap(p.machine.memory_mut(), addr, pages(len)?)?;
    Ok(0)
}

/// `mprotect(addr, len, prot)`.
pub fn mprotect(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, bits, ..] = call.args;
    if len != 0 {
        p.space.protect(p.machine.memory_mut(), addr, pages(len)?, prot(bits))?;
    }
    Ok(0)
}

/// `madvise(addr, len, advice)`: only `MADV_DONTNEED` has an effect that a program can see.
pub fn madvise(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, advice, ..] = call.args;
    if advice == MADV_DONTNEED && len != 0 {
        p.space.discard(p.machine.memory_mut(), addr, pages(len)?)?;
    }
    Ok(0)
}

/// `mincore(addr, len, vec)`: every page that is there is in memory.
pub fn mincore(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, vec, ..] = call.args;
    let len = pages(len)?;
    if !addr.is_multiple_of(PAGE) {
        return Err(Errno::Inval.into());
    }
    if !p.space.covers(p.machine.memory(), addr, len) {
        return Err(Errno::NoMem.into());
    }
    for page in 0..len / PAGE {
        p.user().write(vec.wrapping_add(page), &[1])?;
    }
    Ok(0)
}

/// `brk(end)`.
pub fn brk(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    Ok(p.space.set_brk(p.machine.memory_mut(), call.args[0]))
}
