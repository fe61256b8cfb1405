//! Somebody's writer, fed with the processes of worlds.
//!
//! It gets a *target* on its standard input: a line of JSON that says what the machine is, where the runtime's symbols
//! are and which memory there is, and then that memory, region after region. What it prints is the dump, which the
//! oracles judge. `docs/check-writer.md` describes both.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};

use heapmatrix_emu::run::Finished;
use heapmatrix_emu::world::World;
use serde_json::json;

use crate::check::child::{self, Ended, Limits};
use crate::matrix::CellError;
use crate::oracle::{laws, model, reencode};

/// The version of what is written here.
pub const VERSION: u32 = 1;

/// Writes a finished process as a target.
///
/// # Errors
/// Those of `out`.
pub fn target(finished: &Finished, mut out: impl Write) -> io::Result<()> {
    let hex = |address: u64| format!("{address:#x}");
    let Finished { target, memory, symbols, locations, .. } = finished;
    let symbols: serde_json::Map<_, _> = symbols
        .named()
        .filter(|(_, address)| address.0 != 0)
        .map(|(name, address)| (name.to_owned(), hex(address.0).into()))
        .collect();
    let roots = locations.other_roots.iter();
    let roots: Vec<_> =
        roots.map(|(description, to)| json!({"description": &**description, "target": hex(to.0)})).collect();
    let regions: Vec<_> = memory
        .regions()
        .map(|region| json!({"name": region.name(), "address": hex(region.addr()), "size": region.len()}))
        .collect();
    let head = json!({
        "heapmatrix": VERSION,
        "format": "go1.5",
        "arch": target.goarch(),
        "pointer_size": target.ptr_size(),
        "big_endian": target.big_endian(),
        "symbols": symbols,
        "other_roots": roots,
        "regions": regions,
    });
    writeln!(out, "{head}")?;
    memory.regions().try_for_each(|region| out.write_all(region.bytes()))?;
    out.flush()
}

/// Somebody's writer: a program.
#[derive(Clone, Debug)]
pub struct Writer {
    /// The program and its arguments; `{}` in these is the file with the target, which is standard input, too.
    pub command: Vec<OsString>,
    /// What it may use for each process.
    pub limits: Limits,
}

impl Writer {
    /// Feeds the writer with a process, and judges its dump.
    ///
    /// # Errors
    /// [`CellError::Writer`] if there is no dump, and what the oracles say of one that is not right.
    pub fn write(&self, world: &World, finished: &Finished) -> Result<Vec<u8>, CellError> {
        let dump = self.run(finished).map_err(|error| CellError::Writer(error.to_string()))?;
        judge(world, finished, &dump)?;
        Ok(dump)
    }

    fn run(&self, finished: &Finished) -> io::Result<Vec<u8>> {
        let dir = tempfile::Builder::new().prefix("heapmatrix-").tempdir()?;
        let file = dir.path().join("target");
        target(finished, BufWriter::new(File::create(&file)?))?;
        let printed = dir.path().join("dump");
        let ended = child::run(&self.command, &file, child::Input::File, &printed, self.limits)?;
        let mut what = String::from("the writer ");
        match ended {
            Ended::Printed(dump) => return Ok(dump),
            Ended::Refused(why) => write!(what, "gave up: {why}"),
            Ended::Crashed(how) => write!(what, "crashed: {how}"),
            Ended::Hung => write!(what, "did not end within {} s", self.limits.seconds),
        }
        .map_err(io::Error::other)?;
        Err(io::Error::other(what))
    }
}

/// Asks the oracles that need nothing but the dump and its world.
///
/// # Errors
/// The first difference that the model finds; then what the laws do, and re-encoding.
pub fn judge(world: &World, finished: &Finished, dump: &[u8]) -> Result<(), CellError> {
    model::check(world, &finished.locations, dump)?;
    laws::check(world, dump)?;
    reencode::reencode(dump)?;
    Ok(())
}

/// Whether a path is that of a program that can be started is only known when it is: this says it before hours of work.
///
/// # Errors
/// If the writer cannot be started, or there is no room for its files.
pub fn probe(writer: &Writer) -> io::Result<()> {
    let dir = tempfile::Builder::new().prefix("heapmatrix-").tempdir()?;
    let empty = dir.path().join("target");
    fs::write(&empty, "")?;
    child::run(&writer.command, &empty, child::Input::File, &dir.path().join("dump"), writer.limits)?;
    Ok(())
}
