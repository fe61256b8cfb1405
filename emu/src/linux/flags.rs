//! The flags of `open(2)`. Here they have the values of most architectures, x86 among them; what others have is in
//! [`Linux::open_flags`](super::arch::Linux::open_flags).

/// `O_ACCMODE` and its values.
pub const O_ACCMODE: u32 = 3;
/// Open for writing alone.
pub const O_WRONLY: u32 = 1;
/// Open for both.
pub const O_RDWR: u32 = 2;
/// A file is made if there is none.
pub const O_CREAT: u32 = 0o100;
/// There must be none.
pub const O_EXCL: u32 = 0o200;
/// What was in the file goes.
pub const O_TRUNC: u32 = 0o1000;
/// Every write goes to the end.
pub const O_APPEND: u32 = 0o2000;
/// Nothing blocks.
pub const O_NONBLOCK: u32 = 0o4000;
/// It must be a folder.
pub const O_DIRECTORY: u32 = 0o200000;
/// It must not be a symbolic link.
pub const O_NOFOLLOW: u32 = 0o400000;
/// The access time stays.
pub const O_NOATIME: u32 = 0o1000000;
/// The descriptor is closed when another program is executed.
pub const O_CLOEXEC: u32 = 0o2000000;
/// Only a place in the tree.
pub const O_PATH: u32 = 0o10000000;
/// A file without a name.
pub const O_TMPFILE: u32 = 0o20000000 | O_DIRECTORY;

/// What stays of the flags when a file is open, for `F_GETFL`.
pub const KEPT: u32 = !(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | 0o400);
