//! What is exported can be read by those that it is for, and says what the heap says.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use heapmatrix_analysis::export;
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::tree::Tree;
use heapmatrix_reader::{Dump, Index};

/// A real dump's heap.
fn with_heap(check: impl FnOnce(&Heap<'_, '_>)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/real/go1.27.3-ppc64.dump.zst");
    let mut dump = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut dump).unwrap();
    let index = Index::new(Dump::new(&dump).unwrap()).unwrap();
    check(&Heap::new(&index).unwrap());
}

#[test]
fn pprof_reads_the_profile() {
    with_heap(|heap| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heap.pb.gz");
        export::pprof(heap, std::fs::File::create(&path).unwrap()).unwrap();
        for set in ["dominators_bytes", "paths_bytes"] {
            let output = Command::new("go")
                .args([
                    "tool",
                    "pprof",
                    "-top",
                    "-unit=b",
                    "-nodefraction=0",
                    &format!("-sample_index={set}"),
                ])
                .arg(&path)
                .env("GOTOOLCHAIN", "local")
                .output();
            let Ok(output) = output else {
                eprintln!("NOT RUN: there is no go");
                return;
            };
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            // Each object is in each set once, with its own size.
            let total = format!("of {}B total", heap.reached().bytes);
            assert!(text.contains(&total), "{set}: no {total:?} in {text}");
            assert!(text.contains("global variables"), "{set}: {text}");
        }
    });
}

#[test]
fn a_heap_snapshot_is_a_graph_of_all_that_is_reached() {
    with_heap(|heap| {
        let mut bytes = Vec::new();
        export::heapsnapshot(heap, &mut bytes).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let numbers = |name: &str| -> Vec<u64> {
            json[name].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
        };
        let (nodes, edges) = (numbers("nodes"), numbers("edges"));
        let fields = json["snapshot"]["meta"]["node_fields"].as_array().unwrap().len();
        assert_eq!((nodes.len() % fields, edges.len() % 3), (0, 0));
        assert_eq!(json["snapshot"]["node_count"], nodes.len() / fields);
        assert_eq!(json["snapshot"]["edge_count"], edges.len() / 3);
        assert_eq!(nodes.len() / fields, heap.dominators().reached() as usize);
        let sizes: u64 = nodes.chunks(fields).map(|node| node[3]).sum();
        assert_eq!(sizes, heap.reached().bytes);
        let counts: u64 = nodes.chunks(fields).map(|node| node[4]).sum();
        assert_eq!(counts as usize, edges.len() / 3);
        let strings = json["strings"].as_array().unwrap().len() as u64;
        assert!(nodes.chunks(fields).all(|node| node[1] < strings));
        for edge in edges.chunks(3) {
            assert!(edge[2] % fields as u64 == 0 && (edge[2] as usize) < nodes.len(), "{edge:?}");
            assert!(edge[0] == 1 || edge[1] < strings, "{edge:?}");
        }
    });
}

/// What MemLab finds in a heap snapshot: id, own size and retained size of each node.
const MEMLAB: &str = "
    const { utils, analysis } = require('@memlab/core');
    (async () => {
        const heap = await utils.getSnapshotFromFile(process.argv[2], { buildNodeIdIndex: true });
        analysis.preparePathFinder(heap);
        heap.nodes.forEach(node => console.log('node', node.id, node.self_size, node.retainedSize));
    })();
";

