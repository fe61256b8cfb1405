//! What a person wants to know of a dump first. The JSON form is described in `docs/inspect-json.md`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Read;

use heapmatrix_reader::{
    Arch, Event, Extent, Function, Head, Kind, MemStats, Params, Record, SlotCount, SlotRule, Stream,
    StreamError,
};
use serde::Serialize;

/// How many of the biggest objects are named.
const BIGGEST: usize = 10;

/// A dump in brief.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    format: &'static str,
    bytes: u64,
    params: ParamsSummary,
    records: BTreeMap<&'static str, u64>,
    heap: Heap,
    stack: StackSummary,
    data: Region,
    bss: Region,
    /// Goroutines by status.
    statuses: BTreeMap<u64, u64>,
    /// Goroutines that do the same.
    goroutines: Vec<GoroutineGroup>,
    finalizers: Finalizers,
    memstats: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default, Serialize)]
struct ParamsSummary {
    big_endian: bool,
    ptr_size: u64,
    heap_start: String,
    heap_end: String,
    /// GOARCH, or the character if it is none of Go's.
    arch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thechar: Option<String>,
    experiment: String,
    ncpu: u64,
}

#[derive(Debug, Default, Serialize)]
struct Heap {
    objects: u64,
    bytes: u64,
    pointers: u64,
    /// The objects that are none; only for a release that dumps such.
    #[serde(skip_serializing_if = "Option::is_none")]
    slots_under_bitmap: Option<SlotsUnderBitmap>,
    sizes: Vec<SizeClass>,
    biggest: Vec<BigObject>,
    /// While reading: objects by size.
    #[serde(skip)]
    by_size: BTreeMap<u64, u64>,
}

/// Records of slots under their span's heap bitmap, which are no objects.
#[derive(Debug, Serialize)]
struct SlotsUnderBitmap {
    slots: u64,
    bytes: u64,
    undecided: u64,
    /// The objects without these.
    objects: u64,
}

#[derive(Debug, Serialize)]
struct SizeClass {
    size: u64,
    objects: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct BigObject {
    address: String,
    size: u64,
}

#[derive(Debug, Default, Serialize)]
struct StackSummary {
    frames: u64,
    bytes: u64,
}

#[derive(Debug, Default, Serialize)]
struct Region {
    bytes: u64,
    pointers: u64,
}

#[derive(Debug, Default, Serialize)]
struct Finalizers {
    set: u64,
    queued: u64,
}

#[derive(Debug, Serialize)]
struct GoroutineGroup {
    count: u64,
    #[serde(flatten)]
    state: Box<GoroutineState>,
}

/// What goroutines have in common. Boxed: there may be as many as a dump has goroutines, and tables have room to spare.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
struct GoroutineState {
    status: u64,
    wait_reason: String,
    /// Functions, innermost first.
    stack: Vec<String>,
}

/// Adds up a dump as it is read.
#[derive(Default)]
struct Builder {
    summary: Summary,
    current: Option<Box<GoroutineState>>,
    groups: HashMap<Box<GoroutineState>, u64>,
    /// The biggest objects so far: size and address.
    biggest: Vec<(u64, u64)>,
    /// The kind of the record that comes in pieces.
    in_pieces: Option<Kind>,
    /// Finds the objects that are none.
    slot_rule: Option<SlotRule>,
    slots: SlotCount,
    /// The object that comes in pieces, and whether it has pointers so far.
    object_in_pieces: Option<(Extent, bool)>,
}

impl Summary {
    /// Reads a dump to its end, within the memory of the stream and that of the summary.
    pub fn read(mut stream: Stream<impl Read>) -> Result<Self, StreamError> {
        let mut builder = Builder::default();
        builder.summary.format = stream.version().name();
        builder.summary.records = Kind::ALL.iter().map(|kind| (kind.name(), 0)).collect();
        let version = stream.version();
        while let Some((offset, event)) = stream.next()? {
            if let Event::Record(Record::Params(params)) = &event {
                builder.slot_rule = SlotRule::new(version, params);
            }
            builder.event(offset, event);
        }
        builder.summary.bytes = stream.offset();
        Ok(builder.finish())
    }
}

impl Builder {
    fn event(&mut self, offset: u64, event: Event<'_>) {
        match event {
            Event::Record(record) => {
                self.begin(record.kind());
                if let Record::Object(object) = &record {
                    let pointers = object.fields.clone().next().is_some();
                    self.slot(offset, object.address, object.contents.len() as u64, pointers);
                }
                self.record(&record);
            }
            Event::Begin(head) => {
                self.begin(head.kind());
                self.in_pieces = Some(head.kind());
                match head {
                    Head::Object(extent) => {
                        self.object(extent.address, extent.length);
                        self.object_in_pieces = Some((extent, false));
                    }
                    Head::StackFrame(frame) => self.summary.stack.bytes += frame.length,
                    Head::Data(extent) => self.summary.data.bytes += extent.length,
                    Head::Bss(extent) => self.summary.bss.bytes += extent.length,
                }
            }
            Event::Function(function) => self.function(&function),
            Event::Fields(fields) => {
                let count = fields.count() as u64;
                if let Some(kind) = self.in_pieces {
                    self.pointers(kind, count);
                }
                if let Some((_, pointers)) = &mut self.object_in_pieces {
                    *pointers |= count > 0;
                }
            }
            Event::Contents(_) => {}
            Event::End => {
                if let Some((extent, pointers)) = self.object_in_pieces.take() {
                    self.slot(offset, extent.address, extent.length, pointers);
                }
            }
        }
    }

