//! The writer for a program: of the generation that its runtime belongs to.

use std::io;
use std::ops::RangeInclusive;

use heapmatrix_layouts::{Dwarf, DwarfError, Measured, search};
use heapmatrix_writer::go15::SysAlloc;
use heapmatrix_writer::go119::Stopped;
use heapmatrix_writer::{
    Addr, AnyTarget, Defects as Go15Defects, Error as WriteError, FieldAt, Layouts, Memory, Options, Summary,
    Symbols, VariableAt, go15, go119, write_heap_dump,
};
use object::{Object, ObjectSection};

use crate::build_info;
use crate::dialect::Dialect;
use crate::error::ProcessError;
use crate::executable::Executable;

/// The releases of today's Go that the writer has been held against.
const RELEASES: RangeInclusive<u32> = 19..=27;
/// Variables that count only in what the runtime itself would write, and those that are nil if they are not found.
const COUNT_NOT: [&str; 6] = [
    "runtime.dumpfd",
    "runtime.m0",
    "runtime.tmpbuf",
    "runtime.typecache",
    "runtime.allfin",
    "runtime.mbuckets",
];
/// No version is so long, in bytes.
const LONGEST: u64 = 256;

/// Dumps a program from outside.
#[derive(Debug)]
pub struct Dumper {
    generation: Generation,
    dialect: Dialect,
    version: String,
}

#[derive(Debug)]
enum Generation {
    Go15(Box<Symbols>),
    Go119(Box<Source>),
}

/// Where it is said how a program of today's Go is laid out.
#[derive(Debug)]
enum Source {
    /// In its DWARF.
    Dwarf(Moved),
    /// In tables; its variables are named by its symbol table.
    Symbols(Measured),
    /// In tables; its variables were found by what the process's memory contains.
    Contents(Measured),
}

impl Source {
    fn layouts(&self) -> &dyn Layouts {
        match self {
            Source::Dwarf(moved) => moved,
            Source::Symbols(measured) | Source::Contents(measured) => measured,
        }
    }
}

/// What a program is: its executable, and where it lies.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// Its machine.
    pub target: AnyTarget,
    /// The executable.
    pub elf: &'a [u8],
    /// How far it lies from where it was linked for, in bytes.
    pub bias: u64,
    /// Finds the address at which a symbol was linked.
    pub symbol: &'a dyn Fn(&str) -> Option<u64>,
}

impl Program<'_> {
    /// The address of a symbol.
    fn addr(&self, name: &str) -> Option<Addr> {
        (self.symbol)(name).map(|addr| Addr(addr.wrapping_add(self.bias)))
    }

    /// Where it is said how a program of today's Go is laid out.
    fn source(&self, memory: &dyn Memory, version: &str, dialect: Dialect) -> Result<Source, ProcessError> {
        match Dwarf::read(self.elf) {
            Ok(layouts) => return Ok(Source::Dwarf(Moved { layouts, bias: self.bias })),
            Err(DwarfError::Stripped) => {}
            Err(error) => return Err(error.into()),
        }
        // Experiments, which follow the release, change what a release has.
        let release = release(version).filter(|_| !version.contains(' '));
        let measured = release.and_then(|minor| Measured::new(minor, self.target));
        let measured = measured.ok_or_else(|| ProcessError::NotMeasured(version.to_owned()))?;
        if self.addr("runtime.mheap_").is_some() {
            return Ok(Source::Symbols(measured.with_symbols(|name| self.addr(name))));
        }
        // Its faults are those of variables which do not show by what they contain.
        if dialect.is_exact() {
            return Err(ProcessError::NoSymbols(dialect));
        }
        let (target, elf, bias) = (self.target, self.elf, self.bias);
        Ok(Source::Contents(measured.search(&search::Process { target, memory, elf, bias, version })?))
    }
}

impl Dumper {
    /// The dumper of a program that lies in a memory: the version of its runtime is in its data. Without a dialect it is
    /// the one that is exact, if `exact` says so, or the one that is not.
    ///
    /// # Errors
    /// [`ProcessError::Release`], [`ProcessError::NotGo`], [`ProcessError::Layouts`] and [`ProcessError::Symbols`] for programs
    /// that cannot be dumped; of those without DWARF or symbols [`ProcessError::Stripped`], [`ProcessError::NotMeasured`],
    /// [`ProcessError::NoSymbols`] and [`ProcessError::Search`]; [`ProcessError::Dialect`] where another generation's dialect is wanted.
    pub fn open(
        program: &Program<'_>,
        memory: &dyn Memory,
        dialect: Option<Dialect>,
        exact: bool,
    ) -> Result<Dumper, ProcessError> {
        let version = version(program, memory).or_else(|| build_info::version(program.elf));
        let version = version.ok_or_else(|| match is_go(program.elf) {
            true => ProcessError::Stripped,
            false => ProcessError::NotGo,
        })?;
        let today = release(&version).is_some_and(|minor| minor != 5);
        let (meant, repeated) = match today {
            false => (Dialect::Go15, Dialect::Go15Exact),
            true => (Dialect::Go17, Dialect::Go17Exact),
        };
        let dialect = dialect.unwrap_or(if exact { repeated } else { meant });
        if dialect.is_go15() == today {
            return Err(ProcessError::Dialect { dialect, version, meant, exact: repeated });
        }
        let generation = if today {
            if !release(&version).is_some_and(|minor| RELEASES.contains(&minor)) {
                return Err(ProcessError::Release(version));
            }
            Generation::Go119(Box::new(program.source(memory, &version, dialect)?))
        } else if program.addr("runtime.buildVersion").is_none() {
            return Err(ProcessError::Stripped);
        } else {
            Generation::Go15(Box::new(Symbols::from_lookup(|name| program.addr(name))?))
        };
        Ok(Dumper { generation, dialect, version })
    }

