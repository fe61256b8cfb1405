//! The golden dumps, held to what their JSON says that was put there: `corpora/README.md` describes both.

mod machines;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use heapmatrix_reader::*;
use serde_json::{Value as Json, json};

/// The dumps of an architecture, each by its name, with its bytes and those of its JSON.
struct Golden {
    dir: PathBuf,
    names: Vec<String>,
}

impl Golden {
    fn new(arch: &str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/golden").join(arch);
        let files =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> =
            files.filter_map(|f| Some(f.strip_suffix(".json")?.to_owned())).collect();
        names.sort();
        assert!(names.len() >= 20, "{} dumps in {}", names.len(), dir.display());
        Self { dir, names }
    }

    fn dump(&self, name: &str) -> Option<Vec<u8>> {
        let files = ["dump", "dump.zst"].map(|extension| self.dir.join(format!("{name}.{extension}")));
        files.iter().find(|path| path.exists()).map(|path| unpack::read(path))
    }

    /// What was put into the process.
    fn truth(&self, name: &str) -> Vec<Json> {
        let text = fs::read_to_string(self.dir.join(format!("{name}.json"))).unwrap();
        let Json::Object(mut document) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        let Some(Json::Array(records)) = document.remove("records") else { panic!("{text}") };
        assert_eq!(document["world"], name);
        records
    }
}

/// A record in the form of the corpus.
fn describe(record: &Record<'_>) -> Json {
    let hex = |address: u64| format!("{address:#x}");
    let fields = |fields: Fields<'_>| -> Json {
        fields.inspect(|f| assert_eq!(f.kind, FieldKind::Pointer)).map(|f| f.offset).collect()
    };
    let contents = |bytes: &[u8]| -> String {
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes[..end].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let segment = |s: &Segment<'_>| {
        json!({"address": hex(s.address), "size": s.contents.len(), "contents": contents(s.contents),
            "fields": fields(s.fields)})
    };
    let finalizer = |f: &Finalizer| {
        json!({"object": hex(f.object), "closure": hex(f.closure), "entry": hex(f.entry),
            "argument_type": hex(f.argument_type), "object_type": hex(f.object_type)})
    };
    let mut json = match record {
        Record::Eof => json!({}),
        Record::Params(p) => {
            let Arch::Char(arch) = p.arch else { panic!("{:?} in go1.5", p.arch) };
            json!({"big_endian": p.big_endian, "pointer_size": p.pointer_size.bytes(), "arch": arch,
                "heap_start": hex(p.heap_start), "heap_end": hex(p.heap_end), "cpus": p.cpus,
                "experiment": p.experiment.to_string()})
        }
        Record::Type(t) => {
            json!({"address": hex(t.address), "size": t.size, "name": t.name.to_string(),
                "data_is_pointer": t.data_is_pointer})
        }
        Record::Itab(i) => json!({"address": hex(i.address), "type_address": hex(i.type_address)}),
        Record::Object(o) => {
            json!({"address": hex(o.address), "size": o.contents.len(), "contents": contents(o.contents),
                "fields": fields(o.fields)})
        }
        Record::Goroutine(g) => {
            json!({"address": hex(g.address), "sp": hex(g.sp), "id": g.id, "creation_pc": hex(g.creation_pc),
                "status": g.status, "is_system": g.is_system, "is_background": g.is_background,
                "wait_since": g.wait_since, "wait_reason": g.wait_reason.to_string(), "context": hex(g.context),
                "thread": hex(g.thread), "defer": hex(g.defer), "panic": hex(g.panic)})
        }
        Record::StackFrame(f) => {
            json!({"sp": hex(f.sp), "depth": f.depth, "child_sp": hex(f.child_sp), "size": f.contents.len(),
                "contents": contents(f.contents), "entry": hex(f.function.entry), "pc": hex(f.function.pc),
                "continuation_pc": hex(f.function.continuation_pc), "name": f.function.name.to_string(),
                "fields": fields(f.fields)})
        }
        Record::Defer(d) => {
            json!({"address": hex(d.address), "goroutine": hex(d.goroutine), "sp": hex(d.sp), "pc": hex(d.pc),
                "closure": hex(d.closure), "entry": hex(d.entry), "link": hex(d.link)})
        }
        Record::Panic(p) => {
            json!({"address": hex(p.address), "goroutine": hex(p.goroutine), "defer": hex(p.defer),
                "argument_type": hex(p.argument_type), "argument_data": hex(p.argument_data),
                "link": hex(p.link)})
        }
        Record::OsThread(t) => json!({"address": hex(t.address), "id": t.id, "os_id": t.os_id}),
        Record::Data(s) | Record::Bss(s) => segment(s),
        Record::Finalizer(f) | Record::QueuedFinalizer(f) => finalizer(f),
        Record::MemStats(m) => {
            json!({"alloc": m.alloc, "total_alloc": m.total_alloc, "sys": m.sys, "nlookup": m.lookups,
                "nmalloc": m.mallocs, "nfree": m.frees, "heap_alloc": m.heap_alloc, "heap_sys": m.heap_sys,
                "heap_idle": m.heap_idle, "heap_inuse": m.heap_inuse, "heap_released": m.heap_released,
                "heap_objects": m.heap_objects, "stacks_inuse": m.stack_inuse, "stacks_sys": m.stack_sys,
                "mspan_inuse": m.mspan_inuse, "mspan_sys": m.mspan_sys, "mcache_inuse": m.mcache_inuse,
                "mcache_sys": m.mcache_sys, "buckhash_sys": m.buckhash_sys, "gc_sys": m.gc_sys,
                "other_sys": m.other_sys, "next_gc": m.next_gc, "last_gc": m.last_gc,
                "pause_total_ns": m.pause_total_ns, "pause_ns": m.pause_ns.to_vec(), "num_gc": m.num_gc})
        }
        Record::MemProf(b) => {
            let call = |c: Call<'_>| json!([c.function.to_string(), c.file.to_string(), c.line]);
            let stack: Json = b.stack.map(call).collect();
            json!({"address": hex(b.address), "size": b.size, "stack": stack, "allocs": b.allocs,
                "frees": b.frees})
        }
        Record::AllocSample(s) => json!({"object": hex(s.object), "bucket": hex(s.bucket)}),
        Record::OtherRoot(r) => panic!("no Go 1.5 writes {r:?}"),
    };
    json["kind"] = record.kind().name().into();
    json
}

