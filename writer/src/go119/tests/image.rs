//! A small process of today's Go: one goroutine, which is in `debug.WriteHeapDump`, and spans as a test wants them.
//!
//! Where fields are is made up: the first that is asked for comes first, whatever structure it is of. So nothing in the
//! generation can know an offset by itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::go15::SysAlloc;
use crate::go119::{Defects, Go119, Program, Stopped};
use crate::layouts::{FieldAt, Layouts, VariableAt};
use crate::memory::{Addr, Memory};
use crate::process::patch::push;
use crate::target::Target;
use crate::testing::Segments;
use crate::{Error, Options, write_heap_dump};

/// The bytes between two fields: of all of them, each has room.
const STEP: u64 = 24;
/// Where variables are, and what is allocated after them.
const STATIC: u64 = 0x1_0000;
const STATIC_LEN: u64 = 0x6_0000;
/// The code of functions, which is not there.
pub(super) const TEXT: u64 = 0x40_0000;
/// The bytes of each function's code.
pub(super) const FUNC_LEN: u64 = 0x100;
/// The arena: the spans of a test are in its first pages.
pub(super) const HEAP: u64 = 0x10_0000;
const ARENA: u64 = 1 << 16;
/// The goroutine's stack.
pub(super) const STACK: u64 = 0x20_0000;
pub(super) const FRAME: u64 = 0x1000;
const MEM_STATS: u64 = 26 * STEP + 256 * 8;

/// Layouts as they come.
pub(super) struct Made {
    ptr_size: u64,
    /// What this release has not.
    pub missing: Vec<&'static str>,
    /// What only some releases have.
    pub constants: BTreeMap<&'static str, i64>,
    /// Of structures, and of fields (`runtime.g.sched`) that are not a word.
    pub sizes: BTreeMap<&'static str, u64>,
    fields: RefCell<BTreeMap<String, Vec<String>>>,
    variables: RefCell<Vec<String>>,
}

impl Layouts for Made {
    fn size(&self, structure: &str) -> Option<u64> {
        if self.missing.contains(&structure) {
            return None;
        }
        Some(self.sizes.get(structure).copied().unwrap_or(16 * STEP))
    }

    fn field(&self, structure: &str, field: &str) -> Option<FieldAt> {
        let name = format!("{structure}.{field}");
        if self.missing.iter().any(|&missing| missing == structure || missing == name) {
            return None;
        }
        let mut fields = self.fields.borrow_mut();
        let fields = fields.entry(structure.to_owned()).or_default();
        let index = fields.iter().position(|known| known == field).unwrap_or_else(|| {
            fields.push(field.to_owned());
            fields.len() - 1
        });
        // What arrays and structures add to a type comes after it, and so with special records.
        let parts = ["internal/abi.ArrayType", "internal/abi.StructType", "runtime.specialfinalizer"];
        let before = if parts.contains(&structure) { 8 } else { 0 };
        // And what a goroutine's registers take is more than a field has.
        let index = if name == "runtime.g.sched" { 30 } else { index as u64 };
        let size = self.sizes.get(&*name).copied().unwrap_or(self.ptr_size);
        Some(FieldAt { offset: (before + index) * STEP, size })
    }

    fn variable(&self, name: &str) -> Option<VariableAt> {
        if self.missing.contains(&name) {
            return None;
        }
        let mut variables = self.variables.borrow_mut();
        let index = variables.iter().position(|known| known == name).unwrap_or_else(|| {
            variables.push(name.to_owned());
            variables.len() - 1
        });
        Some(VariableAt { addr: Addr(STATIC + index as u64 * 0x400), size: 0x400 })
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }
}

/// The process.
pub(super) struct Image<T> {
    pub memory: Segments,
    pub layouts: Made,
    next: u64,
    /// Where the tables of the only module are.
    pub tables: u64,
    functions: u64,
    /// The frame's function.
    pub frame: u64,
    /// The function that has called it.
    pub caller: u64,
    /// The goroutine.
    g: u64,
    /// The `heapArena` of the heap.
    pub arena: u64,
    spans: Vec<u64>,
    target: PhantomData<T>,
}

