//! What must hold when the writer dumps a process whose runtime structures are corrupted.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Write};

use heapmatrix_emu::image::Image;
use heapmatrix_emu::run::{Finished, run_interpreted};
use heapmatrix_emu::world::World;
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_reader::{Dump, Error as ReadError};
use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{
    Addr, AnyTarget, Defects, Dialect, Error, Memory, Options, Summary, Unreadable, write_heap_dump,
};

use crate::{machines, memory};

/// Bytes of output that a dump may have for each byte of memory: contents as they are, and fields that take up to six
/// bytes for a bit.
const OUTPUT: u64 = 48;

/// Reads of memory that a dump may take: thousands of times what a world needs.
const READS: u64 = 10_000_000;

/// Bytes of memory that a dump may take.
const MEMORY: usize = 8 << 20;

/// A dump of a corrupted process ends, with an error or with a dump that can be read, after work and output in
/// proportion to its memory.
///
/// An input is the number of a world, the [byte of a machine](crate::machines) with the dialect, and corruptions of
/// [`Poke::LENGTH`] bytes each.
pub fn writer(input: &[u8]) {
    let [world, how, rest @ ..] = input else { return };
    let Some((target, exact)) = machines::machine(*how) else { return };
    if !World::MACHINES.contains(&target) {
        return;
    }
    WORLDS.with_borrow_mut(|worlds| {
        let world = *world as usize % worlds.all.len();
        let process = worlds.process(world, target);
        let pokes: Vec<Poke> =
            rest.chunks_exact(Poke::LENGTH).map(|bytes| Poke::new(bytes, process)).collect();
        let dialect = if exact { Dialect::Go15Exact } else { Dialect::Go15 };
        check(process, &pokes, dialect);
    });
}

fn check(process: &Process, pokes: &[Poke], dialect: Dialect) {
    let corrupted = Corrupted { memory: &process.finished.memory, pokes, reads: Cell::new(0) };
    let mapped: u64 = process.finished.memory.regions().map(|region| region.len()).sum();
    let mut output = Output { bytes: vec![], most: (OUTPUT * mapped) as usize };
    let (result, peak) = memory::peak(|| process.dump(&corrupted, dialect, &mut output));
    // The output, which grows by doubling, is not the writer's.
    let written = output.bytes.len();
    assert!(peak <= MEMORY + 3 * written, "the dump took {peak} bytes of memory for {written} of output");
    if let Err(error) = &result {
        // The exact dialect takes addresses for lengths: it reads past the end of memory, which here is an error.
        assert!(!pokes.is_empty() || dialect == Dialect::Go15Exact, "{error}");
        assert!(!error.to_string().is_empty());
    }
    // The exact dialect repeats defects after which a dump cannot be read.
    if dialect == Dialect::Go15 {
        match (read(&output.bytes), result) {
            (Ok(records), Ok(summary)) => assert_eq!(records, summary.records.iter().sum::<u64>()),
            (Err(error), Err(_)) => assert!(error.is_truncation(), "{error}"),
            (read, written) => panic!("written {written:?}, but read {read:?}"),
        }
    }
}

/// The number of records.
fn read(dump: &[u8]) -> Result<u64, ReadError> {
    Dump::new(dump)?.records().try_fold(0, |count, record| record.map(|_| count + 1))
}

/// A process that stands still, and the places in its memory that a dump reads, in order.
struct Process {
    finished: Finished,
    reads: Vec<(Addr, u64)>,
}

impl Process {
    fn new(world: &World, target: AnyTarget) -> Self {
        let image = Image::build(world, target).expect("the catalogue's worlds can be built");
        let finished = run_interpreted(image).expect("the catalogue's programs run");
        let mut process = Self { finished, reads: vec![] };
        let trace = Trace { memory: &process.finished.memory, reads: RefCell::default() };
        process.dump(&trace, Dialect::Go15, &mut io::sink()).expect("the catalogue's worlds can be dumped");
        let mut reads = trace.reads.into_inner();
        reads.dedup();
        process.reads = reads;
        process
    }

