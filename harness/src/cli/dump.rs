//! `heapmatrix dump`: a heap dump of a core file, of a process that runs, or of a world.

mod outside;
#[cfg(feature = "emulator")]
mod world;

use std::path::PathBuf;

use heapmatrix_process::Dialect;

use super::Outcome;

/// Write the heap dump of a Go process, from its core file or while it runs, or of an emulated world
///
/// Core files may be of the kernel, of gdb's gcore, of QEMU or of heapmatrix exec, and of any machine; - is standard input, and
/// Zstandard and gzip are recognised. Programs may be of Go 1.19 to 1.27, stripped or not; those of Go 1.5
/// are dumped where they are about to dump themselves.
/// The file appears when it is whole, and then replaces one that was there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the dump is written, 2 bad usage, a process that cannot be dumped or a file that cannot be read or written.

Examples:
  heapmatrix dump core.1234 --exe ./service -o heap.dump
  heapmatrix dump --pid 1234 -o heap.dump")]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Args {
    /// The core file of a process
    #[arg(value_name = "CORE", group = "source")]
    core: Option<PathBuf>,
    /// A process that runs: it stands still while its memory is copied, which takes as much memory again (Linux)
    #[arg(long, value_name = "PID", group = "source", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// A world on this architecture, to test a reader with
    #[cfg(feature = "emulator")]
    #[arg(long, value_name = "A", group = "source", value_parser = super::arch::machine)]
    arch: Option<heapmatrix_writer::AnyTarget>,
    /// The world's seed
    #[cfg(feature = "emulator")]
    #[arg(long, value_name = "S", default_value = "1", requires = "arch", value_parser = super::number::number)]
    seed: u64,
    /// The program of the core file, and the plugins that it has loaded [default: where the core file says that it was]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid"])]
    exe: Vec<PathBuf>,
    /// go1.5, of newer programs go1.7: what the format means; or go1.5-exact, go1.7-exact: what the program itself would
    /// write, with the defects of its runtime [default: what the format means]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(Dialect))]
    dialect: Option<Dialect>,
    /// Where to write it; - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print what was dumped, and what could not be known, as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        #[cfg(feature = "emulator")]
        if let Some(arch) = self.arch {
            return self.dump_world(arch);
        }
        match (&self.core, self.pid) {
            (Some(core), _) => self.dump_core(core),
            (None, Some(pid)) => self.dump_process(pid),
            (None, None) => unreachable!("one source is required"),
        }
    }
}