impl<T: Target> Image<T> {
    /// A process whose heap is described as `missing` and `constants` say.
    pub(super) fn new(missing: &[&'static str], constants: &[(&'static str, i64)]) -> Self {
        let mut known: BTreeMap<&str, i64> = [
            ("internal/abi.FuncFlagTopFrame", 1),
            ("internal/abi.FuncFlagSPWrite", 2),
            ("runtime.arenaL1Bits", 0),
            ("runtime.arenaL2Bits", 8),
            ("runtime.heapArenaBytes", ARENA as i64),
            ("runtime.arenaBaseOffsetUintptr", 0),
            ("runtime.fingRunningFinalizer", 2),
            ("runtime.waitReasonDumpingHeap", 5),
            ("runtime._KindSpecialFinalizer", 2),
            ("runtime._KindSpecialProfile", 4),
            ("internal/abi.TFlagDirectIface", 32),
        ]
        .into();
        known.extend(constants.iter().copied());
        let layouts = Made {
            ptr_size: T::PTR_SIZE,
            missing: missing.to_vec(),
            constants: known,
            sizes: [("runtime.MemStats", MEM_STATS), ("runtime.spanInlineMarkBits", 0)].into(),
            fields: RefCell::default(),
            variables: RefCell::default(),
        };
        let mut memory = Segments::new(true);
        for (start, len) in [(STATIC, STATIC_LEN), (HEAP, ARENA), (STACK, 2 * FRAME)] {
            memory.map(start, len);
        }
        let next = STATIC + 0x400 * 64;
        let mut image = Image {
            memory,
            layouts,
            next,
            tables: 0,
            functions: 0,
            frame: 0,
            caller: 0,
            g: 0,
            arena: 0,
            spans: vec![],
            target: PhantomData,
        };
        image.module();
        image.goroutine();
        image
    }

    pub(super) fn alloc(&mut self, size: u64) -> u64 {
        let at = self.next.next_multiple_of(16);
        self.next = at + size;
        assert!(self.next <= STATIC + STATIC_LEN, "there is room for all");
        at
    }

    /// Where a variable is.
    pub(super) fn variable(&self, name: &str) -> u64 {
        self.layouts.variable(name).expect("it is not missing").addr.0
    }

    /// Writes a field of what is at `base`; or what is `index` words after it.
    pub(super) fn put(&mut self, base: u64, structure: &str, field: &str, index: u64, value: u64) {
        let at = self.offset(structure, field);
        self.word(base + at + index * T::PTR_SIZE, value);
    }

    pub(super) fn word(&mut self, at: u64, value: u64) {
        let mut bytes = Vec::new();
        push::<T>(&mut bytes, value, T::PTR_SIZE as usize);
        self.memory.write(Addr(at), &bytes);
    }

    /// Writes 32 bits, wherever a field has room for more.
    pub(super) fn word32(&mut self, at: u64, value: u32) {
        let mut bytes = Vec::new();
        push::<T>(&mut bytes, value.into(), 4);
        self.memory.write(Addr(at), &bytes);
    }

    pub(super) fn bytes(&mut self, at: u64, bytes: &[u8]) {
        self.memory.write(Addr(at), bytes);
    }

    /// Writes the header of a slice into a field.
    pub(super) fn slice(&mut self, base: u64, structure: &str, field: &str, array: u64, len: u64) {
        for (i, value) in (0..).zip([array, len, len]) {
            self.put(base, structure, field, i, value);
        }
    }

    fn module(&mut self) {
        let md = self.variable("runtime.firstmoduledata");
        let header = self.alloc(0x100);
        self.put(header, "runtime.pcHeader", "minLC", 0, 1);
        let tables = self.alloc(0x4000);
        for (field, value) in [
            ("pcHeader", header),
            ("findfunctab", tables),
            ("minpc", TEXT),
            ("maxpc", TEXT + 0x1000),
            ("text", TEXT),
            ("data", tables + 0x3800),
            ("edata", tables + 0x3810),
            ("bss", tables + 0x3900),
            ("ebss", tables + 0x3910),
            ("types", tables + 0x2000),
            ("etypes", tables + 0x3000),
            ("rodata", tables + 0x3000),
            ("gofunc", tables + 0x3000),
        ] {
            self.put(md, "runtime.moduledata", field, 0, value);
        }
        for (field, at, len) in
            [("funcnametab", 0x800, 0x400), ("pctab", 0xc00, 0x400), ("pclntable", 0x1000, 0x1000)]
        {
            self.slice(md, "runtime.moduledata", field, tables + at, len);
        }
        let ftab = self.alloc(16 * 16 * STEP);
        self.slice(md, "runtime.moduledata", "ftab", ftab, 16);
        for i in 0..16 {
            self.put(ftab + i * 16 * STEP, "runtime.functab", "entryoff", 0, i * FUNC_LEN);
            self.put(ftab + i * 16 * STEP, "runtime.functab", "funcoff", 0, i * 0x200);
        }
        self.tables = tables;
    }

    /// Adds a function whose frame has so many bytes, and gives its entry PC and where its `_func` is.
    pub(super) fn function(&mut self, name: &str, delta: u64, flag: u64) -> (u64, u64) {
        let i = self.functions;
        self.functions += 1;
        let tables = self.tables;
        let f = tables + 0x1000 + i * 0x200;
        // A table of one step: the value is -1 before it, and changes are folded so that small ones take little room.
        let mut steps = crate::testing::uvarint(2 * (delta + 1));
        steps.extend(crate::testing::uvarint(FUNC_LEN));
        steps.push(0);
        self.bytes(tables + 0xc10 + i * 16, &steps);
        let name_off = 0x10 + i * 0x60;
        self.bytes(tables + 0x800 + name_off, name.as_bytes());
        for (field, value) in [
            ("entryOff", i * FUNC_LEN),
            ("nameOff", name_off),
            ("pcsp", 0x10 + i * 16),
            ("npcdata", 0),
            ("nfuncdata", 3),
            ("flag", flag),
        ] {
            self.put(f, "runtime._func", field, 0, value);
        }
        for i in 0..3 {
            self.funcdata(f, i, u32::MAX);
        }
        (TEXT + i * FUNC_LEN, f)
    }

    /// Says where the `i`th kind of a function's data is, after `gofunc`.
    pub(super) fn funcdata(&mut self, f: u64, i: u64, off: u32) {
        let nfuncdata = self.offset("runtime._func", "nfuncdata");
        self.word32(f + nfuncdata + T::PTR_SIZE + 4 * i, off);
    }

    fn goroutine(&mut self) {
        let (entry, f) = self.function("runtime/debug.WriteHeapDump", FRAME - T::PTR_SIZE, 0);
        let (goexit, caller) = self.function("runtime.goexit", 0, 1);
        let (closure, _) = self.function("runtime.runtime_debug_WriteHeapDump.func1", 8, 0);
        (self.frame, self.caller) = (f, caller);
        let end = if T::USES_LR { STACK + FRAME - T::PTR_SIZE } else { STACK + FRAME };
        self.word(if T::USES_LR { STACK } else { end - T::PTR_SIZE }, goexit + 1);
        // The closure, and what it has captured.
        for (i, value) in (4..).zip([closure, 1, STACK + 0x100]) {
            self.word(STACK + i * T::PTR_SIZE, value);
        }
        let alloc = self.offset("runtime.MemStats", "Alloc");
        self.word(STACK + 0x100 + alloc, 77);

        let (g, m, allgs) = (self.alloc(0x400), self.alloc(0x400), self.alloc(0x10));
        self.word(allgs, g);
        self.g = g;
        let variable = self.variable("runtime.allgs");
        for (i, value) in (0..).zip([allgs, 1, 1]) {
            self.word(variable + i * T::PTR_SIZE, value);
        }
        self.word(self.variable("runtime.allm"), m);
        self.put(m, "runtime.m", "curg", 0, g);
        for (field, value) in
            [("atomicstatus", 4), ("waitreason", 5), ("goid", 1), ("m", m), ("startpc", goexit)]
        {
            self.put(g, "runtime.g", field, 0, value);
        }
        let sched = self.offset("runtime.g", "sched");
        self.put(g + sched, "runtime.gobuf", "sp", 0, STACK);
        self.put(g + sched, "runtime.gobuf", "pc", 0, entry + 1);
        self.word(self.variable("runtime.dumpfd"), 3);
        let (text, strings) = (self.alloc(16), self.variable("runtime.waitReasonStrings"));
        self.bytes(text, b"dumping heap");
        self.word(strings + 10 * T::PTR_SIZE, text);
        self.word(strings + 11 * T::PTR_SIZE, 12);
        let version = self.variable("runtime.buildVersion");
        self.word(version, text);
        self.word(version + T::PTR_SIZE, 7);
        let table = self.alloc(0x400);
        self.word(self.variable("runtime.itabTable"), table);

        let (mheap, arenas, arena) = (self.variable("runtime.mheap_"), self.alloc(0x800), self.alloc(0x4000));
        self.put(mheap, "runtime.mheap", "arenas", 0, arenas);
        self.word(arenas + HEAP / ARENA * T::PTR_SIZE, arena);
        self.arena = arena;
    }

    /// Adds a goroutine, which runs; gives its address.
    pub(super) fn running(&mut self) -> u64 {
        let (g, allgs) = (self.alloc(0x400), self.alloc(0x10));
        self.word(allgs, self.g);
        self.word(allgs + T::PTR_SIZE, g);
        let variable = self.variable("runtime.allgs");
        for (i, value) in (0..).zip([allgs, 2, 2]) {
            self.word(variable + i * T::PTR_SIZE, value);
        }
        for (field, value) in [("atomicstatus", 2), ("goid", 99), ("startpc", TEXT)] {
            self.put(g, "runtime.g", field, 0, value);
        }
        g
    }

    /// Adds a span of `npages` pages from page `page` of the heap on, in use: of `nelems` elements, those whose bits are
    /// set are allocated.
    pub(super) fn span(
        &mut self,
        page: u64,
        npages: u64,
        elemsize: u64,
        nelems: u64,
        bits: u8,
        class: u64,
    ) -> u64 {
        let (span, alloc_bits) = (self.alloc(0x200), self.alloc(0x100));
        self.bytes(alloc_bits, &[bits]);
        for (field, value) in [
            ("startAddr", HEAP + page * 8192),
            ("npages", npages),
            ("elemsize", elemsize),
            ("nelems", nelems),
            ("allocBits", alloc_bits),
            ("state", 1),
            ("spanclass", class),
        ] {
            self.put(span, "runtime.mspan", field, 0, value);
        }
        self.spans.push(span);
        let array = self.alloc(0x100);
        for (i, span) in (0..).zip(self.spans.clone()) {
            self.word(array + i * T::PTR_SIZE, span);
        }
        let mheap = self.variable("runtime.mheap_");
        self.slice(mheap, "runtime.mheap", "allspans", array, self.spans.len() as u64);
        span
    }

    /// A type of `size` bytes, whose first `ptr_bytes` have pointers as `mask` says.
    pub(super) fn typ(&mut self, size: u64, ptr_bytes: u64, mask: &[u8]) -> u64 {
        let (typ, gc_data) = (self.alloc(0x300), self.alloc(mask.len() as u64 + 8));
        self.bytes(gc_data, mask);
        for (field, value) in [("Size_", size), ("PtrBytes", ptr_bytes), ("GCData", gc_data)] {
            self.put(typ, "internal/abi.Type", field, 0, value);
        }
        typ
    }

    /// Dumps the process.
    pub(super) fn dump(&self, defects: Defects) -> Result<Vec<u8>, Error> {
        self.write(Program { defects, ..Program::new(&self.layouts) })
    }

    /// Dumps it as its runtime does, to which the system gives memory.
    pub(super) fn dump_with(&self, sys_alloc: SysAlloc<'_>) -> Result<Vec<u8>, Error> {
        self.write(Program { sys_alloc: Some(sys_alloc), ..Program::exact(&self.layouts) })
    }

    /// What is known of the process, which was `stopped` from outside or has stopped its own world.
    pub(super) fn go<'m>(&'m self, stopped: Option<&'m Stopped<'m>>) -> Result<Go119<'m, T>, Error> {
        Go119::new(&self.memory, &Program { stopped, ..Program::new(&self.layouts) })
    }

    /// Dumps the process as one that was stopped from outside.
    pub(super) fn dump_stopped(&self, stopped: &Stopped<'_>) -> Result<Vec<u8>, Error> {
        self.write(Program { defects: Defects::NONE, stopped: Some(stopped), ..Program::new(&self.layouts) })
    }

    /// The same into an output that ends, as soon as there is anything to write.
    pub(super) fn dump_into(&self, stopped: &Stopped<'_>, out: &mut [u8]) -> Result<(), Error> {
        let program =
            Program { defects: Defects::NONE, stopped: Some(stopped), ..Program::new(&self.layouts) };
        let options = Options { capacity: 1, ..Options::default() };
        write_heap_dump(T::ANY, &self.memory, &program, &options, out).map(drop)
    }

    fn write(&self, program: Program<'_>) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        write_heap_dump(T::ANY, &self.memory, &program, &Options::default(), &mut out).map(|_| out)
    }

    /// The address of the only M.
    pub(super) fn m(&self) -> u64 {
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..T::PTR_SIZE as usize];
        self.memory.read(Addr(self.variable("runtime.allm")), bytes).expect("it is there");
        crate::go119::read::integer::<T>(bytes)
    }

    /// The goroutine's address.
    pub(super) fn g(&self) -> u64 {
        self.g
    }

    /// The distance of a field from the beginning of its structure.
    pub(super) fn offset(&self, structure: &str, field: &str) -> u64 {
        self.layouts.field(structure, field).expect("it is not missing").offset
    }

    /// Where the local variables of the frame end.
    pub(super) fn varp(&self) -> u64 {
        match T::GOARCH {
            "amd64" => STACK + FRAME - 2 * T::PTR_SIZE,
            _ => STACK + FRAME - T::PTR_SIZE,
        }
    }

    /// Where words are that are not 0, in all memory.
    pub(super) fn words(&self) -> Vec<u64> {
        let size = T::PTR_SIZE as usize;
        let words = |(start, bytes): (u64, &[u8])| {
            let set = bytes.chunks(size).enumerate().filter(|(_, word)| word.iter().any(|&b| b != 0));
            set.map(|(i, _)| start + (i * size) as u64).collect::<Vec<_>>()
        };
        self.memory.segments().flat_map(words).collect()
    }

    /// Puts a word where another was, which it gives.
    pub(super) fn swap(&mut self, at: u64, value: u64) -> u64 {
        let mut old = [0; 8];
        let bytes = &mut old[..T::PTR_SIZE as usize];
        self.memory.read(Addr(at), bytes).expect("it is there");
        let old = crate::go119::read::integer::<T>(bytes);
        self.word(at, value);
        old
    }
}