    fn dump(&self, memory: &dyn Memory, dialect: Dialect, out: &mut dyn Write) -> Result<Summary, Error> {
        // With the reference's small buffer, as most worlds' dumps are not much larger.
        let defects = Defects { write_errors_ignored: false, ..dialect.defects() };
        let program = Program { symbols: &self.finished.symbols, defects, sys_alloc: None };
        let options = Options { capacity: Options::REFERENCE_CAPACITY, ..Options::default() };
        write_heap_dump(self.finished.target, memory, &program, &options, out)
    }
}

/// How many worlds of the catalogue inputs choose from: what saved inputs mean depends on it, and on a memory that was
/// clean when they were saved.
const SAVED: usize = 67;

/// The catalogue, and those of its worlds that have been built.
struct Worlds {
    all: Vec<World>,
    built: HashMap<(usize, AnyTarget), Process>,
}

impl Worlds {
    fn process(&mut self, world: usize, target: AnyTarget) -> &Process {
        self.built.entry((world, target)).or_insert_with(|| Process::new(&self.all[world], target))
    }
}

thread_local! {
    static WORLDS: RefCell<Worlds> = RefCell::new(Worlds {
        all: catalog().into_iter().take(SAVED).map(|case| World { dirt: 0, ..case.world }).collect(),
        built: HashMap::new(),
    });
}

/// A memory that notes what is read.
struct Trace<'a, M> {
    memory: &'a M,
    reads: RefCell<Vec<(Addr, u64)>>,
}

impl<M: Memory> Memory for Trace<'_, M> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.reads.borrow_mut().push((addr, buf.len() as u64));
        self.memory.read(addr, buf)
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.reads.borrow_mut().push((addr, len));
        self.memory.borrow(addr, len)
    }
}

/// Eight bytes, at most, that are not what they should be.
struct Poke {
    at: Addr,
    bytes: Vec<u8>,
}

impl Poke {
    /// Bytes of input: which of the reads it corrupts (2), where in it (1), how (1), and with what (8). All
    /// numbers are little endian.
    const LENGTH: usize = 12;

    fn new(input: &[u8], process: &Process) -> Self {
        let [index @ .., offset, how] = *input.first_chunk::<4>().expect("chunks have this length");
        let value = u64::from_le_bytes(*input.last_chunk().expect("chunks have this length"));
        let read = |index: u64| process.reads[index as usize % process.reads.len()];
        let (addr, len) = read(u16::from_le_bytes(index).into());
        let at = addr.add(u64::from(offset) % len.max(1));
        let little = |number: u64, length: usize| number.to_le_bytes()[..length].to_vec();
        let target = process.finished.target;
        let word = |number: u64| {
            let size = target.ptr_size() as usize;
            if target.big_endian() { number.to_be_bytes()[8 - size..].to_vec() } else { little(number, size) }
        };
        let bytes = match how % 8 {
            0 => little(value, 1),
            1 => little(value, 2),
            2 => little(value, 4),
            3 => little(value, 8),
            4 => word(value),
            // A small number, of either sign.
            5 => word(i64::from(value as i8) as u64),
            // Pointers to what is read elsewhere: other types, loops, the middle of things.
            6 => word(read(value & 0xffff).0.0),
            _ => word(read(value & 0xffff).0.0.wrapping_add(value >> 16 & 0xff)),
        };
        Self { at, bytes }
    }
}

/// A memory with corruptions.
struct Corrupted<'a, M> {
    memory: &'a M,
    pokes: &'a [Poke],
    reads: Cell<u64>,
}

impl<M> Corrupted<'_, M> {
    fn count(&self) {
        self.reads.set(self.reads.get() + 1);
        assert!(self.reads.get() < READS, "the dump does not end");
    }
}

impl<M: Memory> Memory for Corrupted<'_, M> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.count();
        self.memory.read(addr, buf)?;
        for poke in self.pokes {
            for (byte, at) in poke.bytes.iter().zip(poke.at.0..) {
                if let Some(target) = buf.get_mut(at.wrapping_sub(addr.0) as usize) {
                    *target = *byte;
                }
            }
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.count();
        let touches = |poke: &Poke| {
            addr.0.wrapping_sub(poke.at.0) < poke.bytes.len() as u64 || poke.at.0.wrapping_sub(addr.0) < len
        };
        if self.pokes.iter().any(touches) { None } else { self.memory.borrow(addr, len) }
    }
}

/// An output that has an end.
struct Output {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        assert!(self.bytes.len() <= self.most, "the dump has more than {} bytes", self.most);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
