//! The writer for a program: of the generation that its runtime belongs to.

use heapmatrix_emu::linux::Process;
use heapmatrix_layouts::Dwarf;
use heapmatrix_writer::{
    Addr, Defects as Go15Defects, Memory, Options, Symbols, go15, go119, write_heap_dump,
};

use super::{Dialect, ExecError, Outside, Statistics, read_word};

/// The releases of today's Go that the writer has been held against.
const RELEASES: std::ops::RangeInclusive<u32> = 19..=27;

/// Dumps a program from outside.
#[derive(Debug)]
pub struct Dumper {
    generation: Generation,
    dialect: Dialect,
}

#[derive(Debug)]
enum Generation {
    Go15(Box<Symbols>),
    Go119(Box<Dwarf>),
}

impl Dumper {
    /// The dumper of a program, whose executable is `elf`. The program need not run for that: the version of its runtime lies
    /// in its data. Without a dialect it is the one that is exact, if `exact` says so, or the one that is not.
    ///
    /// # Errors
    /// [`ExecError::Release`], [`ExecError::Layouts`] and [`ExecError::Symbols`] for programs that cannot be dumped;
    /// [`ExecError::Dialect`] where another generation's dialect is wanted.
    pub fn open(
        process: &Process,
        elf: &[u8],
        dialect: Option<Dialect>,
        exact: bool,
    ) -> Result<Dumper, ExecError> {
        let version = version(process);
        let today = version.as_deref().and_then(release).is_some_and(|minor| minor != 5);
        let (meant, repeated) = match today {
            false => (Dialect::Go15, Dialect::Go15Exact),
            true => (Dialect::Go17, Dialect::Go17Exact),
        };
        let dialect = dialect.unwrap_or(if exact { repeated } else { meant });
        if dialect.is_go15() == today {
            let version = version.unwrap_or_else(|| "Go 1.5".to_owned());
            return Err(ExecError::Dialect { dialect, version, meant, exact: repeated });
        }
        let generation = match version {
            Some(version) if today => {
                if !release(&version).is_some_and(|minor| RELEASES.contains(&minor)) {
                    return Err(ExecError::Release { version });
                }
                Generation::Go119(Box::new(Dwarf::read(elf)?))
            }
            _ => Generation::Go15(Box::new(Symbols::from_lookup(|name| process.symbols().addr(name))?)),
        };
        Ok(Dumper { generation, dialect })
    }

    /// Dumps the program, which stands still.
    ///
    /// # Errors
    /// [`ExecError::Write`].
    pub fn dump(&self, process: &Process) -> Result<Outside, ExecError> {
        // Each time the program's own dump needs a larger `tmpbuf`, it gives the old one back first.
        let sys_alloc = |len| Addr(process.free_address(len).unwrap_or(0));
        let (target, memory, options) = (process.target(), process.memory(), Options::default());
        let mut bytes = Vec::new();
        let summary = match &self.generation {
            Generation::Go15(symbols) => {
                let defects = if self.dialect.is_exact() { Go15Defects::ALL } else { Go15Defects::NONE };
                let program = go15::Program { symbols, defects, sys_alloc: Some(&sys_alloc) };
                write_heap_dump(target, memory, &program, &options, &mut bytes)?
            }
            Generation::Go119(layouts) => {
                let defects =
                    if self.dialect.is_exact() { go119::Defects::ALL } else { go119::Defects::NONE };
                let program = go119::Program { layouts: &**layouts, defects, sys_alloc: Some(&sys_alloc) };
                write_heap_dump(target, memory, &program, &options, &mut bytes)?
            }
        };
        Ok(Outside { dialect: self.dialect, bytes, summary, statistics: Statistics::of(process) })
    }
}

/// The version of the program's runtime, as `runtime.Version` returns it.
fn version(process: &Process) -> Option<String> {
    const LONGEST: u64 = 256;
    let at = process.symbols().addr("runtime.buildVersion")?;
    let word = process.target().ptr_size();
    let (array, len) = (read_word(process, at)?, read_word(process, at.add(word))?);
    let mut bytes = vec![0; usize::try_from(len).ok().filter(|_| len <= LONGEST)?];
    process.memory().read(Addr(array), &mut bytes).ok()?;
    String::from_utf8(bytes).ok()
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
