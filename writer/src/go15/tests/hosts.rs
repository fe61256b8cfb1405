//! Every host writes the same bytes. The other tests compare dumps with bytes that the same host has put together;
//! this one with what was written on a little-endian host of 64 bits, of which only the digests are kept.

use super::frames::{TwoFrames, named};
use super::heap::set_bits;
use super::roots::{data_segment, new_bucket};
use super::types::{DIRECT, new_itab, new_type};
use crate::go15::arch::Target;
use crate::go15::defects::Dialect;
use crate::go15::structs::*;
use crate::memory::Addr;
use crate::process::field::{Field, GoType, Uint64};
use crate::testing::{ARENA, Image, each_target};

/// A process that has something in most sections of its dump, with numbers of all lengths and signs.
fn process<T: Target>() -> Image<T> {
    let TwoFrames { mut image, g, .. } = TwoFrames::<T>::new(named("inner"), named("outer"));
    image.set(g, G::goid(), i64::MIN as u64);
    image.set(g, G::waitsince(), 1 << 62);

    let t = new_type(&mut image, "*main.T", T::PTR_SIZE, 0xfedc_ba98, DIRECT);
    new_itab(&mut image, 1008, t);

    let s = image.span(0, 1, 48);
    image.set(s, Mspan::freelist(), ARENA + 48);
    image.span(1, 2, 16384);
    for page in 0..3 {
        let contents: Vec<u8> =
            (0..8192u32).map(|i| (i.wrapping_mul(2_654_435_761) >> (page + 7)) as u8).collect();
        image.memory.write(Addr(ARENA + page * 8192), &contents);
    }
    image.set_pointer(Addr(ARENA + 48), Addr::NIL);
    set_bits(&mut image, &(0..5000).map(|i| (i, i % 3 == 0, i % 501 != 500)).collect::<Vec<_>>());

    let m = image.alloc(<M as GoType<T>>::SIZE);
    image.set(m, M::id(), -1i64 as u64);
    image.set(m, M::procid(), 0xffff_fffe);
    image.set_pointer(image.symbols.allm, m);

    data_segment(&mut image, &[1, u64::MAX, 0x0123_4567_89ab_cdef], 3, &[0b101]);
    let special = image.alloc(<SpecialProfile as GoType<T>>::SIZE);
    image.set(special, Special::kind(), 2);
    image.set(special, Special::offset(), 0x60);
    image.set(special, SpecialProfile::b(), 0xb0);
    image.set(s, Mspan::specials(), special.0);
    new_bucket(&mut image, 48, &[0xdead, u64::from(u32::MAX)], u64::MAX, 1 << 31);
    let stats = image.symbols.memstats;
    for i in 0..24 {
        image.set(stats, Field::<T, Uint64>::variable("memstats").element(i), u64::MAX >> (2 * i));
    }
    image
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

each_target!(a_dump_is_the_same_on_every_host);
fn a_dump_is_the_same_on_every_host<T: Target>() {
    let digests = match T::GOARCH {
        "amd64" => [0x44a3_d52f_ea95_d5e9, 0xbf97_6e16_df86_880b],
        "386" => [0x267e_1b34_8440_a4ca, 0x50f0_841b_4e8b_f232],
        "arm" => [0x45d9_6e54_1ee7_fec9, 0x2f0d_4028_c761_c97a],
        "ppc64" => [0x68a3_f068_ba34_18c3, 0xe972_34eb_ef0e_00e8],
        "arm64" => [0x0555_c19b_dabc_752e, 0x1d4d_d203_63e0_9ae1],
        "ppc64le" => [0x4a9c_0036_7990_fb52, 0xaac6_8ef4_e27e_b43d],
        "amd64p32" => [0x7f87_60ed_b544_c103, 0xb145_c009_2de5_56eb],
        "mips" => [0x60ea_689d_734b_b8a1, 0x772d_61e2_6cb7_dc86],
        other => unreachable!("no digests for {other}"),
    };
    let found = Dialect::ALL.map(|dialect| digest(&process::<T>().dump(dialect).unwrap()));
    assert_eq!(found, digests, "{found:#x?}");
}
