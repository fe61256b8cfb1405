//! Variables on a stack whose addresses are taken: the collector finds their pointers through these (mgcstack.go,
//! `getStackMap` in stkframe.go).

use super::Go119;
use super::layout::At;
use super::symtab::Func;
use crate::error::{Error, Place};
use crate::memory::Addr;
use crate::process::{offset, out_of_range, uintptr};
use crate::record::{BitVector, Frame, Locals};
use crate::target::Target;

/// `abi.FUNCDATA_StackObjects`.
const FUNCDATA_STACK_OBJECTS: u64 = 2;
/// More variables than a function has.
const MAX_OBJECTS: u64 = 1 << 20;
const OBJECTS: Place = Place::new("funcdata", "StackObjects");
const GC_DATA: Place = Place::new("stackObjectRecord", "gcdata");
const STACK_MAP: Place = Place::new("stackmap", "bytedata");

/// The pointers in the stack objects of one goroutine's frames, from the innermost outwards.
#[derive(Default)]
pub(super) struct StackObjects {
    /// Words of the callee's arguments, which lie in the caller's frame, by their addresses.
    carried: Vec<u64>,
    /// The callee's argument map, and where the arguments begin.
    args: Option<(BitVector, u64)>,
}

impl StackObjects {
    /// The pointers in the stack objects of a frame that nothing else lists, as offsets from its sp.
    pub(super) fn of<T: Target>(
        &mut self,
        go: &Go119<'_, T>,
        f: &Func,
        frame: &Frame,
    ) -> Result<Vec<u64>, Error> {
        let s = &frame.s;
        let mut words = std::mem::take(&mut self.carried);
        // Where the stack map is unknown, all words are listed anyway.
        if s.continpc != 0 && matches!(frame.locals, Locals::Map(_) | Locals::None) {
            go.stack_object_words(f, frame, &mut words)?;
        }
        words.sort_unstable();
        words.dedup();
        let within = words.partition_point(|&at| at < s.fp);
        self.carried = words.split_off(within);
        let args = std::mem::replace(&mut self.args, frame.args.map(|args| (args, s.argp)));
        let mut offsets = Vec::with_capacity(words.len());
        for at in words.into_iter().filter(|&at| at >= s.sp) {
            let listed = match frame.locals {
                Locals::Map(bv) => {
                    let first = s.varp.wrapping_sub((bv.n.max(0) as u64).wrapping_mul(T::PTR_SIZE));
                    go.ptrbit(bv, first, at)?
                }
                _ => false,
            };
            let argument = match args {
                Some((bv, first)) => go.ptrbit(bv, first, at)?,
                None => false,
            };
            if !listed && !argument {
                offsets.push(at - s.sp);
            }
        }
        Ok(offsets)
    }
}

impl<T: Target> Go119<'_, T> {
    /// Whether a bit vector, of words from `first` on, says that the word at `at` is a pointer.
    fn ptrbit(&self, bv: BitVector, first: u64, at: u64) -> Result<bool, Error> {
        let Some(i) = at.checked_sub(first).map(|distance| distance / T::PTR_SIZE) else { return Ok(false) };
        if i >= bv.n.max(0) as u64 {
            return Ok(false);
        }
        let byte = self.process.uint(bv.bytedata, At { offset: i / 8, size: 1, place: STACK_MAP })?;
        Ok(byte >> (i % 8) & 1 != 0)
    }

    /// The pointers in the stack objects of a frame, by their addresses.
    fn stack_object_words(&self, f: &Func, frame: &Frame, words: &mut Vec<u64>) -> Result<(), Error> {
        let layout = &self.shape.stack_object;
        let (records, n) = match self.shape.variables.reflect_objects {
            // These frames have an internal/abi.RegArgs at a hard-coded offset.
            Some(objects) if self.is_reflect_stub(f)? => (objects.addr, objects.size / layout.size.max(1)),
            _ => match self.symtab.funcdata(f, FUNCDATA_STACK_OBJECTS)? {
                Addr::NIL => return Ok(()),
                p => (offset::<T>(p, T::PTR_SIZE), self.process.word(p, OBJECTS)?),
            },
        };
        if n > MAX_OBJECTS {
            return Err(out_of_range(OBJECTS, records, n, "no function has so many variables"));
        }
        for i in 0..n {
            let r = offset::<T>(records, i * layout.size);
            let off = self.process.int32(r, layout.off)?;
            // locals base pointer, or arguments and return values base pointer
            let base = if off < 0 { frame.s.varp } else { frame.s.argp };
            let ptr = uintptr::<T>(base.wrapping_add(i64::from(off) as u64));
            // object hasn't been allocated in the frame yet.
            if ptr >= frame.s.sp {
                self.object_words(f, r, ptr, words)?;
            }
        }
        Ok(())
    }

    /// The pointers in the object at `ptr`, which `r` describes.
    fn object_words(&self, f: &Func, r: Addr, ptr: u64, words: &mut Vec<u64>) -> Result<(), Error> {
        let layout = &self.shape.stack_object;
        let (size, described) =
            (self.process.int32(r, layout.object_size)?, self.process.int32(r, layout.ptr_bytes)?);
        let n = u64::from(described.unsigned_abs()) / T::PTR_SIZE;
        if described.unsigned_abs() > size.unsigned_abs() {
            let place = layout.ptr_bytes.place;
            return Err(out_of_range(
                place,
                r,
                described.unsigned_abs().into(),
                "an object is smaller than that",
            ));
        }
        let gcdata = offset::<T>(self.symtab.rodata(f), self.process.uint(r, layout.gcdataoff)?);
        let mut byte = 0;
        for i in 0..n {
            let at = uintptr::<T>(ptr.wrapping_add(i * T::PTR_SIZE));
            if i % 8 == 0 && described > 0 {
                byte = self.process.uint(gcdata, At { offset: i / 8, size: 1, place: GC_DATA })?;
            }
            // An object that does not end where its memory does would be made of all addresses.
            if i % 512 == 0 {
                self.process.word(Addr(at), Place::new("stack", "object"))?;
            }
            if described < 0 || byte >> (i % 8) & 1 != 0 {
                words.push(at);
            }
        }
        Ok(())
    }
}