    fn begin(&mut self, kind: Kind) {
        *self.summary.records.entry(kind.name()).or_default() += 1;
        if !matches!(kind, Kind::StackFrame | Kind::Defer | Kind::Panic) {
            self.end_goroutine();
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        match record {
            Record::Params(params) => self.summary.params = ParamsSummary::new(params),
            Record::Object(object) => {
                self.object(object.address, object.contents.len() as u64);
                self.pointers(Kind::Object, object.fields.count() as u64);
            }
            Record::StackFrame(frame) => {
                self.summary.stack.bytes += frame.contents.len() as u64;
                self.function(&frame.function);
            }
            Record::Data(segment) => {
                self.summary.data.bytes += segment.contents.len() as u64;
                self.pointers(Kind::Data, segment.fields.count() as u64);
            }
            Record::Bss(segment) => {
                self.summary.bss.bytes += segment.contents.len() as u64;
                self.pointers(Kind::Bss, segment.fields.count() as u64);
            }
            Record::Goroutine(goroutine) => {
                *self.summary.statuses.entry(goroutine.status).or_default() += 1;
                self.current = Some(Box::new(GoroutineState {
                    status: goroutine.status,
                    wait_reason: goroutine.wait_reason.to_string(),
                    stack: Vec::new(),
                }));
            }
            Record::Finalizer(_) => self.summary.finalizers.set += 1,
            Record::QueuedFinalizer(_) => self.summary.finalizers.queued += 1,
            Record::MemStats(stats) => self.summary.memstats = stats_by_name(stats),
            _ => {}
        }
    }

    fn object(&mut self, address: u64, size: u64) {
        let heap = &mut self.summary.heap;
        heap.objects += 1;
        heap.bytes += size;
        *heap.by_size.entry(size).or_default() += 1;
        if self.biggest.len() < BIGGEST || self.biggest.last().is_some_and(|&(least, _)| size > least) {
            let at = self.biggest.partition_point(|&(other, _)| other >= size);
            self.biggest.insert(at, (size, address));
            self.biggest.truncate(BIGGEST);
        }
    }

    fn slot(&mut self, offset: u64, address: u64, size: u64, pointers: bool) {
        if let Some(rule) = &mut self.slot_rule {
            rule.object(offset, address, size, pointers, |slot| self.slots.add(slot));
        }
    }

    fn function(&mut self, function: &Function<'_>) {
        self.summary.stack.frames += 1;
        if let Some(goroutine) = &mut self.current {
            goroutine.stack.push(function.name.to_string());
        }
    }

    fn pointers(&mut self, kind: Kind, count: u64) {
        match kind {
            Kind::Object => self.summary.heap.pointers += count,
            Kind::Data => self.summary.data.pointers += count,
            Kind::Bss => self.summary.bss.pointers += count,
            _ => {}
        }
    }

    fn end_goroutine(&mut self) {
        if let Some(goroutine) = self.current.take() {
            *self.groups.entry(goroutine).or_default() += 1;
        }
    }

    fn finish(mut self) -> Summary {
        self.end_goroutine();
        let mut summary = self.summary;
        if let Some(mut rule) = self.slot_rule {
            rule.finish(|slot| self.slots.add(slot));
            let SlotCount { slots, bytes, undecided, .. } = self.slots;
            let objects = summary.heap.objects - slots;
            summary.heap.slots_under_bitmap = Some(SlotsUnderBitmap { slots, bytes, undecided, objects });
        }
        let by_size = std::mem::take(&mut summary.heap.by_size);
        summary.heap.sizes = by_size
            .into_iter()
            .map(|(size, objects)| SizeClass { size, objects, bytes: size.saturating_mul(objects) })
            .collect();
        summary.heap.biggest = self
            .biggest
            .into_iter()
            .map(|(size, address)| BigObject { address: hex(address), size })
            .collect();
        summary.goroutines =
            self.groups.into_iter().map(|(state, count)| GoroutineGroup { count, state }).collect();
        summary.goroutines.sort_unstable_by(|a, b| (b.count, &a.state).cmp(&(a.count, &b.state)));
        summary
    }
}

impl ParamsSummary {
    fn new(params: &Params<'_>) -> Self {
        Self {
            big_endian: params.big_endian,
            ptr_size: params.pointer_size.bytes(),
            heap_start: hex(params.heap_start),
            heap_end: hex(params.heap_end),
            arch: params.goarch().map_or_else(|| params.arch.to_string(), |name| name.to_string()),
            thechar: match params.arch {
                Arch::Char(number) => Some(match u8::try_from(number) {
                    Ok(character) if character.is_ascii_graphic() => char::from(character).to_string(),
                    _ => number.to_string(),
                }),
                Arch::Name(_) => None,
            },
            experiment: params.experiment.to_string(),
            ncpu: params.cpus,
        }
    }
}

/// An address in JSON, where numbers are exact to 2^53 only.
pub fn hex(address: u64) -> String {
    format!("{address:#x}")
}

/// The statistics by the names that the Go runtime has for them; the single pauses are left out.
fn stats_by_name(stats: &MemStats) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("alloc", stats.alloc),
        ("total_alloc", stats.total_alloc),
        ("sys", stats.sys),
        ("nlookup", stats.lookups),
        ("nmalloc", stats.mallocs),
        ("nfree", stats.frees),
        ("heap_alloc", stats.heap_alloc),
        ("heap_sys", stats.heap_sys),
        ("heap_idle", stats.heap_idle),
        ("heap_inuse", stats.heap_inuse),
        ("heap_released", stats.heap_released),
        ("heap_objects", stats.heap_objects),
        ("stacks_inuse", stats.stack_inuse),
        ("stacks_sys", stats.stack_sys),
        ("mspan_inuse", stats.mspan_inuse),
        ("mspan_sys", stats.mspan_sys),
        ("mcache_inuse", stats.mcache_inuse),
        ("mcache_sys", stats.mcache_sys),
        ("buckhash_sys", stats.buckhash_sys),
        ("gc_sys", stats.gc_sys),
        ("other_sys", stats.other_sys),
        ("next_gc", stats.next_gc),
        ("last_gc", stats.last_gc),
        ("pause_total_ns", stats.pause_total_ns),
        ("num_gc", stats.num_gc),
    ])
}

