//! Outputs that remember in which pieces they were given what they took.

use std::io::{self, Write};

/// Takes everything, and remembers in which pieces.
#[derive(Default)]
pub struct Recorder {
    /// The stream.
    pub bytes: Vec<u8>,
    /// The lengths of its pieces.
    pub pieces: Vec<u64>,
}

impl Recorder {
    /// Whether the pieces are these. `split`: they may be split further, as what the dump finds changed by
    /// itself is copied and written a page at a time.
    pub fn came_in(&self, writes: impl Iterator<Item = u64>, split: bool) -> bool {
        let ends = |lengths: &mut dyn Iterator<Item = u64>| -> Vec<u64> {
            let ends = lengths.scan(0, |end, n| {
                *end += n;
                Some(*end)
            });
            ends.collect()
        };
        let (ours, theirs) = (ends(&mut self.pieces.iter().copied()), ends(&mut { writes }));
        if split { theirs.iter().all(|end| ours.binary_search(end).is_ok()) } else { ours == theirs }
    }
}

impl Write for Recorder {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(data);
        self.pieces.push(data.len() as u64);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
