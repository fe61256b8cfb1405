//! The walk through a damaged dump.
//!
//! Where a record can't be read, or can't be where it is, the damage is not there but before: bytes that are missing
//! make an earlier record take others for its own. What was read since the last telling record is in doubt, and is not
//! saved unless what stands at the fault is telling itself.

use super::budget::{Budget, cursor};
use super::context::{Context, Place, Trust};
use super::seam::is_torn;
use super::struck::StruckType;
use super::trial::find_continuation;
use super::{Gap, Hole};
use crate::{Dump, Error, Kind, Object, Problem, Record, Version};

/// What came of a walk.
pub(super) struct Walked {
    pub gaps: Vec<Gap>,
    /// Where the last record that is saved ends.
    pub end: usize,
    pub records: u64,
    /// Whether its last record is the dump's `eof`.
    pub ended: bool,
    pub cut: Option<Error>,
}

/// A position between records, and what is known there.
pub(super) struct Walk<'a, 'p> {
    dump: Dump<'a>,
    context: Context<'static>,
    at: usize,
    records: u64,
    /// The last record that is kept: its kind and its position.
    last: (Kind, usize),
    gaps: Vec<Gap>,
    budget: Budget,
    sure: Sure<'a>,
    /// Whether a search has come to the end of the dump and found nothing.
    nothing_follows: bool,
    /// Whether records that can't be here are kept: those of a writer that has ways of its own.
    lenient: bool,
    progress: &'p mut dyn FnMut(u64),
}

/// The last place that is known to be between records, and what was kept since.
struct Sure<'a> {
    at: usize,
    records: u64,
    last: (Kind, usize),
    place: Place,
    itabs: Vec<u64>,
    /// The record that follows, if it is an object.
    object: Option<Object<'a>>,
}

/// What stops a walk at a place.
enum Fault<'a> {
    /// Nothing can be read.
    Unreadable(Error),
    /// A record, up to this position, that can't be here.
    Impossible(Record<'a>, usize),
}

impl<'a, 'p> Walk<'a, 'p> {
    pub fn new(dump: Dump<'a>, start: usize, lenient: bool, progress: &'p mut dyn FnMut(u64)) -> Self {
        let context = Context::new(dump.params());
        let last = (Kind::Params, dump.version().header().len());
        let place = context.place;
        Self {
            dump,
            context,
            at: start,
            records: 1,
            last,
            gaps: Vec::new(),
            budget: Budget::new(dump.bytes().len()),
            sure: Sure { at: start, records: 1, last, place, itabs: Vec::new(), object: None },
            nothing_follows: false,
            lenient,
            progress,
        }
    }

    /// Walks to the end, or to where nothing can be read any more.
    pub fn run(mut self) -> Walked {
        let length = self.dump.bytes().len();
        let cut = loop {
            (self.progress)(self.at as u64);
            if self.last.0 == Kind::Eof {
                let follows = self.at < length;
                break follows.then(|| Error::new(self.at as u64, "end", Problem::TrailingBytes));
            }
            let mut ahead = cursor(&self.dump, self.at);
            let fault = match Record::decode(&mut ahead) {
                Ok(record) => {
                    let end = self.at + ahead.consumed();
                    if record.kind() == Kind::Type && self.step_over_struck() {
                        continue;
                    }
                    // Another dump that follows is none of this one.
                    let rest = &self.dump.bytes()[end..];
                    let ends = rest.is_empty() || self.context.may_end() && Version::recognise(rest).is_ok();
                    match self.context.judge(&record, ends) {
                        Trust::Impossible if !self.lenient => Fault::Impossible(record, end),
                        trust => {
                            self.keep(&record, end, trust);
                            continue;
                        }
                    }
                }
                Err(_) if self.step_over_struck() => continue,
                Err(error) => Fault::Unreadable(error),
            };
            if let Some(cut) = self.pass(fault) {
                break Some(cut);
            }
        };
        Walked { gaps: self.gaps, end: self.at, records: self.records, ended: self.last.0 == Kind::Eof, cut }
    }

    /// Keeps a record, for the time being.
    fn keep(&mut self, record: &Record<'a>, end: usize, trust: Trust) {
        if self.context.is_orphan(record.kind()) {
            return self.skip_orphan(record, end);
        }
        if trust == Trust::Telling {
            self.mend_seam(record);
            self.be_sure();
        }
        match record {
            Record::Itab(itab) => self.sure.itabs.push(itab.address),
            Record::Object(object) if trust == Trust::Telling => self.sure.object = Some(*object),
            _ => {}
        }
        self.context.accept(record);
        self.last = (record.kind(), self.at);
        self.at = end;
        self.records += 1;
    }

    /// Everything up to here was read in step.
    fn be_sure(&mut self) {
        if let Some(object) = self.sure.object.take() {
            self.context.add_object(object.address, object.address + object.contents.len() as u64);
        }
        self.sure.itabs.clear();
        let Self { at, records, last, context, .. } = self;
        (self.sure.at, self.sure.records, self.sure.last, self.sure.place) =
            (*at, *records, *last, context.place);
    }

    /// Takes back what is in doubt.
    fn back_out(&mut self) {
        for itab in self.sure.itabs.drain(..) {
            self.context.forget_itab(itab);
        }
        self.sure.object = None;
        let Sure { at, records, last, place, .. } = self.sure;
        (self.at, self.records, self.last, self.context.place) = (at, records, last, place);
    }

