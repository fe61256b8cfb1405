//! What `corpora/real/count.py` says of a dump, as this crate sees it.

use std::collections::BTreeMap;

use heapmatrix_reader::{Arch, Dump, Fields, Finalizer, Goroutine, Kind, MemStats, Params, Record, Segment};
use serde_json::{Value, json};

use crate::crc32::Crc32;

/// Number, bytes and pointer fields of objects, frames or segments.
#[derive(Default)]
struct Sum {
    number: u64,
    bytes: usize,
    pointers: usize,
}

impl Sum {
    fn add(&mut self, contents: &[u8], fields: Fields<'_>) {
        self.number += 1;
        self.bytes += contents.len();
        self.pointers += fields.count();
    }
}

pub fn of(dump: &Dump<'_>) -> Value {
    let mut records: BTreeMap<&str, u64> = Kind::ALL.map(|kind| (kind.name(), 0)).into();
    let mut sums = [Kind::Object, Kind::StackFrame, Kind::Data, Kind::Bss].map(|_| Sum::default());
    let [heap, stack, data, bss] = &mut sums;
    let mut statuses = BTreeMap::<String, u64>::new();
    let mut goroutines = [BTreeMap::<String, u64>::new(), BTreeMap::new()];
    let mut crcs = Kind::ALL.map(|_| Crc32::new());
    let mut memstats = Value::Null;

    for record in dump.records() {
        let (_, record) = record.unwrap();
        let kind = record.kind();
        *records.get_mut(kind.name()).unwrap() += 1;
        take_in(&mut crcs[kind as usize], &record);
        match &record {
            Record::Object(object) => heap.add(object.contents, object.fields),
            Record::StackFrame(frame) => stack.add(frame.contents, frame.fields),
            Record::Data(segment) => data.add(segment.contents, segment.fields),
            Record::Bss(segment) => bss.add(segment.contents, segment.fields),
            Record::Goroutine(goroutine) => {
                *statuses.entry(goroutine.status.to_string()).or_default() += 1;
                let counts = &mut goroutines[usize::from(goroutine.is_system)];
                *counts.entry(state(goroutine)).or_default() += 1;
            }
            Record::MemStats(statistics) => memstats = statistics_of(statistics),
            _ => {}
        }
    }
    let [user_goroutines, system_goroutines] = goroutines;
    let [heap, stack, data, bss] = sums;
    let crc32: BTreeMap<&str, String> =
        Kind::ALL.map(|kind| (kind.name(), format!("{:08x}", crcs[kind as usize].value()))).into();
    json!({
        "format": dump.version().name(),
        "bytes": dump.bytes().len(),
        "params": params_of(dump.params()),
        "records": records,
        "heap": {"objects": heap.number, "bytes": heap.bytes, "pointers": heap.pointers},
        "stack": {"frames": stack.number, "bytes": stack.bytes, "pointers": stack.pointers},
        "data": {"bytes": data.bytes, "pointers": data.pointers},
        "bss": {"bytes": bss.bytes, "pointers": bss.pointers},
        "statuses": statuses,
        "user_goroutines": user_goroutines,
        "system_goroutines": system_goroutines,
        "memstats": memstats,
        "crc32": crc32,
    })
}

/// What a traceback prints in a goroutine's brackets: a wait reason counts only while it waits.
fn state(goroutine: &Goroutine<'_>) -> String {
    match goroutine.status {
        1 => "runnable".into(),
        2 => "running".into(),
        3 => "syscall".into(),
        _ => goroutine.wait_reason.to_string(),
    }
}

fn params_of(params: &Params<'_>) -> Value {
    json!({
        "big_endian": params.big_endian,
        "ptr_size": params.pointer_size.bytes(),
        "heap_start": format!("{:#x}", params.heap_start),
        "heap_end": format!("{:#x}", params.heap_end),
        "arch": params.goarch().unwrap().to_string(),
        "experiment": params.experiment.to_string(),
        "ncpu": params.cpus,
    })
}

