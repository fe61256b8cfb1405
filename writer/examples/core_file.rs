//! Dumps a Go 1.5 process from its core file: `cargo run --example core_file -- CORE PROGRAM DUMP`
//!
//! The program is read for its symbols, and for the pages that a kernel leaves out of core files because it could
//! read them from the program: code and read-only data. The process is one that stood still with its heap swept; see
//! `write_heap_dump`.

use std::error::Error;
use std::fs;
use std::io::Write;

use object::{Architecture, Endianness, Object, ObjectSegment, ObjectSymbol};

use heapmatrix_writer::{Addr, AnyTarget, Memory, Options, Summary, Symbols, Unreadable, write_heap_dump};

/// The segments of a core file, each with its first address.
struct Core {
    segments: Vec<(u64, Vec<u8>)>,
}

impl Memory for Core {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let bytes = self.borrow(addr, buf.len() as u64).ok_or(Unreadable { addr, len: buf.len() as u64 })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.segments.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(addr.0.checked_sub(*start)?).ok()?;
            bytes.get(from..from.checked_add(usize::try_from(len).ok()?)?)
        })
    }
}

fn dump(
    target: AnyTarget,
    core: &Core,
    symbol: impl FnMut(&str) -> Option<Addr>,
    out: impl Write,
) -> Result<Summary, Box<dyn Error>> {
    let symbols = Symbols::from_lookup(symbol)?;
    Ok(write_heap_dump(target, core, &symbols, &Options::default(), out)?)
}

impl Core {
    /// The segments of ELF files; those of the first file hide those of the others.
    fn new(files: &[&object::File<'_>]) -> Result<Self, object::Error> {
        let mut segments = Vec::new();
        for segment in files.iter().flat_map(|file| file.segments()) {
            segments.push((segment.address(), segment.data()?.to_vec()));
        }
        Ok(Core { segments })
    }
}

/// The machine that an ELF file is for.
fn target_of(file: &object::File<'_>) -> Result<AnyTarget, Box<dyn Error>> {
    let goarch = match (file.architecture(), file.endianness()) {
        (Architecture::X86_64, _) => "amd64",
        (Architecture::X86_64_X32, _) => "amd64p32",
        (Architecture::I386, _) => "386",
        (Architecture::Arm, Endianness::Little) => "arm",
        (Architecture::Aarch64, Endianness::Little) => "arm64",
        (Architecture::PowerPc64, Endianness::Big) => "ppc64",
        (Architecture::PowerPc64, Endianness::Little) => "ppc64le",
        (other, _) => return Err(format!("Go 1.5 has no machine {other:?}").into()),
    };
    Ok(goarch.parse()?)
}

/// Dumps the process of a core file and its program.
pub fn dump_core(core: &[u8], program: &[u8], out: impl Write) -> Result<Summary, Box<dyn Error>> {
    let [core, program] = [object::File::parse(core)?, object::File::parse(program)?];
    let symbol = |name: &str| program.symbol_by_name(name).map(|symbol| Addr(symbol.address()));
    dump(target_of(&core)?, &Core::new(&[&core, &program])?, symbol, out)
}

#[allow(dead_code)] // The tests include this file, and call what is above.
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [core, program, out] = &args[..] else { return Err("usage: core_file CORE PROGRAM DUMP".into()) };
    let summary = dump_core(&fs::read(core)?, &fs::read(program)?, fs::File::create(out)?)?;
    println!("{} bytes", summary.bytes);
    Ok(())
}
