//! Trials: whether a dump goes on from some place.

use super::budget::{Budget, cursor};
use super::context::{Context, Trust};
use super::struck::StruckType;
use crate::{Dump, Kind, Record};

/// A walk that is only tried.
pub(super) struct Trial<'c, 'a> {
    dump: Dump<'a>,
    context: Context<'c>,
    /// Where it has come to: between records.
    pub at: usize,
    /// How many telling records it has found.
    pub telling: u32,
}

/// Why a trial stopped, before the record that stopped it.
pub(super) enum Stop {
    /// The end of the dump.
    End,
    /// As many telling records as were asked for.
    Enough,
    /// A type whose name is not what its length says.
    Struck(StruckType),
    /// What can't be read, wherever one comes from.
    Unreadable,
    /// What can't be here after what was before, or no more work is allowed.
    Refused,
}

impl<'c, 'a> Trial<'c, 'a> {
    /// From a place on, after what `context` knows.
    pub fn new(dump: Dump<'a>, context: &'c Context<'_>, at: usize) -> Self {
        Self { dump, context: context.trial(), at, telling: 0 }
    }

    /// The same after something is missing.
    pub fn after_loss(mut self) -> Self {
        self.context.lose();
        self
    }

    /// What is known where the trial has come to.
    pub fn context(&self) -> &Context<'c> {
        &self.context
    }

    /// Walks until it has found `enough` telling records, or has to stop. `visit` is told each record's place, and
    /// may end it.
    pub fn run(&mut self, enough: u32, budget: &mut Budget, mut visit: impl FnMut(usize) -> bool) -> Stop {
        while self.telling < enough {
            if budget.is_spent() || !visit(self.at) {
                return Stop::Refused;
            }
            let (record, end) = match budget.decode(&self.dump, self.at) {
                Ok(read) => read,
                Err(_) => return self.struck(budget).map_or(Stop::Unreadable, Stop::Struck),
            };
            let ends = end == self.dump.bytes().len();
            match self.context.judge(&record, ends) {
                Trust::Impossible => return Stop::Refused,
                Trust::Possible => {}
                Trust::Telling => self.telling += 1,
            }
            if matches!(record, Record::Type(_))
                && let Some(struck) = self.struck(budget)
            {
                return Stop::Struck(struck);
            }
            self.context.accept(&record);
            self.at = end;
            if record.kind() == Kind::Eof {
                return Stop::End;
            }
        }
        Stop::Enough
    }

    fn struck(&self, budget: &mut Budget) -> Option<StruckType> {
        StruckType::find(&self.dump, &self.context, self.at, budget)
    }
}

/// How many telling records prove that a dump goes on somewhere. One is rarely found by accident, and accidents in a row
/// would also have to be in step with each other.
const PROOF: u32 = 3;
/// How many do at the end of the dump, which nothing else has.
const PROOF_AT_END: u32 = 2;

/// The first place from `from` on where the dump goes on after something is missing.
pub(super) fn find_continuation(
    dump: &Dump<'_>,
    context: &Context<'_>,
    from: usize,
    budget: &mut Budget,
) -> Option<usize> {
    let input = dump.bytes();
    (from..input.len()).find(|&at| {
        let Some(kind) = Kind::ALL.get(usize::from(input[at])).copied() else { return false };
        // One byte in fifteen is a tag; most others of what a record begins with can be told from its first number.
        if kind == Kind::Eof || !context.allows(kind) || budget.is_spent() {
            return false;
        }
        let mut head = cursor(dump, at + 1);
        if kind == Kind::Object
            && !matches!((head.uvarint("address"), head.uvarint("length")),
                (Ok(address), Ok(length)) if context.has_room_for(address, length))
        {
            return false;
        }
        let mut trial = Trial::new(*dump, context, at).after_loss();
        // It begins with a telling record: others may be the end of what is missing.
        match trial.run(1, budget, |place| place == at) {
            Stop::Enough => {}
            _ => return false,
        }
        match trial.run(PROOF, budget, |_| true) {
            Stop::Enough | Stop::Struck(_) => true,
            Stop::End => trial.telling >= PROOF_AT_END,
            Stop::Unreadable | Stop::Refused => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::beginning;
    use crate::{Fields, Object, PointerSize};

    /// Bytes that no record can begin with here cost nothing: most of the search is among them, and zeros are the most
    /// of those.
    #[test]
    fn what_cannot_begin_a_record_is_not_tried() {
        let mut file = beginning(PointerSize::Eight);
        let from = file.len();
        file.extend([Kind::Eof as u8; 50]);
        // Before the objects, of which one was.
        file.extend([Kind::Itab as u8; 50]);
        let dump = Dump::new(&file).unwrap();
        let mut context = Context::new(dump.params());
        let object = Object { address: 0x10, contents: &[0; 8], fields: Fields::default() };
        context.accept(&Record::Object(object));
        let mut budget = Budget::new(1000);
        assert_eq!(find_continuation(&dump, &context, from, &mut budget), None);
        assert_eq!(budget, Budget::new(1000));
    }
}
