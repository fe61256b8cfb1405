//! The results of `cargo bench` as tables, with ratios: what `make bench` prints and `RESULTS.md` keeps.
//!
//! A bench's group is called `FAMILY ROW`, its functions are the columns. Of each bench the fastest sample
//! counts: what else the machine does can only add to the time.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a bench took, in nanoseconds, and what it did in that time.
struct Result {
    ns: f64,
    bytes: Option<f64>,
    elements: f64,
}

/// The rows of a family, and in each the functions.
type Family = BTreeMap<String, BTreeMap<String, Result>>;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut families = BTreeMap::new();
    collect(&target.join("criterion"), &mut families)?;
    println!("# Results\n\n{}\n", machine());
    println!("`make bench` makes these tables anew. Of each bench the fastest sample counts.\n");
    print_page(&families);
    for (family, rows) in &families {
        print_family(family, rows);
    }
    Ok(())
}

/// What is compared: the family, what is said of the row, ours, what are its peers, and what it can't be faster than.
struct Comparison {
    family: &'static str,
    note: &'static str,
    ours: &'static str,
    peers: fn(&str) -> bool,
    limit: Option<&'static str>,
}

fn is_encoder(function: &str) -> bool {
    ["prost", "integer-encoding", "leb128", "varint-simd"].contains(&function)
}

const COMPARISONS: [Comparison; 5] = [
    Comparison {
        family: "dumpint",
        note: ", in slices",
        ours: "heapmatrix",
        peers: is_encoder,
        limit: Some("memcpy"),
    },
    Comparison {
        family: "dumpint",
        note: ", one by one",
        ours: "heapmatrix one by one",
        peers: is_encoder,
        limit: Some("memcpy"),
    },
    Comparison {
        family: "dwrite",
        note: "",
        ours: "heapmatrix",
        peers: |function| function == "BufWriter",
        limit: None,
    },
    Comparison {
        family: "dump",
        note: " to tmpfs, two threads",
        ours: "tmpfs pipelined",
        peers: |_| false,
        limit: Some("tmpfs copy"),
    },
    Comparison {
        family: "parse",
        note: ", in a fixed buffer",
        ours: "stream",
        peers: |_| false,
        limit: Some("walk"),
    },
];

/// The page that all of this is for: each row that has a peer or a limit.
fn print_page(families: &BTreeMap<String, Family>) {
    println!("## At a glance\n");
    println!(
        "\"Ratio\" is how many times as fast as the best peer; the limit is what no writer or reader could pass:"
    );
    println!("a copy of the same bytes, by the same calls; for a stream, a walk over the dump in memory.\n");
    println!("| | ours | best peer | ratio | limit | of it |");
    println!("|---|---|---|---|---|---|");
    for comparison in &COMPARISONS {
        let Some(rows) = families.get(comparison.family) else { continue };
        for (name, row) in sorted(rows) {
            let Some(ours) = row.get(comparison.ours) else { continue };
            let peers = row.iter().filter(|(function, _)| (comparison.peers)(function));
            let peer = peers.min_by(|(_, a), (_, b)| a.ns.total_cmp(&b.ns));
            let limit = comparison.limit.and_then(|limit| row.get(limit));
            println!(
                "| {} {name}{} | {} | {} | {} | {} | {} |",
                comparison.family,
                comparison.note,
                figure_with_unit(ours),
                peer.map_or("–".into(), |(function, peer)| format!(
                    "{function} {}",
                    figure_with_unit(peer)
                )),
                peer.map_or("–".into(), |(_, peer)| format!("{:.2}", peer.ns / ours.ns)),
                limit.map_or("–".into(), figure_with_unit),
                limit.map_or("–".into(), |limit| format!("{:.0} %", 100.0 * limit.ns / ours.ns)),
            );
        }
    }
    println!();
}

fn figure_with_unit(result: &Result) -> String {
    if result.bytes.is_some() { format!("{} GB/s", figure(result)) } else { figure(result) }
}

