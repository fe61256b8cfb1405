//! What a person wants to know of a dump first. The JSON form is described in `docs/inspect-json.md`.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use heapmatrix_reader::{
    Arch, Event, Extent, Function, Head, Kind, Params, Record, SlotCount, SlotRule, Stream, StreamError, Text,
};
use serde::{Serialize, Serializer};

use super::record::{JsonText, stats};

mod text;

pub use text::{Figures, Limits};

/// How many of the biggest objects are named.
const BIGGEST: usize = 10;

/// A dump in brief.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    format: &'static str,
    bytes: u64,
    params: ParamsSummary,
    records: BTreeMap<&'static str, u64>,
    /// Kinds of records that every whole dump has and this one has not.
    missing: Vec<&'static str>,
    heap: Heap,
    stack: StackSummary,
    data: Option<Region>,
    bss: Option<Region>,
    /// Goroutines by status.
    statuses: BTreeMap<u64, u64>,
    /// Goroutines that do the same.
    goroutines: Vec<GoroutineGroup>,
    /// `None` if none was found, and the dump is cut off before the end of them.
    finalizers: Option<Finalizers>,
    memstats: BTreeMap<&'static str, u64>,
    /// When the last collection ended; `None` if there was none, or it is not known.
    last_gc: Option<String>,
}

/// A string of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct OwnedText(Box<[u8]>);

impl From<Text<'_>> for OwnedText {
    fn from(text: Text<'_>) -> Self {
        Self(text.0.into())
    }
}

impl Serialize for OwnedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JsonText(&self.0).serialize(serializer)
    }
}

/// The architecture of a dump.
pub struct Architecture {
    /// GOARCH, or the character if it is none of Go's.
    name: OwnedText,
    /// The character in the dump: go1.5 and go1.6.
    thechar: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct ParamsSummary {
    big_endian: bool,
    ptr_size: u64,
    heap_start: String,
    heap_end: String,
    arch: OwnedText,
    #[serde(skip_serializing_if = "Option::is_none")]
    thechar: Option<String>,
    experiment: OwnedText,
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
    wait_reason: OwnedText,
    /// Functions, innermost first.
    stack: Vec<OwnedText>,
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
                    Head::StackFrame(frame) => self.frame(frame.length),
                    Head::Data(extent) | Head::Bss(extent) => self.segment(head.kind(), extent.length, 0),
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
                self.frame(frame.contents.len() as u64);
                self.function(&frame.function);
            }
            Record::Data(segment) | Record::Bss(segment) => {
                let pointers = segment.fields.count() as u64;
                self.segment(record.kind(), segment.contents.len() as u64, pointers);
            }
            Record::Goroutine(goroutine) => {
                *self.summary.statuses.entry(goroutine.status).or_default() += 1;
                self.current = Some(Box::new(GoroutineState {
                    status: goroutine.status,
                    wait_reason: goroutine.wait_reason.into(),
                    stack: Vec::new(),
                }));
            }
            Record::Finalizer(_) => self.summary.finalizers.get_or_insert_default().set += 1,
            Record::QueuedFinalizer(_) => self.summary.finalizers.get_or_insert_default().queued += 1,
            Record::MemStats(memstats) => self.summary.memstats = stats(memstats).into(),
            _ => {}
        }
    }

    fn object(&mut self, address: u64, size: u64) {
        let heap = &mut self.summary.heap;
        heap.objects += 1;
        // A length need not be true: what is claimed last may be any number.
        heap.bytes = heap.bytes.saturating_add(size);
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

    fn segment(&mut self, kind: Kind, bytes: u64, pointers: u64) {
        let segment = match kind {
            Kind::Data => &mut self.summary.data,
            _ => &mut self.summary.bss,
        };
        let region = segment.get_or_insert_default();
        region.bytes = region.bytes.saturating_add(bytes);
        region.pointers += pointers;
    }

    fn frame(&mut self, size: u64) {
        self.summary.stack.bytes = self.summary.stack.bytes.saturating_add(size);
    }

    fn function(&mut self, function: &Function<'_>) {
        self.summary.stack.frames += 1;
        if let Some(goroutine) = &mut self.current {
            goroutine.stack.push(function.name.into());
        }
    }

    fn pointers(&mut self, kind: Kind, count: u64) {
        match kind {
            Kind::Object => self.summary.heap.pointers += count,
            Kind::Data | Kind::Bss => self.segment(kind, 0, count),
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
        let whole = [Kind::Data, Kind::Bss, Kind::MemStats];
        summary.missing =
            whole.map(Kind::name).into_iter().filter(|kind| summary.records.get(kind) == Some(&0)).collect();
        // The statistics follow the last of them.
        if !summary.memstats.is_empty() {
            summary.finalizers.get_or_insert_default();
        }
        summary.last_gc = summary.memstats.get("last_gc").filter(|&&time| time > 0).map(|&time| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(time);
            humantime::format_rfc3339_nanos(time).to_string()
        });
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
        let Architecture { name: arch, thechar } = Architecture::new(params);
        Self {
            big_endian: params.big_endian,
            ptr_size: params.pointer_size.bytes(),
            heap_start: hex(params.heap_start),
            heap_end: hex(params.heap_end),
            arch,
            thechar,
            experiment: params.experiment.into(),
            ncpu: params.cpus,
        }
    }
}

impl Architecture {
    /// What the parameters say.
    pub fn new(params: &Params<'_>) -> Self {
        let by_character = || OwnedText(params.arch.to_string().into_bytes().into());
        Self {
            name: params.goarch().map_or_else(by_character, OwnedText::from),
            thechar: match params.arch {
                Arch::Char(number) => Some(match u8::try_from(number) {
                    Ok(character) if character.is_ascii_graphic() => char::from(character).to_string(),
                    _ => number.to_string(),
                }),
                Arch::Name(_) => None,
            },
        }
    }

    /// As JSON: the name, and the character if the dump has one.
    pub fn json(&self) -> (impl Serialize, Option<&str>) {
        (&self.name, self.thechar.as_deref())
    }
}

/// An address in JSON, where numbers are exact to 2^53 only.
pub fn hex(address: u64) -> String {
    format!("{address:#x}")
}

#[cfg(test)]
mod tests;