    /// The dialect that it dumps in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The version of the program's runtime, as `runtime.Version` returns it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Of a program without a symbol table, whose variables were found by what they contain: those that were not, and count
    /// in a dump. Without `gcphase` it is not known whether a collection is under way; without `numCPUStartup` (`ncpu` up to Go
    /// 1.24) the number of processors is that of the Ps; without `fingStatus` a goroutine runs finalizers when there is a
    /// function on its stack that is not the runtime's.
    pub fn not_found(&self) -> Option<Vec<&'static str>> {
        let Generation::Go119(source) = &self.generation else { return None };
        let Source::Contents(measured) = &**source else { return None };
        let counts = |name: &&str| !COUNT_NOT.contains(name);
        Some(measured.missing().into_iter().filter(counts).collect())
    }

    /// Dumps the program, which stands still: where its runtime has stopped the world, or wherever it was `stopped`.
    ///
    /// # Errors
    /// [`Error`](WriteError).
    pub fn dump(
        &self,
        target: AnyTarget,
        memory: &dyn Memory,
        sys_alloc: Option<SysAlloc<'_>>,
        stopped: Option<&Stopped<'_>>,
        out: impl io::Write,
    ) -> Result<Summary, WriteError> {
        let (options, exact) = (Options::default(), self.dialect.is_exact());
        match &self.generation {
            Generation::Go15(symbols) => {
                let defects = if exact { Go15Defects::ALL } else { Go15Defects::NONE };
                let program = go15::Program { symbols, defects, sys_alloc };
                write_heap_dump(target, memory, &program, &options, out)
            }
            Generation::Go119(layouts) => {
                let defects = if exact { go119::Defects::ALL } else { go119::Defects::NONE };
                let program = go119::Program { layouts: layouts.layouts(), defects, sys_alloc, stopped };
                write_heap_dump(target, memory, &program, &options, out)
            }
        }
    }
}

/// The layouts of a program that lies elsewhere than where it was linked for.
#[derive(Debug)]
struct Moved {
    layouts: Dwarf,
    bias: u64,
}

impl Layouts for Moved {
    fn size(&self, structure: &str) -> Option<u64> {
        self.layouts.size(structure)
    }

    fn field(&self, structure: &str, field: &str) -> Option<FieldAt> {
        self.layouts.field(structure, field)
    }

    fn variable(&self, name: &str) -> Option<VariableAt> {
        let VariableAt { addr, size } = self.layouts.variable(name)?;
        Some(VariableAt { addr: addr.add(self.bias), size })
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.layouts.constant(name)
    }
}

/// The version of the program's runtime, as `runtime.Version` returns it.
fn version(program: &Program<'_>, memory: &dyn Memory) -> Option<String> {
    let at = program.addr("runtime.buildVersion")?;
    let word = |at: Addr| {
        let (mut bytes, size) = ([0; 8], program.target.ptr_size() as usize);
        if program.target.big_endian() {
            memory.read(at, &mut bytes[8 - size..]).ok()?;
            Some(u64::from_be_bytes(bytes))
        } else {
            memory.read(at, &mut bytes[..size]).ok()?;
            Some(u64::from_le_bytes(bytes))
        }
    };
    let (array, len) = (word(at)?, word(at.add(program.target.ptr_size()))?);
    let mut bytes = vec![0; usize::try_from(len).ok().filter(|_| len <= LONGEST)?];
    memory.read(Addr(array), &mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether an executable was linked by Go: its build id or a table that stripping leaves says so.
fn is_go(elf: &[u8]) -> bool {
    let by_id = Executable::parse(elf).is_ok_and(|program| program.has_go_build_id());
    by_id
        || object::File::parse(elf).is_ok_and(|file| {
            file.sections().any(|section| section.name().is_ok_and(|name| name.contains("gopclntab")))
        })
}

/// The number of a release: 27 of `go1.27.3` and of `devel go1.27-0123456`.
fn release(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("go1.")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_from_versions() {
        for (version, minor) in [
            ("go1.5", Some(5)),
            ("go1.5.4", Some(5)),
            ("go1.5beta1", Some(5)),
            ("go1.50", Some(50)),
            ("go1.27.3 X:nogreenteagc", Some(27)),
            ("devel go1.26-0123456 Tue Jan 6 2026", Some(26)),
            ("devel +abc", None),
            ("go1.", None),
        ] {
            assert_eq!(release(version), minor, "{version}");
        }
    }
}
