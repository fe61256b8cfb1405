//! The steps of a world: what its program does before its goroutines run.

use heapmatrix_writer::AnyTarget;

use super::frames::{Sites, runs};
use super::heap_bits::heap_bits;
use super::steps::{Number, Operand, Step};
use super::stubs::Stubs;
use crate::guest::ir::Label;
use crate::image::dirt::Dirt;
use crate::image::facts::{FactError, Layouts};
use crate::image::heap::Event;
use crate::image::layout::{Layout, Placed};
use crate::image::section::encode;
use crate::world::{Bottom, Contents, Finalizer, Goroutine, Pc, Slot, Status, Value, World};

/// `_KindSpecialFinalizer` and `_KindSpecialProfile` (mheap.go).
const KIND_FINALIZER: u64 = 1;
const KIND_PROFILE: u64 = 2;
/// `memProfile` (mprof.go).
const MEM_PROFILE: u64 = 1;
/// What freed objects, finalizers that ran and stack barriers that were hit leave behind.
const STALE: u64 = 0xa5a5_a5a5_a5a5_a5a5;

/// All steps, in order.
pub(crate) fn steps(
    target: AnyTarget,
    layouts: Layouts,
    world: &World,
    layout: &Layout,
    stubs: &Stubs,
    entries: &[Label],
    sites: &Sites,
) -> Result<Vec<Step>, FactError> {
    let (dirt, steps) = (Dirt::new(world.dirt), Vec::new());
    let mut doings = Doings { target, layouts, world, layout, stubs, entries, sites, dirt, steps };
    doings.heap()?;
    for (at, slots) in [(layout.vars.data, &world.data), (layout.vars.bss, &world.bss)] {
        doings.slots(layout.cells.zero, at, slots);
    }
    doings.itabs()?;
    doings.buckets()?;
    doings.specials()?;
    doings.queue()?;
    doings.memstats()?;
    for (i, g) in world.goroutines.iter().enumerate() {
        if g.status != Status::Dead {
            doings.goroutine(i, g)?;
        }
    }
    doings.steps.push(Step::End);
    Ok(doings.steps)
}

struct Doings<'a> {
    target: AnyTarget,
    layouts: Layouts,
    world: &'a World,
    layout: &'a Layout,
    stubs: &'a Stubs,
    entries: &'a [Label],
    sites: &'a Sites,
    dirt: Dirt,
    steps: Vec<Step>,
}

