//! The linker's tables about functions: pclntab, findfunctab and stack maps (symtab.go, and pcln.go of
//! the linker).

use std::collections::HashMap;

use super::facts::FactError;
use super::section::{In, Sections};
use crate::guest::ir::Assembled;
use crate::guest::program::code::{FunctionCode, GAP, Whose};
use crate::world::{ArgsSize, Bitmaps, LocalsMap, World};

/// `pcbucketsize` and the bytes that one of a bucket's 16 `subbuckets` stands for.
const PC_BUCKET_SIZE: u64 = 256 * 16;
const SUBBUCKETS: u64 = 16;
const SUBBUCKET_SIZE: u64 = PC_BUCKET_SIZE / SUBBUCKETS;
/// `_ArgsSizeUnknown`.
const ARGS_SIZE_UNKNOWN: u64 = 0x8000_0000;
/// What the linker leaves in `_func.frame`: nothing uses it.
const FRAME: u64 = 0x123_4567;

/// Slices and bounds for `moduledata`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Symtab {
    /// `pclntable`: address and length.
    pub pclntable: (u64, u64),
    /// `ftab`: address and length.
    pub ftab: (u64, u64),
    /// `filetab`: address and length.
    pub filetab: (u64, u64),
    /// `findfunctab`.
    pub findfunctab: u64,
    /// `minpc`, the first function's entry.
    pub minpc: u64,
    /// `maxpc`, the end of the text.
    pub maxpc: u64,
}

/// A function, as the tables describe it.
struct Func<'a> {
    code: &'a FunctionCode,
    name: Option<&'a str>,
    file: Option<&'a str>,
    args: u64,
    /// The addresses of arguments and locals maps, or nil.
    funcdata: [u64; 2],
}

/// Lays out the tables of each module. Between two modules there is a gap, which belongs to none.
pub(crate) fn place(
    world: &World,
    functions: &[FunctionCode],
    assembled: &Assembled,
    sections: &mut Sections,
) -> Result<Vec<Symtab>, FactError> {
    let mut symtabs = Vec::new();
    let mut rest = functions;
    while !rest.is_empty() {
        let gap = rest.iter().position(|f| f.whose == GAP).unwrap_or(rest.len());
        let end = rest.get(gap).map_or(assembled.addrs.last(), |f| assembled.addrs.get(f.start));
        symtabs.push(module(world, &rest[..gap], end.copied().unwrap_or(0), assembled, sections)?);
        rest = rest.get(gap + 1..).unwrap_or(&[]);
    }
    Ok(symtabs)
}

fn module(
    world: &World,
    functions: &[FunctionCode],
    end: u64,
    assembled: &Assembled,
    sections: &mut Sections,
) -> Result<Symtab, FactError> {
    let ptr_size = sections.target.ptr_size();
    let funcs: Vec<Func> =
        functions.iter().map(|code| func(world, code, sections)).collect::<Result<_, _>>()?;
    let entry = |i: usize| functions.get(i).map_or(end, |f| assembled.addrs[f.start]);
    let bounds: Vec<u64> = (0..=funcs.len()).map(entry).collect();

    let nfunc = funcs.len() as u64;
    let header = 8 + ptr_size;
    let start = sections.reserve(In::Rodata, header + (2 * nfunc + 1) * ptr_size + 4, 8);
    sections.put(start, 4, 0xffff_fffb);
    sections.put(start + 6, 1, sections.target.pc_quantum());
    sections.put(start + 7, 1, ptr_size);
    sections.put_word(start + 8, nfunc);
    let ftab = start + header;
    let mut tables = Tables { start, sections, files: HashMap::new(), file_names: Vec::new() };
    for (i, func) in funcs.iter().enumerate() {
        let at = tables.func(func, assembled, bounds[i], bounds[i + 1])?;
        let row = ftab + 2 * i as u64 * ptr_size;
        tables.sections.put_word(row, bounds[i]);
        tables.sections.put_word(row + ptr_size, at - start);
    }
    let end_row = ftab + 2 * nfunc * ptr_size;
    tables.sections.put_word(end_row, bounds[funcs.len()]);
    let filetab = tables.filetab(end_row + ptr_size);
    let pclntable = (start, sections.end(In::Rodata) - start);
    let findfunctab = place_findfunctab(&bounds, sections);
    Ok(Symtab {
        pclntable,
        ftab: (ftab, nfunc + 1),
        filetab,
        findfunctab,
        minpc: bounds[0],
        maxpc: bounds[funcs.len()],
    })
}

