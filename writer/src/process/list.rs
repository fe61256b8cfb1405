//! Walking linked lists that may lead back into themselves.

use crate::error::{Error, Place};
use crate::memory::Addr;

/// Notices when a list loops, in constant memory (Brent's algorithm).
pub(crate) struct LoopCheck {
    place: Place,
    /// An element that was seen, at the last power of two.
    seen: Addr,
    steps: u64,
    power: u64,
}

impl LoopCheck {
    /// For the list that is linked through `place`.
    pub(crate) fn new(place: Place) -> Self {
        LoopCheck { place, seen: Addr::NIL, steps: 0, power: 1 }
    }

    /// To be called with each element of the list, before it is used; elements are never nil.
    ///
    /// # Errors
    /// [`Error::ListLoops`], at the latest when the list has been walked three times.
    pub(crate) fn visit(&mut self, at: Addr) -> Result<(), Error> {
        if at == self.seen {
            return Err(Error::ListLoops { place: self.place, at });
        }
        self.steps += 1;
        if self.steps == self.power {
            self.seen = at;
            self.steps = 0;
            self.power *= 2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a list that has `tail` elements before a loop of `cycle` ones; gives the visits until it
    /// is noticed.
    fn walk(tail: u64, cycle: u64) -> Option<u64> {
        let mut check = LoopCheck::new(Place::new("m", "alllink"));
        (0..1000).find(|&i| {
            let at = if i < tail { i } else { tail + (i - tail) % cycle };
            check.visit(Addr(at + 1)).is_err()
        })
    }

    #[test]
    fn loops_are_noticed_within_three_rounds() {
        for tail in 0..20 {
            for cycle in 1..20 {
                let visits = walk(tail, cycle).expect("noticed");
                assert!(visits <= 3 * (tail + cycle), "tail {tail}, cycle {cycle}: {visits} visits");
                assert!(visits >= tail + cycle, "tail {tail}, cycle {cycle}: {visits} visits");
            }
        }
    }

    #[test]
    fn lists_that_end_are_walked_to_the_end() {
        assert_eq!(walk(1000, 1), None);
    }

    #[test]
    fn the_error_names_the_link_and_the_element() {
        let mut check = LoopCheck::new(Place::new("m", "alllink"));
        check.visit(Addr(0x40)).unwrap();
        let error = check.visit(Addr(0x40)).unwrap_err();
        assert_eq!(error.to_string(), "the list linked through m.alllink loops: it comes back to 0x40");
    }
}