/// A folder with MemLab in it, which npm fetches once; otherwise why there is none.
fn memlab() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("memlab");
    if !folder.join("node_modules/@memlab/core").is_dir() {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut npm = Command::new("npm");
        // Not the browser that comes with it.
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "@memlab/core@2.0.5"]);
        let output = npm.current_dir(&folder).output().map_err(|error| format!("npm: {error}"))?;
        if !output.status.success() {
            return Err(format!("npm fetches no MemLab: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(folder)
}

/// MemLab has its own dominators: each node retains as much there as here.
#[test]
fn memlab_opens_a_heap_snapshot_and_agrees_on_retained_sizes() {
    let folder = match memlab() {
        Ok(folder) => folder,
        Err(why) => {
            eprintln!("NOT RUN: {why}");
            return;
        }
    };
    with_heap(|heap| {
        let work = tempfile::tempdir_in(&folder).unwrap();
        let [snapshot, script] = ["heap.heapsnapshot", "read.js"].map(|name| work.path().join(name));
        export::heapsnapshot(heap, std::fs::File::create(&snapshot).unwrap()).unwrap();
        std::fs::write(&script, MEMLAB).unwrap();
        let Ok(output) = Command::new("node").arg(&script).arg(&snapshot).output() else {
            eprintln!("NOT RUN: there is no node");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let theirs = text.lines().filter_map(|line| line.split_once("node ")).map(|(_, numbers)| {
            let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
            <[u64; 3]>::try_from(numbers).unwrap()
        });
        // Ids are given in the order of the dominator tree.
        let ours = heap.dominators().tree().zip(0u64..);
        let ours: Vec<_> =
            ours.map(|((node, _), at)| [2 * at + 1, heap.size(node), heap.retained(node)]).collect();
        assert_eq!(theirs.collect::<Vec<_>>(), ours);
    });
}

#[test]
fn lines_of_json_have_every_object() {
    with_heap(|heap| {
        let mut bytes = Vec::new();
        export::jsonl(heap, &mut bytes).unwrap();
        let (mut objects, mut size, mut lines) = (0, 0, 0);
        for line in std::str::from_utf8(&bytes).unwrap().lines() {
            let node: serde_json::Value = serde_json::from_str(line).unwrap();
            lines += 1;
            if node["size"].is_number() && node["reached"] == true {
                objects += 1;
                size += node["size"].as_u64().unwrap();
            }
        }
        assert_eq!((objects, size), (heap.reached().objects, heap.reached().bytes));
        let roots = u64::from(heap.graph().len() - heap.graph().objects());
        assert_eq!(lines, roots + heap.graph().counts().objects());
    });
}

#[test]
fn a_dot_file_has_the_heaviest_nodes_and_their_parents() {
    with_heap(|heap| {
        let mut bytes = Vec::new();
        export::dot(heap, 12, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(Tree::new(heap).nodes().len() > 12);
        assert_eq!((text.matches("[label=").count(), text.matches(" -> ").count()), (12, 11), "{text}");
        for line in text.lines().filter(|line| line.contains(" -> ")) {
            let ends: Vec<&str> = line.split_whitespace().filter(|word| word.starts_with('n')).collect();
            assert!(ends.iter().all(|end| text.contains(&format!("  {end} [label="))), "{line}");
        }
    });
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_tables_fit_together() {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::RowAccessor;
    use export::Table;
    with_heap(|heap| {
        let folder = tempfile::tempdir().unwrap();
        let rows = |table: Table| {
            let path = folder.path().join(table.name());
            export::parquet(heap, table, std::fs::File::create(&path).unwrap()).unwrap();
            let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap()).collect::<Vec<_>>()
        };
        let objects = rows(Table::Objects);
        assert_eq!(objects.len() as u64, heap.graph().counts().objects());
        let types = rows(Table::Types).len() as i64;
        assert!(objects.iter().all(|row| (0..types).contains(&row.get_long(3).unwrap())));
        let edges = rows(Table::Edges);
        assert_eq!(edges.len() as u32, heap.graph().rows().edges());
        assert_eq!(rows(Table::Roots).len() as u32, heap.graph().len() - heap.graph().objects());
    });
}

/// What DuckDB makes of the tables in this folder: objects and bytes that are reached, what all roots retain, objects by the
/// name of their type, and edges whose ends are both there.
#[cfg(feature = "parquet")]
const DUCKDB: &str = r#"
import duckdb, json
one = lambda query: duckdb.sql(query).fetchall()[0]
print(json.dumps({
    "reached": one("SELECT count(*), sum(size)::BIGINT FROM 'objects.parquet' WHERE retained >= 0"),
    "roots": one("SELECT max(retained) FROM 'roots.parquet'")[0],
    "without": one("SELECT count(*) FROM 'objects.parquet' JOIN 'types.parquet' USING (type) WHERE name LIKE '%without%'")[0],
    "edges": one("""SELECT count(*) FROM 'edges.parquet' WHERE target IN (SELECT node FROM 'objects.parquet')
                    OR target IN (SELECT node FROM 'roots.parquet')""")[0],
}))
"#;

#[cfg(feature = "parquet")]
#[test]
fn duckdb_reads_the_tables() {
    use export::Table;
    // A Python that has the package duckdb.
    let python = std::env::var_os("HEAPMATRIX_PYTHON").unwrap_or("python3".into());
    let ready = Command::new(&python).args(["-c", "import duckdb"]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "NOT RUN: no duckdb in {}: pip install duckdb; HEAPMATRIX_PYTHON names a Python",
            python.display()
        );
        return;
    }
    with_heap(|heap| {
        let folder = tempfile::tempdir().unwrap();
        for table in Table::ALL {
            let file = std::fs::File::create(folder.path().join(format!("{}.parquet", table.name())));
            export::parquet(heap, table, file.unwrap()).unwrap();
        }
        let output = Command::new(&python).args(["-c", DUCKDB]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let reached = heap.reached();
        assert_eq!(found["reached"], serde_json::json!([reached.objects, reached.bytes]));
        assert_eq!(found["roots"], reached.bytes);
        let objects = (0..heap.graph().objects()).filter(|&object| !heap.graph().is_excluded(object));
        let without = objects.filter(|&object| heap.name(heap.label(object), object).contains("without"));
        assert_eq!(found["without"], without.count());
        assert_eq!(found["edges"], heap.graph().rows().edges());
    });
}
