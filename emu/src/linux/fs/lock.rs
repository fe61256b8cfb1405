//! Locks on files: `flock`, and `fcntl`'s of open file descriptions.
//!
//! POSIX's record locks are the process's, of which there is one: they never conflict, and are not kept.

use super::super::errno::Errno;

/// A lock that an open file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Names the open file.
    pub owner: u64,
    /// Whether nobody else may hold one.
    pub exclusive: bool,
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

/// The locks on one file, of each kind.
#[derive(Debug, Default)]
pub struct Locks {
    whole: Vec<Lock>,
    ranges: Vec<Lock>,
}

impl Locks {
    /// `flock`: the whole file, for one owner. `None` unlocks.
    ///
    /// # Errors
    /// `EAGAIN` when somebody else holds a lock that forbids it.
    pub fn flock(&mut self, owner: u64, exclusive: Option<bool>) -> Result<(), Errno> {
        let Some(exclusive) = exclusive else {
            self.whole.retain(|lock| lock.owner != owner);
            return Ok(());
        };
        let wanted = Lock { owner, exclusive, start: 0, end: u64::MAX };
        if conflict(&self.whole, wanted).is_some() {
            return Err(Errno::Again);
        }
        self.whole.retain(|lock| lock.owner != owner);
        self.whole.push(wanted);
        Ok(())
    }

    /// The lock on a range that forbids this one.
    pub fn conflict(&self, wanted: Lock) -> Option<Lock> {
        conflict(&self.ranges, wanted)
    }

    /// Locks a range, in place of what its owner held there.
    ///
    /// # Errors
    /// `EAGAIN` when somebody else holds a lock that forbids it, `ENOLCK` when there are too many.
    pub fn lock(&mut self, wanted: Lock) -> Result<(), Errno> {
        const MAX: usize = 4096;
        if self.conflict(wanted).is_some() {
            return Err(Errno::Again);
        }
        if self.ranges.len() >= MAX {
            return Err(Errno::NoLck);
        }
        self.unlock(wanted.owner, wanted.start, wanted.end);
        self.ranges.push(wanted);
        Ok(())
    }

    /// Unlocks what an owner holds of a range.
    pub fn unlock(&mut self, owner: u64, start: u64, end: u64) {
        let mut rest = Vec::new();
        for lock in self.ranges.drain(..) {
            if lock.owner != owner || lock.end <= start || end <= lock.start {
                rest.push(lock);
                continue;
            }
            if lock.start < start {
                rest.push(Lock { end: start, ..lock });
            }
            if end < lock.end {
                rest.push(Lock { start: end, ..lock });
            }
        }
        self.ranges = rest;
    }

    /// An open file is gone, and its locks with it.
    pub fn forget(&mut self, owner: u64) {
        self.whole.retain(|lock| lock.owner != owner);
        self.ranges.retain(|lock| lock.owner != owner);
    }
}

fn conflict(locks: &[Lock], wanted: Lock) -> Option<Lock> {
    let forbids = |lock: &&Lock| {
        lock.owner != wanted.owner
            && (lock.exclusive || wanted.exclusive)
            && lock.start < wanted.end
            && wanted.start < lock.end
    };
    locks.iter().find(forbids).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writes_or_many_read() {
        let mut locks = Locks::default();
        locks.flock(1, Some(false)).unwrap();
        locks.flock(2, Some(false)).unwrap();
        assert_eq!(locks.flock(1, Some(true)), Err(Errno::Again));
        locks.flock(2, None).unwrap();
        locks.flock(1, Some(true)).unwrap();
        assert_eq!(locks.flock(2, Some(false)), Err(Errno::Again));
        locks.forget(1);
        locks.flock(2, Some(true)).unwrap();
    }

    #[test]
    fn ranges_are_split() {
        let mut locks = Locks::default();
        let lock = |owner, exclusive, start, end| Lock { owner, exclusive, start, end };
        locks.lock(lock(1, true, 0, 100)).unwrap();
        locks.unlock(1, 40, 60);
        locks.lock(lock(2, true, 40, 60)).unwrap();
        assert_eq!(locks.lock(lock(2, false, 39, 60)), Err(Errno::Again));
        assert_eq!(locks.conflict(lock(3, false, 50, u64::MAX)), Some(lock(1, true, 60, 100)));
        locks.lock(lock(1, false, 90, 95)).unwrap();
        locks.lock(lock(3, false, 90, 95)).unwrap();
        assert_eq!(locks.conflict(lock(3, true, 95, 96)), Some(lock(1, true, 95, 100)));
    }
}
