//! System calls that are not emulated: what they answer, and what there is to say about it.

use super::super::errno::Errno;

/// A call that is not emulated.
pub struct Absent {
    /// What it answers.
    pub errno: Errno,
    /// What the program misses, said once for all calls of this kind; `None` where programs ask whether a
    /// call is there and do well without, and `Some("")` of a call that there is no more to say about than its
    /// name.
    pub says: Option<&'static str>,
}

const PROCESSES: &str =
    "this program starts other programs (fork/exec), which heapmatrix exec does not emulate";
const SOCKETS: &str = "this program uses the network (sockets), which heapmatrix exec does not emulate";
const WATCHES: &str =
    "this program watches files for changes (inotify), which heapmatrix exec does not emulate";
const PRIVILEGES: &str = "this program asks for rights that it does not have under heapmatrix exec";

/// What a call answers that has no handler.
pub fn absent(name: &str) -> Absent {
    let (errno, says) = match name {
        "fork" | "vfork" | "clone" | "execve" | "execveat" => (Errno::NoSys, Some(PROCESSES)),
        "wait4" | "waitid" | "waitpid" => (Errno::Child, None),
        "socket" => (Errno::AfNoSupport, Some(SOCKETS)),
        "socketpair" => (Errno::AfNoSupport, Some(SOCKETS)),
        "socketcall" => (Errno::NoSys, Some(SOCKETS)),
        "bind" | "listen" | "accept" | "accept4" | "connect" | "getsockname" | "getpeername" | "sendto"
        | "recvfrom" | "sendmsg" | "recvmsg" | "sendmmsg" | "recvmmsg" | "shutdown" | "setsockopt"
        | "getsockopt" => (Errno::NotSock, None),
        "inotify_init" | "inotify_init1" | "fanotify_init" => (Errno::NoSys, Some(WATCHES)),
        "setxattr" | "lsetxattr" | "fsetxattr" | "getxattr" | "lgetxattr" | "fgetxattr" | "listxattr"
        | "llistxattr" | "flistxattr" | "removexattr" | "lremovexattr" | "fremovexattr" => {
            (Errno::OpNotSupp, None)
        }
        "setuid" | "setgid" | "setreuid" | "setregid" | "setresuid" | "setresgid" | "setgroups"
        | "setuid32" | "setgid32" | "setreuid32" | "setregid32" | "setresuid32" | "setresgid32"
        | "setgroups32" | "chroot" | "mount" | "umount" | "umount2" | "pivot_root" | "sethostname"
        | "setdomainname" | "settimeofday" | "clock_settime" | "clock_settime64" | "stime" | "reboot"
        | "swapon" | "swapoff" | "init_module" | "finit_module" | "delete_module" | "bpf" | "unshare"
        | "setns" => (Errno::Perm, Some(PRIVILEGES)),
        // Programs ask for these, and have another way.
        "clone3" | "pidfd_open" | "pidfd_send_signal" | "rseq" | "splice" | "tee" | "vmsplice"
        | "openat2" | "riscv_hwprobe" | "io_uring_setup" | "get_robust_list" | "map_shadow_stack"
        | "futex_waitv" => (Errno::NoSys, None),
        _ => (Errno::NoSys, Some("")),
    };
    Absent { errno, says }
}
