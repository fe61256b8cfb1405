//! The heap at start-up: arena, spans with fresh freelists, and the bitmap below the arena
//! (mheap.go, mcentral.go, mbitmap.go).

use heapmatrix_writer::AnyTarget;

use super::dirt::Dirt;
use super::error::BuildError;
use super::facts::FactError;
use super::section::{In, Sections, encode};
use super::sizes::{
    MAX_SMALL_SIZE, MAX_TINY_SIZE, NUM_SIZE_CLASSES, PAGE_SHIFT, PAGE_SIZE, SizeClass, size_classes,
    size_to_class,
};
use super::vars::Vars;
use crate::memory::{GuestMemory, PAGE, Prot};
use crate::world::{Object, Span, World};

/// `mheap_.sweepgen`: every span has been swept in this generation.
const SWEEPGEN: u64 = 6;
/// `_MSpanInUse`, `_MSpanStack`, `_MSpanFree` and `_MSpanDead`.
pub(crate) const IN_USE: u64 = 0;
const STACK: u64 = 1;
pub(crate) const FREE: u64 = 2;
const DEAD: u64 = 4;

/// The most objects of a span (`len(freemark)`, heapdump.go).
const MAX_OBJECTS: u64 = PAGE_SIZE / 8;

/// What the program does to the heap, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Object `.0` is allocated.
    Allocate(usize),
    /// Object `.0` is freed.
    Free(usize),
}

/// The allocations and frees of a world, in order.
pub(crate) fn events(world: &World) -> Vec<Event> {
    let count = world.objects.len();
    let freed_at =
        |(i, object): (usize, &Object)| Some((i.saturating_add(object.freed_after?).min(count), i));
    let mut frees: Vec<(usize, usize)> = world.objects.iter().enumerate().filter_map(freed_at).collect();
    frees.sort_unstable();
    let mut frees = frees.into_iter().peekable();
    let mut events = Vec::with_capacity(count + frees.len());
    for allocated in 0..count {
        events.push(Event::Allocate(allocated));
        while let Some((_, object)) = frees.next_if(|&(at, _)| at <= allocated) {
            events.push(Event::Free(object));
        }
    }
    events.extend(frees.map(|(_, object)| Event::Free(object)));
    events
}

/// How an object is allocated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    /// Size class; 0 for large objects.
    pub class: usize,
    /// `elemsize`: the bytes of its slot.
    pub size: u64,
    /// Index of its span.
    pub span: usize,
}

/// What a span is for when the program begins.
#[derive(Clone, Copy, Debug)]
enum Use {
    Small(usize),
    /// Free, until the program allocates a large object in it.
    Large,
    Other(u64),
}

/// A span, before the program runs.
struct PlannedSpan {
    usage: Use,
    pages: u64,
    /// Its first address.
    start: u64,
    /// Its `mspan`.
    mspan: u64,
}

/// Where everything of the heap is.
pub(crate) struct Heap {
    /// `arena_start`.
    pub arena_start: u64,
    /// `arena_used`.
    pub arena_used: u64,
    /// `arena_end`.
    arena_end: u64,
    /// The array that `h_spans` points to: an `mspan` for each page of the arena.
    pub spans_lookup: u64,
    /// The `mcache`, whose `alloc` array has the current span of each class.
    pub mcache: u64,
    /// How each object is allocated.
    pub placements: Vec<Placement>,
    /// The stacks' addresses, lowest first of each: one for each length asked for.
    pub stacks: Vec<u64>,
    /// In address order.
    spans: Vec<PlannedSpan>,
    target: AnyTarget,
}

impl Heap {
    /// The address of the `mspan` of an object that has a span of its own.
    pub fn large_span(&self, object: usize) -> u64 {
        self.spans[self.placements[object].span].mspan
    }

    /// Decides which spans there are, for objects, for stacks of so many bytes and for the world's own.
    pub fn plan(
        world: &World,
        stacks: &[u64],
        events: &[Event],
        sections: &mut Sections,
    ) -> Result<Heap, BuildError> {
        let target = sections.target;
        let longer = if target.ptr_size() == 4 { 1 << 28 } else { 1 << 42 };
        let arena_start = match u64::from(world.arena.below) {
            0 => sections.machine.arena,
            pages => longer - (pages << PAGE_SHIFT),
        };
        let mut planner = Planner::new(target.ptr_size(), world);
        for &bytes in stacks {
            planner.add(Use::Other(STACK), bytes.div_ceil(PAGE_SIZE));
        }
        for event in events {
            match *event {
                Event::Allocate(i) => planner.allocate(i, &world.objects[i]),
                Event::Free(i) => planner.free(i),
            }
        }
        for span in &world.spans {
            planner.extra(span);
        }
        let Planner { uses, placements, .. } = planner;

        let mut start = arena_start;
        let mut spans = Vec::with_capacity(uses.len());
        for (usage, pages) in uses {
            let mspan = sections.reserve_structure(In::Persistent, "runtime.mspan")?;
            spans.push(PlannedSpan { usage, pages, start, mspan });
            start += pages << PAGE_SHIFT;
        }
        let need = start - arena_start;
        let room = if target.ptr_size() == 4 { 0x2f00_0000 } else { 0x20_0000_0000 };
        if need > room {
            return Err(BuildError::TooLarge { what: "arena", addr: arena_start, need, room });
        }
        Ok(Heap {
            arena_start,
            arena_used: start,
            // Go reserves more than it uses.
            arena_end: if sections.dirt.is_some() { start + (1 << 20) } else { start },
            spans_lookup: sections.reserve_words(In::Persistent, need >> PAGE_SHIFT),
            mcache: sections.reserve_structure(In::Persistent, "runtime.mcache")?,
            placements,
            stacks: spans[..stacks.len()].iter().map(|span| span.start).collect(),
            spans,
            target,
        })
    }

