//! `dwrite`: data of 1 byte to 64 KiB through the sink, beside `BufWriter`, into nothing, memory and a
//! file in memory.

use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use heapmatrix_benches::sinks::{self, Null};
use heapmatrix_writer::bench::Encoder;

/// How many data make an iteration.
const N: usize = 1024;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for size in [1, 8, 64, 512, 4095, 4096, 4097, 65536] {
        for (kib, capacity) in [(4, 4 << 10), (256, 256 << 10)] {
            let data = vec![0x5a; size];
            let group = |sink| format!("dwrite {size} bytes, {kib} KiB buffer, {sink}");
            null(&mut criterion.benchmark_group(group("null")), &data, capacity);
            vec(&mut criterion.benchmark_group(group("Vec")), &data, capacity);
            tmpfs(&mut criterion.benchmark_group(group("tmpfs")), &data, capacity);
        }
    }
    criterion.final_summary();
}

fn configure(group: &mut BenchmarkGroup<'_, WallTime>, data: &[u8]) {
    group.throughput(Throughput::Bytes((N * data.len()) as u64));
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
}

/// An output of which nobody knows what it is, as the writer's own is: a compiler that knows makes nothing of
/// writes to nothing.
fn any(out: &mut dyn Write) -> &mut dyn Write {
    black_box(out)
}

fn null(group: &mut BenchmarkGroup<'_, WallTime>, data: &[u8], capacity: usize) {
    configure(group, data);
    group.bench_function("heapmatrix", |b| {
        let mut null = Null;
        let mut encoder = Encoder::new(&mut null, capacity);
        b.iter(|| (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything")));
    });
    group.bench_function("BufWriter", |b| {
        let mut null = Null;
        let mut writer = BufWriter::with_capacity(capacity, any(&mut null));
        b.iter(|| (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything")));
    });
}

/// Into memory that is there already, and with the buffer made and flushed each time.
fn vec(group: &mut BenchmarkGroup<'_, WallTime>, data: &[u8], capacity: usize) {
    configure(group, data);
    let mut out = Vec::with_capacity(N * data.len());
    group.bench_function("heapmatrix", |b| {
        b.iter(|| {
            out.clear();
            let mut encoder = Encoder::new(&mut out, capacity);
            (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything"));
            encoder.flush().expect("takes everything");
        });
    });
    group.bench_function("BufWriter", |b| {
        b.iter(|| {
            out.clear();
            let mut writer = BufWriter::with_capacity(capacity, any(&mut out));
            (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything"));
            writer.flush().expect("takes everything");
        });
    });
}

/// Over a file's pages that are there already: otherwise the system's work hides the sink's.
fn tmpfs(group: &mut BenchmarkGroup<'_, WallTime>, data: &[u8], capacity: usize) {
    configure(group, data);
    let Some(mut file) = sinks::tmpfs() else { return };
    let again = file.try_clone().expect("a second handle");
    group.bench_function("heapmatrix", |b| {
        b.iter(|| {
            sinks::to_start(&mut file);
            let mut out = &again;
            let mut encoder = Encoder::new(&mut out, capacity);
            (0..N).for_each(|_| encoder.dwrite(black_box(data)).expect("takes everything"));
            encoder.flush().expect("takes everything");
        });
    });
    group.bench_function("BufWriter", |b| {
        b.iter(|| {
            sinks::to_start(&mut file);
            let mut writer = BufWriter::with_capacity(capacity, &again);
            (0..N).for_each(|_| writer.write_all(black_box(data)).expect("takes everything"));
            writer.flush().expect("takes everything");
        });
    });
}
