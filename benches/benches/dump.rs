//! Whole dumps of flat images, of every emulated machine, into a null sink and a file in memory.
//!
//! `HEAPMATRIX_DUMP_MB=1,10,100,1000` chooses the sizes.

use std::hint::black_box;
use std::io::Write;
use std::thread;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use heapmatrix_benches::image::Flat;
use heapmatrix_benches::shape::{self, Shape};
use heapmatrix_benches::{measured, sinks, sizes};
use heapmatrix_writer::bench::copy_pipelined;
use heapmatrix_writer::{AnyTarget, Options, Summary, write_heap_dump, write_heap_dump_pipelined};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let quick = std::env::args().any(|arg| arg == "--test");
    let sizes = if quick { vec![1] } else { sizes("HEAPMATRIX_DUMP_MB", &[1, 10, 100]) };
    for target in measured() {
        for shape in [&shape::SMALL, &shape::ALL] {
            for &mb in &sizes {
                dumps(&mut criterion, target, shape, mb);
            }
        }
    }
    criterion.final_summary();
}

fn dumps(criterion: &mut Criterion, target: AnyTarget, shape: &Shape, mb: u64) {
    let flat = Flat::new(target, shape, mb << 20);
    let bytes = write(&flat, sinks::Null).bytes;
    let mut group = criterion.benchmark_group(format!("dump {target} {} {mb} MB", shape.name));
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.bench_function("null", |b| b.iter(|| write(&flat, sinks::Null)));
    group.bench_function("dev-null", |b| {
        let mut file = sinks::dev_null();
        b.iter(|| write(&flat, &mut file));
    });
    if let Some(mut file) = sinks::tmpfs() {
        group.bench_function("tmpfs", |b| {
            let again = file.try_clone().expect("a second handle");
            b.iter_batched(|| sinks::rewind(&mut file), |()| write(&flat, &again), BatchSize::PerIteration);
        });
        group.bench_function("tmpfs pipelined", |b| {
            let again = file.try_clone().expect("a second handle");
            let pipelined = || {
                let (symbols, options) = (&flat.symbols, Options::default());
                black_box(write_heap_dump_pipelined(flat.target, &flat, symbols, &options, &again))
                    .expect("a sound image")
            };
            b.iter_batched(|| sinks::rewind(&mut file), |()| pipelined(), BatchSize::PerIteration);
        });
        // What the system takes for it at most: the same bytes, made before, by the same calls.
        let mut dump = Vec::with_capacity(bytes as usize);
        write(&flat, &mut dump);
        group.bench_function("tmpfs copy", |b| {
            let mut again = file.try_clone().expect("a second handle");
            let mut copy = || {
                dump.chunks(Options::DEFAULT_CAPACITY).for_each(|part| again.write_all(part).expect("room"));
            };
            b.iter_batched(|| sinks::rewind(&mut file), |()| copy(), BatchSize::PerIteration);
        });
        // The same with what a thread costs that is started for it.
        group.bench_function("tmpfs copy, new thread", |b| {
            let again = file.try_clone().expect("a second handle");
            let copy = || {
                let mut out = &again;
                dump.chunks(Options::DEFAULT_CAPACITY).for_each(|part| out.write_all(part).expect("room"));
            };
            let threaded = || thread::scope(|scope| scope.spawn(copy).join()).expect("no panic");
            b.iter_batched(|| sinks::rewind(&mut file), |()| threaded(), BatchSize::PerIteration);
        });
        // The same with what it costs to hand each byte over to another core.
        group.bench_function("tmpfs copy, handed over", |b| {
            let again = file.try_clone().expect("a second handle");
            let copy = || copy_pipelined(&dump, &again).expect("room");
            b.iter_batched(|| sinks::rewind(&mut file), |()| copy(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn write(flat: &Flat, out: impl Write) -> Summary {
    let options = Options::default();
    black_box(write_heap_dump(flat.target, flat, &flat.symbols, &options, out).expect("a sound image"))
}
