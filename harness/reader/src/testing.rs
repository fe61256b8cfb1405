//! How dumps begin that unit tests make.

use crate::{Arch, Params, PointerSize, Record, Version};

/// Header and params of a dump of Go 1.5, of a big-endian machine all of whose memory is heap.
pub(crate) fn beginning(pointer_size: PointerSize) -> Vec<u8> {
    let mut file = Version::Go15.header().to_vec();
    let params = Params {
        big_endian: true,
        pointer_size,
        heap_start: 0,
        heap_end: u64::MAX,
        arch: Arch::Char(0),
        experiment: "".into(),
        cpus: 1,
    };
    Record::Params(params).write_to(&mut file).expect("memory does not fail");
    file
}