/// What the runtime calls a goroutine's status.
fn status_name(status: u64) -> &'static str {
    match status {
        1 => "runnable",
        2 => "running",
        3 => "in a system call",
        4 => "waiting",
        _ => "in an unknown state",
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { params, heap, stack, data, bss, finalizers, .. } = self;
        writeln!(f, "{} heap dump, {} bytes", self.format, self.bytes)?;
        let endian = if params.big_endian { "big" } else { "little" };
        writeln!(
            f,
            "machine     {}, {endian}-endian, {}-byte pointers, {} processors",
            params.arch.escape_debug(),
            params.ptr_size,
            params.ncpu
        )?;
        if !params.experiment.is_empty() {
            writeln!(f, "runtime     {:?}", params.experiment)?;
        }
        writeln!(f, "heap        {} to {}", params.heap_start, params.heap_end)?;
        writeln!(f, "objects     {}, {} bytes, {} pointers", heap.objects, heap.bytes, heap.pointers)?;
        if let Some(SlotsUnderBitmap { slots, bytes, undecided, objects }) = &heap.slots_under_bitmap {
            write!(
                f,
                "            {objects} without {slots} slots under their span's heap bitmap, {bytes} bytes"
            )?;
            if *undecided > 0 {
                write!(f, "; of {undecided} more it can't be known")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "stacks      {} frames, {} bytes", stack.frames, stack.bytes)?;
        writeln!(f, "data        {} bytes, {} pointers", data.bytes, data.pointers)?;
        writeln!(f, "bss         {} bytes, {} pointers", bss.bytes, bss.pointers)?;
        writeln!(f, "finalizers  {} set, {} queued", finalizers.set, finalizers.queued)?;

        writeln!(f, "\n{:>16} records", "kind")?;
        for (kind, count) in self.records.iter().filter(|&(_, &count)| count > 0) {
            writeln!(f, "{kind:>16} {count:>7}")?;
        }
        writeln!(f, "\n{:>16} {:>10} {:>14}", "object size", "objects", "bytes")?;
        for class in &heap.sizes {
            writeln!(f, "{:>16} {:>10} {:>14}", class.size, class.objects, class.bytes)?;
        }
        writeln!(f, "\n{:>16} biggest objects", "size")?;
        for object in &heap.biggest {
            writeln!(f, "{:>16} {}", object.size, object.address)?;
        }
        for group in &self.goroutines {
            let GoroutineState { status, wait_reason, stack } = &*group.state;
            let plural = if group.count == 1 { "" } else { "s" };
            write!(f, "\n{} goroutine{plural} {}", group.count, status_name(*status))?;
            // Only of a waiting goroutine is the reason current, and the text is the program's own.
            if *status == 4 {
                write!(f, ": {}", wait_reason.escape_debug())?;
            }
            writeln!(f)?;
            stack.iter().try_for_each(|function| writeln!(f, "    {}", function.escape_debug()))?;
        }
        writeln!(f, "\n{:>16} memstats", "value")?;
        self.memstats.iter().try_for_each(|(name, value)| writeln!(f, "{value:>16} {name}"))
    }
}

#[cfg(test)]
mod tests;
