//! The flags of `open(2)`. Here they have the values of most architectures, x86 among them; arm and Power
//! number four of them differently.

use heapmatrix_writer::AnyTarget;

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
/// Past the caches.
const O_DIRECT: u32 = 0o40000;
/// Files of more than 2 GiB are allowed.
const O_LARGEFILE: u32 = 0o100000;
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

/// Flags that have other values on a machine, with these.
fn others(target: AnyTarget) -> &'static [(u32, u32)] {
    match target {
        AnyTarget::Arm => {
            &[(O_DIRECTORY, 0o40000), (O_NOFOLLOW, 0o100000), (O_DIRECT, 0o200000), (O_LARGEFILE, 0o400000)]
        }
        AnyTarget::Ppc64 => {
            &[(O_DIRECTORY, 0o40000), (O_NOFOLLOW, 0o100000), (O_LARGEFILE, 0o200000), (O_DIRECT, 0o400000)]
        }
        _ => &[],
    }
}

/// A machine's flags, in the values used here.
pub fn from_guest(target: AnyTarget, flags: u32) -> u32 {
    let others = others(target);
    let theirs = others.iter().fold(0, |bits, (_, theirs)| bits | theirs);
    others
        .iter()
        .fold(flags & !theirs, |ours, &(our, their)| if flags & their != 0 { ours | our } else { ours })
}

/// The flags as a machine has them.
pub fn to_guest(target: AnyTarget, flags: u32) -> u32 {
    let others = others(target);
    let ours = others.iter().fold(0, |bits, (our, _)| bits | our);
    others
        .iter()
        .fold(flags & !ours, |theirs, &(our, their)| if flags & our != 0 { theirs | their } else { theirs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_has_its_own() {
        // fs/fcntl.h of each: O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDWR.
        let ours = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDWR;
        for (target, theirs) in [
            (AnyTarget::Amd64, 0o2600002),
            (AnyTarget::I386, 0o2600002),
            (AnyTarget::Arm, 0o2140002),
            (AnyTarget::Ppc64, 0o2140002),
        ] {
            assert_eq!((from_guest(target, theirs), to_guest(target, ours)), (ours, theirs), "{target}");
        }
        assert_eq!(from_guest(AnyTarget::Arm, 0o400000), O_LARGEFILE);
        assert_eq!(from_guest(AnyTarget::Ppc64, 0o200000), O_LARGEFILE);
    }
}