    /// Fills the runtime's structures.
    pub fn fill(&self, world: &World, vars: &Vars, sections: &mut Sections) -> Result<(), FactError> {
        let ptr_size = self.target.ptr_size();
        let mut last_of_class = [None; NUM_SIZE_CLASSES];
        let alloc = self.mcache + sections.layouts.offset("runtime.mcache", "alloc")?;
        let next = sections.layouts.offset("runtime.mspan", "next")?;
        for span in &self.spans {
            self.fill_span(span, sections)?;
            if let Use::Small(class) = span.usage {
                // The first span of a class is cached; each is followed by the one that refills the cache.
                let link = match last_of_class[class].replace(span.mspan) {
                    None => alloc + class as u64 * ptr_size,
                    Some(last) => last + next,
                };
                sections.put_word(link, span.mspan);
            }
            let first = (span.start - self.arena_start) >> PAGE_SHIFT;
            for page in first..first + span.pages {
                sections.put_word(self.spans_lookup + page * ptr_size, span.mspan);
            }
        }
        let count = self.spans.len();
        let all: Vec<u64> = self.allspans(world).map(|span| span.mspan).collect();
        let allspans = sections.words(In::Persistent, &all);
        let (n, pages) = (count as u64, (self.arena_used - self.arena_start) >> PAGE_SHIFT);
        for (slice, array, len) in [(vars.h_allspans, allspans, n), (vars.h_spans, self.spans_lookup, pages)]
        {
            sections.fill("runtime.slice", slice, &[("array", array), ("len", len), ("cap", len)])?;
        }
        sections.fill(
            "runtime.mheap",
            vars.mheap,
            &[
                ("allspans", allspans),
                ("gcspans", allspans),
                ("nspan", n),
                ("sweepgen", SWEEPGEN),
                ("sweepdone", 1),
                ("spans", self.spans_lookup),
                ("spans_mapped", pages * ptr_size),
                ("bitmap", self.arena_start),
                ("bitmap_mapped", self.bitmap_len()),
                ("arena_start", self.arena_start),
                ("arena_used", self.arena_used),
                ("arena_end", self.arena_end),
                ("arena_reserved", 1),
            ],
        )
    }

    /// The spans in the order of `h_allspans`.
    fn allspans(&self, world: &World) -> impl Iterator<Item = &PlannedSpan> {
        let first = world.allspans_rotation.checked_rem(self.spans.len()).unwrap_or(0);
        let (before, from_first) = self.spans.split_at(first);
        from_first.iter().chain(before)
    }

    /// The spans' first addresses in the order of `h_allspans`.
    pub fn allspans_starts(&self, world: &World) -> Vec<u64> {
        self.allspans(world).map(|span| span.start).collect()
    }

    fn fill_span(&self, span: &PlannedSpan, sections: &mut Sections) -> Result<(), FactError> {
        let (state, class) = match span.usage {
            Use::Small(class) => (IN_USE, class),
            Use::Large => (FREE, 0),
            Use::Other(state) => (state, 0),
        };
        let size = size_classes()[class].size;
        let n = (span.pages << PAGE_SHIFT).checked_div(size).unwrap_or(0);
        sections.fill(
            "runtime.mspan",
            span.mspan,
            &[
                ("start", span.start >> PAGE_SHIFT),
                ("npages", span.pages),
                ("freelist", if class == 0 { 0 } else { span.start }),
                ("sweepgen", SWEEPGEN),
                ("sizeclass", class as u64),
                ("state", state),
                ("elemsize", size),
                ("limit", span.start + n * size),
            ],
        )
    }

    /// Bytes of the bitmap below the arena: two bits for each word.
    fn bitmap_len(&self) -> u64 {
        (self.arena_used - self.arena_start).div_ceil(4 * self.target.ptr_size()).next_multiple_of(PAGE)
    }