impl Doings<'_> {
    fn operand(&self, value: &Value) -> Operand {
        match self.layout.place(value) {
            Placed::At(number) => self.known(number),
            Placed::Entry(function) => self.number(Number::Label(self.entries[function], 0)),
            Placed::InObject { handle, offset } => Operand { cell: handle, add: Number::Known(offset) },
        }
    }

    fn number(&self, number: Number) -> Operand {
        Operand { cell: self.layout.cells.zero, add: number }
    }

    fn known(&self, number: u64) -> Operand {
        self.number(Number::Known(number))
    }

    fn pc(&self, pc: &Pc) -> Operand {
        self.number(match *pc {
            Pc::Entry(function) => Number::Label(self.entries[function], 0),
            Pc::Return { goroutine, frame } => Number::Op(self.sites[goroutine][frame].resumes),
            Pc::Zero | Pc::Unknown(_) => Number::Known(pc.known().unwrap_or(0)),
        })
    }

    /// The number that an operand is, if it is known now.
    fn now(&self, operand: Operand) -> Option<u64> {
        match operand {
            Operand { cell, add: Number::Known(number) } if cell == self.layout.cells.zero => Some(number),
            _ => None,
        }
    }

    fn set(&mut self, cell: u64, offset: u64, value: Operand) {
        self.steps.push(Step::Set { cell, offset, value });
    }

    /// Stores a whole structure `offset` bytes after what the cell holds.
    fn structure(
        &mut self,
        cell: u64,
        offset: u64,
        structure: &str,
        fields: &[(&str, Operand)],
    ) -> Result<(), FactError> {
        let mut bytes = self.dirt.structure(self.layouts, structure, cell ^ offset.rotate_left(32))?;
        let mut later = Vec::new();
        for &(path, value) in fields {
            let number = self.layouts.number(structure, path)?;
            match self.now(value) {
                Some(value) => {
                    let (digits, len) = encode(self.target, number.width, value);
                    bytes[number.offset as usize..][..len].copy_from_slice(&digits[..len]);
                }
                None => later.push((offset + number.offset, value)),
            }
        }
        self.steps.push(Step::Copy { cell, offset, bytes });
        for (offset, value) in later {
            self.set(cell, offset, value);
        }
        Ok(())
    }

    /// Stores words that are zero now, `offset` bytes after what the cell holds.
    fn words(&mut self, cell: u64, offset: u64, values: &[Operand]) {
        let ptr_size = self.target.ptr_size();
        let mut bytes = Vec::with_capacity(values.len() * ptr_size as usize);
        for &value in values {
            let (digits, len) = encode(self.target, ptr_size, self.now(value).unwrap_or(0));
            bytes.extend_from_slice(&digits[..len]);
        }
        if bytes.iter().any(|&byte| byte != 0) {
            self.steps.push(Step::Copy { cell, offset, bytes });
        }
        for (i, &value) in values.iter().enumerate() {
            if self.now(value).is_none() {
                self.set(cell, offset + i as u64 * ptr_size, value);
            }
        }
    }

    fn slots(&mut self, cell: u64, offset: u64, slots: &[Slot]) {
        let values: Vec<Operand> = slots.iter().map(|slot| self.operand(slot.value())).collect();
        self.words(cell, offset, &values);
    }

    fn heap(&mut self) -> Result<(), FactError> {
        let ptr_size = self.target.ptr_size();
        let alloc = self.layout.heap.mcache + self.layouts.offset("runtime.mcache", "alloc")?;
        for event in &self.layout.events {
            match *event {
                Event::Allocate(i) => {
                    let placement = self.layout.heap.placements[i];
                    let handle = self.layout.handle(i);
                    self.steps.push(match placement.class {
                        0 => Step::AllocateLarge { span: self.layout.heap.large_span(i), handle },
                        class => Step::Allocate {
                            cached: alloc + class as u64 * ptr_size,
                            size: placement.size,
                            handle,
                        },
                    });
                    if let Some(bits) = heap_bits(&self.world.objects[i].contents, placement.size / ptr_size)
                    {
                        self.steps.push(Step::SetType { handle, bits });
                    }
                }
                Event::Free(i) => {
                    let placement = self.layout.heap.placements[i];
                    let handle = self.layout.handle(i);
                    if placement.class == 0 {
                        self.steps.push(Step::FreeLarge { span: self.layout.heap.large_span(i) });
                        continue;
                    }
                    let stale = STALE.to_le_bytes().repeat(placement.size as usize / 8);
                    self.steps.push(Step::Copy { cell: handle, offset: 0, bytes: stale });
                    self.steps.push(Step::Free { handle, size: placement.size });
                }
            }
        }
        for (i, object) in self.world.objects.iter().enumerate() {
            if object.freed_after.is_some() {
                continue;
            }
            match &object.contents {
                Contents::Bytes { pattern, .. } if pattern.iter().all(|&byte| byte == 0) => {}
                Contents::Bytes { len, pattern } => {
                    let bytes = pattern.iter().copied().cycle().take(*len as usize).collect();
                    self.steps.push(Step::Copy { cell: self.layout.handle(i), offset: 0, bytes });
                }
                Contents::Words { slots, .. } => self.slots(self.layout.handle(i), 0, slots),
            }
        }
        Ok(())
    }

    /// `getitab` adds each to its bucket of `runtime.hash`.
    fn itabs(&mut self) -> Result<(), FactError> {
        let link = self.layouts.offset("runtime.itab", "link")?;
        for (itab, &addr) in self.world.itabs.iter().zip(&self.layout.itabs) {
            let head = self.layout.vars.itab_hash + itab.bucket as u64 * self.target.ptr_size();
            self.steps.push(Step::Push { head, node: addr, link: addr + link });
        }
        Ok(())
    }

    /// `stkbucket`: the newest bucket is the first of the list, so the last is made first.
    fn buckets(&mut self) -> Result<(), FactError> {
        let header = self.layouts.size("runtime.bucket")?;
        let allnext = self.layouts.offset("runtime.bucket", "allnext")?;
        let zero = self.layout.cells.zero;
        for (bucket, &addr) in self.world.buckets.iter().zip(&self.layout.buckets).rev() {
            let fields = [
                ("typ", self.known(MEM_PROFILE)),
                ("size", self.known(bucket.size)),
                ("nstk", self.known(bucket.stack.len() as u64)),
            ];
            self.structure(zero, addr, "runtime.bucket", &fields)?;
            let stack: Vec<Operand> = bucket.stack.iter().map(|pc| self.pc(pc)).collect();
            self.words(zero, addr + header, &stack);
            let record = addr + header + bucket.stack.len() as u64 * self.target.ptr_size();
            let counts = [("allocs", self.known(bucket.allocs)), ("frees", self.known(bucket.frees))];
            self.structure(zero, record, "runtime.memRecord", &counts)?;
            self.steps.push(Step::Push { head: self.layout.vars.mbuckets, node: addr, link: addr + allnext });
        }
        Ok(())
    }

    /// `addfinalizer` and `setprofilebucket`.
    fn specials(&mut self) -> Result<(), FactError> {
        let zero = self.layout.cells.zero;
        for (i, object) in self.world.objects.iter().enumerate() {
            let handle = self.layout.handle(i);
            let (finalizer, profile) = self.layout.specials[i];
            if let (Some(special), Some(finalizer)) = (finalizer, &object.finalizer) {
                let [fun, fint, ot] = self.finalizer(finalizer);
                let kind = self.known(KIND_FINALIZER);
                let fields = [("special.kind", kind), ("fn", fun), ("fint", fint), ("ot", ot)];
                self.structure(zero, special, "runtime.specialfinalizer", &fields)?;
                let handle = match u64::from(object.finalizer_at) {
                    0 => handle,
                    at => {
                        let value = Operand { cell: handle, add: Number::Known(at) };
                        self.set(zero, self.layout.cells.tiny, value);
                        self.layout.cells.tiny
                    }
                };
                self.steps.push(Step::AddSpecial { special, handle });
            }
            if let (Some(special), Some(bucket)) = (profile, object.sample) {
                let bucket = self.known(self.layout.buckets[bucket]);
                let fields = [("special.kind", self.known(KIND_PROFILE)), ("b", bucket)];
                self.structure(zero, special, "runtime.specialprofile", &fields)?;
                self.steps.push(Step::AddSpecial { special, handle });
            }
        }
        Ok(())
    }

    fn finalizer(&self, finalizer: &Finalizer) -> [Operand; 3] {
        let typ = |typ: Option<usize>| self.known(typ.map_or(0, |typ| self.layout.types[typ]));
        [self.operand(&finalizer.fun.value()), typ(finalizer.fint), typ(finalizer.ot)]
    }

    fn queue(&mut self) -> Result<(), FactError> {
        let queued = self.layout.cells.queued;
        let stale = self.known(STALE);
        for _ in 0..self.world.ran_finalizers {
            self.steps.push(Step::QueueFinalizer);
            let fields = ["fn", "arg", "fint", "ot"].map(|field| (field, stale));
            self.structure(queued, 0, "runtime.finalizer", &fields)?;
        }
        if self.world.ran_finalizers > 0 {
            self.steps.push(Step::RunFinalizers);
        }
        for entry in &self.world.queued {
            let [fun, fint, ot] = self.finalizer(&entry.finalizer);
            let arg = self.operand(&entry.object);
            self.steps.push(Step::QueueFinalizer);
            let fields = [("fn", fun), ("arg", arg), ("fint", fint), ("ot", ot)];
            self.structure(queued, 0, "runtime.finalizer", &fields)?;
        }
        Ok(())
    }

    /// `updatememstats`.
    fn memstats(&mut self) -> Result<(), FactError> {
        let stats = &self.world.memstats;
        let structure = "runtime.mstats";
        let mut bytes = self.dirt.structure(self.layouts, structure, self.layout.vars.memstats)?;
        let mut put = |offset: u64, width, value| {
            let (digits, len) = encode(self.target, width, value);
            bytes[offset as usize..][..len].copy_from_slice(&digits[..len]);
        };
        for (name, value) in stats.counters() {
            put(self.layouts.number(structure, name)?.offset, 8, value);
        }
        let pauses = self.layouts.offset(structure, "pause_ns")?;
        for i in 0..256 {
            let pause = stats.pause_ns.get(i).copied().unwrap_or(0);
            put(pauses + 8 * i as u64, 8, pause);
        }
        put(self.layouts.number(structure, "numgc")?.offset, 4, stats.numgc.into());
        // Nothing after the last field that is not zero.
        let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(len);
        self.steps.push(Step::Copy {
            cell: self.layout.cells.zero,
            offset: self.layout.vars.memstats,
            bytes,
        });
        Ok(())
    }

    /// `newproc1`, and everything about a goroutine that its own code does not do.
    fn goroutine(&mut self, i: usize, g: &Goroutine) -> Result<(), FactError> {
        let zero = self.layout.cells.zero;
        let stack = &self.layout.stacks[i];
        let outermost = Value::Code(g.activations[0].function);
        let reason = self.layout.wait_reasons[i];
        let mut fields = vec![
            ("stack.lo", self.known(stack.lo)),
            ("stack.hi", self.known(stack.hi)),
            ("stackAlloc", self.known(stack.hi - stack.lo)),
            ("m", self.known(g.thread.map_or(0, |thread| self.layout.threads[thread]))),
            ("sched.g", self.known(stack.g)),
            ("sched.ctxt", self.operand(&g.ctxt)),
            ("stkbar.array", self.known(stack.stkbar)),
            ("stkbar.len", self.known(stack.stkbar_len)),
            ("stkbar.cap", self.known(stack.stkbar_len)),
            ("stkbarPos", self.known(g.hit_barriers as u64)),
            ("atomicstatus", self.known(g.status.code().into())),
            ("goid", self.known(g.goid as u64)),
            ("waitsince", self.known(g.wait_since as u64)),
            ("waitreason.str", self.known(reason)),
            ("waitreason.len", self.known(g.wait_reason.len() as u64)),
            ("gopc", self.pc(&g.gopc)),
            ("startpc", self.operand(&outermost)),
        ];
        if !runs(g) {
            // gostartcall: as if the bottom had called the function, which has not begun.
            let entry_sp = stack.frames[0].entry_sp;
            let bottom = self.number(self.bottom(g.bottom));
            fields.push(("sched.sp", self.known(entry_sp)));
            fields.push(("sched.pc", self.operand(&outermost)));
            if self.target.uses_lr() {
                fields.push(("sched.lr", bottom));
            } else {
                self.set(zero, entry_sp, bottom);
            }
        }
        self.structure(zero, stack.g, "runtime.g", &fields)?;
        let args: Vec<Operand> = g.args.iter().map(|arg| self.operand(arg)).collect();
        self.words(zero, stack.args, &args);
        let entry = self.layouts.size("runtime.stkbar")?;
        for hit in 0..g.hit_barriers as u64 {
            let fields = [("savedLRPtr", self.known(stack.lo)), ("savedLRVal", self.known(STALE))];
            self.structure(zero, stack.stkbar + hit * entry, "runtime.stkbar", &fields)?;
        }
        let head = stack.g + self.layouts.offset("runtime.g", "_panic")?;
        let link = self.layouts.offset("runtime._panic", "link")?;
        for (panic, &addr) in g.panics.iter().zip(&stack.panics) {
            let typ = self.known(panic.typ.map_or(0, |typ| self.layout.types[typ]));
            let fields = [("arg._type", typ), ("arg.data", self.operand(&panic.data))];
            self.structure(zero, addr, "runtime._panic", &fields)?;
            self.steps.push(Step::Push { head, node: addr, link: addr + link });
        }
        Ok(())
    }

    /// The return PC of the outermost activation.
    fn bottom(&self, bottom: Bottom) -> Number {
        Number::Label(self.stubs.bottom(bottom), self.target.pc_quantum())
    }
}
