//! `dumpint`: the writer's encoder beside its peers, on integers as dumps have them.
//!
//! Every encoder gets the same integers, one after the other, and has the same to do: it writes into a buffer of the writer's
//! own size, which goes to an output when it is full. The peers only encode; the buffer around them is the plainest
//! that does so. "memcpy" copies the encoded bytes and is the ceiling.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use heapmatrix_benches::buffered::Buffered;
use heapmatrix_benches::{mix, reference::Reference, sinks::Null};
use heapmatrix_writer::{AnyTarget, Options, bench::Encoder};
use integer_encoding::VarInt;

/// So many that no branch predictor learns them by heart: a dump does not come twice.
const N: usize = 1 << 18;

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
    // What is not done, and why: the row of single bytes beside that of the real mix.
    group.bench_function("heapmatrix with a branch", |b| {
        let mut null = Null;
        let mut encoder = Encoder::new(&mut null, Options::DEFAULT_CAPACITY);
        b.iter(|| {
            for &v in black_box(integers) {
                let result = if v < 0x80 { encoder.dwrite(&[v as u8]) } else { encoder.dumpint(v) };
                result.expect("takes everything");
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
    peer(group, "prost", integers, &encoded, |mut to, v| {
        let room = to.len();
        prost::encoding::encode_varint(v, &mut to);
        room - to.len()
    });
    peer(group, "integer-encoding", integers, &encoded, |to, v| v.encode_var(to));
    peer(group, "leb128", integers, &encoded, |mut to, v| leb128::write::unsigned(&mut to, v).expect("room"));
    peer(group, "varint-simd", integers, &encoded, |to, v| {
        let (bytes, n) = varint_simd::encode::<u64>(v);
        to[..bytes.len()].copy_from_slice(&bytes);
        usize::from(n)
    });
    let mut out = vec![0; encoded.len()];
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            out.copy_from_slice(black_box(&encoded));
            black_box(out[0])
        });
    });
}

/// An encoder of somebody else's: it writes an integer to the front of its room, and says how many bytes it took.
fn peer(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    integers: &[u64],
    encoded: &[u8],
    encode: impl Fn(&mut [u8], u64) -> usize,
) {
    group.bench_function(name, |b| {
        let mut null = Null;
        let mut buffered = Buffered::new(&mut null, Options::DEFAULT_CAPACITY);
        b.iter(|| {
            for &v in black_box(integers) {
                buffered.put(|to| encode(to, v)).expect("takes everything");
            }
        });
    });
    // No figure is worth anything if the bytes are others.
    let mut out = Vec::with_capacity(encoded.len());
    let mut buffered = Buffered::new(&mut out, Options::DEFAULT_CAPACITY);
    integers.iter().for_each(|&v| buffered.put(|to| encode(to, v)).expect("takes everything"));
    buffered.flush().expect("takes everything");
    assert!(out == encoded, "{name} encodes something else");
}
