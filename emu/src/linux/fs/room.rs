//! How much of the host's memory a guest's files may still take.

use std::cell::Cell;
use std::rc::Rc;

use super::super::errno::Errno;

/// Bytes that are left, shared by all who take some.
#[derive(Clone, Debug)]
pub struct Room(Rc<Cell<u64>>);

impl Room {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        Room(Rc::new(Cell::new(bytes)))
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.0.get()
    }

    /// Takes bytes, until the charge is dropped.
    ///
    /// # Errors
    /// `ENOSPC` when there are not so many.
    pub fn take(&self, bytes: u64) -> Result<Charge, Errno> {
        self.0.set(self.0.get().checked_sub(bytes).ok_or(Errno::NoSpc)?);
        Ok(Charge { room: self.clone(), bytes })
    }
}

/// Bytes that were taken. They are given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    room: Room,
    bytes: u64,
}

impl Charge {
    /// Takes or gives back, so that it is so many bytes from now on.
    ///
    /// # Errors
    /// `ENOSPC`: then nothing has changed.
    pub fn set(&mut self, bytes: u64) -> Result<(), Errno> {
        let left = self.room.left() + self.bytes;
        self.room.0.set(left.checked_sub(bytes).ok_or(Errno::NoSpc)?);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.room.0.set(self.room.left() + self.bytes);
    }
}
