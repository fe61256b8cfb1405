//! Names for addresses: the same on every machine.

use heapmatrix_emu::image::Locations;
use heapmatrix_emu::world::World;

/// Something in a world that has an address on each machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// An object.
    Object(usize),
    /// A type descriptor.
    Type(usize),
    /// An itab.
    Itab(usize),
    /// The code of a function.
    Code(usize),
    /// The code at the bottom of a goroutine's stack, or another stub of the runtime.
    Stub,
    /// A static funcval.
    Funcval(usize),
    /// A bit vector.
    Bitvector(usize),
    /// A word of the data segment.
    Data(usize),
    /// A word of the bss segment.
    Bss(usize),
    /// A `g`.
    Goroutine(usize),
    /// A word of a stack frame: goroutine, activation, word.
    Stack(usize, usize, usize),
    /// An `m`.
    Thread(usize),
    /// A bucket of the memory profile.
    Bucket(usize),
    /// A defer: goroutine, place in the list.
    Defer(usize, usize),
    /// A panic: goroutine, number.
    Panic(usize, usize),
}

/// The names of one machine's addresses.
pub(super) struct Names {
    /// Disjoint ranges, by address: first address, address after, and what is there.
    ranges: Vec<(u64, u64, Thing)>,
}

/// More than any function's code: the last function ends at some place before that.
const LONGEST_CODE: u64 = 1 << 20;

impl Names {
    pub(super) fn new(world: &World, at: &Locations) -> Names {
        let word = at.target.ptr_size();
        let mut ranges = Vec::new();
        let mut add = |start: u64, len: u64, thing| ranges.push((start, start + len, thing));
        let points = |list: &[heapmatrix_writer::Addr], thing: fn(usize) -> Thing| {
            list.iter().enumerate().map(move |(i, addr)| (addr.0, thing(i))).collect::<Vec<_>>()
        };
        for (i, object) in at.objects.iter().enumerate() {
            if world.objects[i].freed_after.is_none() {
                add(object.addr.0, object.size, Thing::Object(i));
            }
        }
        for (addr, thing) in [
            points(&at.types, Thing::Type),
            points(&at.itabs, Thing::Itab),
            points(&at.funcvals, Thing::Funcval),
            points(&at.bitvectors, Thing::Bitvector),
            points(&at.threads, Thing::Thread),
            points(&at.buckets, Thing::Bucket),
        ]
        .concat()
        {
            add(addr, 1, thing);
        }
        for i in 0..world.data.len() {
            add(at.data.addr.0 + i as u64 * word, word, Thing::Data(i));
        }
        for i in 0..world.bss.len() {
            add(at.bss.addr.0 + i as u64 * word, word, Thing::Bss(i));
        }
        let mut code = points(&at.functions, Thing::Code);
        code.push((at.stack_barrier.0, Thing::Stub));
        for (i, g) in at.goroutines.iter().enumerate() {
            add(g.g.0, 1, Thing::Goroutine(i));
            for (n, defer) in g.defers.iter().enumerate() {
                add(defer.addr.0, 1, Thing::Defer(i, n));
            }
            for (n, panic) in g.panics.iter().enumerate() {
                add(panic.0, 1, Thing::Panic(i, n));
            }
            for (k, frame) in g.frames.iter().enumerate() {
                for n in 0..words_in_frame(world, i, k) {
                    add(frame.words.0 + n as u64 * word, word, Thing::Stack(i, k, n));
                }
            }
            code.extend(g.bottom.iter().map(|bottom| (bottom.entry.0, Thing::Stub)));
        }
        code.sort_unstable();
        code.dedup_by_key(|&mut (entry, _)| entry);
        for (i, &(entry, thing)) in code.iter().enumerate() {
            let end = code.get(i + 1).map_or(entry + LONGEST_CODE, |next| next.0);
            ranges.push((entry, end.min(entry + LONGEST_CODE), thing));
        }
        ranges.sort_unstable();
        Names { ranges }
    }

    /// What is at an address, and how many bytes into it.
    pub(super) fn find(&self, addr: u64) -> Option<(Thing, u64)> {
        let after = self.ranges.partition_point(|&(start, _, _)| start <= addr);
        let &(start, end, thing) = self.ranges.get(after.checked_sub(1)?)?;
        (addr < end).then_some((thing, addr - start))
    }
}

/// How many words of the world's are in the frame of an activation: none before its prologue has run.
pub(super) fn words_in_frame(world: &World, goroutine: usize, activation: usize) -> usize {
    let g = &world.goroutines[goroutine];
    if activation + 1 == g.activations.len() && !g.stop.has_frame() {
        return 0;
    }
    world.functions[g.activations[activation].function].frame as usize
}
