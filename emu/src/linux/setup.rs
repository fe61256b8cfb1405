//! What a program finds when it starts: its image in memory, its files.

use std::path::Path;

use super::budget::Budget;
use super::elf::Program;
use super::errno::Errno;
use super::fs::{Files, Mount, Node};
use super::load::LoadError;
use super::process::Options;
use crate::memory::{GuestMemory, MemoryError, Prot};

/// The error of a program whose files don't fit.
pub fn no_room(limit: u64) -> LoadError {
    LoadError::TooLarge { needed: limit, limit }
}

/// What a program finds in the tree of files, and the folder that it works in.
pub fn files(
    options: &Options,
    budget: Budget,
    elf: &[u8],
    auxv: Vec<u8>,
    now: i64,
) -> Result<(Files, Node), LoadError> {
    let full = |_| no_room(options.max_memory);
    let files = Files::new(budget, now, options.keep).map_err(full)?;
    // The shorter path first: of mounts within each other the longer one lies over the shorter one.
    let system = options.sysroot.as_deref().map(sysroot).transpose()?.unwrap_or_default();
    let mut mounts: Vec<&Mount> = system.iter().chain(&options.mounts).collect();
    mounts.sort_by_key(|mount| mount.guest.trim_end_matches('/').len());
    for mount in mounts {
        files.mount(mount).map_err(|errno| LoadError::Mount {
            path: mount.guest.clone(),
            why: match errno {
                Errno::NoEnt => "it is not there",
                Errno::Busy => "the root is the program's own",
                Errno::Acces => "it is neither a file nor a folder",
                Errno::NotDir => "a file is in the way",
                _ => "there is no room for it",
            },
        })?;
    }
    let mut command = Vec::new();
    for arg in &options.args {
        command.extend_from_slice(arg.as_bytes());
        command.push(0);
    }
    let fix = |path: &str, bytes: Vec<u8>| files.fix(path, bytes, 0o444);
    fix("/proc/self/auxv", auxv).map_err(full)?;
    fix("/proc/self/cmdline", command).map_err(full)?;
    for (path, text) in [
        ("/proc/sys/fs/pipe-max-size", "65536\n"),
        ("/proc/sys/kernel/hostname", "heapmatrix\n"),
        ("/proc/sys/kernel/osrelease", "5.15.0\n"),
        ("/proc/sys/kernel/ostype", "Linux\n"),
    ] {
        fix(path, text.into()).map_err(full)?;
    }
    fix("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", b"2097152\n".to_vec()).map_err(full)?;
    files.fix_link("/proc/self/exe", &options.path).map_err(full)?;
    let in_the_way = |path: &str| LoadError::Mount { path: path.to_owned(), why: "a file is in the way" };
    files.fix(&options.path, elf, 0o555).map_err(|_| in_the_way(&options.path))?;
    let cwd = files.folders(&options.cwd).map_err(|_| in_the_way(&options.cwd))?;
    Ok((files, cwd))
}

/// What a folder puts at the root of the program's files.
fn sysroot(folder: &Path) -> Result<Vec<Mount>, LoadError> {
    /// What the system has there itself.
    const OWN: [&str; 4] = ["dev", "proc", "sys", "tmp"];
    let bad = |why| LoadError::Mount { path: folder.display().to_string(), why };
    let entries = std::fs::read_dir(folder).map_err(|_| bad("it is no folder that can be read"))?;
    let mut mounts = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let host = entry.path();
        if !OWN.contains(&name.as_str()) && (host.is_dir() || host.is_file()) {
            mounts.push(Mount { guest: format!("/{name}"), host });
        }
    }
    Ok(mounts)
}

/// Maps the program's segments and fills them; returns the end of the last.
pub fn load_segments(memory: &mut GuestMemory, program: &Program<'_>) -> Result<u64, MemoryError> {
    let mut mapped = 0;
    for segment in &program.segments {
        let (first, end) = segment.pages();
        if first < mapped {
            // Two segments in one page: it allows what either allows.
            let before = memory.region_at(first).map_or(Prot::NONE, |r| r.prot());
            let either = Prot {
                read: before.read || segment.prot.read,
                write: before.write || segment.prot.write,
                exec: before.exec || segment.prot.exec,
            };
            memory.protect(first, mapped - first, either)?;
        }
        let first = first.max(mapped);
        if first < end {
            memory.map("program", first, end - first, segment.prot)?;
        }
        mapped = mapped.max(end);
    }
    for segment in &program.segments {
        memory.write(segment.addr, segment.bytes)?;
    }
    Ok(mapped)
}
