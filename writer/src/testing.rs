//! Small target memories for the tests of this crate, built field by field.

use std::collections::BTreeMap;

use crate::go15::Program;
use crate::go15::arch::Target;
use crate::go15::defects::Dialect;
use crate::go15::structs::*;
use crate::memory::{Addr, Memory, Unreadable};
use crate::process::field::{Field, GoType, Ptr, Slice, Uintptr};
use crate::{Defects, Error, Generation, Options, Summary, Symbols};

/// Makes a module of tests, one for each target, of a function that is generic over the target.
macro_rules! each_target {
    ($case:ident) => {
        mod $case {
            use crate::target::*;
            #[test]
            fn amd64() {
                super::$case::<Amd64>()
            }
            #[test]
            fn i386() {
                super::$case::<I386>()
            }
            #[test]
            fn arm() {
                super::$case::<Arm>()
            }
            #[test]
            fn ppc64() {
                super::$case::<Ppc64>()
            }
            #[test]
            fn arm64() {
                super::$case::<Arm64>()
            }
            #[test]
            fn ppc64le() {
                super::$case::<Ppc64le>()
            }
            #[test]
            fn mips() {
                super::$case::<Mips>()
            }
            #[test]
            fn amd64p32() {
                super::$case::<Amd64p32>()
            }
        }
    };
}
pub(crate) use each_target;

/// Memory in segments, between which there is nothing.
#[derive(Clone, Default)]
pub(crate) struct Segments {
    segments: BTreeMap<u64, Vec<u8>>,
    /// Whether it lends its bytes, or has them copied.
    pub lends: bool,
}

impl Segments {
    /// No memory at all.
    pub(crate) fn new(lends: bool) -> Self {
        Segments { segments: BTreeMap::new(), lends }
    }

    /// Adds `len` zero bytes at `start`.
    pub(crate) fn map(&mut self, start: u64, len: u64) {
        self.segments.insert(start, vec![0; len as usize]);
    }

    /// Takes the segment that begins at `start` away.
    pub(crate) fn unmap(&mut self, start: u64) {
        self.segments.remove(&start).expect("a segment begins there");
    }

    /// Overwrites memory that must be there.
    pub(crate) fn write(&mut self, at: Addr, bytes: &[u8]) {
        let (start, segment) = self.segments.range_mut(..=at.0).next_back().expect("mapped");
        let from = (at.0 - start) as usize;
        segment[from..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Each segment, with its first address.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.segments.iter().map(|(&start, bytes)| (start, &bytes[..]))
    }

    fn get(&self, at: Addr, len: u64) -> Option<&[u8]> {
        let (start, segment) = self.segments.range(..=at.0).next_back()?;
        // Not cut to what the host's addresses have: on 32 bits, memory would begin again every 4 GiB.
        let from = usize::try_from(at.0 - start).ok()?;
        segment.get(from..from.checked_add(usize::try_from(len).ok()?)?)
    }
}

impl Memory for Segments {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len() as u64;
        buf.copy_from_slice(self.get(addr, len).ok_or(Unreadable { addr, len })?);
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.get(addr, len).filter(|_| self.lends)
    }
}

/// Where the runtime's structures are.
pub(crate) const META: u64 = 0x1_0000;
const META_SIZE: u64 = 0x10_0000;
/// Where they end.
pub(crate) const META_END: u64 = META + META_SIZE;
/// Where functions are.
pub(crate) const TEXT: u64 = 0x40_0000;
/// The size of every function, in bytes.
pub(crate) const FUNCTION_SIZE: u64 = 0x100;
/// `arena_start`. The heap bitmap ends here.
pub(crate) const ARENA: u64 = 0x2000_0000;
/// `arena_used - arena_start`.
pub(crate) const ARENA_SIZE: u64 = 64 << 13;
/// The beginning of a segment for stacks, of [`STACK_SIZE`] bytes.
pub(crate) const STACK: u64 = 0x3000_0000;
/// The size of that segment.
pub(crate) const STACK_SIZE: u64 = 0x4000;

/// A function of the image's symbol table. Its tables are lists of (value, end PC relative to entry).
#[derive(Clone, Default)]
pub(crate) struct Function {
    pub name: &'static str,
    pub args: i32,
    pub pcsp: Vec<(i32, u64)>,
    pub pcfile: Vec<(i32, u64)>,
    pub pcln: Vec<(i32, u64)>,
    pub pcdata: Vec<Vec<(i32, u64)>>,
    pub funcdata: Vec<Addr>,
}

