//! How the cost of a dump grows with the heap: speed, time an object, and the memory of the writer itself.
//!
//! Usage: `growth [MB]...`, 1 to 1000 if not said otherwise. Times are those on the CPU, of the fastest of some runs,
//! each of so many dumps that the system's clock is fine enough. `PLOT=FILE` draws them as well, as SVG.

use std::error::Error;

use heapmatrix_benches::image::Flat;
use heapmatrix_benches::plot::{self, Line};
use heapmatrix_benches::{measured, on_cpu, shape, sinks};
use heapmatrix_writer::{Options, write_heap_dump};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes = std::env::args().skip(1).map(|mb| mb.parse()).collect::<Result<Vec<u64>, _>>()?;
    if sizes.is_empty() {
        sizes = vec![1, 10, 100, 1000];
    }
    println!("## Growth: whole dumps into nothing\n");
    if std::env::var_os("PLOT").is_some() {
        println!("![speed over size](growth.svg)\n");
    }
    println!("| target | objects | MB | GB/s | ns an object | the writer's memory, KiB |");
    println!("|---|---|---|---|---|---|");
    let mut lines = Vec::new();
    for target in measured() {
        for shape in [&shape::SMALL, &shape::ALL] {
            let mut line = Line { name: format!("{target}, {} objects", shape.name), points: Vec::new() };
            for &mb in &sizes {
                let flat = Flat::new(target, shape, mb << 20);
                let (mut best, mut bytes) = (f64::INFINITY, 0);
                let before = MEMORY.current_usage();
                MEMORY.reset_peak_usage();
                let dumps = (200 / mb).max(1);
                for _ in 0..5 {
                    let start = on_cpu()?;
                    for _ in 0..dumps {
                        let options = Options::default();
                        bytes = write_heap_dump(target, &flat, &flat.symbols, &options, sinks::Null)?.bytes;
                    }
                    best = best.min((on_cpu()? - start) / dumps as f64);
                }
                let memory = MEMORY.peak_usage() - before;
                println!(
                    "| {target} | {} {} | {mb} | {:.2} | {:.1} | {} |",
                    flat.objects,
                    shape.name,
                    bytes as f64 / best,
                    best / flat.objects as f64,
                    memory.div_ceil(1024),
                );
                line.points.push((mb as f64, bytes as f64 / best));
            }
            lines.push(line);
        }
    }
    println!();
    if let Some(file) = std::env::var_os("PLOT") {
        plot::speeds(file.as_ref(), &lines)?;
    }
    Ok(())
}
