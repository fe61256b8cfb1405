//! All that is to be said of one run of a world: oracle by oracle, the first difference of each.

use std::collections::BTreeMap;
use std::fmt;

use heapmatrix_reader::laws::{self, Finding as Law};

use super::isomorphism::Graph;
use super::known::Known;
use super::model;
use super::run::{Run, RunError};
use super::world::World;
use crate::go_report::{Finding, Oracle};
use crate::oracle::reencode::{self, Difference};

/// What the oracles say of a run.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Differences, at most one of each oracle.
    pub findings: Vec<Finding>,
    /// Faults that are known of the release, with how often they show.
    pub known: BTreeMap<Known, u64>,
    /// Why the outside writer has not been asked, if it has not.
    pub not_asked: Option<String>,
    /// The dump without addresses, if it can be read.
    pub graph: Option<Graph>,
}

impl Judgement {
    fn add(&mut self, oracle: Oracle, what: impl fmt::Display) {
        if !self.findings.iter().any(|finding| finding.oracle == oracle) {
            self.findings.push(Finding { oracle, what: what.to_string() });
        }
    }

    /// What is said of a world from which nothing came back.
    pub fn of_failure(error: &RunError) -> Judgement {
        let mut judgement = Judgement::default();
        match error {
            RunError::Failed { message, .. } if message.contains("dumpgs in STW - bad status") => {
                // Without a dump nothing else can be said.
                if message.contains("unexpected G.status 0x2") {
                    judgement.known.insert(Known::LeavingSyscall, 1);
                } else {
                    judgement.add(Oracle::Guest, error);
                }
            }
            _ => judgement.add(Oracle::Guest, error),
        }
        judgement
    }

    /// Asks all oracles but isomorphism, which needs other machines.
    pub fn of(world: &World, run: &Run) -> Judgement {
        let mut judgement = Judgement::default();
        match reencode::reencode(&run.own) {
            Ok(_) => {}
            Err(Difference::Unreadable(error)) => judgement.add(Oracle::Reader, error),
            Err(difference) => judgement.add(Oracle::ReEncoding, difference),
        }
        laws::examine(&run.own, |finding| match finding {
            Law::Known(known) => *judgement.known.entry(Known::Law(known.fault)).or_default() += 1,
            // What cannot be read has been said.
            Law::Violation(violation) if violation.law == laws::Law::Readable => {}
            Law::Violation(violation) => judgement.add(Oracle::Laws, violation),
        });
        match model::check(world, &run.report, &run.own) {
            Ok(Ok(known)) => judgement.known.extend(known),
            Ok(Err(mismatch)) => judgement.add(Oracle::Model, mismatch),
            Err(error) => judgement.add(Oracle::Reader, error),
        }
        match &run.outside {
            Ok(None) => {}
            Ok(Some(difference)) => judgement.add(Oracle::OutsideWriter, difference),
            Err(reason) => judgement.not_asked = Some(reason.clone()),
        }
        judgement.graph = Graph::new(world, &run.report, &run.own).ok();
        judgement
    }
}