impl Function {
    /// A function whose SP is `delta` bytes below its entry's, everywhere.
    pub(crate) fn with_frame(name: &'static str, delta: i32) -> Function {
        Function { name, pcsp: vec![(delta, FUNCTION_SIZE)], ..Function::default() }
    }
}

/// A process in the making. A new one has an empty heap, no goroutines, no threads and no types.
#[derive(Clone)]
pub(crate) struct Image<T> {
    pub memory: Segments,
    pub symbols: Symbols,
    functions: Vec<Function>,
    spans: Vec<Addr>,
    gs: Vec<Addr>,
    next: u64,
    target: std::marker::PhantomData<T>,
}

impl<T: Target> Image<T> {
    pub(crate) fn new() -> Self {
        let mut memory = Segments::new(true);
        memory.map(META, META_SIZE);
        memory.map(ARENA - ARENA_SIZE / 8, ARENA_SIZE / 8 + ARENA_SIZE);
        memory.map(STACK, STACK_SIZE);
        let mut image = Image {
            memory,
            symbols: Symbols::default(),
            functions: Vec::new(),
            spans: Vec::new(),
            gs: Vec::new(),
            next: META,
            target: std::marker::PhantomData,
        };
        image.symbols = Symbols {
            mheap: image.alloc(<Mheap as GoType<T>>::SIZE),
            h_allspans: image.alloc(24),
            allgs: image.alloc(24),
            allglen: image.alloc(8),
            allm: image.alloc(8),
            memstats: image.alloc(<Mstats as GoType<T>>::SIZE),
            firstmoduledata: image.alloc(<Moduledata as GoType<T>>::SIZE),
            allfin: image.alloc(8),
            fing_running: image.alloc(8),
            mbuckets: image.alloc(8),
            itab_hash: image.alloc(1009 * 8),
            ncpu: image.alloc(8),
            goexit: image.function(Function::with_frame("runtime.goexit", 0)),
            sigpanic: image.function(Function::with_frame("runtime.sigpanic", 32)),
            stack_barrier: image.function(Function::with_frame("runtime.stackBarrier", 0)),
            jmpdefer: image.function(Function::with_frame("runtime.jmpdefer", 0)),
            runfinq: image.function(Function::with_frame("runtime.runfinq", 0)),
            bgsweep: image.function(Function::with_frame("runtime.bgsweep", 0)),
            // These only must not be where anything else is.
            mstart: Addr(1),
            mcall: Addr(1),
            morestack: Addr(1),
            rt0_go: Addr(1),
            systemstack: Addr(1),
            backgroundgc: Addr(1),
            forcegchelper: Addr(1),
            timerproc: Addr(1),
            gc_bg_mark_worker: Addr(1),
            ..Symbols::default()
        };
        let (mheap, datap) = (image.symbols.mheap, image.symbols.firstmoduledata);
        image.set(mheap, Mheap::arena_start(), ARENA);
        image.set(mheap, Mheap::arena_used(), ARENA + ARENA_SIZE);
        image.set(mheap, Mheap::sweepgen(), 6);
        image.set(datap, Moduledata::data(), META);
        image.set(datap, Moduledata::edata(), META);
        image.set(datap, Moduledata::bss(), META);
        image.set(datap, Moduledata::ebss(), META);
        image
    }

    /// Zeroed memory for a structure.
    pub(crate) fn alloc(&mut self, size: u64) -> Addr {
        let at = self.next.next_multiple_of(16);
        self.next = at + size;
        assert!(self.next < META + META_SIZE, "META_SIZE is too small for this test");
        Addr(at)
    }

    /// The target's bytes of an integer.
    pub(crate) fn bytes(size: u64, value: u64) -> Vec<u8> {
        match T::BIG_ENDIAN {
            true => value.to_be_bytes()[8 - size as usize..].to_vec(),
            false => value.to_le_bytes()[..size as usize].to_vec(),
        }
    }

    /// Stores an integer of `F`'s size into a field.
    pub(crate) fn set<F: GoType<T>>(&mut self, base: Addr, field: Field<T, F>, value: u64) {
        self.memory.write(base.add(field.offset), &Self::bytes(F::SIZE, value));
    }

