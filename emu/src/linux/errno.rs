//! The errors that system calls answer with.

/// A Linux error number. The values are those of most architectures; what others have is in
/// [`Linux::errnos`](super::arch::Linux::errnos).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// Operation not permitted.
    Perm = 1,
    /// No such file or directory.
    NoEnt = 2,
    /// No such process or thread.
    Srch = 3,
    /// Interrupted by a signal.
    Intr = 4,
    /// Input or output failed.
    Io = 5,
    /// No such device or address.
    NxIo = 6,
    /// Bad file descriptor.
    BadF = 9,
    /// No child processes.
    Child = 10,
    /// Try again.
    Again = 11,
    /// Out of memory.
    NoMem = 12,
    /// Permission denied.
    Acces = 13,
    /// Bad address.
    Fault = 14,
    /// Device or resource busy.
    Busy = 16,
    /// File exists.
    Exist = 17,
    /// A link to another file system.
    XDev = 18,
    /// No such device, or not a kind of object that the call works on.
    NoDev = 19,
    /// Not a directory.
    NotDir = 20,
    /// Is a directory.
    IsDir = 21,
    /// Invalid argument.
    Inval = 22,
    /// Too many open files.
    MFile = 24,
    /// Not a terminal.
    NotTy = 25,
    /// File too large.
    FBig = 27,
    /// No space left.
    NoSpc = 28,
    /// Illegal seek.
    SPipe = 29,
    /// Read-only file system.
    RoFs = 30,
    /// Nobody reads the pipe.
    Pipe = 32,
    /// Result out of range.
    Range = 34,
    /// File name too long.
    NameTooLong = 36,
    /// No locks available.
    NoLck = 37,
    /// Function not implemented.
    NoSys = 38,
    /// The directory is not empty.
    NotEmpty = 39,
    /// Too many symbolic links.
    Loop = 40,
    /// Value too large for its type.
    Overflow = 75,
    /// Not a socket.
    NotSock = 88,
    /// Operation not supported.
    OpNotSupp = 95,
    /// Address family not supported.
    AfNoSupport = 97,
    /// Timed out.
    TimedOut = 110,
}
