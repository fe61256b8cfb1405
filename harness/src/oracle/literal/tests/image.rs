//! A target memory that is filled in by hand, field by field, at the measured offsets.

use std::collections::BTreeMap;

use heapmatrix_writer::{Addr, AnyTarget, Memory, Symbols, Unreadable};

use super::super::layout::Layout;
use super::super::{Fixes, Runtime};

// Where things are. Everything is zero until it is set.
pub(super) const TEXT: u64 = 0x1_0000;
const MODULE: u64 = 0x10_0000;
const PCLNTAB: u64 = 0x11_0000;
const FTAB: u64 = 0x12_0000;
const FINDFUNCTAB: u64 = 0x13_0000;
const FILETAB: u64 = 0x14_0000;
const VARIABLES: u64 = 0x20_0000;
pub(super) const SCRATCH: u64 = 0x40_0000;
pub(super) const STACK: u64 = 0x50_0000;

const PAGE: u64 = 256;

/// A function to be: `pcsp` and the PC-value tables go into pclntab as they are.
#[derive(Clone, Default)]
pub(super) struct Func {
    pub(super) name: &'static str,
    pub(super) args: i32,
    pub(super) pcsp: Vec<u8>,
    pub(super) pcfile: Vec<u8>,
    pub(super) pcln: Vec<u8>,
    pub(super) pcdata: Vec<Vec<u8>>,
    pub(super) funcdata: Vec<u64>,
}

/// Memory of one target, and the symbols in it. Functions are 256 bytes each, from [`TEXT`] on.
pub(super) struct Image {
    pub(super) target: AnyTarget,
    pub(super) symbols: Symbols,
    layout: Layout,
    pages: BTreeMap<u64, [u8; PAGE as usize]>,
    next_scratch: u64,
}

impl Memory for Image {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        for (i, byte) in buf.iter_mut().enumerate() {
            let at = addr.0.wrapping_add(i as u64);
            let page = self.pages.get(&(at / PAGE)).ok_or(Unreadable { addr: Addr(at), len: 1 })?;
            *byte = page[(at % PAGE) as usize];
        }
        Ok(())
    }
}

impl Image {
    pub(super) fn new(target: AnyTarget) -> Image {
        let layout = Layout::of(target).unwrap();
        let mut image = Image {
            target,
            symbols: Symbols::default(),
            layout,
            pages: BTreeMap::new(),
            next_scratch: SCRATCH,
        };
        let mut next = VARIABLES;
        let mut variable = |size: u64| {
            next += size.next_multiple_of(64);
            Addr(next - size.next_multiple_of(64))
        };
        let word = 8;
        image.symbols = Symbols {
            mheap: variable(layout.sizeof("mheap")),
            h_allspans: variable(3 * word),
            allgs: variable(3 * word),
            allglen: variable(word),
            allm: variable(word),
            memstats: variable(layout.sizeof("mstats")),
            allfin: variable(word),
            fing_running: variable(1),
            mbuckets: variable(word),
            itab_hash: variable(1009 * word),
            ncpu: variable(4),
            typecache: variable(256 * 4 * word),
            tmpbuf: variable(3 * word),
            firstmoduledata: Addr(MODULE),
            // No such functions, unless a test makes them.
            goexit: Addr(1),
            stack_barrier: Addr(2),
            sigpanic: Addr(3),
            jmpdefer: Addr(4),
            ..Symbols::default()
        };
        image.zero(VARIABLES, next - VARIABLES);
        image.zero(MODULE, layout.sizeof("moduledata"));
        image
    }

