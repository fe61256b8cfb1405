//! The type-name defect of Go 1.5.
//!
//! Go 1.5's `dumptype` takes the two string *pointers* of a named type for strings. The length that it writes is a sum
//! of addresses, and instead of the name there are up to twice 2 GiB of the program's memory, with a dot in between:
//! as much as `write` accepted, which the dump doesn't say. (Types that an interface holds by reference are spared:
//! their pointer types are dumped, which have no names.)
//!
//! The way back: only `itab_callback` calls `dumptype`, so what follows the name is known: a truth value and an itab
//! record that names the same type. Those bytes can stand in the memory as well, by accident or because the dump's
//! own buffer is in there. What tells the true ones is what follows:
//! - the itab is a new one: those in the buffer have been dumped before, and no itab is dumped twice;
//! - the records from there on are in the order of a dump and reach the end of the input, or the next struck type, for
//!   which there must be a way back too.
//!
//! If nothing reaches the end, as in a dump that is damaged as well, the longest run of records wins.

use std::collections::HashMap;

use super::budget::{Budget, cursor};
use super::context::{Context, Trust};
use super::trial::{Stop, Trial};
use crate::cursor::Cursor;
use crate::wire::put_uvarint;
use crate::{Dump, Kind, Version};

/// A type record whose name is not what its length says.
pub(super) struct StruckType {
    pub address: u64,
    pub size: u64,
    pub claimed: u64,
    /// Position of what stands where the name should.
    pub name: usize,
}

/// Where a dump goes on after a struck type.
#[derive(Clone, Copy)]
struct WayBack {
    /// Position of an itab record, which a truth value precedes.
    itab: usize,
    /// Where to look for the next way back.
    next: usize,
}

impl StruckType {
    /// What can be read of the type at `at`, if there is one.
    pub fn at(dump: &Dump<'_>, at: usize) -> Option<Self> {
        let mut cursor = cursor(dump, at);
        if Kind::decode(&mut cursor) != Ok(Kind::Type) {
            return None;
        }
        let address = cursor.uvarint("address").ok()?;
        let size = cursor.uvarint("size").ok()?;
        let claimed = cursor.uvarint("name").ok()?;
        Some(Self { address, size, claimed, name: at + cursor.consumed() })
    }

    /// The type at `at`, if it is struck: it cannot be read, or nothing that Go writes follows it.
    ///
    /// A type that its itab doesn't follow may be sound: other writers than Go's dump types alone.
    pub fn find(dump: &Dump<'_>, context: &Context<'_>, at: usize, budget: &mut Budget) -> Option<Self> {
        if dump.version() != Version::Go15 {
            return None;
        }
        let struck = Self::at(dump, at)?;
        if let Ok((record, end)) = budget.decode(dump, at) {
            let mut after = context.trial();
            after.accept(&record);
            if let Ok((next, next_end)) = budget.decode(dump, end)
                && after.judge(&next, next_end == dump.bytes().len()) != Trust::Impossible
            {
                return None;
            }
        }
        Some(struck)
    }

    /// The best place to go on, if there is any: that of an itab. `context` is that before the type.
    pub fn way_back(&self, dump: &Dump<'_>, context: &Context<'_>, budget: &mut Budget) -> Option<usize> {
        let mut best = None;
        let mut from = self.name;
        // Where earlier trials came by, and where they ended.
        let mut dead_ends = HashMap::new();
        while let Some(back) = self.next_way_back(dump, context, from, budget) {
            from = back.next;
            let mut trial = Trial::new(*dump, context, back.itab);
            let (mut milestones, mut known_end) = (Vec::new(), None);
            let stop = trial.run(u32::MAX, budget, |place| {
                if is_milestone(place) {
                    known_end = dead_ends.get(&place).copied();
                    milestones.push(place);
                }
                known_end.is_none()
            });
            let is_dead = match stop {
                Stop::End => return Some(back.itab),
                Stop::Struck(next) => {
                    if next.next_way_back(dump, trial.context(), next.name, budget).is_some() {
                        return Some(back.itab);
                    }
                    true
                }
                Stop::Unreadable => true,
                Stop::Enough | Stop::Refused => known_end.is_some(),
            };
            let end = known_end.unwrap_or(trial.at);
            let length = end - back.itab;
            // Of equals the first.
            if length > best.map_or(0, |(_, longest)| longest) {
                best = Some((back.itab, length));
            }
            if is_dead {
                dead_ends.extend(milestones.into_iter().map(|place| (place, end)));
            }
        }
        best.map(|(itab, _)| itab)
    }

    /// The next place after `from` that looks like a way back.
    fn next_way_back(
        &self,
        dump: &Dump<'_>,
        context: &Context<'_>,
        mut from: usize,
        budget: &mut Budget,
    ) -> Option<WayBack> {
        let input = dump.bytes();
        let mut address = Vec::new();
        put_uvarint(self.address, &mut address).expect("memory does not fail");
        loop {
            let window = input.get(from..).filter(|_| !budget.is_spent())?;
            let found =
                window.windows(address.len()).position(|bytes| bytes[0] == address[0] && bytes == address);
            budget.spend(found.map_or(window.len(), |found| found + 1) as u64);
            let end = from + found?;
            from = end + 1;
            if let Some((length, itab)) = itab_at_end(&input[self.name..end])
                && !context.knows_itab(itab)
            {
                return Some(WayBack { itab: end - length, next: from });
            }
        }
    }
}

/// Whether trials remember that they came by a place: one in sixteen is enough to notice soon that one follows another.
fn is_milestone(place: usize) -> bool {
    (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 == 0
}

/// The tag and the address of an itab if `bytes` end in them, preceded by a truth value: their length, and the
/// address.
fn itab_at_end(bytes: &[u8]) -> Option<(usize, u64)> {
    // A number's bytes are marked but for the last, so its start is known.
    let marked = bytes.iter().rev().skip(1).take(10).take_while(|&&byte| byte >= 0x80).count();
    let length = marked + 2;
    let start = bytes.len().checked_sub(length)?;
    let [.., 0 | 1] = bytes[..start] else { return None };
    let mut cursor = Cursor::new(&bytes[start..], 0, Version::Go15);
    let kind = Kind::decode(&mut cursor).ok()?;
    let itab = cursor.uvarint("address").ok()?;
    (kind == Kind::Itab && cursor.is_at_end()).then_some((length, itab))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PointerSize;
    use crate::testing::beginning;

    /// Every place that is looked at is paid for, also where each is next to the one before.
    #[test]
    fn looking_for_a_way_back_is_paid_for_by_the_byte() {
        let mut file = beginning(PointerSize::Eight);
        let at = file.len();
        // The address of the type, which stands for its name, too.
        file.extend([Kind::Type as u8, 7, 8, 100]);
        file.extend([7; 30]);
        let dump = Dump::new(&file).unwrap();
        let struck = StruckType::at(&dump, at).unwrap();
        let context = Context::new(dump.params());
        let mut budget = Budget::new(1000);
        assert!(struck.next_way_back(&dump, &context, struck.name, &mut budget).is_none());
        let mut spent = Budget::new(1000);
        spent.spend(30);
        assert_eq!(budget, spent);
    }
}
