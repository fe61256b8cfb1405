//! Files mapped into memory and shared: what is stored to the memory is the file's, and what is written to
//! the file is the memory's.
//!
//! The two are brought together at every system call on the file, and when the mapping goes. A process
//! can't see the difference, unless it stores through two mappings of the same file.

use std::rc::Rc;

use super::fd::Shared;
use super::fs::{Kind, Node};
use super::process::Process;
use crate::memory::PAGE;

/// A part of a file that is mapped.
#[derive(Debug)]
pub struct Mapping {
    addr: u64,
    len: u64,
    /// Where it begins in the file.
    offset: u64,
    node: Node,
    writable: bool,
}

/// Bytes that are copied at a time.
const CHUNK: u64 = 1 << 16;

impl Process {
    /// A file was mapped, to be shared.
    pub(super) fn share(&mut self, addr: u64, len: u64, offset: u64, node: &Node, writable: bool) {
        let other = |m: &Mapping| Rc::ptr_eq(&m.node, node) && m.writable && writable;
        if self.shared.iter().any(other) && !std::mem::replace(&mut self.shared_twice, true) {
            self.host.note(
                "this program maps a file for writing twice: what it stores through one mapping shows in the other \
                 after the next system call on that file",
            );
        }
        self.shared.push(Mapping { addr, len, offset, node: Rc::clone(node), writable });
    }

    /// The memory of a range goes: what was stored there is the file's.
    pub(super) fn unshare(&mut self, addr: u64, len: u64) {
        if self.shared.is_empty() {
            return;
        }
        let end = addr.saturating_add(len);
        let touched = |m: &mut Mapping| m.addr < end && addr < m.addr + m.len;
        for gone in self.shared.extract_if(.., touched).collect::<Vec<_>>() {
            self.pull(&gone);
            let part = |from: u64, to: u64| Mapping {
                addr: from,
                len: to - from,
                offset: gone.offset + (from - gone.addr),
                node: Rc::clone(&gone.node),
                writable: gone.writable,
            };
            if gone.addr < addr {
                self.shared.push(part(gone.addr, addr));
            }
            if end < gone.addr + gone.len {
                self.shared.push(part(end, gone.addr + gone.len));
            }
        }
        self.files.closed();
    }

    /// The protection of a range changes: whether something can be stored there.
    pub(super) fn share_protected(&mut self, addr: u64, len: u64, writable: bool) {
        let end = addr.saturating_add(len);
        for mapping in &mut self.shared {
            if mapping.addr < end && addr < mapping.addr + mapping.len {
                // What was stored before is the file's still.
                mapping.writable |= writable;
            }
        }
    }

    /// Brings what was stored to memory into the file that is open.
    pub(super) fn pull_shared(&mut self, open: &Shared) {
        if self.shared.is_empty() {
            return;
        }
        if let Some(node) = open.borrow().node() {
            self.pull_node(Some(node));
        }
    }

    /// Brings what was stored to memory into one file, or all.
    pub(super) fn pull_node(&mut self, node: Option<&Node>) {
        let shared = std::mem::take(&mut self.shared);
        for mapping in shared.iter().filter(|m| node.is_none_or(|node| Rc::ptr_eq(&m.node, node))) {
            self.pull(mapping);
        }
        self.shared = shared;
    }

    /// Brings what was written to the file that is open into memory.
    pub(super) fn push_shared(&mut self, open: &Shared) {
        if self.shared.is_empty() {
            return;
        }
        let node = open.borrow().node().cloned();
        if let Some(node) = node {
            self.push_node(&node);
        }
    }

    /// A file was cut off, or lengthened.
    pub(super) fn truncated_shared(&mut self, node: &Node) {
        if !self.shared.is_empty() {
            self.push_node(node);
        }
    }

    fn push_node(&mut self, node: &Node) {
        let shared = std::mem::take(&mut self.shared);
        for mapping in shared.iter().filter(|m| Rc::ptr_eq(&m.node, node)) {
            let Kind::File(data) = &mapping.node.kind else { continue };
            let data = data.borrow();
            self.each_chunk(mapping, |memory, offset| {
                let n = data.read(offset, memory);
                memory[n..].fill(0);
            });
        }
        self.shared = shared;
    }

    fn pull(&mut self, mapping: &Mapping) {
        let Kind::File(data) = &mapping.node.kind else { return };
        if !mapping.writable {
            return;
        }
        let mut buf = vec![0; CHUNK as usize];
        let mut changed = false;
        self.each_chunk(mapping, |memory, offset| {
            let mut data = data.borrow_mut();
            let n = data.read(offset, &mut buf[..memory.len()]);
            if buf[..n] != memory[..n] {
                // A hole that was stored to takes room; where there is none, the store is lost, as on a
                // full disk.
                changed |= data.write(offset, &memory[..n]).is_ok();
            }
        });
        if changed {
            mapping.node.modified(self.files.now);
        }
    }

    /// The memory of a mapping, piece by piece, with where each lies in the file.
    fn each_chunk(&mut self, mapping: &Mapping, mut each: impl FnMut(&mut [u8], u64)) {
        let mut done = 0;
        while done < mapping.len {
            let len = (mapping.len - done).min(CHUNK);
            let memory = self.machine.memory_mut();
            if let Some(memory) = memory.borrow_mut(mapping.addr + done, len) {
                each(memory, mapping.offset + done);
                done += len;
                continue;
            }
            for _ in 0..len / PAGE {
                if let Some(memory) = memory.borrow_mut(mapping.addr + done, PAGE) {
                    each(memory, mapping.offset + done);
                }
                done += PAGE;
            }
        }
    }
}