    pub(super) fn runtime(&self, fixes: Fixes) -> Runtime<'_> {
        Runtime::new(self.target, self, &self.symbols, fixes, None).unwrap()
    }

    pub(super) fn ptr(&self) -> u64 {
        self.target.ptr_size()
    }

    /// Memory of zeroes.
    pub(super) fn zero(&mut self, addr: u64, len: u64) {
        for page in addr / PAGE..(addr + len).div_ceil(PAGE) {
            self.pages.entry(page).or_insert([0; PAGE as usize]);
        }
    }

    pub(super) fn bytes(&mut self, addr: u64, bytes: &[u8]) {
        self.zero(addr, bytes.len() as u64);
        for (i, &byte) in bytes.iter().enumerate() {
            let at = addr + i as u64;
            self.pages.get_mut(&(at / PAGE)).unwrap()[(at % PAGE) as usize] = byte;
        }
    }

    pub(super) fn int(&mut self, addr: u64, width: u64, value: u64) {
        let [little, big] = [value.to_le_bytes(), value.to_be_bytes()];
        let width = width as usize;
        self.bytes(addr, if self.target.big_endian() { &big[8 - width..] } else { &little[..width] });
    }

    pub(super) fn word(&mut self, addr: u64, value: u64) {
        self.int(addr, self.ptr(), value);
    }

    /// `set(gp, "g.sched.sp", v)` is `gp.sched.sp = v`.
    pub(super) fn set(&mut self, p: u64, path: &str, value: u64) {
        let field = self.layout.field(path);
        assert_ne!(field.width, 0, "{path} is no single value");
        self.int(p + field.offset, field.width, value);
    }

    /// Fresh memory for a structure of that name, all zero.
    pub(super) fn new_struct(&mut self, name: &str) -> u64 {
        self.new_bytes(&vec![0; self.layout.sizeof(name) as usize])
    }

    /// Fresh memory that holds `bytes`.
    pub(super) fn new_bytes(&mut self, bytes: &[u8]) -> u64 {
        let at = self.next_scratch;
        self.next_scratch += (bytes.len() as u64).next_multiple_of(16).max(16);
        self.bytes(at, bytes);
        at
    }

    /// A fresh string's header.
    pub(super) fn new_string(&mut self, s: &str) -> u64 {
        let [str, header] = [self.new_bytes(s.as_bytes()), self.new_struct("stringStruct")];
        self.set(header, "stringStruct.str", str);
        self.set(header, "stringStruct.len", s.len() as u64);
        header
    }

    /// A fresh slice of words, stored to the variable at `slice`.
    pub(super) fn set_words(&mut self, slice: u64, words: &[u64]) {
        let array = self.new_bytes(&vec![0; words.len() * 8]);
        for (i, &word) in words.iter().enumerate() {
            self.word(array + i as u64 * self.ptr(), word);
        }
        self.set(slice, "slice.array", array);
        self.set(slice, "slice.len", words.len() as u64);
    }

    /// A fresh stack map of `n` bitmaps.
    pub(super) fn new_stackmap(&mut self, n: i32, nbit: i32, bytes: &[u8]) -> u64 {
        let bitmaps = self.new_bytes(&[&[0; 8], bytes].concat());
        self.set(bitmaps, "stackmap.n", n as u64);
        self.set(bitmaps, "stackmap.nbit", nbit as u64);
        bitmaps
    }

    /// Lays out the functions' tables, as the linker does. Returns the functions' entries.
    pub(super) fn link(&mut self, funcs: &[Func], files: &[&str]) -> Vec<u64> {
        let ptr = self.ptr();
        let mut pclntab = vec![0; 8];
        let mut put = |bytes: &[u8]| {
            let at = pclntab.len();
            pclntab.extend_from_slice(bytes);
            // A table that is not there has offset 0.
            if bytes.is_empty() { 0 } else { at as u64 }
        };
        let tables: Vec<_> = funcs
            .iter()
            .map(|f| {
                let name = put(format!("{}\0", f.name).as_bytes());
                let pcdata: Vec<u64> = f.pcdata.iter().map(|table| put(table)).collect();
                ([name, put(&f.pcsp), put(&f.pcfile), put(&f.pcln)], pcdata)
            })
            .collect();
        let files: Vec<u64> = files.iter().map(|file| put(format!("{file}\0").as_bytes())).collect();
        self.bytes(PCLNTAB, &pclntab);

        let mut end = pclntab.len() as u64;
        let mut entries = Vec::new();
        for (i, (f, ([name, pcsp, pcfile, pcln], pcdata))) in funcs.iter().zip(tables).enumerate() {
            end = end.next_multiple_of(ptr);
            let (func, entry) = (PCLNTAB + end, TEXT + i as u64 * 256);
            let size = self.layout.sizeof("_func");
            self.set(func, "_func.entry", entry);
            self.set(func, "_func.nameoff", name);
            self.set(func, "_func.args", f.args as u64);
            self.set(func, "_func.pcsp", pcsp);
            self.set(func, "_func.pcfile", pcfile);
            self.set(func, "_func.pcln", pcln);
            self.set(func, "_func.npcdata", pcdata.len() as u64);
            self.set(func, "_func.nfuncdata", f.funcdata.len() as u64);
            for (j, off) in pcdata.iter().enumerate() {
                self.int(func + size + j as u64 * 4, 4, *off);
            }
            let funcdata = (func + size + pcdata.len() as u64 * 4).next_multiple_of(ptr);
            for (j, &data) in f.funcdata.iter().enumerate() {
                self.word(funcdata + j as u64 * ptr, data);
            }
            self.ftab(i, entry, end);
            self.int(FINDFUNCTAB + i as u64 / 16 * 20, 4, i as u64 / 16 * 16);
            self.bytes(FINDFUNCTAB + i as u64 / 16 * 20 + 4 + i as u64 % 16, &[i as u8 % 16]);
            end = funcdata + f.funcdata.len() as u64 * ptr - PCLNTAB;
            entries.push(entry);
        }
        let maxpc = TEXT + funcs.len() as u64 * 256;
        self.ftab(funcs.len(), maxpc, 0);
        for (i, file) in files.iter().enumerate() {
            self.int(FILETAB + i as u64 * 4, 4, *file);
        }
        for (path, value) in [
            ("moduledata.pclntable.array", PCLNTAB),
            ("moduledata.pclntable.len", end),
            ("moduledata.ftab.array", FTAB),
            ("moduledata.ftab.len", funcs.len() as u64 + 1),
            ("moduledata.filetab.array", FILETAB),
            ("moduledata.filetab.len", files.len() as u64),
            ("moduledata.findfunctab", FINDFUNCTAB),
            ("moduledata.minpc", TEXT),
            ("moduledata.maxpc", maxpc),
        ] {
            self.set(MODULE, path, value);
        }
        entries
    }

    fn ftab(&mut self, i: usize, entry: u64, funcoff: u64) {
        let at = FTAB + i as u64 * self.layout.sizeof("functab");
        self.set(at, "functab.entry", entry);
        self.set(at, "functab.funcoff", funcoff);
    }

    /// A PC-value table with one value for the whole of a function.
    pub(super) fn whole(&self, value: i32) -> Vec<u8> {
        self.pctable(&[(value, 256)])
    }

    /// A PC-value table: each value, and for how many bytes of code it holds.
    pub(super) fn pctable(&self, values: &[(i32, u64)]) -> Vec<u8> {
        let mut table = Vec::new();
        let mut old = -1;
        for &(value, bytes) in values {
            let delta = value - old;
            table.extend(uvarint(((delta << 1) ^ (delta >> 31)) as u32 as u64));
            table.extend(uvarint(bytes / self.target.pc_quantum()));
            old = value;
        }
        table.push(0);
        table
    }
}

/// The encoding of every integer in a dump.
pub(super) fn uvarint(mut v: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while v >= 0x80 {
        bytes.push(v as u8 | 0x80);
        v >>= 7;
    }
    bytes.push(v as u8);
    bytes
}

/// Several of them.
pub(super) fn uvarints(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|&v| uvarint(v)).collect()
}

/// A string as a dump has it.
pub(super) fn str(s: &str) -> Vec<u8> {
    [uvarint(s.len() as u64), s.as_bytes().to_vec()].concat()
}
