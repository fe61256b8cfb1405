//! Memory: `mmap` and its kind.

use super::super::errno::Errno;
use super::super::fs::{Kind, Node};
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::Call;
use crate::memory::{PAGE, Prot};

const PROT_READ: u64 = 1;
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;

const MAP_SHARED: u64 = 1;
const MAP_FIXED: u64 = 0x10;
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

/// `mmap(args)`, whose arguments lie in memory.
pub fn old_mmap(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let args = p.arguments_at(call.args[0])?;
    map(p, &Call { args, ..*call }, args[5])
}

/// `mmap2`: the offset counts units of 4096 bytes.
pub fn mmap2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    map(p, call, call.args[5].wrapping_mul(4096))
}

fn map(p: &mut Process, call: &Call, offset: u64) -> Result<u64, Stop> {
    let [addr, len, bits, flags, fd, _] = call.args;
    let len = pages(len)?;
    let node =
        if flags & p.linux.map_anonymous == 0 { Some(mappable(p, fd, offset, bits, flags)?) } else { None };
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    let at = if fixed { addr } else { p.space.find(p.machine.memory(), addr, len)? };
    if !at.is_multiple_of(PAGE) || at < PAGE {
        return Err(Errno::Inval.into());
    }
    if at.checked_add(len).is_none_or(|end| end > p.linux.addresses.end) {
        return Err(Errno::NoMem.into());
    }
    if flags & MAP_FIXED_NOREPLACE != 0 && p.space.find(p.machine.memory(), at, len) != Ok(at) {
        return Err(Errno::Exist.into());
    }
    p.unshare(at, len);
    p.pull_node(node.as_ref());
    p.space.map(p.machine.memory_mut(), "mmap", at, len, prot(bits))?;
    if let Some(node) = node {
        fill(p, &node, offset, at, len)?;
        if flags & MAP_SHARED != 0 && matches!(node.kind, Kind::File(_)) {
            p.share(at, len, offset, &node, bits & PROT_WRITE != 0);
        }
    }
    Ok(at)
}

/// The file that is to be mapped.
fn mappable(p: &Process, fd: u64, offset: u64, bits: u64, flags: u64) -> Result<Node, Errno> {
    let open = p.fds.usable(fd)?;
    let open = open.borrow();
    if !offset.is_multiple_of(PAGE) {
        return Err(Errno::Inval);
    }
    let node = open.node().ok_or(Errno::NoDev)?;
    match &node.kind {
        Kind::File(_) | Kind::Fixed(_) | Kind::Host(_) => {}
        _ => return Err(Errno::NoDev),
    }
    let (reads, writes) = open.access();
    if !reads || flags & MAP_SHARED != 0 && bits & PROT_WRITE != 0 && !writes {
        return Err(Errno::Acces);
    }
    Ok(std::rc::Rc::clone(node))
}

/// Fills memory from a file. What lies after the file's end stays zero.
fn fill(p: &mut Process, node: &Node, offset: u64, addr: u64, len: u64) -> Result<(), Errno> {
    const CHUNK: usize = 1 << 16;
    let end = node.size().saturating_sub(offset).min(len);
    let mut buf = vec![0; CHUNK.min(end as usize)];
    let mut done = 0;
    while done < end {
        let part = &mut buf[..(end - done).min(CHUNK as u64) as usize];
        let n = match &node.kind {
            Kind::File(data) => data.borrow().read(offset + done, part),
            Kind::Host(file) => file.read(offset + done, part)?,
            Kind::Fixed(bytes) => {
                let from = (offset + done) as usize;
                part.copy_from_slice(&bytes[from..from + part.len()]);
                part.len()
            }
            _ => 0,
        };
        if n == 0 {
            break;
        }
        // Memory that the program itself may not be allowed to write.
        p.machine.memory_mut().write(addr + done, &part[..n]).map_err(|_| Errno::Fault)?;
        done += n as u64;
    }
    Ok(())
}

/// `msync(addr, len, flags)`: what was stored to shared memory is in its files.
pub fn msync(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, ..] = call.args;
    if !addr.is_multiple_of(PAGE) {
        return Err(Errno::Inval.into());
    }
    if len > 0 && !p.space.covers(p.machine.memory(), addr, pages(len)?) {
        return Err(Errno::NoMem.into());
    }
    p.pull_node(None);
    Ok(0)
}

/// `munmap(addr, len)`.
pub fn munmap(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, ..] = call.args;
    let len = pages(len)?;
    p.unshare(addr, len);
    p.space.unmap(p.machine.memory_mut(), addr, len)?;
    Ok(0)
}

/// `mprotect(addr, len, prot)`.
pub fn mprotect(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, bits, ..] = call.args;
    if len != 0 {
        p.space.protect(p.machine.memory_mut(), addr, pages(len)?, prot(bits))?;
        p.share_protected(addr, pages(len)?, bits & PROT_WRITE != 0);
    }
    Ok(0)
}

/// `madvise(addr, len, advice)`: only `MADV_DONTNEED` has an effect that a program can see.
pub fn madvise(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, advice, ..] = call.args;
    if advice == MADV_DONTNEED && len != 0 {
        p.pull_node(None);
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
    // No more than there is place for, since reservations are long.
    let there = p.user().writable(vec, len / PAGE)?;
    p.machine.memory_mut().fill(vec, there, 1).map_err(|_| Errno::Fault)?;
    if there < len / PAGE { Err(Errno::Fault.into()) } else { Ok(0) }
}

/// `brk(end)`.
pub fn brk(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    Ok(p.space.set_brk(p.machine.memory_mut(), call.args[0]))
}