    /// Stores a pointer-sized integer.
    pub(crate) fn word(&mut self, at: Addr, value: u64) {
        self.memory.write(at, &Self::bytes(T::PTR_SIZE, value));
    }

    /// Stores a slice's or a string's header.
    pub(crate) fn header(&mut self, at: Addr, array: Addr, len: u64) {
        self.word(at, array.0);
        self.word(at.add(T::PTR_SIZE), len);
    }

    /// Stores a slice of words, and its header.
    pub(crate) fn words(&mut self, at: Addr, words: &[u64]) {
        let array = self.alloc(words.len() as u64 * T::PTR_SIZE);
        for (i, &word) in words.iter().enumerate() {
            self.word(array.add(i as u64 * T::PTR_SIZE), word);
        }
        self.header(at, array, words.len() as u64);
    }

    /// Stores bytes somewhere.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> Addr {
        let at = self.alloc(bytes.len() as u64);
        self.memory.write(at, bytes);
        at
    }

    /// Stores a string, and its header somewhere.
    pub(crate) fn string(&mut self, s: &str) -> Addr {
        let bytes = self.data(s.as_bytes());
        let at = self.alloc(2 * T::PTR_SIZE);
        self.header(at, bytes, s.len() as u64);
        at
    }

    /// Stores a `stackmap` of these bitmaps.
    pub(crate) fn stackmap(&mut self, n: i32, nbit: i32, bytedata: &[u8]) -> Addr {
        let mut bytes = Self::bytes(4, n as u64);
        bytes.extend(Self::bytes(4, nbit as u64));
        bytes.extend(bytedata);
        self.data(&bytes)
    }

    /// Adds a function and gives its entry.
    pub(crate) fn function(&mut self, function: Function) -> Addr {
        self.functions.push(function);
        Addr(TEXT + (self.functions.len() as u64 - 1) * FUNCTION_SIZE)
    }

    /// Adds a span in use, with all its objects in use, and gives its address.
    pub(crate) fn span(&mut self, page: u64, npages: u64, elemsize: u64) -> Addr {
        let s = self.alloc(<Mspan as GoType<T>>::SIZE);
        self.set(s, Mspan::start(), (ARENA >> 13) + page);
        self.set(s, Mspan::npages(), npages);
        self.set(s, Mspan::elemsize(), elemsize);
        self.set(s, Mspan::sweepgen(), 6);
        self.spans.push(s);
        s
    }

    /// Adds a goroutine, stopped at these registers, and gives its address.
    pub(crate) fn goroutine(&mut self, status: u32, pc: u64, sp: u64, lr: u64) -> Addr {
        let g = self.alloc(<G as GoType<T>>::SIZE);
        self.set(g, G::atomicstatus(), u64::from(status));
        self.set(g, G::sched().then(Gobuf::pc()), pc);
        self.set(g, G::sched().then(Gobuf::sp()), sp);
        self.set(g, G::sched().then(Gobuf::lr()), lr);
        self.gs.push(g);
        g
    }

    /// Stores a return PC where a call instruction would have left it for a frame that ends at `fp` on
    /// a machine without a link register, and begins at `sp` on one with.
    pub(crate) fn return_pc(&mut self, sp: u64, fp: u64, pc: u64) {
        if T::USES_LR {
            self.word(Addr(sp), pc);
        } else {
            self.memory.write(Addr(fp - T::REG_SIZE), &Self::bytes(T::REG_SIZE, pc));
        }
    }

    /// Writes the lists and the symbol table.
    pub(crate) fn finish(&mut self) {
        let spans: Vec<u64> = self.spans.iter().map(|s| s.0).collect();
        self.words(self.symbols.h_allspans, &spans);
        self.set(self.symbols.mheap, Mheap::nspan(), spans.len() as u64);
        let gs: Vec<u64> = self.gs.iter().map(|g| g.0).collect();
        self.words(self.symbols.allgs, &gs);
        self.set(self.symbols.allglen, Field::<T, Uintptr>::variable("allglen"), gs.len() as u64);
        self.pclntab();
    }

    fn pclntab(&mut self) {
        let functions = std::mem::take(&mut self.functions);
        let mut table = vec![0; 8];
        let table_at = self.alloc(0x8000);
        let mut ftab = Vec::new();
        for (i, f) in functions.iter().enumerate() {
            let mut offset_of = |bytes: &[u8]| {
                let at = table.len() as u64;
                table.extend_from_slice(bytes);
                at
            };
            let name = if f.name.is_empty() { 0 } else { offset_of(&[f.name.as_bytes(), &[0]].concat()) };
            let mut table_of = |steps: &[(i32, u64)]| match steps {
                [] => 0,
                steps => offset_of(&steps_table::<T>(steps)),
            };
            let tables = [&f.pcsp, &f.pcfile, &f.pcln].map(|steps| table_of(steps));
            let pcdata: Vec<u64> = f.pcdata.iter().map(|steps| table_of(steps)).collect();
            table.resize(table.len().next_multiple_of(8), 0);
            ftab.extend([TEXT + i as u64 * FUNCTION_SIZE, table.len() as u64]);
            table.extend(Self::bytes(T::PTR_SIZE, TEXT + i as u64 * FUNCTION_SIZE));
            for int32 in [name, f.args as u64, 0].into_iter().chain(tables) {
                table.extend(Self::bytes(4, int32));
            }
            for int32 in [f.pcdata.len() as u64, f.funcdata.len() as u64].into_iter().chain(pcdata) {
                table.extend(Self::bytes(4, int32));
            }
            table.resize(table.len().next_multiple_of(T::PTR_SIZE as usize), 0);
            for at in &f.funcdata {
                table.extend(Self::bytes(T::PTR_SIZE, at.0));
            }
        }
        let end = TEXT + functions.len() as u64 * FUNCTION_SIZE;
        ftab.extend([end, 0]);
        self.memory.write(table_at, &table);

        let datap = self.symbols.firstmoduledata;
        self.header(datap.add(Moduledata::pclntable::<T>().offset), table_at, table.len() as u64);
        let array = self.alloc(ftab.len() as u64 * T::PTR_SIZE);
        for (i, &word) in ftab.iter().enumerate() {
            self.word(array.add(i as u64 * T::PTR_SIZE), word);
        }
        self.header(datap.add(Moduledata::ftab::<T>().offset), array, ftab.len() as u64 / 2);
        self.set(datap, Moduledata::minpc(), TEXT);
        self.set(datap, Moduledata::maxpc(), end);

        // Every subbucket of 256 bytes is one function here.
        let mut findfunctab = Vec::new();
        for bucket in 0..(end - TEXT).div_ceil(4096) {
            findfunctab.extend(Self::bytes(4, bucket * 16));
            findfunctab.extend(0..16u8);
        }
        let findfunctab = self.data(&findfunctab);
        self.set(datap, Moduledata::findfunctab(), findfunctab.0);
        self.functions = functions;
    }

    /// Writes the lists and dumps.
    pub(crate) fn dump(&mut self, dialect: Dialect) -> Result<Vec<u8>, Error> {
        self.dump_with(dialect.defects()).0
    }

    /// Writes the lists, dumps, and gives what was written even before an error.
    pub(crate) fn dump_with(&mut self, defects: Defects) -> (Result<Vec<u8>, Error>, Vec<u8>) {
        self.finish();
        self.dump_as_is(defects)
    }

    /// Writes the lists, and dumps in the default dialect.
    pub(crate) fn dump_under(&mut self, options: &Options<'_>) -> (Result<Vec<u8>, Error>, Vec<u8>) {
        self.finish();
        self.write(&self.symbols, options)
    }

    /// Dumps what is there.
    pub(crate) fn dump_as_is(&self, defects: Defects) -> (Result<Vec<u8>, Error>, Vec<u8>) {
        self.write(&Program { symbols: &self.symbols, defects, sys_alloc: None }, &Options::default())
    }

    /// Dumps what is there, in any way.
    pub(crate) fn write(
        &self,
        program: &impl Generation,
        options: &Options<'_>,
    ) -> (Result<Vec<u8>, Error>, Vec<u8>) {
        let mut out = Vec::new();
        let result: Result<Summary, Error> =
            crate::write_heap_dump(T::ANY, &self.memory, program, options, &mut out);
        if let Ok(summary) = result {
            assert_eq!(summary.bytes, out.len() as u64);
        }
        (result.map(|_| out.clone()), out)
    }

    /// The error that dumping gives, in the default dialect.
    pub(crate) fn error(&mut self) -> Error {
        self.dump(Dialect::Go15).expect_err("this process cannot be dumped")
    }

    /// A pointer variable.
    pub(crate) fn set_pointer(&mut self, at: Addr, value: Addr) {
        self.set(at, Field::<T, Ptr>::variable("pointer"), value.0);
    }

    /// Stores a slice's header into a field.
    pub(crate) fn set_slice(&mut self, base: Addr, field: Field<T, Slice>, array: Addr, len: u64) {
        self.header(base.add(field.offset), array, len);
    }
}

