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
    /// The number is a thread's.
    #[error("{pid} is a thread of process {process}: name that")]
    Thread {
        /// The number.
        pid: u32,
        /// Its process.
        process: u32,
    },
    /// It has ended, and its parent does not know yet.
    #[error(
        "process {0} has ended, and has no memory any more: only its parent, who has not waited for it, keeps its number"
    )]
    Zombie(u32),
    /// It is the kernel's.
    #[error("process {0} is a thread of the kernel, and not a program")]
    Kernel(u32),
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
    /// Yama wants a right that root has.
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
    /// Yama forbids it to everybody.
    #[error(
        "process {0} may not be stopped: kernel.yama.ptrace_scope is 3, which forbids it to everybody until the system is \
         started anew; have the process leave a core file (GOTRACEBACK=crash, kill -ABRT), and dump that"
    )]
    Forbidden(u32),
    /// It belongs to this user, and has more rights.
    #[error(
        "process {pid} may not be stopped ({source}): it has rights that this user lacks, from setuid, capabilities or a program \
         that cannot be read; run this as root"
    )]
    Undumpable {
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// Root lacks a right.
    #[error(
        "process {pid} may not be stopped ({source}): this is root without CAP_SYS_PTRACE, as in a container; give it that \
         (docker run --cap-add SYS_PTRACE), or run this on the host"
    )]
    Capability {
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something else forbids it.
    #[error(
        "process {pid} may not be stopped ({source}), although this has CAP_SYS_PTRACE: a security module (SELinux, AppArmor, \
         seccomp) or a user namespace forbids it; run this where it does not, such as on the container's host"
    )]
    Refused {
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

/// `CAP_SYS_PTRACE`, as a bit of a set of capabilities.
const CAP_SYS_PTRACE: u64 = 1 << 19;
/// The setting of Yama that nothing overrides.
const SCOPE_NOBODY: u32 = 3;

/// What a process is and who may stop it, as far as the kernel says so.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    /// Whether there is such a process.
    exists: bool,
    /// The process that the number is of, if it is a thread's.
    process: Option<u32>,
    zombie: bool,
    kernel: bool,
    tracer: Option<u32>,
    /// The user that it belongs to, and this process's own.
    owner: Option<u32>,
    own: Option<u32>,
    /// Whether this process has `CAP_SYS_PTRACE`.
    capable: bool,
    /// The setting of `kernel.yama.ptrace_scope`, if there is one.
    scope: Option<u32>,
}

/// What the text of `/proc/PID/status` says of a field.
fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

impl Facts {
    fn of(pid: u32) -> Facts {
        let status = |pid: &str| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let user = |pid: &str| fs::metadata(format!("/proc/{pid}")).map(|metadata| metadata.uid()).ok();
        let number = |text: &str| text.parse::<u32>().ok();
        let name = pid.to_string();
        let (its, mine) = (status(&name), status("self"));
        let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok();
        let capabilities = field(&mine, "CapEff").and_then(|set| u64::from_str_radix(set, 16).ok());
        let zombie = field(&its, "State").is_some_and(|state| state.starts_with(['Z', 'X']));
        Facts {
            exists: !its.is_empty(),
            process: field(&its, "Tgid").and_then(number).filter(|&process| process != pid),
            zombie,
            // What has no memory of its own is the kernel's.
            kernel: !its.is_empty() && !zombie && field(&its, "VmSize").is_none(),
            tracer: field(&its, "TracerPid").and_then(number).filter(|&tracer| tracer != 0),
            owner: user(&name),
            own: user("self"),
            capable: capabilities.is_some_and(|set| set & CAP_SYS_PTRACE != 0),
            scope: scope.and_then(|scope| number(scope.trim())),
        }
    }

    /// Why a process is none that can be dumped, whoever asks.
    fn impossible(&self, pid: u32) -> Option<LiveError> {
        Some(match *self {
            Facts { exists: false, .. } => LiveError::NoProcess(pid),
            Facts { process: Some(process), .. } => LiveError::Thread { pid, process },
            Facts { zombie: true, .. } => LiveError::Zombie(pid),
            Facts { kernel: true, .. } => LiveError::Kernel(pid),
            _ => return None,
        })
    }

