//! The layouts of `struct stat` and `struct statfs`.

use super::super::user::Record;

const SECOND: i64 = 1_000_000_000;
/// Bytes that are best read or written at a time.
pub const BLOCK: u64 = 4096;

/// What `stat` tells. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// The device that the file is on.
    pub device: u64,
    /// The file's number there.
    pub inode: u64,
    /// Its type and rights.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// Its owner.
    pub uid: u32,
    /// Its owner's group.
    pub gid: u32,
    /// Of a device: which it is.
    pub special: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that are stored.
    pub stored: u64,
    /// When it was read, written, and changed in any way.
    pub times: [i64; 3],
}

impl Stat {
    /// How much is stored, in blocks of 512 bytes.
    pub fn blocks(&self) -> u64 {
        self.stored.div_ceil(512)
    }

    /// Seconds and nanoseconds of all times.
    fn time_fields(&self) -> impl Iterator<Item = u64> {
        self.times.into_iter().flat_map(|t| [t.div_euclid(SECOND) as u64, t.rem_euclid(SECOND) as u64])
    }

    /// The size as 31 bits.
    fn narrow_size(&self) -> Option<u32> {
        u32::try_from(self.size).ok().filter(|&size| size <= i32::MAX as u32)
    }
}

/// amd64 and Power of 64 bits.
pub fn links_first(stat: &Stat, record: Record) -> Record {
    record
        .words([stat.device, stat.inode, stat.links.into()])
        .u32(stat.mode)
        .u32(stat.uid)
        .u32(stat.gid)
        .u32(0)
        .words([stat.special, stat.size, BLOCK, stat.blocks()])
        .words(stat.time_fields())
        .pad_to(144)
}

/// Newer 64-bit architectures: include/uapi/asm-generic/stat.h.
pub fn generic(stat: &Stat, record: Record) -> Record {
    record
        .words([stat.device, stat.inode])
        .u32(stat.mode)
        .u32(stat.links)
        .u32(stat.uid)
        .u32(stat.gid)
        .words([stat.special, 0, stat.size])
        .u32(BLOCK as u32)
        .u32(0)
        .word(stat.blocks())
        .words(stat.time_fields())
        .pad_to(128)
}

/// `struct stat64` of 386 (`ALIGN` 4) and arm (`ALIGN` 8), which differ in how 64-bit integers are aligned.
pub fn stat64<const ALIGN: usize>(stat: &Stat, record: Record) -> Record {
    let size_at = 44_usize.next_multiple_of(ALIGN);
    record
        .u64(stat.device)
        .pad_to(12)
        .u32(stat.inode as u32)
        .u32(stat.mode)
        .u32(stat.links)
        .u32(stat.uid)
        .u32(stat.gid)
        .u64(stat.special)
        .pad_to(size_at)
        .u64(stat.size)
        .u32(BLOCK as u32)
        .pad_to((size_at + 12).next_multiple_of(ALIGN))
        .u64(stat.blocks())
        .words(stat.time_fields())
        .u64(stat.inode)
}

/// `struct stat` of 386 and arm, of before there were large files.
pub fn narrow(stat: &Stat, record: Record) -> Option<Record> {
    let record = record
        .words([stat.device, stat.inode])
        .u16(stat.mode as u16)
        .u16(stat.links as u16)
        .u16(stat.uid as u16)
        .u16(stat.gid as u16)
        .words([stat.special, stat.narrow_size()?.into(), BLOCK, stat.blocks()])
        .words(stat.time_fields())
        .pad_to(64);
    Some(record)
}

/// s390x.
pub fn s390x(stat: &Stat, record: Record) -> Record {
    record
        .words([stat.device, stat.inode, stat.links.into()])
        .u32(stat.mode)
        .u32(stat.uid)
        .u32(stat.gid)
        .u32(0)
        .words([stat.special, stat.size])
        .words(stat.time_fields())
        .words([BLOCK, stat.blocks()])
        .pad_to(144)
}

/// `struct stat` of 64-bit MIPS and `struct stat64` of 32-bit MIPS, which agree.
pub fn mips(stat: &Stat, record: Record) -> Record {
    let record = record
        .u32(stat.device as u32)
        .pad_to(16)
        .u64(stat.inode)
        .u32(stat.mode)
        .u32(stat.links)
        .u32(stat.uid)
        .u32(stat.gid)
        .u32(stat.special as u32)
        .pad_to(56)
        .u64(stat.size);
    let record = stat.time_fields().fold(record, |record, time| record.u32(time as u32));
    record.u32(BLOCK as u32).u32(0).u64(stat.blocks())
}

/// `struct stat` of 32-bit MIPS, of before there were large files.
pub fn narrow_mips(stat: &Stat, record: Record) -> Option<Record> {
    let record = record
        .u32(stat.device as u32)
        .pad_to(16)
        .words([stat.inode, stat.mode.into(), stat.links.into(), stat.uid.into(), stat.gid.into()])
        .word(stat.special)
        .words([0, 0, stat.narrow_size()?.into(), 0])
        .words(stat.time_fields())
        .words([BLOCK, stat.blocks()])
        .pad_to(144);
    Some(record)
}

/// What `statfs` tells of a file system.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem {
    /// Its kind.
    pub magic: u64,
    /// All blocks of [`BLOCK`] bytes.
    pub blocks: u64,
    /// Those that are free.
    pub free: u64,
    /// How many files there may be.
    pub files: u64,
}

/// The longest name of a file.
const NAME_MAX: u64 = 255;

/// `struct statfs` of most architectures.
pub fn statfs(fs: &FileSystem, record: Record) -> Record {
    record
        .words([fs.magic, BLOCK, fs.blocks, fs.free, fs.free, fs.files, fs.files])
        .words([1, 0, NAME_MAX, BLOCK, 0])
        .words([0; 4])
}

/// `struct statfs64` of 386 and arm.
pub fn statfs64(fs: &FileSystem, record: Record) -> Record {
    [fs.blocks, fs.free, fs.free, fs.files, fs.files]
        .into_iter()
        .fold(record.words([fs.magic, BLOCK]), Record::u64)
        .words([1, 0, NAME_MAX, BLOCK, 0])
        .words([0; 4])
}

/// `struct statfs` of s390x, where some fields have 32 bits.
pub fn statfs_s390x(fs: &FileSystem, record: Record) -> Record {
    record
        .u32(fs.magic as u32)
        .u32(BLOCK as u32)
        .words([fs.blocks, fs.free, fs.free, fs.files, fs.files])
        .u32(1)
        .u32(0)
        .u32(NAME_MAX as u32)
        .u32(BLOCK as u32)
        .u32(0)
        .pad_to(88)
}

/// `struct statfs` of MIPS, in an order of its own.
pub fn statfs_mips(fs: &FileSystem, record: Record) -> Record {
    record
        .words([fs.magic, BLOCK, BLOCK, fs.blocks, fs.free, fs.files, fs.files, fs.free])
        .u32(1)
        .u32(0)
        .words([NAME_MAX, 0])
        .words([0; 5])
}

/// `struct statfs64` of 32-bit MIPS.
pub fn statfs64_mips(fs: &FileSystem, record: Record) -> Record {
    [fs.blocks, fs.free, fs.files, fs.files, fs.free]
        .into_iter()
        .fold(record.words([fs.magic, BLOCK, BLOCK, 0]), Record::u64)
        .words([1, 0, NAME_MAX, 0])
        .words([0; 5])
}
