//! The writer for a program: of the generation that its runtime belongs to.

use std::io;
use std::ops::RangeInclusive;

use heapmatrix_layouts::Dwarf;
use heapmatrix_writer::go15::SysAlloc;
use heapmatrix_writer::go119::Stopped;
use heapmatrix_writer::{
    Addr, AnyTarget, Defects as Go15Defects, Error as WriteError, FieldAt, Layouts, Memory, Options, Summary,
    Symbols, VariableAt, go15, go119, write_heap_dump,
};
use object::{Object, ObjectSection};

use crate::dialect::Dialect;
use crate::error::ProcessError;
use crate::executable::Executable;

/// The releases of today's Go that the writer has been held against.
const RELEASES: RangeInclusive<u32> = 19..=27;
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
    Go119(Box<Moved>),
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
}

impl Dumper {
    /// The dumper of a program that lies in a memory: the version of its runtime is in its data. Without a dialect it is
    /// the one that is exact, if `exact` says so, or the one that is not.
    ///
    /// # Errors
    /// [`ProcessError::Release`], [`ProcessError::NotGo`], [`ProcessError::Stripped`], [`ProcessError::Layouts`] and [`ProcessError::Symbols`] for programs
    /// that cannot be dumped; [`ProcessError::Dialect`] where another generation's dialect is wanted.
    pub fn open(
        program: &Program<'_>,
        memory: &dyn Memory,
        dialect: Option<Dialect>,
        exact: bool,
    ) -> Result<Dumper, ProcessError> {
        let version = version(program, memory).ok_or_else(|| match is_go(program.elf) {
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
            Generation::Go119(Box::new(Moved { layouts: Dwarf::read(program.elf)?, bias: program.bias }))
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
                let program = go119::Program { layouts: &**layouts, defects, sys_alloc, stopped };
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