    /// Why the kernel has forbidden it.
    fn forbidden(&self, pid: u32, source: io::Error) -> LiveError {
        match *self {
            Facts { tracer: Some(tracer), .. } => LiveError::Traced { pid, tracer },
            Facts { scope: Some(SCOPE_NOBODY..), .. } => LiveError::Forbidden(pid),
            Facts { capable: true, .. } => LiveError::Refused { pid, source },
            Facts { own: Some(0), .. } => LiveError::Capability { pid, source },
            Facts { owner: Some(owner), own: Some(own), .. } if own != owner => {
                LiveError::Owner { pid, owner }
            }
            Facts { scope: Some(scope @ 1..), .. } => LiveError::Scope { pid, scope },
            _ => LiveError::Undumpable { pid, source },
        }
    }
}

impl LiveError {
    /// Why a process can be dumped by nobody, if that is so.
    pub(super) fn impossible(pid: u32) -> Option<LiveError> {
        if pid == std::process::id() {
            return Some(LiveError::Own(pid));
        }
        Facts::of(pid).impossible(pid)
    }

    /// Why the kernel does not let this process stop another.
    pub(super) fn rights(pid: u32, error: io::Error) -> LiveError {
        let facts = Facts::of(pid);
        if let Some(error) = facts.impossible(pid) {
            return error;
        }
        match error.raw_os_error() {
            Some(libc::ESRCH | libc::ENOENT) => LiveError::NoProcess(pid),
            Some(libc::EPERM | libc::EACCES) => facts.forbidden(pid, error),
            _ => LiveError::Stop(pid, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: u32 = 1234;

    fn said(facts: Facts) -> String {
        let facts = Facts { exists: true, ..facts };
        let denied = io::Error::from_raw_os_error(libc::EPERM);
        facts.impossible(OTHER).unwrap_or_else(|| facts.forbidden(OTHER, denied)).to_string()
    }

    /// Each reason is told with what helps against it. What this machine has is tried in the command's tests.
    #[test]
    fn reasons_say_what_to_do() {
        let user = Facts { owner: Some(1000), own: Some(1000), ..Facts::default() };
        let root = Facts { owner: Some(1000), own: Some(0), ..Facts::default() };
        for (facts, says) in [
            (Facts { process: Some(1200), ..user }, "is a thread of process 1200: name that"),
            (Facts { zombie: true, ..user }, "has ended"),
            (Facts { kernel: true, ..user }, "a thread of the kernel"),
            (Facts { tracer: Some(9), scope: Some(1), ..user }, "traced by process 9"),
            (
                Facts { own: Some(1001), scope: Some(1), ..user },
                "belongs to the user 1000: run this as that user",
            ),
            (
                Facts { scope: Some(1), ..user },
                "ptrace_scope is 1; run this as root, or allow it with sysctl",
            ),
            (Facts { scope: Some(2), ..user }, "ptrace_scope is 2; run this as root"),
            (Facts { scope: Some(3), ..user }, "leave a core file"),
            (Facts { scope: Some(3), capable: true, ..root }, "leave a core file"),
            (Facts { scope: Some(0), ..user }, "rights that this user lacks"),
            (user, "rights that this user lacks"),
            (root, "docker run --cap-add SYS_PTRACE"),
            (Facts { scope: Some(1), ..root }, "docker run --cap-add SYS_PTRACE"),
            (Facts { capable: true, ..root }, "although this has CAP_SYS_PTRACE"),
        ] {
            let message = said(facts);
            assert!(message.contains(says) && message.contains("1234"), "{facts:?}: {message}");
        }
    }

    #[test]
    fn this_process_is_itself_and_no_other_has_such_a_number() {
        let own = std::process::id();
        assert!(matches!(LiveError::impossible(own), Some(LiveError::Own(pid)) if pid == own));
        assert!(matches!(LiveError::impossible(u32::MAX), Some(LiveError::NoProcess(u32::MAX))));
        let parent = std::os::unix::process::parent_id();
        assert!(LiveError::impossible(parent).is_none(), "{:?}", Facts::of(parent));
    }
}
