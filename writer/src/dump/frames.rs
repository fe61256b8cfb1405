//! Stack frames.

use std::io::Write;

use super::Records;
use crate::error::{Error, Place, TracebackError};
use crate::format::dialect::Defects;
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::runtime::layout::{Header, uintptr};
use crate::runtime::process::Process;
use crate::runtime::symtab::{
    BitVector, FUNCDATA_ARGS_POINTER_MAPS, FUNCDATA_LOCALS_POINTER_MAPS, PCDATA_STACK_MAP_INDEX, Text,
};
use crate::runtime::traceback::Stkframe;
use crate::target::Target;

const CONTENTS: Place = Place::new("stack frame", "contents");
const LOCALS: Place = Place::new("stackmap", "locals");
const ARGS: Place = Place::new("stackmap", "args");

/// The smallest page of any target: memory is readable, or not, by pages.
const PAGE: usize = 4096;

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
pub(super) struct FrameDumper<'d, 'm, T, M: ?Sized, W> {
    process: &'d Process<'m, T, M>,
    out: &'d mut Records<W>,
    defects: Defects,
    gp: Addr,
    child: ChildInfo,
}

impl<'d, 'm, T: Target, M: Memory + ?Sized, W: Write> FrameDumper<'d, 'm, T, M, W> {
    /// For the goroutine at `gp`.
    pub(super) fn new(
        process: &'d Process<'m, T, M>,
        out: &'d mut Records<W>,
        defects: Defects,
        gp: Addr,
    ) -> Self {
        FrameDumper { process, out, defects, gp, child: ChildInfo::default() }
    }

    /// Port of `dumpframe`.
    pub(super) fn dumpframe(&mut self, s: &Stkframe) -> Result<(), Error> {
        let process = self.process;
        let f = &s.func;

        // Figure out what we can about our stack map
        let pc = if s.pc != f.entry { uintptr::<T>(s.pc.wrapping_sub(1)) } else { s.pc };
        // When there is no valid pcdata value there might still be a stackmap for this function. It is
        // likely that we are looking at the function prologue, assume so and hope for the best.
        let pcdata = match process.pcdatavalue(f, PCDATA_STACK_MAP_INDEX, pc)? {
            -1 => 0,
            pcdata => pcdata,
        };
        let locals = self.locals(s, pcdata)?;

        // Dump main body of stack frame.
        let len = s.fp - s.sp;
        self.out.tag(Tag::StackFrame)?;
        self.out.sink.dump_int(s.sp)?; // lowest address in frame
        self.out.sink.dump_int(self.child.depth)?; // # of frames deep on the stack
        self.out.sink.dump_int(self.child.sp)?; // sp of child, or 0 if bottom of stack
        self.out.dumpmemrange(process.memory, Addr(s.sp), len, CONTENTS)?; // frame contents
        self.out.sink.dump_int(f.entry)?;
        self.out.sink.dump_int(s.pc)?;
        self.out.sink.dump_int(s.continpc)?;
        let name = match process.funcname(f)? {
            Text::Literal("") | Text::Target(Header { len: 0, .. }) => Text::Literal("unknown function"),
            name => name,
        };
        self.out.dumpstr(process.memory, name)?;

        self.dump_outargs(s, len)?;
        self.dump_locals(s, locals)?;
        self.out.end_of_fields()?;

        // Record arg info for parent.
        self.child = ChildInfo {
            argoff: uintptr::<T>(s.argp.wrapping_sub(s.fp)),
            arglen: s.arglen,
            args: match process.funcdata(f, FUNCDATA_ARGS_POINTER_MAPS)? {
                Addr::NIL => None,
                stkmap => Some(self.stackmapdata(s, stkmap, pcdata)?),
            },
            entry: f.entry,
            sp: s.sp,
            depth: self.child.depth + 1,
        };
        Ok(())
    }

    /// What is known of the frame's local variables.
    fn locals(&self, s: &Stkframe, pcdata: i32) -> Result<Locals, Error> {
        let stkmap = self.process.funcdata(&s.func, FUNCDATA_LOCALS_POINTER_MAPS)?;
        if stkmap.is_nil() {
            return Ok(Locals::Unknown);
        }
        match self.process.stackmap_n(stkmap)? {
            0 => Ok(Locals::None),
            n @ ..0 => Ok(Locals::Size(uintptr::<T>(u64::from(n.unsigned_abs())))),
            _ => Ok(Locals::Map(self.stackmapdata(s, stkmap, pcdata)?)),
        }
    }