/// The statistics in the order of the record, which is that of Go's `runtime.MemStats`.
fn named_statistics(m: &MemStats) -> [(&'static str, u64); 24] {
    [
        ("alloc", m.alloc),
        ("total_alloc", m.total_alloc),
        ("sys", m.sys),
        ("lookups", m.lookups),
        ("mallocs", m.mallocs),
        ("frees", m.frees),
        ("heap_alloc", m.heap_alloc),
        ("heap_sys", m.heap_sys),
        ("heap_idle", m.heap_idle),
        ("heap_inuse", m.heap_inuse),
        ("heap_released", m.heap_released),
        ("heap_objects", m.heap_objects),
        ("stack_inuse", m.stack_inuse),
        ("stack_sys", m.stack_sys),
        ("mspan_inuse", m.mspan_inuse),
        ("mspan_sys", m.mspan_sys),
        ("mcache_inuse", m.mcache_inuse),
        ("mcache_sys", m.mcache_sys),
        ("buck_hash_sys", m.buckhash_sys),
        ("gc_sys", m.gc_sys),
        ("other_sys", m.other_sys),
        ("next_gc", m.next_gc),
        ("last_gc", m.last_gc),
        ("pause_total_ns", m.pause_total_ns),
    ]
}

fn statistics_of(memstats: &MemStats) -> Value {
    let mut all: serde_json::Map<String, Value> =
        named_statistics(memstats).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.insert("pause_ns".into(), memstats.pause_ns.iter().sum::<u64>().into());
    all.insert("num_gc".into(), memstats.num_gc.into());
    all.into()
}

/// Takes a record's values into its kind's checksum, by name and in the order of Go's dump functions.
fn take_in(crc: &mut Crc32, record: &Record<'_>) {
    match record {
        Record::Eof => {}
        Record::Object(r) => segment(crc, r.address, r.contents, r.fields),
        Record::Data(Segment { address, contents, fields })
        | Record::Bss(Segment { address, contents, fields }) => {
            segment(crc, *address, contents, *fields);
        }
        Record::OtherRoot(r) => {
            crc.string(&r.description);
            crc.number(r.target);
        }
        Record::Type(r) => {
            crc.numbers(&[r.address, r.size]);
            crc.string(&r.name);
            crc.number(r.data_is_pointer);
        }
        Record::Goroutine(r) => {
            crc.numbers(&[r.address, r.sp, r.id, r.creation_pc, r.status, r.is_system.into()]);
            crc.numbers(&[r.is_background.into(), r.wait_since]);
            crc.string(&r.wait_reason);
            crc.numbers(&[r.context, r.thread, r.defer, r.panic]);
        }
        Record::StackFrame(r) => {
            crc.numbers(&[r.sp, r.depth, r.child_sp]);
            crc.string(r.contents);
            crc.numbers(&[r.function.entry, r.function.pc, r.function.continuation_pc]);
            crc.string(&r.function.name);
            fields(crc, r.fields);
        }
        Record::Params(r) => {
            crc.numbers(&[r.big_endian.into(), r.pointer_size.bytes(), r.heap_start, r.heap_end]);
            match r.arch {
                Arch::Char(character) => crc.number(character),
                Arch::Name(name) => crc.string(&name),
            }
            crc.string(&r.experiment);
            crc.number(r.cpus);
        }
        Record::Finalizer(r) | Record::QueuedFinalizer(r) => {
            let Finalizer { object, closure, entry, argument_type, object_type } = *r;
            crc.numbers(&[object, closure, entry, argument_type, object_type]);
        }
        Record::Itab(r) => crc.numbers(&[r.address, r.type_address]),
        Record::OsThread(r) => crc.numbers(&[r.address, r.id, r.os_id]),
        Record::MemStats(r) => {
            crc.numbers(&named_statistics(r).map(|(_, value)| value));
            crc.numbers(&r.pause_ns);
            crc.number(r.num_gc);
        }
        Record::Defer(r) => crc.numbers(&[r.address, r.goroutine, r.sp, r.pc, r.closure, r.entry, r.link]),
        Record::Panic(r) => {
            crc.numbers(&[r.address, r.goroutine, r.argument_type, r.argument_data, r.defer, r.link]);
        }
        Record::MemProf(r) => {
            crc.numbers(&[r.address, r.size, r.stack.depth()]);
            for call in r.stack {
                crc.string(&call.function);
                crc.string(&call.file);
                crc.number(call.line);
            }
            crc.numbers(&[r.allocs, r.frees]);
        }
        Record::AllocSample(r) => crc.numbers(&[r.object, r.bucket]),
    }
}

fn segment(crc: &mut Crc32, address: u64, contents: &[u8], list: Fields<'_>) {
    crc.number(address);
    crc.string(contents);
    fields(crc, list);
}

fn fields(crc: &mut Crc32, list: Fields<'_>) {
    for field in list {
        crc.numbers(&[field.kind as u64, field.offset]);
    }
    crc.number(0u64);
}