fn func<'a>(
    world: &'a World,
    code: &'a FunctionCode,
    sections: &mut Sections,
) -> Result<Func<'a>, FactError> {
    let index = match code.whose {
        Whose::World(index) => index,
        Whose::Image(name) => {
            return Ok(Func {
                code,
                name: Some(name),
                file: Some("/go/src/runtime/asm.s"),
                args: 0,
                funcdata: [0; 2],
            });
        }
    };
    let f = &world.functions[index];
    let ptr_size = sections.target.ptr_size();
    let args_map = f.args_map.as_ref().map_or(Ok(0), |maps| place_bitmaps(maps, sections))?;
    let locals_map = match &f.locals_map {
        LocalsMap::Absent => 0,
        LocalsMap::Bitmaps(maps) => place_bitmaps(maps, sections)?,
        LocalsMap::Size(words) => {
            let map = sections.reserve(In::Rodata, 8, 4);
            let size = u64::from(*words) * ptr_size;
            sections.fill("runtime.stackmap", map, &[("n", size.wrapping_neg())])?;
            map
        }
    };
    let args = match f.args {
        ArgsSize::Words(words) => u64::from(words) * ptr_size,
        ArgsSize::Unknown => ARGS_SIZE_UNKNOWN,
    };
    Ok(Func {
        code,
        name: f.name.as_deref(),
        file: f.file.as_deref(),
        args,
        funcdata: [args_map, locals_map],
    })
}

/// A `stackmap`: each bitmap begins on a 32-bit boundary.
fn place_bitmaps(maps: &Bitmaps, sections: &mut Sections) -> Result<u64, FactError> {
    let data = sections.layouts.offset("runtime.stackmap", "bytedata")?;
    let stride = u64::from(maps.bits.div_ceil(32) * 4);
    let at = sections.reserve(In::Rodata, data + maps.maps.len() as u64 * stride, 4);
    let (n, nbit) = (maps.maps.len() as u64, maps.bits.into());
    sections.fill("runtime.stackmap", at, &[("n", n), ("nbit", nbit)])?;
    sections.scribble(at + data, maps.maps.len() as u64 * stride);
    for (i, bits) in maps.maps.iter().enumerate() {
        let bits = bits.iter().copied().chain(std::iter::repeat(false)).take(maps.bits as usize);
        let at = at + data + i as u64 * stride;
        let packed = sections.packed(bits, at);
        sections.put_bytes(at, &packed[..maps.bits.div_ceil(8) as usize]);
    }
    Ok(at)
}

/// pclntab after its header: all offsets are from its start.
struct Tables<'a> {
    start: u64,
    sections: &'a mut Sections,
    files: HashMap<String, u64>,
    /// The offsets of the files' names.
    file_names: Vec<u64>,
}