/// A table of (value, PC) steps, as the linker writes it.
pub(crate) fn steps_table<T: Target>(steps: &[(i32, u64)]) -> Vec<u8> {
    let (mut val, mut pc) = (-1, 0);
    let mut table = Vec::new();
    for &(v, end) in steps {
        let delta = v.wrapping_sub(val) as u32;
        let zigzag = if (delta as i32) < 0 { !(delta << 1) } else { delta << 1 };
        table.extend(uvarint(u64::from(zigzag)));
        table.extend(uvarint((end - pc) / T::PC_QUANTUM));
        (val, pc) = (v, end);
    }
    table.push(0);
    table
}

/// An integer of the stream, written another way than the crate writes it.
pub(crate) fn uvarint(v: u64) -> Vec<u8> {
    let groups = (64 - v.leading_zeros()).div_ceil(7).max(1);
    (0..groups).map(|i| (v >> (7 * i)) as u8 & 0x7f | if i + 1 < groups { 0x80 } else { 0 }).collect()
}

/// Integers of the stream.
pub(crate) fn ints(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|&v| uvarint(v)).collect()
}

/// Bytes of the stream, after their length.
pub(crate) fn counted(bytes: &[u8]) -> Vec<u8> {
    [uvarint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// Asserts that two streams are equal; tells where they are not, without printing all of them.
#[track_caller]
pub(crate) fn assert_same(dump: &[u8], expected: &[u8]) {
    let Some(at) = (0..dump.len().max(expected.len())).find(|&i| dump.get(i) != expected.get(i)) else {
        return;
    };
    let around = |s: &[u8]| s[at.saturating_sub(24).min(s.len())..(at + 24).min(s.len())].to_vec();
    panic!(
        "the streams differ at offset {at} (of {} and {} bytes):\n  dump {:?}\n  not  {:?}",
        dump.len(),
        expected.len(),
        around(dump),
        around(expected)
    );
}

/// The whole of a dump, in sections; the default is what a new [`Image`] gives.
pub(crate) struct Expected<T> {
    pub itabs: Vec<u8>,
    pub objects: Vec<u8>,
    pub goroutines: Vec<u8>,
    pub threads: Vec<u8>,
    pub data: Vec<u8>,
    pub bss: Vec<u8>,
    pub finalizers: Vec<u8>,
    pub memstats: Vec<u8>,
    pub memprof: Vec<u8>,
    pub target: std::marker::PhantomData<T>,
}

impl<T: Target> Default for Expected<T> {
    fn default() -> Self {
        Expected {
            itabs: Vec::new(),
            objects: Vec::new(),
            goroutines: Vec::new(),
            threads: Vec::new(),
            data: ints(&[12, META, 0, 0]),
            bss: ints(&[13, META, 0, 0]),
            finalizers: Vec::new(),
            memstats: [vec![10], vec![0; 24 + 256 + 1]].concat(),
            memprof: Vec::new(),
            target: std::marker::PhantomData,
        }
    }
}

impl<T: Target> Expected<T> {
    /// The stream.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let params = [
            6,
            u64::from(T::BIG_ENDIAN),
            T::PTR_SIZE,
            ARENA,
            ARENA + ARENA_SIZE,
            u64::from(T::THECHAR),
            0,
            0,
        ];
        [
            b"go1.5 heap dump\n".as_slice(),
            &ints(&params),
            &self.itabs,
            &self.objects,
            &self.goroutines,
            &self.threads,
            &self.data,
            &self.bss,
            &self.finalizers,
            &self.memstats,
            &self.memprof,
            &[0],
        ]
        .concat()
    }
}