    /// Maps bitmap and arena, and links the slots of each span in ascending order (`mCentral_Grow`).
    pub fn map(&self, dirt: Dirt, memory: &mut GuestMemory) -> Result<(), BuildError> {
        if self.arena_used == self.arena_start {
            return Ok(());
        }
        let ptr_size = self.target.ptr_size();
        let len = self.bitmap_len();
        memory.map("heap bitmap", self.arena_start - len, len, Prot::READ_WRITE)?;
        memory.map("arena", self.arena_start, self.arena_used - self.arena_start, Prot::READ_WRITE)?;
        for span in &self.spans {
            if let (Use::Other(_), true) = (span.usage, dirt.is_some()) {
                // The objects that were here have left their bits.
                let covered = (span.pages << PAGE_SHIFT) / (4 * ptr_size);
                let first = self.arena_start - (span.start - self.arena_start) / (4 * ptr_size) - covered;
                memory.write(first, &dirt.bytes(first, covered))?;
            }
            let Use::Small(class) = span.usage else { continue };
            let SizeClass { size, .. } = size_classes()[class];
            let bytes = span.pages << PAGE_SHIFT;
            let slots = memory.borrow_mut(span.start, bytes).expect("the arena is one piece of memory");
            let mut next = span.start;
            let mut links = slots.chunks_exact_mut(size as usize).peekable();
            while let Some(slot) = links.next() {
                next = if links.peek().is_some() { next + size } else { 0 };
                let (link, len) = encode(self.target, ptr_size, next);
                slot[..len].copy_from_slice(&link[..len]);
            }
            if size == ptr_size {
                // `initSpan`: objects of one word are pointers.
                let covered = bytes / (4 * ptr_size);
                let first = self.arena_start - (span.start - self.arena_start) / (4 * ptr_size) - covered;
                memory.fill(first, covered, 0x0f)?;
            }
        }
        Ok(())
    }
}

/// Goes through the program's allocations to see how many spans it needs, and which object will lie in which.
struct Planner {
    ptr_size: u64,
    /// The pages of a span of a class that would have one.
    span_pages: u64,
    uses: Vec<(Use, u64)>,
    placements: Vec<Placement>,
    /// Of each class, the spans in the order in which the cache takes them.
    of_class: Vec<Vec<usize>>,
    /// Of each class, how far the cache has come.
    current: [usize; NUM_SIZE_CLASSES],
    /// Of each span, how many slots are free.
    free: Vec<u64>,
}

impl Planner {
    fn new(ptr_size: u64, world: &World) -> Planner {
        let objects = world.objects.len();
        Planner {
            ptr_size,
            span_pages: world.arena.span_pages.max(1).into(),
            uses: Vec::new(),
            placements: Vec::with_capacity(objects),
            of_class: vec![Vec::new(); NUM_SIZE_CLASSES],
            current: [0; NUM_SIZE_CLASSES],
            free: Vec::new(),
        }
    }

    fn add(&mut self, usage: Use, pages: u64) -> usize {
        let slots = match usage {
            Use::Small(class) => (pages << PAGE_SHIFT) / size_classes()[class].size,
            _ => 0,
        };
        self.uses.push((usage, pages));
        self.free.push(slots);
        self.uses.len() - 1
    }

    fn add_small(&mut self, class: usize) -> usize {
        let SizeClass { size, pages } = size_classes()[class];
        let more = (1..=self.span_pages).rev().find(|pages| (pages << PAGE_SHIFT) / size <= MAX_OBJECTS);
        let pages = if pages == 1 { more.unwrap_or(1) } else { pages };
        let span = self.add(Use::Small(class), pages);
        self.of_class[class].push(span);
        span
    }

    fn extra(&mut self, span: &Span) {
        match *span {
            Span::Empty { class } => {
                self.add_small(1 + usize::from(class) % (NUM_SIZE_CLASSES - 1));
            }
            Span::Stack { pages } => {
                self.add(Use::Other(STACK), pages.into());
            }
            Span::Free { pages } => {
                self.add(Use::Other(FREE), pages.into());
            }
            Span::Dead { pages } => {
                self.add(Use::Other(DEAD), pages.into());
            }
        }
    }

    fn allocate(&mut self, i: usize, object: &Object) {
        debug_assert_eq!(i, self.placements.len());
        let mut size = object.contents.requested(self.ptr_size);
        if object.contents.pointer_words() == 0 {
            size = size.max(MAX_TINY_SIZE);
        }
        let placement = if size > MAX_SMALL_SIZE {
            let pages = size.div_ceil(PAGE_SIZE);
            Placement { class: 0, size: pages << PAGE_SHIFT, span: self.add(Use::Large, pages) }
        } else {
            let class = size_to_class(size);
            // The cache goes on to the next span when the current one is full, as `mCache_Refill` does.
            while self.of_class[class].get(self.current[class]).is_some_and(|&span| self.free[span] == 0) {
                self.current[class] += 1;
            }
            let span = match self.of_class[class].get(self.current[class]) {
                Some(&span) => span,
                None => self.add_small(class),
            };
            self.free[span] -= 1;
            Placement { class, size: size_classes()[class].size, span }
        };
        self.placements.push(placement);
    }

    fn free(&mut self, i: usize) {
        let Placement { class, span, .. } = self.placements[i];
        if class != 0 {
            self.free[span] += 1;
        }
    }
}
