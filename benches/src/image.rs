//! Flat images: a heap of any size and nothing else, built by plain stores.
//!
//! The offsets of the runtime's structures come from the measured layouts, as those of the emulated images do.

use heapmatrix_facts::Layouts;
use heapmatrix_writer::{Addr, AnyTarget, Memory, Symbols, Unreadable};

use crate::shape::{Class, Shape};

/// Where the runtime's variables are, one each so many bytes.
const META: u64 = 0x0100_0000;
const VARIABLE: u64 = 0x1_0000;
const PAGE: u64 = 8192;
const SWEEPGEN: u64 = 6;

/// A process that has a heap.
pub struct Flat {
    /// The machine.
    pub target: AnyTarget,
    /// Where the runtime's variables are.
    pub symbols: Symbols,
    /// The number of objects in use.
    pub objects: u64,
    meta: Vec<u8>,
    /// The heap bitmap, and after it the arena.
    arena: Vec<u8>,
    arena_from: u64,
}

impl Memory for Flat {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len() as u64;
        buf.copy_from_slice(self.borrow(addr, len).ok_or(Unreadable { addr, len })?);
        Ok(())
    }

    #[inline]
    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        let (from, bytes) =
            if addr.0 >= self.arena_from { (self.arena_from, &self.arena) } else { (META, &self.meta) };
        let at = addr.0.checked_sub(from)? as usize;
        bytes.get(at..at.checked_add(len as usize)?)
    }
}

/// Spans of one class.
struct Plan {
    class: Class,
    pages: u64,
    slots: u64,
    spans: u64,
}

impl Flat {
    /// A process of `target` with `bytes` of objects. One slot in sixteen is free.
    ///
    /// # Panics
    /// For a target whose structures have not been measured.
    pub fn new(target: AnyTarget, shape: &Shape, bytes: u64) -> Flat {
        let ptr = target.ptr_size();
        let plans = plans(&shape.classes(ptr), bytes);
        let arena_start = if ptr == 8 { 0xc8_2000_0000 } else { 0x1840_0000 };
        let pages: u64 = plans.iter().map(|p| p.pages * p.spans).sum();
        let bitmap = pages * PAGE / ptr / 4;
        let mut variables = 0;
        let symbols = Symbols::from_lookup(|_| {
            variables += 1;
            Some(Addr(META + (variables - 1) * VARIABLE))
        });
        let symbols = Symbols { typecache: Addr::NIL, tmpbuf: Addr::NIL, ..symbols.expect("all are there") };
        let arena = vec![0; (bitmap + pages * PAGE) as usize];
        let meta = vec![0; (variables * VARIABLE) as usize];
        let mut flat = Flat { target, symbols, objects: 0, meta, arena, arena_from: arena_start - bitmap };

        let layouts = Layouts::of(target.goarch()).expect("a measured machine");
        let offset =
            |structure: &str, field: &str| layouts.offset(structure, field).expect("a measured field");
        let mspan_size = layouts.size("runtime.mspan").expect("a measured structure");

        // Spans of all classes alternate, as they do where a program has run for a while.
        let mut order: Vec<(u64, usize)> = (plans.iter().enumerate())
            .flat_map(|(i, p)| (0..p.spans).map(move |k| ((2 * k + 1) * (1 << 32) / (2 * p.spans), i)))
            .collect();
        order.sort_unstable();
        let list = META + flat.meta.len() as u64;
        let mspans = (list + order.len() as u64 * ptr).next_multiple_of(64);
        flat.meta.resize((mspans + order.len() as u64 * mspan_size - META) as usize, 0);
        let mut base = arena_start;
        for (i, &(_, plan)) in order.iter().enumerate() {
            let plan = &plans[plan];
            let span = mspans + i as u64 * mspan_size;
            flat.store(list + i as u64 * ptr, ptr, span);
            let freelist = flat.fill(arena_start, base, plan);
            for (field, width, value) in [
                ("start", ptr, base / PAGE),
                ("npages", ptr, plan.pages),
                ("freelist", ptr, freelist),
                ("sweepgen", 4, SWEEPGEN),
                ("elemsize", ptr, plan.class.size),
            ] {
                flat.store(span + offset("runtime.mspan", field), width, value);
            }
            base += plan.pages * PAGE;
        }
        let (mheap, allspans) = (flat.symbols.mheap.0, flat.symbols.h_allspans.0);
        for (field, width, value) in [
            ("arena_start", ptr, arena_start),
            ("arena_used", ptr, base),
            ("sweepgen", 4, SWEEPGEN),
            ("nspan", 4, order.len() as u64),
        ] {
            flat.store(mheap + offset("runtime.mheap", field), width, value);
        }
        flat.store(allspans, ptr, list);
        flat.store(allspans + ptr, ptr, order.len() as u64);
        flat
    }

