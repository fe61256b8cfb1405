//! The results of `cargo bench` as tables, with ratios: what `make bench` prints and `RESULTS.md` keeps.
//!
//! A bench's group is called `FAMILY ROW`, its functions are the columns. Of each bench the fastest sample
//! counts: what else the machine does can only add to the time. Where a bench has rounds, the median of their fastest does.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a bench took, and what it did in that time.
struct Result {
    /// The fastest sample of each round, in nanoseconds, by the round's name.
    rounds: BTreeMap<String, f64>,
    bytes: Option<f64>,
    elements: f64,
}

impl Result {
    /// The median of the rounds, in nanoseconds.
    fn ns(&self) -> f64 {
        median(self.rounds.values().copied())
    }

    /// How many times as fast as another one, round by round.
    fn ratios(&self, other: &Result) -> Vec<f64> {
        self.rounds.iter().filter_map(|(round, ns)| Some(other.rounds.get(round)? / ns)).collect()
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { (values[middle - 1] + values[middle]) / 2.0 } else { values[middle] }
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
    limit: Option<Limit>,
    /// What a row that is behind is explained with: the first that holds.
    evidence: &'static [Evidence],
}

/// What no writer or reader could pass, and the part of it that is aimed at, if any.
struct Limit {
    function: &'static str,
    aim: Option<f64>,
}

/// Another function of the bench that shows why a row is not faster. `what` it does is said on the page.
enum Evidence {
    /// A function that has no less to do, of whose speed the row must reach what is aimed at. What it passes is no limit.
    Limit { what: &'static str, function: &'static str },
    /// The same of two that come one after the other, the first of which ends after so many bytes.
    Both { what: &'static str, first: &'static str, bytes: f64, then: &'static str },
    /// A peer that does something more, which is needed here: the row is no slower than that.
    Needed { what: &'static str, function: &'static str },
    /// A variant that is faster here, and in another row must be slower.
    Price { what: &'static str, function: &'static str, elsewhere: &'static str },
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
        limit: Some(Limit { function: "memcpy", aim: None }),
        evidence: &[],
    },
    Comparison {
        family: "dumpint",
        note: ", one by one",
        ours: "heapmatrix one by one",
        peers: is_encoder,
        limit: Some(Limit { function: "memcpy", aim: None }),
        evidence: &[Evidence::Price {
            what: "with a branch for one byte",
            function: "heapmatrix with a branch",
            elsewhere: "real mix",
        }],
    },
    Comparison {
        family: "dwrite",
        note: "",
        ours: "heapmatrix",
        peers: |function| function == "BufWriter",
        limit: None,
        evidence: &[Evidence::Needed {
            what: "memory must be cleared without unsafe code; BufWriter and that",
            function: "BufWriter, cleared",
        }],
    },
    Comparison {
        family: "dump",
        note: " to tmpfs, two threads",
        ours: "tmpfs pipelined",
        peers: |_| false,
        limit: Some(Limit { function: "tmpfs copy", aim: Some(0.9) }),
        evidence: &[
            Evidence::Both {
                what: "up to 2.5 MiB encoded, then all copied",
                first: "null",
                bytes: 2.5 * 1024.0 * 1024.0,
                then: "tmpfs copy",
            },
            Evidence::Limit { what: "copied by a thread started for it", function: "tmpfs copy, new thread" },
            Evidence::Limit {
                what: "handed over to a thread without being encoded",
                function: "tmpfs copy, handed over",
            },
        ],
    },
    Comparison {
        family: "parse",
        note: ", in a fixed buffer",
        ours: "stream",
        peers: |_| false,
        limit: Some(Limit { function: "walk", aim: Some(0.5) }),
        evidence: &[],
    },
];

/// The page that all of this is for: each row that has a peer or a limit.
fn print_page(families: &BTreeMap<String, Family>) {
    println!("## At a glance\n");
    println!(
        "\"Ratio\" is how many times as fast as the best peer, of several rounds the median, and the range; the limit is what no"
    );
    println!(
        "writer or reader could pass: a copy of the same bytes, by the same calls; for a stream, a walk over the"
    );
    println!(
        "dump in memory. Rows below 1, or below what is aimed at (90 % of a copy, half of a walk), say why.\n"
    );
    let mut table = String::new();
    let mut behind = 0;
    for comparison in &COMPARISONS {
        let Some(rows) = families.get(comparison.family) else { continue };
        for (name, row) in sorted(rows) {
            let Some(line) = Line::of(comparison, rows, row) else { continue };
            behind += usize::from(line.verdict == Verdict::Behind);
            table += &format!("| {} {name}{} | {line} |\n", comparison.family, comparison.note);
        }
    }
    println!("Behind without a reason that was measured: {behind} rows.\n");
    println!("| | ours | best peer | ratio | range | limit | of it | why |");
    println!("|---|---|---|---|---|---|---|---|");
    println!("{table}");
}

/// A row of the page.
struct Line<'r> {
    ours: &'r Result,
    peer: Option<(&'r str, &'r Result)>,
    limit: Option<&'r Result>,
    verdict: Verdict,
    /// What was measured of why it is behind.
    reason: String,
}

/// How a row stands beside its peers and its limit.
#[derive(PartialEq)]
enum Verdict {
    Ahead,
    /// Behind by a twentieth at most, and by no more than rounds differ.
    Even,
    /// Behind, for a reason that was measured.
    Limited,
    Behind,
}

fn is_even(ratios: &[f64]) -> bool {
    let (low, high) = range(ratios);
    let middle = median(ratios.iter().copied());
    middle >= 0.95 && high - low >= 1.0 - middle
}

fn range(ratios: &[f64]) -> (f64, f64) {
    ratios.iter().fold((f64::INFINITY, 0.0), |(low, high), &ratio| (low.min(ratio), high.max(ratio)))
}

impl<'r> Line<'r> {
    fn of(comparison: &Comparison, rows: &Family, row: &'r BTreeMap<String, Result>) -> Option<Self> {
        let ours = row.get(comparison.ours)?;
        let peers = row.iter().filter(|(function, _)| (comparison.peers)(function));
        let peer = peers.min_by(|(_, a), (_, b)| a.ns().total_cmp(&b.ns()));
        let peer = peer.map(|(function, peer)| (function.as_str(), peer));
        let limit = comparison.limit.as_ref().and_then(|limit| row.get(limit.function));
        let aim = comparison.limit.as_ref().and_then(|limit| limit.aim);
        let mut line = Line { ours, peer, limit, verdict: Verdict::Ahead, reason: String::new() };
        let (ratios, of_limit) = (line.ratios(), line.of_limit());
        let slower = !ratios.is_empty() && median(ratios.iter().copied()) < 1.0;
        let below = aim.zip(of_limit).is_some_and(|(aim, part)| part < aim);
        if slower && is_even(&ratios) {
            line.verdict = Verdict::Even;
        } else if slower || below {
            let mut reasons = comparison
                .evidence
                .iter()
                .filter_map(|evidence| evidence.show(comparison.ours, aim.unwrap_or(1.0), rows, row));
            let shown = reasons.find_map(|(holds, reason)| holds.then_some(reason));
            line.verdict = if shown.is_some() { Verdict::Limited } else { Verdict::Behind };
            line.reason = shown.unwrap_or_default();
        }
        Some(line)
    }

