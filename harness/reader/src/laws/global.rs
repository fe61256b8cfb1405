//! Laws of the dump as a whole: its order, its tables and its statistics.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Fault, Law, Report};
use crate::order::part;
use crate::{Kind, MemStats, Params, Record, Releases};

pub(super) struct Laws {
    max_address: u64,
    last: Kind,
    /// How often there were records of each kind.
    counts: [u64; Kind::ALL.len()],
    /// Hashes of the types, by address.
    types: HashMap<u64, u64>,
    itabs: HashSet<u64>,
    threads: HashSet<u64>,
    thread_ids: HashSet<u64>,
    buckets: HashSet<u64>,
}

impl Laws {
    pub fn new(params: &Params<'_>) -> Self {
        Self {
            max_address: params.pointer_size.max_address(),
            last: Kind::Params,
            counts: [0; Kind::ALL.len()],
            types: HashMap::new(),
            itabs: HashSet::new(),
            threads: HashSet::new(),
            thread_ids: HashSet::new(),
            buckets: HashSet::new(),
        }
    }

    pub fn record(&mut self, offset: u64, record: &Record<'_>, report: &mut Report<'_>) {
        let kind = record.kind();
        if part(kind) < part(self.last) {
            report.violation(Law::Order, offset, format!("a {kind} record after a {} record", self.last));
        }
        self.last = kind;
        self.counts[kind as usize] += 1;
        if let Some(address) = addresses(record).into_iter().find(|&address| address > self.max_address) {
            report.violation(Law::AddressWidth, offset, format!("{address:#x} in a {kind} record"));
        }
        match record {
            Record::Goroutine(goroutine) if goroutine.is_background => {
                report.violation(
                    Law::Unused,
                    offset,
                    format!("goroutine {} is a background one", goroutine.id),
                );
            }
            Record::Panic(panic) if panic.defer != 0 => {
                report.violation(
                    Law::Unused,
                    offset,
                    format!("the panic names the defer {:#x}", panic.defer),
                );
            }
            Record::Type(ty) => {
                let mut hasher = DefaultHasher::new();
                (ty.size, ty.name, ty.data_is_pointer).hash(&mut hasher);
                if *self.types.entry(ty.address).or_insert(hasher.finish()) != hasher.finish() {
                    report.violation(
                        Law::TypeAgain,
                        offset,
                        format!("{} at {:#x} is another type", ty.name, ty.address),
                    );
                }
            }
            Record::Itab(itab) => {
                if !self.itabs.insert(itab.address) {
                    report.violation(
                        Law::ItabsDistinct,
                        offset,
                        format!("there is another itab at {:#x}", itab.address),
                    );
                }
                let none = itab.type_address == 0 && report.releases.overlaps(Releases::between(5, 6));
                if !none && !self.types.contains_key(&itab.type_address) {
                    report.violation(Law::ItabType, offset, format!("no type at {:#x}", itab.type_address));
                }
            }
            Record::OsThread(thread) => {
                let distinct = self.threads.insert(thread.address) & self.thread_ids.insert(thread.id);
                if !distinct {
                    let detail =
                        format!("there is another thread {} or one at {:#x}", thread.id, thread.address);
                    report.violation(Law::ThreadsDistinct, offset, detail);
                }
            }
            Record::MemStats(stats) => check_stats(offset, stats, report),
            Record::MemProf(bucket) => {
                if bucket.frees > bucket.allocs {
                    let detail = format!("{} of {} are freed", bucket.frees, bucket.allocs);
                    report.fault(Fault::FreesBeforeAllocs, offset, detail);
                }
                self.buckets.insert(bucket.address);
            }
            Record::AllocSample(sample) if !self.buckets.contains(&sample.bucket) => {
                report.violation(Law::SampleBucket, offset, format!("no bucket at {:#x}", sample.bucket));
            }
            _ => {}
        }
    }

    /// The threads that have been dumped, by their addresses.
    pub fn threads(&self) -> &HashSet<u64> {
        &self.threads
    }

    pub fn end(self, end: u64, report: &mut Report<'_>) {
        for kind in [Kind::Params, Kind::Data, Kind::Bss, Kind::MemStats] {
            let count = self.counts[kind as usize];
            if count != 1 {
                let detail = format!("{count} records of kind {kind}");
                report.violation(Law::Once, end, detail);
            }
        }
    }
}

fn check_stats(offset: u64, stats: &MemStats, report: &mut Report<'_>) {
    let &MemStats { heap_objects, mallocs, frees, heap_sys, heap_idle, heap_inuse, sys, .. } = stats;
    let objects = mallocs.wrapping_sub(frees);
    let detail = format!("{heap_objects} objects, {mallocs} mallocs, {frees} frees");
    if heap_objects < objects {
        report.fault(Fault::SweptLargeObjects, offset, detail);
    } else if heap_objects > objects {
        report.violation(Law::StatsObjects, offset, detail);
    }
    if heap_sys != heap_idle.wrapping_add(heap_inuse) {
        let detail = format!("{heap_sys} bytes, {heap_idle} idle and {heap_inuse} in use");
        report.violation(Law::StatsHeap, offset, detail);
    }
    let parts = [
        heap_sys,
        stats.stack_sys,
        stats.mspan_sys,
        stats.mcache_sys,
        stats.buckhash_sys,
        stats.gc_sys,
        stats.other_sys,
    ];
    let sum = parts.into_iter().fold(0, u64::wrapping_add);
    let detail = format!("{sys} bytes, but {sum} in the parts");
    if sys > sum && sys - sum <= stats.stack_inuse {
        report.fault(Fault::StacksInSys, offset, detail);
        // So it was none of those before.
        report.releases.not_before(9);
    } else if sys > sum || (sys < sum && report.releases.within(Releases::since(19))) {
        report.violation(Law::StatsSys, offset, detail);
    }
}

/// The addresses in a record, and sizes that have the same width.
fn addresses(record: &Record<'_>) -> [u64; 7] {
    /// Fills up with zeros, which every pointer can hold.
    fn all<const N: usize>(some: [u64; N]) -> [u64; 7] {
        std::array::from_fn(|i| some.get(i).copied().unwrap_or(0))
    }
    match record {
        Record::Eof | Record::MemStats(_) => all([]),
        Record::Object(r) => all([r.address]),
        Record::OtherRoot(r) => all([r.target]),
        Record::Type(r) => all([r.address, r.size]),
        Record::Goroutine(r) => all([r.address, r.sp, r.creation_pc, r.context, r.thread, r.defer, r.panic]),
        Record::StackFrame(r) => {
            all([r.sp, r.child_sp, r.function.entry, r.function.pc, r.function.continuation_pc])
        }
        Record::Params(r) => all([r.heap_start, r.heap_end]),
        Record::Finalizer(r) | Record::QueuedFinalizer(r) => {
            all([r.object, r.closure, r.entry, r.argument_type, r.object_type])
        }
        Record::Itab(r) => all([r.address, r.type_address]),
        Record::OsThread(r) => all([r.address]),
        Record::Data(r) | Record::Bss(r) => all([r.address]),
        Record::Defer(r) => all([r.address, r.goroutine, r.sp, r.pc, r.closure, r.entry, r.link]),
        Record::Panic(r) => all([r.address, r.goroutine, r.argument_type, r.argument_data, r.link]),
        Record::MemProf(r) => all([r.address, r.size]),
        Record::AllocSample(r) => all([r.object, r.bucket]),
    }
}
