//! Whole dumps of small processes, byte by byte, on every target.

mod frames;
mod heap;
mod hosts;
mod objects;
mod roots;
mod types;

use crate::go15::Program;
use crate::go15::arch::Target;
use crate::go15::defects::{Defects, Dialect};
use crate::go15::structs::{M, Mstats};
use crate::memory::Addr;
use crate::process::field::{Field, GoType, Int32, Uint64};
use crate::target::{Amd64, AnyTarget, Arm, I386, Ppc64};
use crate::testing::{Expected, Image, assert_same, each_target, ints};
use crate::{Error, Options, Symbols, Tag};

each_target!(an_empty_process);
fn an_empty_process<T: Target>() {
    let expected = Expected::<T>::default().bytes();
    for dialect in Dialect::ALL {
        assert_same(&Image::<T>::new().dump(dialect).unwrap(), &expected);
    }
    let mut image = Image::<T>::new();
    image.memory.lends = false;
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected);
}

each_target!(a_target_chosen_at_run_time);
fn a_target_chosen_at_run_time<T: Target>() {
    let mut image = Image::<T>::new();
    image.finish();
    let mut out = Vec::new();
    let summary =
        crate::write_heap_dump(T::ANY, &image.memory, &image.symbols, &Options::default(), &mut out).unwrap();
    assert_same(&out, &Expected::<T>::default().bytes());
    assert_eq!(summary.bytes, out.len() as u64);
}