    fn stackmapdata(&self, s: &Stkframe, stkmap: Addr, pcdata: i32) -> Result<BitVector, Error> {
        self.process.stackmapdata(stkmap, pcdata, s.func.entry)?.map_err(|source| Error::Traceback {
            g: self.gp,
            sp: Addr(s.sp),
            source,
        })
    }

    /// Dump fields in the outargs section.
    fn dump_outargs(&mut self, s: &Stkframe, len: u64) -> Result<(), Error> {
        let ChildInfo { argoff, arglen, args, entry, .. } = self.child;
        let beyond = self.defects.args_beyond_frame;
        let keep = |off: u64| beyond || off.checked_add(T::PTR_SIZE).is_some_and(|end| end <= len);
        // A size that is wrong could be that of all memory, and every word of it would be listed.
        let size = args.map_or(arglen, |args| args.n as u64 * T::PTR_SIZE);
        let end = argoff.saturating_add(size);
        if size > 0 && end > len && !self.is_there(Addr(s.fp), end - len) {
            let source = TracebackError::ArgsTooLarge { entry: Addr(entry), arglen: size };
            return Err(Error::Traceback { g: self.gp, sp: Addr(s.sp), source });
        }
        if let Some(args) = args {
            return self.out.dumpbv::<T, M>(self.process.memory, args, argoff, ARGS, keep);
        }
        // conservative - everything might be a pointer
        self.dump_words(argoff, if beyond { end } else { end.min(len) }, keep)
    }

    /// Whether every page of a range is in memory.
    fn is_there(&self, addr: Addr, len: u64) -> bool {
        let Some(last) = addr.0.checked_add(len.saturating_sub(1)) else { return false };
        let readable = |at| self.process.memory.read(Addr(at), &mut [0]).is_ok();
        (addr.0..=last).step_by(PAGE).all(readable) && readable(last)
    }

    /// Dump fields in the local vars section.
    fn dump_locals(&mut self, s: &Stkframe, locals: Locals) -> Result<(), Error> {
        let top = uintptr::<T>(s.varp.wrapping_sub(s.sp));
        match locals {
            // No locals information, dump everything.
            Locals::Unknown => {
                let ChildInfo { argoff, arglen, .. } = self.child;
                let first = if self.defects.locals_from_arglen {
                    Some(arglen)
                } else {
                    argoff.checked_add(arglen).and_then(|end| end.checked_next_multiple_of(T::PTR_SIZE))
                };
                // Where the arguments take up everything, there are no locals.
                self.dump_words(first.unwrap_or(top), top, |_| true)
            }
            // Locals size information, dump just the locals.
            Locals::Size(size) => self.dump_words(uintptr::<T>(top.wrapping_sub(size)), top, |_| true),
            Locals::None => Ok(()),
            // Locals bitmap information, dump just the pointers in locals.
            Locals::Map(bv) => {
                let size = bv.n as u64 * T::PTR_SIZE;
                // In its prologue a function has no frame yet, and a map already.
                let prologue = if T::USES_LR { 0 } else { T::REG_SIZE };
                if size > top && s.fp - s.sp > prologue {
                    let source = TracebackError::LocalsTooLarge { entry: Addr(s.func.entry), size };
                    return Err(Error::Traceback { g: self.gp, sp: Addr(s.sp), source });
                }
                let first = uintptr::<T>(top.wrapping_sub(size));
                self.out.dumpbv::<T, M>(self.process.memory, bv, first, LOCALS, |_| true)
            }
        }
    }

    /// Every word from `first` up to `end`.
    fn dump_words(&mut self, first: u64, end: u64, keep: impl Fn(u64) -> bool) -> Result<(), Error> {
        (first..end)
            .step_by(T::PTR_SIZE as usize)
            .filter(|&off| keep(off))
            .try_for_each(|off| self.out.pointer(off))
    }
}

/// What is known of a frame's local variables.
enum Locals {
    /// Nothing: there is no stack map.
    Unknown,
    /// Their size in bytes.
    Size(u64),
    /// That there are none.
    None,
    /// Which of their words are pointers.
    Map(BitVector),
}
