//! A world of the default size on each machine, step by step: engine set-up, image build, guest run, dump, check.
//!
//! All steps together are what a cell of `heapmatrix run` takes. A thousand worlds on all machines are to
//! take less than half a minute on two cores.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use heapmatrix::matrix;
use heapmatrix::oracle::model;
use heapmatrix_emu::image::Image;
use heapmatrix_emu::machine::Machine;
use heapmatrix_emu::run::run_on_cpu;
use heapmatrix_emu::world::World;
use heapmatrix_writer::Defects;

fn emulate(c: &mut Criterion) {
    let world = matrix::world(1);
    for &target in World::MACHINES {
        let mut group = c.benchmark_group(format!("emulate {target}"));
        group
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .sample_size(20);
        let image = || Image::build(&world, target).expect("a world of the generator can be built");
        group
            .bench_function("1 engine set-up", |b| b.iter(|| Machine::new(target).expect("a known machine")));
        group.bench_function("2 image build", |b| b.iter(image));
        group.bench_function("3 set-up and guest run", |b| {
            b.iter_batched(image, |image| run_on_cpu(image).expect("it runs"), BatchSize::LargeInput);
        });
        let finished = matrix::build(&world, target).expect("it runs");
        let dump = || matrix::dump(&finished, Defects::NONE).expect("it is sound");
        group.bench_function("4 dump", |b| b.iter(dump));
        let dump = dump();
        group.bench_function("5 check", |b| {
            b.iter(|| model::check(&world, &finished.locations, &dump).expect("it is right"));
        });
        group.finish();
    }
}

criterion_group!(benches, emulate);
criterion_main!(benches);
