//! Why a process that runs cannot be dumped, and what to do.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::error::ProcessError;

/// Why a process that runs cannot be dumped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// There is none of that number.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// It is this one.
    #[error("process {0} is this one, and cannot stop itself")]
    Own(u32),
    /// Another process traces it.
    #[error(
        "process {pid} is traced by process {tracer}, a debugger or strace: only one can, end that first"
    )]
    Traced {
        /// The process.
        pid: u32,
        /// Its tracer.
        tracer: u32,
    },
    /// It is somebody else's.
    #[error("process {pid} belongs to the user {owner}: run this as that user, or as root")]
    Owner {
        /// The process.
        pid: u32,
        /// The user's number.
        owner: u32,
    },
    /// Yama forbids it.
    #[error(
        "process {pid} may not be stopped: kernel.yama.ptrace_scope is {scope}; run this as root, or allow it with \
         sysctl kernel.yama.ptrace_scope=0"
    )]
    Scope {
        /// The process.
        pid: u32,
        /// The setting.
        scope: u32,
    },
    /// Something else forbids it.
    #[error(
        "process {pid} may not be stopped ({source}): this needs CAP_SYS_PTRACE, which root has, and containers only if they are \
         given it (docker run --cap-add SYS_PTRACE)"
    )]
    Rights {
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// It could not be stopped.
    #[error("process {0} could not be stopped: {1}")]
    Stop(u32, io::Error),
    /// Its memory could not be read.
    #[error("the memory of process {0} could not be read: {1}")]
    Read(u32, io::Error),
    /// Its program, or what is wrong with it.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl LiveError {
    /// Why the kernel does not let this process stop another.
    pub(super) fn rights(pid: u32, error: io::Error) -> LiveError {
        match error.raw_os_error() {
            Some(libc::ESRCH | libc::ENOENT) => return LiveError::NoProcess(pid),
            Some(libc::EPERM | libc::EACCES) => {}
            _ => return LiveError::Stop(pid, error),
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")?.trim().parse().ok());
        if let Some(tracer) = tracer.filter(|&tracer: &u32| tracer != 0) {
            return LiveError::Traced { pid, tracer };
        }
        let owner = fs::metadata(format!("/proc/{pid}")).map(|metadata| metadata.uid());
        let own = fs::metadata("/proc/self").map(|metadata| metadata.uid());
        if let (Ok(owner), Ok(own)) = (owner, own)
            && own != owner
            && own != 0
        {
            return LiveError::Owner { pid, owner };
        }
        let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok();
        match scope.and_then(|scope| scope.trim().parse().ok()) {
            Some(scope @ 1..) => LiveError::Scope { pid, scope },
            _ => LiveError::Rights { pid, source: error },
        }
    }
}
