//! The results of `cargo bench` as tables, with ratios: what `make bench` prints at its end.
//!
//! Of each bench the fastest sample counts: what else the machine does can only add to the time.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Group, then function: nanoseconds an iteration, and the throughput's unit and amount.
type Results = BTreeMap<String, BTreeMap<String, (f64, String, f64)>>;

fn main() -> Result<(), Box<dyn Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut results = Results::new();
    collect(&target.join("criterion"), &mut results)?;
    println!("{}\n", machine());
    for (group, functions) in &results {
        println!("**{group}**\n");
        let integers = group.starts_with("dumpint");
        let ours = functions.get("heapmatrix");
        println!(
            "| | {} |{}",
            if integers { "ns each" } else { "GB/s" },
            if ours.is_some() { " times heapmatrix |" } else { "" }
        );
        println!("|---|---|{}", if ours.is_some() { "---|" } else { "" });
        for (function, (ns, unit, amount)) in functions {
            let figure = if unit == "Elements" { ns / amount } else { amount / ns };
            let ratio = ours.map_or(String::new(), |(ours, ..)| format!(" {:.2} |", ns / ours));
            println!("| {function} | {figure:.2} |{ratio}");
        }
        println!();
    }
    Ok(())
}

/// Reads every bench's samples below a directory.
fn collect(dir: &Path, results: &mut Results) -> Result<(), Box<dyn Error>> {
    let entries =
        fs::read_dir(dir).map_err(|error| format!("{}: {error}; run `cargo bench` first", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_some_and(|name| name == "new") {
            let read =
                |name| Ok::<Value, Box<dyn Error>>(serde_json::from_slice(&fs::read(path.join(name))?)?);
            let (bench, sample) = (read("benchmark.json")?, read("sample.json")?);
            let numbers = |key: &str| sample[key].as_array().into_iter().flatten().filter_map(Value::as_f64);
            let fastest =
                numbers("times").zip(numbers("iters")).map(|(ns, n)| ns / n).fold(f64::INFINITY, f64::min);
            let text = |key: &str| bench[key].as_str().unwrap_or_default().to_owned();
            if let Some((unit, amount)) = bench["throughput"].as_object().and_then(|t| t.iter().next()) {
                let result = (fastest, unit.clone(), amount.as_f64().unwrap_or(f64::NAN));
                results.entry(text("group_id")).or_default().insert(text("function_id"), result);
            }
        } else {
            collect(&path, results)?;
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
        "{} (family {}, model {}), {cores} cores, load {load}; {} {}",
        of("model name"),
        of("cpu family"),
        of("model"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
