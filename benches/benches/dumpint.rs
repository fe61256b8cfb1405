//! `dumpint`: the writer's encoder beside its peers, on integers as dumps have them.
//!
//! Every encoder gets the same integers in the same chunks, as the records of a dump come, and writes into a
//! buffer that is large enough; "memcpy" copies the encoded bytes and is the ceiling.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use heapmatrix_benches::{mix, reference::Reference, sinks::Null};
use heapmatrix_writer::{AnyTarget, Options, bench::Encoder};
use integer_encoding::VarInt;

/// So many that no branch predictor learns them by heart: a dump does not come twice.
const N: usize = 1 << 18;
const MAX_LEN: usize = 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, integers) in [
        ("one byte", mix::one_byte(N)),
        ("pairs", mix::pairs(N)),
        ("pointers amd64", mix::heap_pointers(AnyTarget::Amd64, N)),
        ("pointers 386", mix::heap_pointers(AnyTarget::I386, N)),
        ("ten bytes", mix::ten_bytes(N)),
        ("real mix", mix::real(N)),
        ("records", mix::records(N)),
    ] {
        let mut group = criterion.benchmark_group(format!("dumpint {name}"));
        group.throughput(Throughput::Elements(N as u64));
        group
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .sample_size(30);
        encoders(&mut group, &integers);
        group.finish();
    }
    criterion.final_summary();
}

fn encoders(group: &mut BenchmarkGroup<'_, WallTime>, integers: &[u64]) {
    let encoded: Vec<u8> = integers.iter().flat_map(|v| v.encode_var_vec()).collect();
    let mut out = vec![0; N * MAX_LEN + 16];

    group.bench_function("heapmatrix", |b| {
        let mut null = Null;
        let mut encoder = Encoder::new(&mut null, Options::DEFAULT_CAPACITY);
        b.iter(|| encoder.dumpints(black_box(integers)).expect("takes everything"));
    });
    group.bench_function("heapmatrix one by one", |b| {
        let mut null = Null;
        let mut encoder = Encoder::new(&mut null, Options::DEFAULT_CAPACITY);
        b.iter(|| {
            for &v in black_box(integers) {
                encoder.dumpint(v).expect("takes everything");
            }
        });
    });
    group.bench_function("reference", |b| {
        let mut reference = Reference::new(Null);
        b.iter(|| {
            for &v in black_box(integers) {
                reference.dump_int(v).expect("takes everything");
            }
        });
    });
    group.bench_function("prost", |b| {
        b.iter(|| {
            let mut rest = &mut out[..];
            for &v in black_box(integers) {
                prost::encoding::encode_varint(v, &mut rest);
            }
            black_box(rest.len())
        });
        check("prost", &out, &encoded);
    });
    group.bench_function("integer-encoding", |b| {
        b.iter(|| {
            let mut at = 0;
            for &v in black_box(integers) {
                at += v.encode_var(&mut out[at..]);
            }
            black_box(at)
        });
        check("integer-encoding", &out, &encoded);
    });
    group.bench_function("leb128", |b| {
        b.iter(|| {
            let mut rest = &mut out[..];
            for &v in black_box(integers) {
                leb128::write::unsigned(&mut rest, v).expect("room");
            }
            black_box(rest.len())
        });
        check("leb128", &out, &encoded);
    });
    group.bench_function("varint-simd", |b| {
        b.iter(|| {
            let mut at = 0;
            for &v in black_box(integers) {
                let (bytes, n) = varint_simd::encode::<u64>(v);
                out[at..at + bytes.len()].copy_from_slice(&bytes);
                at += usize::from(n);
            }
            black_box(at)
        });
        check("varint-simd", &out, &encoded);
    });
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            out[..encoded.len()].copy_from_slice(black_box(&encoded));
            black_box(out[0])
        });
    });
}

/// No figure is worth anything if the bytes are others.
fn check(name: &str, out: &[u8], encoded: &[u8]) {
    // Nothing has been written where the bench was filtered out.
    assert!(out.iter().all(|&b| b == 0) || out.starts_with(encoded), "{name} encodes something else");
}
