//! Of when a program's memory statistics are.

use heapmatrix_emu::linux::Process;
use heapmatrix_writer::Memory;
use serde::Serialize;

use super::DUMP_POINT;

/// Where `sys` lies in `runtime.memstats` (Go 1.5's mstats.go): the first field that only `updatememstats`
/// fills, and with more than zero.
const SYS: u64 = 16;

/// Of when the memory statistics in a dump are: `runtime.updatememstats` fills them, and nothing but
/// `debug.WriteHeapDump` and `runtime.ReadMemStats` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    /// Of the moment of the dump.
    Current,
    /// Of the last call before it.
    Earlier,
    /// Never filled: most are zero.
    NotFilled,
}

impl Statistics {
    /// Those of a program that stands still.
    pub(super) fn of(process: &Process) -> Self {
        let at = process.symbols().addr(DUMP_POINT);
        if at.is_some_and(|at| at.0 == process.pc()) {
            return Statistics::Current;
        }
        let mut sys = [0; 8];
        let memstats = process.symbols().addr("runtime.memstats");
        let read = memstats.and_then(|at| process.memory().read(at.add(SYS), &mut sys).ok());
        if read.is_some() && sys != [0; 8] { Statistics::Earlier } else { Statistics::NotFilled }
    }

    /// What a reader of the dump should know of them.
    pub fn doubt(self) -> Option<&'static str> {
        match self {
            Statistics::Current => None,
            Statistics::Earlier => Some(
                "memory statistics are not of this moment, but of the last debug.WriteHeapDump or runtime.ReadMemStats",
            ),
            Statistics::NotFilled => Some(
                "memory statistics were not filled, and most are zero: only debug.WriteHeapDump and runtime.ReadMemStats fill them",
            ),
        }
    }
}