    /// Leaves out an object that has taken others for its contents and came to its end in step.
    fn mend_seam(&mut self, next: &Record<'_>) {
        let Some(object) = self.sure.object else { return };
        if self.lenient || !is_torn(&self.dump, &object, next) {
            return;
        }
        let (next, why) = (self.at, Error::new(self.sure.at as u64, "contents", Problem::Torn));
        self.back_out();
        self.skip_to(next, why.within(Kind::Object, self.sure.at as u64));
    }

    /// Leaves out a record of a goroutine that is lost.
    fn skip_orphan(&mut self, record: &Record<'_>, end: usize) {
        self.context.accept(record);
        let why = self.gaps.iter().rev().find_map(|gap| match gap {
            Gap::Hole(hole) => Some(hole.why.clone()),
            Gap::Name { .. } => None,
        });
        if let Some(why) = why {
            self.leave_out(end, why).orphans += 1;
        }
        self.at = end;
        self.be_sure();
    }

    /// The hole from here to some position: the last one, if nothing was saved since.
    fn leave_out(&mut self, to: usize, why: Error) -> &mut Hole {
        let goes_on = matches!(self.gaps.last(), Some(Gap::Hole(hole)) if hole.to == self.at);
        if !goes_on {
            let (kind, start) = self.last;
            let before = (kind, start as u64);
            self.gaps.push(Gap::Hole(Hole { from: self.at, to, before, orphans: 0, why }));
        }
        let Some(Gap::Hole(hole)) = self.gaps.last_mut() else { unreachable!("it is the last gap") };
        hole.to = to;
        hole
    }

    /// Steps over the type here if it is struck and there is a way back.
    fn step_over_struck(&mut self) -> bool {
        let Some(struck) = StruckType::find(&self.dump, &self.context, self.at, &mut self.budget) else {
            return false;
        };
        let Some(itab) = struck.way_back(&self.dump, &self.context, &mut self.budget) else { return false };
        self.gaps.push(Gap::Name { ty: self.at, itab });
        self.last = (Kind::Type, self.at);
        self.at = itab;
        self.records += 1;
        self.be_sure();
        true
    }

    /// Goes on after a fault, or says why that can't be done.
    fn pass(&mut self, fault: Fault<'a>) -> Option<Error> {
        // After the statistics an end is what is to be expected, unless it is one of many zeros.
        let ends = match fault {
            Fault::Impossible(Record::Eof, end) => {
                self.context.may_end() && self.dump.bytes().get(end).is_some_and(|&byte| byte != 0)
            }
            _ => false,
        };
        let is_sure = ends || self.has_telling_head();
        if is_sure {
            self.be_sure();
        }
        let next = self.find_continuation();
        match (next, fault) {
            (Some(next), fault) => {
                let start = self.at as u64;
                let why = match fault {
                    Fault::Unreadable(error) => error,
                    Fault::Impossible(record, _) => {
                        let kind = record.kind();
                        Error::new(start, "tag", Problem::OutOfPlace).within(kind, start)
                    }
                };
                self.back_out();
                self.skip_to(next, why);
                None
            }
            // An end in the middle may be any zero, and ends it; any other record has only itself against it.
            (None, Fault::Impossible(Record::Eof, end)) if !ends => {
                self.back_out();
                Some(Error::new(end as u64, "end", Problem::TrailingBytes))
            }
            (None, Fault::Impossible(record, end)) => {
                self.keep(&record, end, Trust::Possible);
                None
            }
            (None, Fault::Unreadable(error)) => {
                if !is_sure && !self.is_cut_off(&error) {
                    self.back_out();
                }
                Some(error)
            }
        }
    }

    /// The first place after what is sure where the dump goes on, by what is known there: what is in doubt may be all wrong.
    fn find_continuation(&mut self) -> Option<usize> {
        if self.nothing_follows {
            return None;
        }
        let Self { dump, context, sure, budget, .. } = self;
        let place = std::mem::replace(&mut context.place, sure.place);
        sure.itabs.iter().for_each(|&itab| context.forget_itab(itab));
        let found = find_continuation(dump, context, sure.at + 1, budget);
        sure.itabs.iter().for_each(|&itab| context.know_itab(itab));
        context.place = place;
        self.nothing_follows = found.is_none();
        found
    }

    /// Goes on somewhere else.
    fn skip_to(&mut self, next: usize, why: Error) {
        self.leave_out(next, why);
        self.at = next;
        self.context.lose();
        self.be_sure();
    }

    /// Whether what can't be read here begins like what would follow, so that what was read before is right.
    fn has_telling_head(&self) -> bool {
        let mut head = cursor(&self.dump, self.at);
        let Ok(kind) = Kind::decode(&mut head) else { return false };
        let mut number = || head.uvarint("head");
        let (Ok(first), Ok(second)) = (number(), number()) else { return false };
        self.context.is_telling_head(kind, [first, second, number().unwrap_or(u64::MAX)])
    }

    /// Whether an error is no more than that the input ends.
    fn is_cut_off(&self, error: &Error) -> bool {
        let allowed = error.record().is_none_or(|(kind, _)| self.context.allows(kind));
        allowed
            && match *error.problem() {
                Problem::MissingEof | Problem::Truncated => true,
                Problem::LengthBeyondInput { length, .. } => {
                    // Go 1.5's types have any length.
                    matches!(error.record(), Some((Kind::Type, _)))
                        || matches!(error.record(), Some((Kind::Data | Kind::Bss, _))) && length < 1 << 40
                }
                _ => false,
            }
    }
}
