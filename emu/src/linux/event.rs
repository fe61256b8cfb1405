//! Counters that are files: `eventfd` and `timerfd`.

use super::errno::Errno;
use super::fd::{POLLIN, POLLOUT, Refusal};

/// An eight-byte counter. Its value is in the guest's order.
#[derive(Debug)]
pub struct Counter {
    value: u64,
    big_endian: bool,
    /// `EFD_SEMAPHORE`: a read takes one.
    semaphore: bool,
    /// Whether the guest can add to it.
    writable: bool,
    /// How often it has changed.
    pub changes: u64,
}

impl Counter {
    /// An `eventfd` that starts at a value.
    pub fn event(value: u64, semaphore: bool, big_endian: bool) -> Self {
        Counter { value, big_endian, semaphore, writable: true, changes: 0 }
    }

    /// A `timerfd`, which counts how often its timer has expired.
    pub fn timer(big_endian: bool) -> Self {
        Counter { value: 0, big_endian, semaphore: false, writable: false, changes: 0 }
    }

    /// Takes the value.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] of zero, `EINVAL` when there are less than eight bytes for it.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Refusal> {
        let slot = buf.get_mut(..8).ok_or(Errno::Inval)?;
        if self.value == 0 {
            return Err(Refusal::NotNow);
        }
        let taken = if self.semaphore { 1 } else { self.value };
        slot.copy_from_slice(&if self.big_endian { taken.to_be_bytes() } else { taken.to_le_bytes() });
        self.value -= taken;
        self.changes += 1;
        Ok(8)
    }

    /// Adds to the value.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] when the sum is too large, `EINVAL` of a number that is none.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let bytes: [u8; 8] = bytes.get(..8).and_then(|b| b.try_into().ok()).ok_or(Errno::Inval)?;
        let more = if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) };
        if !self.writable || more == u64::MAX {
            return Err(Errno::Inval.into());
        }
        self.value = self.value.checked_add(more).filter(|&sum| sum < u64::MAX).ok_or(Refusal::NotNow)?;
        self.changes += 1;
        Ok(8)
    }

    /// The timer has expired so many times more.
    pub fn expired(&mut self, times: u64) {
        self.value = self.value.saturating_add(times);
        self.changes += 1;
    }

    /// The timer was set anew.
    pub fn reset(&mut self) {
        self.value = 0;
        self.changes += 1;
    }

    /// What could be done now without waiting, as `poll` bits.
    pub fn ready(&self) -> u32 {
        let write = if self.writable && self.value < u64::MAX - 1 { POLLOUT } else { 0 };
        write | if self.value > 0 { POLLIN } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semaphore_gives_one_at_a_time() {
        let mut buf = [0; 8];
        let mut counter = Counter::event(2, true, true);
        assert_eq!((counter.read(&mut buf), buf), (Ok(8), [0, 0, 0, 0, 0, 0, 0, 1]));
        assert_eq!(counter.read(&mut buf), Ok(8));
        assert_eq!((counter.read(&mut buf), counter.ready()), (Err(Refusal::NotNow), POLLOUT));
        let mut timer = Counter::timer(false);
        timer.expired(300);
        assert_eq!((timer.read(&mut buf), buf[..2].to_vec()), (Ok(8), vec![44, 1]));
        assert_eq!(timer.write(&[1; 8]), Err(Errno::Inval.into()));
        let mut full = Counter::event(u64::MAX - 1, false, false);
        assert_eq!(full.write(&1_u64.to_le_bytes()), Err(Refusal::NotNow));
        assert_eq!(full.write(&u64::MAX.to_le_bytes()), Err(Errno::Inval.into()));
    }
}
