//! The buffer and the calls of `write`.

use heapmatrix_emu::world::World;
use heapmatrix_writer::{Addr, AnyTarget};

use super::super::memory::Pointer;
use super::super::{Cause, Fixes, Literal, Runtime};
use super::image::{Image, SCRATCH};

fn ns(file: &Literal) -> Vec<i64> {
    assert_eq!(file.writes.iter().map(|w| w.written).sum::<u64>(), file.bytes.len() as u64);
    file.writes.iter().map(|w| w.n).collect()
}

fn put(rt: &mut Runtime<'_>, len: usize) {
    rt.dwrite(Pointer::Host(&vec![7; len]), len as u64).unwrap();
}

#[test]
fn the_buffer_is_written_when_the_next_datum_does_not_fit() {
    let image = Image::new(AnyTarget::Amd64);
    for (data, writes) in [
        (&[4096][..], &[4096][..]), // a full buffer is no reason to write
        (&[4095, 1], &[4096]),
        (&[4096, 1], &[4096, 1]),
        (&[4095, 2], &[4095, 2]),
        (&[1, 4095], &[4096]),
        (&[1, 4096], &[1, 4096, 0]),
        (&[0, 0], &[0]), // nothing but the flush at the end
        (&[4097], &[0, 4097, 0]),
        (&[3, 5000, 6000, 1], &[3, 5000, 0, 6000, 1]),
    ] {
        let mut rt = image.runtime(Fixes::NONE);
        data.iter().for_each(|&len| put(&mut rt, len));
        rt.flush().unwrap();
        assert_eq!(ns(&rt.file), writes, "{data:?}");
        assert_eq!(rt.file.bytes, vec![7; data.iter().sum()]);

        let mut rt = image.runtime(Fixes { empty_writes: true, ..Fixes::NONE });
        data.iter().for_each(|&len| put(&mut rt, len));
        rt.flush().unwrap();
        let full: Vec<i64> = writes.iter().copied().filter(|&n| n != 0).collect();
        assert_eq!(ns(&rt.file), full, "{data:?}");
    }
}

#[test]
fn varints_are_those_of_encoding_binary() {
    let image = Image::new(AnyTarget::Ppc64);
    let mut rt = image.runtime(Fixes::NONE);
    for v in [0, 0x7f, 0x80, 300, u64::MAX] {
        rt.dumpint(v).unwrap();
    }
    rt.dumpbool(true).unwrap();
    rt.dumpbool(false).unwrap();
    rt.dumpslice(b"").unwrap();
    rt.dumpslice(b"xy").unwrap();
    rt.dumpstr("?".into()).unwrap();
    rt.flush().unwrap();
    let ff = [0xff; 9];
    let bytes = [&[0, 0x7f, 0x80, 1, 0xac, 2], &ff[..], &[1, 1, 0, 0, 2, b'x', b'y', 1, b'?']].concat();
    assert_eq!(rt.file.bytes, bytes);
}

#[test]
fn a_long_datum_is_written_up_to_the_hole_in_memory() {
    let mut image = Image::new(AnyTarget::I386);
    image.bytes(SCRATCH, &[9; 5000]);
    let readable = 5000u64.next_multiple_of(256);
    let mut rt = image.runtime(Fixes::NONE);
    put(&mut rt, 2);
    rt.dwrite(Pointer::Target(SCRATCH), 9000).unwrap();
    put(&mut rt, 1);
    rt.flush().unwrap();
    assert_eq!(ns(&rt.file), [2, 9000, 1]);
    assert_eq!(rt.file.writes[1].written, readable);

    let mut rt = image.runtime(Fixes { write_errors: true, ..Fixes::NONE });
    let stop = rt.dwrite(Pointer::Target(SCRATCH), 9000).unwrap_err();
    let Cause::Fault { source, .. } = stop else { panic!("{stop}") };
    assert_eq!(source.addr, Addr(SCRATCH + readable));
    assert_eq!(rt.file.bytes.len() as u64, readable, "what was readable has been written");
}

#[test]
fn a_short_datum_with_a_hole_is_a_crash() {
    let mut image = Image::new(AnyTarget::Arm);
    image.bytes(SCRATCH, &[9; 256]);
    for fixes in [Fixes::NONE, Fixes::ALL] {
        let mut rt = image.runtime(fixes);
        let stop = rt.dwrite(Pointer::Target(SCRATCH), 257).unwrap_err();
        assert!(matches!(stop, Cause::Fault { what: "dumped memory", .. }), "{stop}");
        assert!(rt.file.writes.is_empty());
    }
}

#[test]
fn lengths_lose_their_upper_bits() {
    // 8 KB can be read; the length says more than an int32 holds.
    for &target in World::MACHINES.iter().filter(|t| t.ptr_size() == 8) {
        let mut image = Image::new(target);
        image.bytes(SCRATCH, &[5; 8192]);
        let written = |len: u64, fixes| {
            let mut rt = image.runtime(fixes);
            rt.dwrite(Pointer::Target(SCRATCH), len).unwrap();
            (rt.file.writes[1].n, rt.file.writes[1].written)
        };
        assert_eq!(written(1 << 32 | 5000, Fixes::NONE), (5000, 5000));
        assert_eq!(written(1 << 32, Fixes::NONE), (0, 0));
        // amd64's system call doesn't see the sign.
        let negative = if target == AnyTarget::Amd64 { 8192 } else { 0 };
        assert_eq!(written(0xffff_f000, Fixes::NONE), (-4096, negative));
        let long_writes = Fixes { long_writes: true, ..Fixes::NONE };
        assert_eq!(written(1 << 32 | 5000, long_writes), (1 << 32 | 5000, 8192));
    }
}

#[test]
fn the_buffer_lies_in_target_memory_too() {
    let mut image = Image::new(AnyTarget::Ppc64);
    image.zero(SCRATCH, 4096 + 8);
    image.symbols.buf = Addr(SCRATCH);
    image.symbols.nbuf = Addr(SCRATCH + 4096);
    let mut rt = image.runtime(Fixes::NONE);
    rt.dwrite(Pointer::Host(b"abc"), 3).unwrap();
    assert_eq!(rt.load_uintptr(SCRATCH + 4096, "nbuf").unwrap(), 3);
    // Dumping them shows them as they are at that moment.
    rt.dwrite(Pointer::Target(SCRATCH), 4096 + 8).unwrap();
    assert_eq!(&rt.file.bytes[3..6], b"abc");
    assert_eq!(rt.file.bytes[3 + 4096..], [0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(rt.load_uintptr(SCRATCH + 4096, "nbuf").unwrap(), 0);

    let mut rt = image.runtime(Fixes { own_variables: true, ..Fixes::NONE });
    rt.dwrite(Pointer::Host(b"abc"), 3).unwrap();
    rt.dwrite(Pointer::Target(SCRATCH), 4096 + 8).unwrap();
    assert_eq!(rt.file.bytes[3..], [0; 4096 + 8]);
}