/// The records of a dump are those of its JSON.
fn holds_what_was_put_there(arch: &str) {
    let golden = Golden::new(arch);
    let mut kinds = std::collections::BTreeSet::new();
    for name in &golden.names {
        let bytes = golden.dump(name).unwrap_or_else(|| panic!("no dump of {name}"));
        let dump = Dump::new(&bytes).unwrap();
        assert_eq!(dump.params().goarch(), Some(arch.into()));
        let truth = golden.truth(name);
        let mut records = dump.records();
        for mut expected in truth {
            let (_, record) =
                records.next().unwrap_or_else(|| panic!("{name} ends before {expected}")).unwrap();
            let members = expected.as_object_mut().unwrap();
            // What is for people, and what is about the dump with the defect.
            members.remove("what").unwrap();
            members.remove("struck");
            assert_eq!(describe(&record), expected, "{name}");
            kinds.insert(record.kind());
        }
        assert_eq!(records.next(), None, "{name}");
    }
    // There is something of everything that Go 1.5 writes.
    let written = Kind::ALL.iter().copied().filter(|&kind| kind != Kind::OtherRoot);
    assert!(kinds.iter().copied().eq(written), "{kinds:?}");
}

/// All laws hold, except that one world has statistics that are numbers and nothing else.
fn obeys_the_laws(arch: &str) {
    use heapmatrix_reader::laws::{Law, check};
    let golden = Golden::new(arch);
    for name in &golden.names {
        let mut broken = Vec::new();
        check(&golden.dump(name).unwrap(), |violation| broken.push(violation.law));
        let statistics = [Law::StatsObjects, Law::StatsHeap, Law::StatsSys];
        assert_eq!(broken, if name == "memstats" { &statistics[..] } else { &[] }, "{name}");
    }
}

/// What is saved of a struck dump is the sound one, but for the names that Go 1.5 loses.
fn struck_dumps_lose_names_alone(arch: &str) {
    let golden = Golden::new(arch);
    let mut count = 0;
    for name in &golden.names {
        let Some(struck) = golden.dump(&format!("{name}.struck")) else { continue };
        let truth = golden.truth(name);
        let lost: Vec<&Json> = truth.iter().filter(|record| record["struck"] == true).collect();
        let salvage = salvage(&struck).unwrap();
        let addresses = salvage.lost_names().map(|lost| format!("{:#x}", lost.address));
        assert!(addresses.eq(lost.iter().map(|record| record["address"].as_str().unwrap())), "{name}");
        assert_eq!(salvage.cut(), None, "{name}");
        let mut saved = Vec::new();
        salvage.write_to(&mut saved).unwrap();

        let sound = golden.dump(name).unwrap();
        let mut expected = Version::Go15.header().to_vec();
        for (record, truth) in Dump::new(&sound).unwrap().records().zip(&truth) {
            let mut record = record.unwrap().1;
            if let Record::Type(ty) = &mut record
                && truth["struck"] == true
            {
                ty.name = Text::default();
            }
            record.write_to(&mut expected).unwrap();
        }
        assert!(saved == expected, "{name}: something else is lost");
        count += lost.len();
    }
    assert!(count >= 3, "{count} names are struck");
}

machines::each_machine!(holds_what_was_put_there, obeys_the_laws, struck_dumps_lose_names_alone);
