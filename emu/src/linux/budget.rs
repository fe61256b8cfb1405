//! How much of the host's memory a guest may take, in one sum: pages, the contents and names of files,
//! threads, interrupted contexts, symbols.

use std::cell::Cell;
use std::rc::Rc;

use super::errno::Errno;

/// Bytes of host memory that one process may make the kernel hold. Clones share one sum.
///
/// What is charged is what the host holds, estimated upwards where it has no exact size. Whoever keeps
/// something for the guest keeps the [`Charge`] for it beside it.
#[derive(Clone, Debug)]
pub struct Budget(Rc<State>);

#[derive(Debug)]
struct State {
    limit: u64,
    used: Cell<u64>,
    peak: Cell<u64>,
    exhausted: Cell<bool>,
}

/// The budget has no such number of bytes left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What files get: the disk is full.
impl From<Full> for Errno {
    fn from(_: Full) -> Self {
        Errno::NoSpc
    }
}

impl Budget {
    /// A budget of so many bytes, all of them left.
    pub fn new(limit: u64) -> Self {
        Budget(Rc::new(State { limit, used: Cell::new(0), peak: Cell::new(0), exhausted: Cell::new(false) }))
    }

    /// How many bytes there are in all.
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.0.limit - self.0.used.get()
    }

    /// The most bytes that were taken at one time.
    pub fn peak(&self) -> u64 {
        self.0.peak.get()
    }

    /// Takes bytes, until the charge is dropped.
    ///
    /// # Errors
    /// [`Full`]: then nothing has changed.
    pub fn take(&self, bytes: u64) -> Result<Charge, Full> {
        let mut charge = Charge { budget: self.clone(), bytes: 0 };
        charge.set(bytes)?;
        Ok(charge)
    }

    /// Ends the run: something was refused without which the program can't go on as a real one would.
    pub fn end_run(&self) -> Errno {
        self.0.exhausted.set(true);
        Errno::NoMem
    }

    /// Whether the run is to end.
    pub fn exhausted(&self) -> bool {
        self.0.exhausted.get()
    }
}

/// Bytes that were taken from a [`Budget`]. They are given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    bytes: u64,
}

impl Charge {
    /// How many bytes it is.
    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes or gives back, so that it is so many bytes from now on.
    ///
    /// # Errors
    /// [`Full`]: then nothing has changed.
    pub fn set(&mut self, bytes: u64) -> Result<(), Full> {
        let state = &self.budget.0;
        let others = state.used.get() - self.bytes;
        let used = others.checked_add(bytes).filter(|&used| used <= state.limit).ok_or(Full)?;
        state.used.set(used);
        state.peak.set(state.peak.get().max(used));
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let used = &self.budget.0.used;
        used.set(used.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_once() {
        let budget = Budget::new(100);
        let mut first = budget.take(60).unwrap();
        assert_eq!(budget.take(41).err(), Some(Full));
        let second = budget.clone().take(40).unwrap();
        assert_eq!((budget.0.used.get(), first.set(61)), (100, Err(Full)));
        drop(second);
        first.set(10).unwrap();
        assert_eq!((first.bytes(), budget.0.used.get(), budget.peak()), (10, 10, 100));
        assert_eq!(first.set(u64::MAX), Err(Full));
        drop(first);
        assert_eq!((budget.0.used.get(), budget.exhausted()), (0, false));
        assert_eq!((budget.end_run(), budget.exhausted()), (Errno::NoMem, true));
    }
}