    fn ratios(&self) -> Vec<f64> {
        self.peer.map_or_else(Vec::new, |(_, peer)| self.ours.ratios(peer))
    }

    fn of_limit(&self) -> Option<f64> {
        Some(self.limit?.ns() / self.ours.ns())
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = || "–".to_owned();
        let ratios = self.ratios();
        let (low, high) = range(&ratios);
        write!(
            f,
            "{} | {} | {} | {} | {} | {} | {}",
            figure_with_unit(self.ours),
            self.peer.map_or_else(none, |(name, peer)| format!("{name} {}", figure_with_unit(peer))),
            if ratios.is_empty() { none() } else { format!("{:.2}", median(ratios.iter().copied())) },
            if ratios.len() > 1 { format!("{low:.2}–{high:.2}") } else { none() },
            self.limit.map_or_else(none, figure_with_unit),
            self.of_limit().map_or_else(none, |part| format!("{:.0} %", 100.0 * part)),
            match &self.verdict {
                Verdict::Ahead | Verdict::Limited => "",
                Verdict::Even => "even: rounds differ by more",
                Verdict::Behind => "**behind**",
            }
        )?;
        f.write_str(&self.reason)
    }
}

impl Evidence {
    /// Whether it holds, and its figures; nothing where it was not measured.
    fn show(
        &self,
        ours: &str,
        aim: f64,
        rows: &Family,
        row: &BTreeMap<String, Result>,
    ) -> Option<(bool, String)> {
        let beside = |what: &str, ns: f64| {
            let ours = row.get(ours)?;
            let limit = Result { rounds: BTreeMap::from([(String::new(), ns)]), ..*ours };
            let part = ns / ours.ns();
            Some((aim <= part && part <= 1.05, format!("{what}: {}", figure_with_unit(&limit))))
        };
        match self {
            Self::Limit { what, function } => beside(what, row.get(*function)?.ns()),
            Self::Needed { what, function } => {
                let other = row.get(*function)?;
                let holds = row.get(ours)?.ns() <= other.ns();
                Some((holds, format!("{what}: {}", figure_with_unit(other))))
            }
            Self::Both { what, first, bytes, then } => {
                let first = row.get(*first)?;
                let part = (bytes / first.bytes?).min(1.0);
                beside(what, part * first.ns() + row.get(*then)?.ns())
            }
            Self::Price { what, function, elsewhere } => {
                let other = rows.get(*elsewhere)?;
                let (here, with, without) = (row.get(*function)?, other.get(*function)?, other.get(ours)?);
                let [here, dear, cheap] = [here, with, without].map(figure_with_unit);
                let text = format!("{what}: {here}, but {elsewhere} {dear} in place of {cheap}");
                Some((with.ns() > without.ns(), text))
            }
        }
    }
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
        return format!("{:.2}", bytes / result.ns());
    }
    match result.ns() / result.elements {
        ns if ns < 1e3 => format!("{ns:.2} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

/// The fastest peer's time by this project's own. The reference's algorithm and a mere copy are no peers.
fn ratio_of(row: &BTreeMap<String, Result>) -> Option<f64> {
    let is_peer = |name: &str| {
        !name.starts_with("heapmatrix") && !["memcpy", "reference", "BufWriter, cleared"].contains(&name)
    };
    let peers = row.iter().filter(|(name, _)| is_peer(name)).map(|(_, peer)| peer);
    let best = peers.min_by(|a, b| a.ns().total_cmp(&b.ns()))?;
    Some(median(row.get("heapmatrix")?.ratios(best)))
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
            let text = |key: &str| bench[key].as_str().unwrap_or_default();
            let (family, row) = text("group_id").split_once(' ').unwrap_or((text("group_id"), ""));
            let rows = families.entry(family.to_owned()).or_default();
            let functions = rows.entry(row.to_owned()).or_default();
            let result = functions.entry(text("function_id").to_owned()).or_insert_with(|| Result {
                rounds: BTreeMap::new(),
                bytes: amount("Bytes"),
                elements: amount("Elements").unwrap_or(1.0),
            });
            result.rounds.insert(text("value_str").to_owned(), ns);
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