fn print_family(family: &str, rows: &Family) {
    let functions: BTreeSet<&String> = rows.values().flat_map(|row| row.keys()).collect();
    let of_bytes = rows.values().flat_map(|row| row.values()).any(|result| result.bytes.is_some());
    let compared = functions.iter().any(|function| function.as_str() == "heapmatrix");
    println!("## {family}, {}\n", if of_bytes { "GB/s" } else { "time for one" });
    let heads: Vec<&str> = functions.iter().map(|function| function.as_str()).collect();
    let ratio = if compared { " times as fast as the best peer |" } else { "" };
    println!("| | {} |{ratio}", heads.join(" | "));
    println!("|---|{}{}", "---|".repeat(heads.len()), if compared { "---|" } else { "" });
    for (name, row) in sorted(rows) {
        let figures = functions.iter().map(|&function| row.get(function).map_or("–".into(), figure));
        print!("| {name} | {} |", figures.collect::<Vec<_>>().join(" | "));
        if compared {
            print!(" {} |", ratio_of(row).map_or("–".into(), |ratio| format!("{ratio:.2}")));
        }
        println!();
    }
    println!();
}

/// Rows with numbers in the order of these: 512 before 4096.
fn sorted(rows: &Family) -> Vec<(&String, &BTreeMap<String, Result>)> {
    let key = |name: &str| -> Vec<(u64, String)> {
        name.split(' ').map(|word| (word.parse().unwrap_or(u64::MAX), word.to_owned())).collect()
    };
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_cached_key(|(name, _)| key(name));
    rows
}

/// GB/s of what has bytes, and otherwise the time for one element.
fn figure(result: &Result) -> String {
    if let Some(bytes) = result.bytes {
        return format!("{:.2}", bytes / result.ns);
    }
    match result.ns / result.elements {
        ns if ns < 1e3 => format!("{ns:.2} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

/// The fastest peer's time by this project's own. The reference's algorithm and a mere copy are no peers.
fn ratio_of(row: &BTreeMap<String, Result>) -> Option<f64> {
    let is_peer = |name: &str| !name.starts_with("heapmatrix") && !["memcpy", "reference"].contains(&name);
    let peers = row.iter().filter(|(name, _)| is_peer(name)).map(|(_, peer)| peer.ns);
    Some(peers.min_by(f64::total_cmp)? / row.get("heapmatrix")?.ns)
}

/// Reads every bench's samples below a directory.
fn collect(dir: &Path, families: &mut BTreeMap<String, Family>) -> std::result::Result<(), Box<dyn Error>> {
    let entries =
        fs::read_dir(dir).map_err(|error| format!("{}: {error}; run `cargo bench` first", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "new") {
            let read = |name| -> std::result::Result<Value, Box<dyn Error>> {
                Ok(serde_json::from_slice(&fs::read(path.join(name))?)?)
            };
            let (bench, sample) = (read("benchmark.json")?, read("sample.json")?);
            let numbers = |key: &str| sample[key].as_array().into_iter().flatten().filter_map(Value::as_f64);
            let ns =
                numbers("times").zip(numbers("iters")).map(|(ns, n)| ns / n).fold(f64::INFINITY, f64::min);
            let amount = |unit: &str| bench["throughput"][unit].as_f64();
            let result = Result { ns, bytes: amount("Bytes"), elements: amount("Elements").unwrap_or(1.0) };
            let text = |key: &str| bench[key].as_str().unwrap_or_default();
            let (family, row) = text("group_id").split_once(' ').unwrap_or((text("group_id"), ""));
            let rows = families.entry(family.to_owned()).or_default();
            rows.entry(row.to_owned()).or_default().insert(text("function_id").to_owned(), result);
        } else if path.is_dir() {
            collect(&path, families)?;
        }
    }
    Ok(())
}

/// What was measured on: processor, number of cores, system.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(key)?.split_once(": "));
        value.map_or("unknown", |(_, value)| value).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    format!(
        "{} (family {}, model {}), {cores} cores, load {load}; {} {}; release profile, no target features",
        of("model name"),
        of("cpu family"),
        of("model"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
