//! Futexes: who waits for which word of memory.

use std::collections::{BTreeMap, VecDeque};

/// The waiting threads of every futex, in the order in which they came.
#[derive(Debug, Default)]
pub struct Futexes(BTreeMap<u64, VecDeque<u32>>);

impl Futexes {
    /// A thread begins to wait for the word at `addr`.
    pub fn wait(&mut self, addr: u64, tid: u32) {
        self.0.entry(addr).or_default().push_back(tid);
    }

    /// A thread waits no longer, for another reason than being woken.
    pub fn forget(&mut self, addr: u64, tid: u32) {
        if let Some(queue) = self.0.get_mut(&addr) {
            queue.retain(|&waiting| waiting != tid);
            if queue.is_empty() {
                self.0.remove(&addr);
            }
        }
    }

    /// Takes up to `max` threads that wait for the word at `addr`.
    pub fn wake(&mut self, addr: u64, max: usize) -> Vec<u32> {
        let Some(queue) = self.0.get_mut(&addr) else { return Vec::new() };
        let woken = queue.drain(..max.min(queue.len())).collect();
        if queue.is_empty() {
            self.0.remove(&addr);
        }
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served() {
        let mut futexes = Futexes::default();
        for tid in 1..=4 {
            futexes.wait(0x10, tid);
        }
        futexes.wait(0x20, 9);
        futexes.forget(0x10, 2);
        futexes.forget(0x30, 2);
        assert_eq!(futexes.wake(0x10, 2), [1, 3]);
        assert_eq!(futexes.wake(0x10, usize::MAX), [4]);
        assert!(futexes.wake(0x10, 1).is_empty());
        assert_eq!(futexes.0.len(), 1, "no empty queues stay behind");
    }
}
