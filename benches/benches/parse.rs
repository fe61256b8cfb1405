//! Reading dumps: walking every record, indexing the objects, and streaming within a fixed buffer. The walk and the stream do
//! the same with what they read.
//!
//! `HEAPMATRIX_PARSE_MB=50` chooses the size of the heap that was dumped; 500 if not said otherwise.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use heapmatrix_benches::image::Flat;
use heapmatrix_benches::reading::{stream, walk};
use heapmatrix_benches::{shape, sizes};
use heapmatrix_reader::{Dump, Index};
use heapmatrix_writer::{AnyTarget, Options, write_heap_dump};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let quick = std::env::args().any(|arg| arg == "--test");
    let sizes = if quick { vec![1] } else { sizes("HEAPMATRIX_PARSE_MB", &[500]) };
    for mb in sizes {
        for shape in [&shape::SMALL, &shape::ALL] {
            let flat = Flat::new(AnyTarget::Amd64, shape, mb << 20);
            let mut dump = Vec::new();
            write_heap_dump(flat.target, &flat, &flat.symbols, &Options::default(), &mut dump)
                .expect("a sound image");
            let objects = flat.objects;
            drop(flat);
            let mut group = criterion.benchmark_group(format!("parse {} {mb} MB", shape.name));
            group.throughput(Throughput::Bytes(dump.len() as u64));
            group.sample_size(10);
            group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
            group.bench_function("walk", |b| b.iter(|| assert_eq!(walk(black_box(&dump)), objects)));
            group.bench_function("index", |b| {
                b.iter(|| {
                    let dump = Dump::new(black_box(&dump)).expect("sound");
                    assert_eq!(Index::new(dump).expect("sound").len() as u64, objects);
                });
            });
            group.bench_function("stream", |b| b.iter(|| assert_eq!(stream(black_box(&dump)), objects)));
            group.finish();
        }
    }
    criterion.final_summary();
}
