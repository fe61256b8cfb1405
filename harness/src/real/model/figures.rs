//! Statistics and the memory profile, against what `runtime.ReadMemStats` and `runtime.MemProfile` say.

use heapmatrix_reader::{Kind, MemProf, MemStats};

use super::{Mismatch, Model, same, wrong};
use crate::real::layout::has_pointers;
use crate::real::report::{Bucket, Call, printed};

/// One of the statistics.
type Statistic = fn(&MemStats) -> u64;

/// The statistics that nothing changes between the report's and the dump's, by the names that the report has for them.
const STATISTICS: [(&str, Statistic); 25] = [
    ("alloc", |m| m.alloc),
    ("total_alloc", |m| m.total_alloc),
    ("sys", |m| m.sys),
    ("lookups", |m| m.lookups),
    ("mallocs", |m| m.mallocs),
    ("frees", |m| m.frees),
    ("heap_alloc", |m| m.heap_alloc),
    ("heap_sys", |m| m.heap_sys),
    ("heap_idle", |m| m.heap_idle),
    ("heap_inuse", |m| m.heap_inuse),
    ("heap_released", |m| m.heap_released),
    ("heap_objects", |m| m.heap_objects),
    ("stacks_inuse", |m| m.stack_inuse),
    ("stacks_sys", |m| m.stack_sys),
    ("mspan_inuse", |m| m.mspan_inuse),
    ("mspan_sys", |m| m.mspan_sys),
    ("mcache_inuse", |m| m.mcache_inuse),
    ("mcache_sys", |m| m.mcache_sys),
    ("buckhash_sys", |m| m.buckhash_sys),
    ("gc_sys", |m| m.gc_sys),
    ("other_sys", |m| m.other_sys),
    ("next_gc", |m| m.next_gc),
    ("last_gc", |m| m.last_gc),
    ("pause_total_ns", |m| m.pause_total_ns),
    ("num_gc", |m| m.num_gc),
];
/// The deepest stack that `runtime.MemProfile` gives.
const DEPTH: usize = 32;

impl Model<'_> {
    pub fn threads(&mut self) -> Result<(), Mismatch> {
        let dumping = self.dumped.threads.iter().any(|thread| thread.os_id == self.report.thread);
        match dumping {
            true => Ok(()),
            false => {
                let number = self.report.thread;
                wrong(Kind::OsThread, format!("the one that dumps, number {number}, is not in the dump"))
            }
        }
    }

    pub fn statistics(&mut self) -> Result<(), Mismatch> {
        let Some(found) = &self.dumped.statistics else { return wrong(Kind::MemStats, "there are none") };
        for (name, field) in STATISTICS {
            let Some(&expected) = self.report.statistics.get(name) else { continue };
            let found = field(found);
            if found != expected {
                return wrong(Kind::MemStats, format!("{name} is {found}, not {expected}"));
            }
        }
        Ok(())
    }

    pub fn profile(&mut self) -> Result<(), Mismatch> {
        if !self.world.profile {
            return Ok(());
        }
        let mut expected = self.report.profile.clone();
        for call in expected.iter_mut().flat_map(|bucket| &mut bucket.stack) {
            call.function = printed(&call.function).into_owned();
        }
        let mut found: Vec<Bucket> = self.dumped.profile.iter().map(bucket).collect();
        expected.sort();
        found.sort();
        if let Some((expected, found)) = expected.iter().zip(&found).find(|(a, b)| a != b) {
            return wrong(
                Kind::MemProf,
                format!("there is {}, where {} is due", text(found), text(expected)),
            );
        }
        same(Kind::MemProf, || "the number of buckets".to_owned(), expected.len(), found.len())?;
        // Every allocation is sampled; of tiny ones only those that have an address of their own.
        for object in self.world.alive() {
            let (typ, address) = (&self.world.objects[object].typ, self.report.objects[object].address);
            let slot = self.layout.slot(self.layout.size(typ), has_pointers(typ), self.release);
            let sampled = self.dumped.samples.iter().any(|sample| sample.object == address);
            if slot.offset.is_some() && !sampled {
                return wrong(
                    Kind::AllocSample,
                    format!("that of object {object} at {address:#x} is not in the dump"),
                );
            }
        }
        Ok(())
    }
}

fn bucket(record: &MemProf<'_>) -> Bucket {
    let calls = record.stack.map(|call| Call {
        function: printed(&call.function.to_string()).into_owned(),
        file: call.file.to_string(),
        line: call.line,
    });
    Bucket {
        allocs: record.allocs,
        frees: record.frees,
        bytes: record.allocs.wrapping_mul(record.size),
        stack: calls.take(DEPTH).collect(),
    }
}

fn text(bucket: &Bucket) -> String {
    let at = bucket.stack.iter().map(|call| format!("{} ({}:{})", call.function, call.file, call.line));
    let at: Vec<String> = at.collect();
    let Bucket { allocs, frees, bytes, .. } = bucket;
    format!("a bucket of {allocs} allocations of {bytes} bytes, {frees} freed, at {}", at.join(" < "))
}