impl Tables<'_> {
    /// A `_func` with what follows it in memory, and its tables.
    fn func(&mut self, func: &Func, assembled: &Assembled, entry: u64, end: u64) -> Result<u64, FactError> {
        let ptr_size = self.sections.target.ptr_size();
        let size = self.sections.layouts.size("runtime._func")?;
        let has_maps = func.funcdata != [0; 2];
        let npcdata = u64::from(has_maps);
        let nfuncdata = func.funcdata.iter().rposition(|&map| map != 0).map_or(0, |last| last as u64 + 1);
        let pcdata = size;
        let funcdata = (pcdata + 4 * npcdata).next_multiple_of(ptr_size);
        let at = self.sections.reserve(In::Rodata, funcdata + nfuncdata * ptr_size, ptr_size);
        self.sections.scribble(at, funcdata + nfuncdata * ptr_size);

        let name = func.name.map_or(0, |name| self.c_string(name));
        let values = |list: &[(usize, i32)]| -> Vec<(u64, i32)> {
            list.iter().map(|&(op, value)| (assembled.addrs[op], value)).collect()
        };
        let pcsp = self.pc_values(&values(&func.code.sp), entry, end);
        let (pcfile, pcln) = match func.file {
            None => (0, 0),
            Some(file) => {
                let file = self.file(file) as i32;
                (
                    self.pc_values(&[(entry, file)], entry, end),
                    self.pc_values(&values(&func.code.lines), entry, end),
                )
            }
        };
        self.sections.fill(
            "runtime._func",
            at,
            &[
                ("entry", entry),
                ("nameoff", name),
                ("args", func.args),
                ("frame", FRAME),
                ("pcsp", pcsp),
                ("pcfile", pcfile),
                ("pcln", pcln),
                ("npcdata", npcdata),
                ("nfuncdata", nfuncdata),
            ],
        )?;
        if has_maps {
            let table = self.pc_values(&values(&func.code.stack_maps), entry, end);
            self.sections.put(at + pcdata, 4, table);
        }
        for i in 0..nfuncdata {
            self.sections.put_word(at + funcdata + i * ptr_size, func.funcdata[i as usize]);
        }
        Ok(at)
    }

    /// The offset of a string with a NUL after it.
    fn c_string(&mut self, text: &str) -> u64 {
        let at = self.sections.bytes(In::Rodata, text.as_bytes());
        self.sections.bytes(In::Rodata, &[0]);
        at - self.start
    }

    /// The number of a file: 1 for the first.
    fn file(&mut self, name: &str) -> u64 {
        if let Some(&number) = self.files.get(name) {
            return number;
        }
        let offset = self.c_string(name);
        self.file_names.push(offset);
        let number = self.file_names.len() as u64;
        self.files.insert(name.to_owned(), number);
        number
    }

    /// A table of values by PC (`funcpctab` of the linker, `pcvalue` of the runtime): pairs of a
    /// signed change of the value and the number of quanta for which it holds.
    fn pc_values(&mut self, values: &[(u64, i32)], entry: u64, end: u64) -> u64 {
        let quantum = self.sections.target.pc_quantum();
        let mut table = Vec::new();
        let (mut pc, mut last) = (entry, -1_i32);
        for (i, &(_, value)) in values.iter().enumerate() {
            // A value holds up to the next different one; a change of zero would end the table.
            let until = values[i + 1..].iter().find(|next| next.1 != value).map_or(end, |next| next.0);
            if until <= pc {
                continue;
            }
            let delta = value.wrapping_sub(last);
            put_varint(&mut table, (delta << 1 ^ delta >> 31) as u32);
            put_varint(&mut table, ((until - pc) / quantum) as u32);
            (pc, last) = (until, value);
        }
        table.push(0);
        self.sections.bytes(In::Rodata, &table) - self.start
    }

    /// The file table: its length, then the offsets of the names. `offset_at` receives its own offset.
    fn filetab(&mut self, offset_at: u64) -> (u64, u64) {
        let len = self.file_names.len() as u64 + 1;
        let at = self.sections.reserve(In::Rodata, 4 * len, 4);
        self.sections.put(at, 4, len - 1);
        for (i, &name) in self.file_names.iter().enumerate() {
            self.sections.put(at + 4 + 4 * i as u64, 4, name);
        }
        self.sections.put(offset_at, 4, at - self.start);
        (at, len)
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// For each 256 bytes of text, the first function in them: an index for 4096 bytes, and a byte to
/// be added for each 256 of those.
fn place_findfunctab(bounds: &[u64], sections: &mut Sections) -> u64 {
    let (minpc, maxpc) = (bounds[0], bounds[bounds.len() - 1]);
    let first_in = |pc: u64| (bounds.partition_point(|&entry| entry <= pc) - 1).min(bounds.len() - 2) as u64;
    let mut table = Vec::new();
    for bucket in (minpc..maxpc).step_by(PC_BUCKET_SIZE as usize) {
        let index = first_in(bucket);
        let (digits, len) = super::section::encode(sections.target, 4, index);
        table.extend_from_slice(&digits[..len]);
        for sub in 0..SUBBUCKETS {
            let pc = (bucket + sub * SUBBUCKET_SIZE).min(maxpc - 1);
            table.push((first_in(pc) - index) as u8);
        }
    }
    let at = sections.reserve(In::Rodata, table.len() as u64, 4);
    sections.put_bytes(at, &table);
    at
}
