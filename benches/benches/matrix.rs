//! A default world on each machine: image, guest run, dump and check. A thousand worlds on all four
//! machines are to take less than a minute on two cores: 30 ms a cell.

use criterion::{Criterion, criterion_group, criterion_main};
use heapmatrix::matrix::{self, EMULATED};
use heapmatrix::oracle::model;
use heapmatrix_writer::Options;

fn cells(c: &mut Criterion) {
    let mut group = c.benchmark_group("matrix");
    let world = matrix::world(1);
    for target in EMULATED {
        group.bench_function(format!("{target}/build and run"), |b| {
            b.iter(|| matrix::build(&world, target).unwrap());
        });
        let finished = matrix::build(&world, target).unwrap();
        group.bench_function(format!("{target}/dump"), |b| {
            b.iter(|| matrix::dump(&finished, &Options::default()).unwrap());
        });
        let dump = matrix::dump(&finished, &Options::default()).unwrap();
        group.bench_function(format!("{target}/check"), |b| {
            b.iter(|| model::check(&world, &finished.locations, &dump).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, cells);
criterion_main!(benches);
