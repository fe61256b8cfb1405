//! `dwrite`: data of 1 byte to 64 KiB through the sink, beside `BufWriter`, into nothing and into a file in memory.

use std::hint::black_box;
use std::io::{BufWriter, Write};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use heapmatrix_benches::sinks::{self, Null};
use heapmatrix_writer::bench::Encoder;

/// How many data make an iteration.
const N: usize = 64;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for size in [1, 8, 64, 512, 4095, 4096, 4097, 65536] {
        let mut group = criterion.benchmark_group(format!("dwrite {size}"));
        group.throughput(Throughput::Bytes((N * size) as u64));
        for (kib, capacity) in [(4, 4 << 10), (256, 256 << 10)] {
            sinks_of(&mut group, &vec![0x5a; size], kib, capacity);
        }
        group.finish();
    }
    criterion.final_summary();
}

fn sinks_of(group: &mut BenchmarkGroup<'_, WallTime>, data: &[u8], kib: usize, capacity: usize) {
    group.bench_function(format!("null heapmatrix {kib} KiB"), |b| {
        let mut encoder = Encoder::new(Null, capacity);
        b.iter(|| (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything")));
    });
    group.bench_function(format!("null BufWriter {kib} KiB"), |b| {
        let mut writer = BufWriter::with_capacity(capacity, Null);
        b.iter(|| (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything")));
    });
    // The file's pages are there already and written over: otherwise the system's work hides the sink's.
    let Some(mut file) = sinks::tmpfs() else { return };
    let again = file.try_clone().expect("a second handle");
    group.bench_function(format!("tmpfs heapmatrix {kib} KiB"), |b| {
        b.iter(|| {
            sinks::to_start(&mut file);
            let mut encoder = Encoder::new(&again, capacity);
            (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything"));
            encoder.flush().expect("takes everything");
        });
    });
    group.bench_function(format!("tmpfs BufWriter {kib} KiB"), |b| {
        b.iter(|| {
            sinks::to_start(&mut file);
            let mut writer = BufWriter::with_capacity(capacity, &again);
            (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything"));
            writer.flush().expect("takes everything");
        });
    });
}
