//! `dwrite`: data of 1 byte to 64 KiB through the sink, beside `BufWriter`, into nothing, memory and a
//! file in memory.

use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use heapmatrix_benches::sinks::{self, Counted, Null};
use heapmatrix_writer::bench::Encoder;

/// How many data make an iteration.
const N: usize = 1024;

/// How often each bench is run, with data and buffers in other places each time.
const ROUNDS: usize = 9;

/// By how many bytes places differ: neither a multiple of a line nor of a page.
const STEP: usize = 1040;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for size in [1, 8, 64, 512, 4095, 4096, 4097, 65536] {
        for (kib, capacity) in [(4, 4 << 10), (256, 256 << 10)] {
            for (sink, bench) in [("null", null as Bench), ("Vec", vec), ("tmpfs", tmpfs)] {
                let mut group =
                    criterion.benchmark_group(format!("dwrite {size} bytes, {kib} KiB buffer, {sink}"));
                configure(&mut group, size);
                let bytes = vec![0x5a; size + ROUNDS * STEP];
                for round in 0..ROUNDS {
                    // How fast bytes are copied depends on where they and the buffer happen to be.
                    let data = &bytes[round * STEP..][..size];
                    let spacer = Vec::<u8>::with_capacity(1 + round * STEP);
                    bench(&mut group, round, data, capacity);
                    if sink == "Vec" && size == 64 && kib > 4 {
                        cleared(&mut group, round, data, capacity);
                    }
                    drop(black_box(spacer));
                }
            }
        }
    }
    criterion.final_summary();
}

type Bench = fn(&mut BenchmarkGroup<'_, WallTime>, usize, &[u8], usize);

fn configure(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    group.throughput(Throughput::Bytes((N * size) as u64));
    group.sample_size(10).warm_up_time(Duration::from_millis(30)).measurement_time(Duration::from_millis(80));
}

/// An output of which nobody knows what it is, as the writer's own is: a compiler that knows makes nothing of
/// writes to nothing.
fn any(out: &mut dyn Write) -> &mut dyn Write {
    black_box(out)
}

/// A peer that knows what `dwrite` knows: how many bytes its output has taken.
fn counting(capacity: usize, out: &mut dyn Write) -> BufWriter<Counted<'_>> {
    BufWriter::with_capacity(capacity, Counted::new(any(out)))
}

fn null(group: &mut BenchmarkGroup<'_, WallTime>, round: usize, data: &[u8], capacity: usize) {
    group.bench_function(BenchmarkId::new("heapmatrix", round), |b| {
        let mut null = Null;
        let mut encoder = Encoder::new(any(&mut null), capacity);
        b.iter(|| (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything")));
    });
    group.bench_function(BenchmarkId::new("BufWriter", round), |b| {
        let mut null = Null;
        let mut writer = counting(capacity, &mut null);
        b.iter(|| (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything")));
        black_box(writer.get_ref().written());
    });
}

/// Into memory that is there already, and with the buffer made and flushed each time.
fn vec(group: &mut BenchmarkGroup<'_, WallTime>, round: usize, data: &[u8], capacity: usize) {
    let mut out = Vec::with_capacity(N * data.len());
    group.bench_function(BenchmarkId::new("heapmatrix", round), |b| {
        b.iter(|| {
            out.clear();
            let mut encoder = Encoder::new(any(&mut out), capacity);
            (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything"));
            encoder.flush().expect("takes everything");
        });
    });
    group.bench_function(BenchmarkId::new("BufWriter", round), |b| {
        b.iter(|| {
            out.clear();
            let mut writer = counting(capacity, &mut out);
            (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything"));
            writer.flush().expect("takes everything");
            black_box(writer.get_ref().written());
        });
    });
}

/// `BufWriter` into memory, with its buffer cleared first as far as it is used: what has no unsafe code must do that.
fn cleared(group: &mut BenchmarkGroup<'_, WallTime>, round: usize, data: &[u8], capacity: usize) {
    let mut out = Vec::with_capacity(N * data.len());
    let mut used = vec![0; capacity.min(N * data.len())];
    group.bench_function(BenchmarkId::new("BufWriter, cleared", round), |b| {
        b.iter(|| {
            out.clear();
            black_box(&mut used[..]).fill(0);
            let mut writer = counting(capacity, &mut out);
            (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything"));
            writer.flush().expect("takes everything");
            black_box(writer.get_ref().written());
        });
    });
}

/// Over a file's pages that are there already: otherwise the system's work hides the sink's.
fn tmpfs(group: &mut BenchmarkGroup<'_, WallTime>, round: usize, data: &[u8], capacity: usize) {
    let Some(mut file) = sinks::tmpfs() else { return };
    let again = file.try_clone().expect("a second handle");
    group.bench_function(BenchmarkId::new("heapmatrix", round), |b| {
        b.iter(|| {
            sinks::to_start(&mut file);
            let mut out = &again;
            let mut encoder = Encoder::new(any(&mut out), capacity);
            (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything"));
            encoder.flush().expect("takes everything");
        });
    });
    group.bench_function(BenchmarkId::new("BufWriter", round), |b| {
        b.iter(|| {
            sinks::to_start(&mut file);
            let mut out = &again;
            let mut writer = counting(capacity, &mut out);
            (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything"));
            writer.flush().expect("takes everything");
            black_box(writer.get_ref().written());
        });
    });
}
