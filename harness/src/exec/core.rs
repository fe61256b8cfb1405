//! The core file of a program that is run.

use std::io;
use std::path::Path;

use heapmatrix_emu::linux::{ExitStatus, Process};
use heapmatrix_emu::machine::Register;
use heapmatrix_process::machine::Registers;
use heapmatrix_process::write::{Core, CoreThread, Region};
use heapmatrix_process::{Executable, ProcessError};
use heapmatrix_writer::AnyTarget;

/// `AT_PAGESZ` and `AT_ENTRY`, and the end.
const AT_PAGESZ: u64 = 6;
const AT_ENTRY: u64 = 9;
const AT_NULL: u64 = 0;

/// Writes the core file of a process that stands still. `path` is that of its executable, which is `elf`.
///
/// # Errors
/// Those of the output; [`ProcessError`] as one of them if the executable is none.
pub fn write_core(
    process: &Process,
    elf: &[u8],
    path: &Path,
    status: Option<&ExitStatus>,
    out: impl io::Write,
) -> io::Result<()> {
    let executable = Executable::parse(elf).map_err(|error: ProcessError| io::Error::other(error))?;
    let signal = match status {
        Some(ExitStatus::Killed { signal, .. }) => *signal,
        _ => 0,
    };
    let path = path.display().to_string();
    let threads = process.tids().into_iter().zip(std::iter::once(signal).chain(std::iter::repeat(0)));
    let memory = process.memory().regions().map(|region| {
        let prot = region.prot();
        Region { addr: region.addr(), bytes: region.bytes(), rights: [prot.read, prot.write, prot.exec] }
    });
    let core = Core {
        target: process.target(),
        pid: PID,
        name: path.rsplit('/').next().unwrap_or(&path),
        threads: threads.map(|(tid, signal)| thread(process, tid, signal)).collect(),
        auxiliary: vec![(AT_PAGESZ, 4096), (AT_ENTRY, executable.entry_at(process.bias())), (AT_NULL, 0)],
        files: executable.mappings(process.bias(), path.as_bytes()),
        memory: memory.collect(),
    };
    core.write(out)
}

/// The process's number, and its first thread's.
const PID: u32 = 1000;

/// A thread's registers, where its machine's core files have them.
fn thread(process: &Process, tid: u32, signal: u32) -> CoreThread {
    let layout = Registers::of(process.target());
    let mut registers = vec![0; layout.count];
    let mut put = |at: usize, register: Register| {
        if let Some(value) = process.register_of(tid, register) {
            registers[at] = value;
        }
    };
    for (number, &at) in (layout.first_general..).zip(layout.general) {
        put(at, Register::General(number));
    }
    put(layout.pc, Register::Pc);
    put(layout.sp, Register::Sp);
    if let Some(at) = layout.lr {
        put(at, Register::Lr);
    }
    if let Some(at) = layout.flags {
        put(at, Register::Flags);
    }
    match process.target() {
        AnyTarget::Amd64 => put(21, Register::Thread),
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => {
            put(35, Register::Ctr);
            put(37, Register::Xer);
        }
        _ => {}
    }
    // What debuggers tell user code by: the segments of x86.
    match process.target() {
        AnyTarget::Amd64 => (registers[17], registers[20]) = (0x33, 0x2b),
        AnyTarget::I386 => (registers[13], registers[16]) = (0x23, 0x2b),
        _ => {}
    }
    CoreThread { tid, signal, registers }
}