#[test]
fn the_output_is_written_in_pieces_of_256_kib_unless_said_otherwise() {
    struct Pieces(Vec<usize>);
    impl std::io::Write for Pieces {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0.push(buf.len());
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut image = Image::<Amd64>::new();
    image.span(0, 64, 32 << 10);
    image.finish();
    let mut pieces = Pieces(Vec::new());
    crate::write_heap_dump(AnyTarget::Amd64, &image.memory, &image.symbols, &Options::default(), &mut pieces)
        .unwrap();
    // An object's contents are never divided: seven of 32 KiB and what precedes each are what fits.
    assert!(matches!(pieces.0[..], [229_376..=262_144, 229_376..=262_144, _]), "{:?}", pieces.0);
}

/// What is read from the buffer itself depends on when it is written.
#[test]
fn the_capacity_is_the_reference_s_where_the_buffer_can_be_seen_in_the_dump() {
    let seen = |by_address, in_bss, buf| {
        let defects =
            Defects { type_names_by_address: by_address, own_variables_in_bss: in_bss, ..Defects::NONE };
        let symbols = Symbols { buf, ..Symbols::default() };
        let options = Options { capacity: 100, ..Options::default() };
        Program { symbols: &symbols, defects, sys_alloc: None }.capacity(&options)
    };
    assert_eq!(seen(true, true, Addr(0x1000)), Options::REFERENCE_CAPACITY);
    for (by_address, in_bss, buf) in
        [(false, true, Addr(0x1000)), (true, false, Addr(0x1000)), (true, true, Addr::NIL)]
    {
        assert_eq!(seen(by_address, in_bss, buf), 100, "{by_address}, {in_bss}, {buf}");
    }
}

#[test]
fn params_begin_as_on_real_machines() {
    fn first_bytes<T: Target>() -> (Vec<u8>, Vec<u8>) {
        let mut image = Image::<T>::new();
        let ncpu = image.symbols.ncpu;
        image.set(ncpu, Field::<T, Int32>::variable("ncpu"), 2);
        let dump = image.dump(Dialect::Go15).unwrap();
        // Between the two are five bytes for each of the arena's bounds.
        (dump[16..19].to_vec(), dump[29..32].to_vec())
    }
    assert_eq!(first_bytes::<Amd64>(), (vec![0x06, 0x00, 0x08], vec![0x36, 0x00, 0x02]));
    assert_eq!(first_bytes::<I386>(), (vec![0x06, 0x00, 0x04], vec![0x38, 0x00, 0x02]));
    assert_eq!(first_bytes::<Arm>(), (vec![0x06, 0x00, 0x04], vec![0x35, 0x00, 0x02]));
    assert_eq!(first_bytes::<Ppc64>(), (vec![0x06, 0x01, 0x08], vec![0x39, 0x00, 0x02]));
}

each_target!(params_carry_the_experiments);
fn params_carry_the_experiments<T: Target>() {
    let mut image = Image::<T>::new();
    image.symbols.goexperiment = image.string("framepointer");
    let dump = image.dump(Dialect::Go15).unwrap();
    assert_eq!(dump[29..43], [&[T::THECHAR, 12], b"framepointer".as_slice()].concat());
}

each_target!(threads_in_the_order_of_allm);
fn threads_in_the_order_of_allm<T: Target>() {
    let mut image = Image::<T>::new();
    let ms = [0, 1].map(|_| image.alloc(<M as GoType<T>>::SIZE));
    for (m, id, procid) in [(ms[0], 5, 0x1_0000_0001), (ms[1], -1i64 as u64, 77)] {
        image.set(m, M::id(), id);
        image.set(m, M::procid(), procid);
    }
    image.set_pointer(image.symbols.allm, ms[0]);
    image.set(ms[0], M::alllink(), ms[1].0);
    // An id is an int32, whose sign goes into the 64 bits that are written.
    let threads = ints(&[9, ms[0].0, 5, 0x1_0000_0001, 9, ms[1].0, u64::MAX, 77]);
    let expected = Expected::<T> { threads, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());

    image.set(ms[1], M::alllink(), ms[0].0);
    let error = image.error().to_string();
    assert!(error.starts_with("the list linked through m.alllink loops: it comes back to 0x"), "{error}");
}

each_target!(memstats_in_the_order_of_the_reference);
fn memstats_in_the_order_of_the_reference<T: Target>() {
    let mut image = Image::<T>::new();
    // The first 24 fields and pause_ns lie in the order in which they are dumped; pause_end is not.
    let stats = image.symbols.memstats;
    for i in 0..24 + 512 {
        image.set(stats, Field::<T, Uint64>::variable("memstats").element(i), 1000 + i);
    }
    image.set(stats, Mstats::numgc(), 0xffff_ffff);
    let values: Vec<u64> = (1000..1000 + 24 + 256).collect();
    let memstats = ints(&[&[10], &values[..], &[0xffff_ffff]].concat());
    let expected = Expected::<T> { memstats, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

#[test]
fn the_summary_counts_records() {
    let mut image = Image::<Amd64>::new();
    image.span(0, 1, 4096);
    image.finish();
    let summary = crate::write_heap_dump(
        AnyTarget::Amd64,
        &image.memory,
        &image.symbols,
        &Options::default(),
        std::io::sink(),
    )
    .unwrap();
    assert_eq!(summary.count(Tag::Object), 2);
    assert_eq!(summary.count(Tag::Params), 1);
    assert_eq!(summary.count(Tag::Goroutine), 0);
    assert_eq!(summary.records.iter().sum::<u64>(), 2 + 5, "params, data, bss, memstats, EOF");
    assert_eq!(summary.lost, 0);
}

#[test]
fn a_process_without_memory_is_an_error_that_names_the_first_read() {
    let memory = crate::testing::Segments::default();
    let symbols = Symbols { firstmoduledata: crate::Addr(0x5000), ..Symbols::default() };
    let error = crate::write_heap_dump(AnyTarget::Arm, &memory, &symbols, &Options::default(), Vec::new());
    assert_eq!(
        error.unwrap_err().to_string(),
        "reading moduledata.pclntable: cannot read 12 bytes of target memory at 0x5000"
    );
}

/// A machine that Go 1.5 did not have is refused by name, and its machines are all accepted.
#[test]
fn machines_of_later_releases_are_refused() {
    let symbols = Symbols::from_lookup(|_| Some(crate::Addr(0x1000))).unwrap();
    for &target in AnyTarget::ALL {
        let error =
            crate::write_heap_dump(target, &Nothing, &symbols, &Options::default(), Vec::new()).unwrap_err();
        let refused = matches!(error, Error::NoSuchMachine { .. });
        let written = crate::go15::TARGETS.contains(&target) || target == AnyTarget::Mips;
        assert_eq!(refused, !written, "{target}: {error}");
    }
    let error =
        crate::write_heap_dump(AnyTarget::Riscv64, &Nothing, &symbols, &Options::default(), Vec::new());
    assert_eq!(
        error.unwrap_err().to_string(),
        "no runtime of Go 1.5 on riscv64: it runs on amd64, 386, arm, ppc64, arm64, ppc64le and amd64p32"
    );
}

/// Memory of which none can be read.
struct Nothing;

impl crate::Memory for Nothing {
    fn read(&self, addr: crate::Addr, buf: &mut [u8]) -> Result<(), crate::Unreadable> {
        Err(crate::Unreadable { addr, len: buf.len() as u64 })
    }
}
