//! What a dump holds, counted.

use std::collections::BTreeMap;

/// Counts of what was checked in one dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes of the dump.
    pub bytes: u64,
    /// Object records.
    pub objects: u64,
    /// Stack frame records.
    pub frames: u64,
    /// Records by kind.
    pub kinds: BTreeMap<&'static str, u64>,
}
