//! Stack frames.

use super::Records;
use crate::error::{Error, Place, TracebackError};
use crate::format::tags::Tag;
use crate::memory::{Addr, Unreadable};
use crate::process::uintptr;
use crate::record::{BitVector, Frame, Locals, Stkframe, Text};
use crate::runtime::{FrameFaults, Runtime};
use crate::target::Target;

const CONTENTS: Place = Place::new("stack frame", "contents");
const LOCALS: Place = Place::new("stackmap", "locals");
const ARGS: Place = Place::new("stackmap", "args");

/// The smallest page of any target: memory is readable, or not, by pages.
const PAGE: usize = 4096;

/// Frames of more bytes than this are looked for in memory before their words are listed. Otherwise a length that is
/// wrong could list all memory, where a dialect loses contents that are not there.
const LARGE: u64 = 1 << 16;

/// `childInfo`: information passed up from the callee frame about the layout of the outargs region.
#[derive(Clone, Copy, Default)]
struct ChildInfo {
    /// Where the arguments start in the frame.
    argoff: u64,
    /// Size of args region.
    arglen: u64,
    /// Pointer map of args region, if there is one.
    args: Option<BitVector>,
    /// The callee's entry PC.
    entry: u64,
    /// Callee sp.
    sp: u64,
    /// Depth in call stack (0 == most recent).
    depth: u64,
}

/// Dumps the frames of one goroutine, from the innermost outwards.
pub(super) struct FrameDumper<'d, 'w, R> {
    runtime: &'d R,
    out: &'d mut Records<'w>,
    faults: FrameFaults,
    gp: Addr,
    child: ChildInfo,
}

impl<'d, 'w, R: Runtime> FrameDumper<'d, 'w, R> {
    /// For the goroutine at `gp`.
    pub(super) fn new(runtime: &'d R, out: &'d mut Records<'w>, gp: Addr) -> Self {
        FrameDumper { runtime, out, faults: runtime.frame_faults(), gp, child: ChildInfo::default() }
    }

    /// Port of `dumpframe`.
    pub(super) fn dumpframe(&mut self, frame: &Frame) -> Result<(), Error> {
        let s = &frame.s;
        let len = s.fp - s.sp;
        if len > LARGE && !self.is_there(Addr(s.sp), len) {
            let source = Unreadable { addr: Addr(s.sp), len };
            return Err(Error::Unreadable { place: CONTENTS, source });
        }

        // Dump main body of stack frame.
        self.out.tag(Tag::StackFrame)?;
        self.out.sink.dumpint(s.sp)?; // lowest address in frame
        self.out.sink.dumpint(self.child.depth)?; // # of frames deep on the stack
        self.out.sink.dumpint(self.child.sp)?; // sp of child, or 0 if bottom of stack
        self.out.dumpmemrange(self.runtime.memory(), Addr(s.sp), len, CONTENTS)?; // frame contents
        self.out.sink.dumpint(s.entry)?;
        self.out.sink.dumpint(s.pc)?;
        self.out.sink.dumpint(s.continpc)?;
        let name = if frame.name.is_empty() { Text::Literal("unknown function") } else { frame.name };
        self.out.dumpstr(self.runtime.memory(), name)?;

        self.dump_outargs(s, len)?;
        self.dump_locals(s, frame.locals)?;
        frame.objects.iter().try_for_each(|&off| self.out.pointer(off))?;
        self.out.end_of_fields()?;

        // Record arg info for parent.
        self.child = ChildInfo {
            argoff: uintptr::<R::Target>(s.argp.wrapping_sub(s.fp)),
            arglen: s.arglen,
            args: frame.args,
            entry: s.entry,
            sp: s.sp,
            depth: self.child.depth + 1,
        };
        Ok(())
    }

    /// Dump fields in the outargs section.
    fn dump_outargs(&mut self, s: &Stkframe, len: u64) -> Result<(), Error> {
        let ChildInfo { argoff, arglen, args, entry, .. } = self.child;
        let beyond = self.faults.args_beyond_frame;
        let keep = |off: u64| beyond || off.checked_add(R::Target::PTR_SIZE).is_some_and(|end| end <= len);
        // A size that is wrong could be that of all memory, and every word of it would be listed.
        let size = args.map_or(arglen, |args| args.n as u64 * R::Target::PTR_SIZE);
        let end = argoff.saturating_add(size);
        if size > 0 && end > len && !self.is_there(Addr(s.fp), end - len) {
            let source = TracebackError::ArgsTooLarge { entry: Addr(entry), arglen: size };
            return Err(Error::Traceback { g: self.gp, sp: Addr(s.sp), source });
        }
        if let Some(args) = args {
            return self.out.dumpbv::<R::Target>(self.runtime.memory(), args, argoff, ARGS, keep);
        }
        // conservative - everything might be a pointer
        self.dump_words(argoff, if beyond { end } else { end.min(len) }, keep)
    }

    /// Whether every page of a range is in memory.
    fn is_there(&self, addr: Addr, len: u64) -> bool {
        let Some(last) = addr.0.checked_add(len.saturating_sub(1)) else { return false };
        let readable = |at| self.runtime.memory().read(Addr(at), &mut [0]).is_ok();
        (addr.0..=last).step_by(PAGE).all(readable) && readable(last)
    }

    /// Dump fields in the local vars section.
    fn dump_locals(&mut self, s: &Stkframe, locals: Locals) -> Result<(), Error> {
        let top = uintptr::<R::Target>(s.varp.wrapping_sub(s.sp));
        match locals {
            // No locals information, dump everything.
            Locals::Unknown => {
                let ChildInfo { argoff, arglen, .. } = self.child;
                let first = if self.faults.locals_from_arglen {
                    Some(arglen)
                } else {
                    argoff
                        .checked_add(arglen)
                        .and_then(|end| end.checked_next_multiple_of(R::Target::PTR_SIZE))
                };
                // Where the arguments take up everything, there are no locals.
                self.dump_words(first.unwrap_or(top), top, |_| true)
            }
            // Locals size information, dump just the locals.
            Locals::Size(size) => {
                self.dump_words(uintptr::<R::Target>(top.wrapping_sub(size)), top, |_| true)
            }
            Locals::None => Ok(()),
            // Locals bitmap information, dump just the pointers in locals.
            Locals::Map(bv) => {
                let size = bv.n as u64 * R::Target::PTR_SIZE;
                // In its prologue a function has no frame yet, and a map already.
                let prologue = if R::Target::USES_LR { 0 } else { R::Target::REG_SIZE };
                if size > top && s.fp - s.sp > prologue {
                    let source = TracebackError::LocalsTooLarge { entry: Addr(s.entry), size };
                    return Err(Error::Traceback { g: self.gp, sp: Addr(s.sp), source });
                }
                let first = uintptr::<R::Target>(top.wrapping_sub(size));
                self.out.dumpbv::<R::Target>(self.runtime.memory(), bv, first, LOCALS, |_| true)
            }
        }
    }

    /// Every word from `first` up to `end`.
    fn dump_words(&mut self, first: u64, end: u64, keep: impl Fn(u64) -> bool) -> Result<(), Error> {
        (first..end)
            .step_by(R::Target::PTR_SIZE as usize)
            .filter(|&off| keep(off))
            .try_for_each(|off| self.out.pointer(off))
    }
}