    /// Fills a span with objects; gives its freelist.
    fn fill(&mut self, arena_start: u64, base: u64, plan: &Plan) -> u64 {
        let ptr = self.target.ptr_size();
        let Class { size, pointers, .. } = plan.class;
        let mut freelist = 0;
        for slot in 0..plan.slots {
            let object = base + slot * size;
            if slot % 16 == 15 {
                self.store(object, ptr, freelist);
                freelist = object;
                continue;
            }
            self.objects += 1;
            for i in 0..size / ptr {
                // Pointers lead backwards, the other words count.
                let word = if i < pointers { object - (slot % 8) * size } else { object / 8 + i };
                self.store(object + i * ptr, ptr, word & (u64::MAX >> (64 - 8 * ptr)));
            }
            // A word's pointer bit, and from the third word on the mark that says that there is more.
            let first = (object - arena_start) / ptr;
            for i in 0..pointers {
                let word = first + i;
                let at = arena_start - 1 - word / 4 - self.arena_from;
                self.arena[at as usize] |= (if i < 2 { 0x01 } else { 0x11 }) << (word % 4);
            }
        }
        freelist
    }

    fn store(&mut self, addr: u64, width: u64, value: u64) {
        let bytes = match self.target.big_endian() {
            true => (value << (64 - 8 * width)).to_be_bytes(),
            false => value.to_le_bytes(),
        };
        let (from, memory) = match addr >= self.arena_from {
            true => (self.arena_from, &mut self.arena),
            false => (META, &mut self.meta),
        };
        let at = (addr - from) as usize;
        memory[at..at + width as usize].copy_from_slice(&bytes[..width as usize]);
    }
}

/// How many spans of which size each class takes, so that all together hold about `bytes` of objects.
fn plans(classes: &[Class], bytes: u64) -> Vec<Plan> {
    let whole: u64 = classes.iter().map(|c| c.size * c.count).sum();
    let plan = |&class: &Class| {
        let mut pages = class.size.div_ceil(PAGE);
        // As `initSizes` does (msize.go): an eighth of a span may be lost at its end.
        while class.size <= 32 << 10 && pages * PAGE % class.size > pages * PAGE / 8 {
            pages += 1;
        }
        let slots = pages * PAGE / class.size;
        let share = (class.size * class.count) as f64 / whole as f64 * bytes as f64;
        let spans = (share / (slots * class.size) as f64).round() as u64;
        Plan { class, pages, slots, spans: spans.max(u64::from(class.size <= 32 << 10)) }
    };
    classes.iter().map(plan).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape;
    use heapmatrix_reader::{Dump, Record};
    use heapmatrix_writer::{Options, write_heap_dump};

    #[test]
    fn dumps_have_the_objects_of_the_shape() {
        for target in crate::measured() {
            for shape in [&shape::SMALL, &shape::ALL] {
                let flat = Flat::new(target, shape, 4 << 20);
                let mut dump = Vec::new();
                write_heap_dump(target, &flat, &flat.symbols, &Options::default(), &mut dump).unwrap();
                let classes = shape.classes(target.ptr_size());
                let (mut objects, mut bytes) = (0, 0);
                for record in Dump::new(&dump).unwrap().records() {
                    if let (_, Record::Object(object)) = record.unwrap() {
                        let (size, pointers) = (object.contents.len() as u64, object.fields.count() as u64);
                        let class = classes.iter().find(|c| (c.size, c.pointers) == (size, pointers));
                        assert!(class.is_some(), "{target}: no class of {size} bytes, {pointers} pointers");
                        objects += 1;
                        bytes += size;
                    }
                }
                assert_eq!(objects, flat.objects);
                assert!((3 << 20..6 << 20).contains(&bytes), "{target} {}: {bytes} bytes", shape.name);
            }
        }
    }
}
