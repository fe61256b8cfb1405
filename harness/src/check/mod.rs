//! What `heapmatrix check-reader` does: somebody's reader is run on dumps whose contents are known, and on broken ones.
//!
//! The [cases] come from a [corpus](source), from a [generator](generated) of dumps with everything that the format
//! allows, and from a list of [hostile] ones. The reader runs as a [process](child) with limits. What it prints is
//! [understood](said) as JSON, or through an [adapter], and [compared](truth) with what is known.

pub mod adapter;
pub mod cases;
pub mod child;
pub mod encoding;
pub mod generated;
pub mod hostile;
pub mod junit;
pub mod report;
pub mod said;
pub mod source;
pub mod truth;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use adapter::Adapter;
use cases::{Case, Expected};
use child::{Ended, Limits};
use report::{CaseReport, Verdict};
use said::Said;

/// Somebody's reader.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The program and its arguments, with `{}` for the file.
    pub command: Vec<OsString>,
    /// How to understand what it prints, if that is not JSON.
    pub adapter: Option<Adapter>,
    /// What it may use for each dump.
    pub limits: Limits,
}

impl Reader {
    /// Runs the reader on each of the cases, `jobs` at a time, and reports in the order of the cases. `tick` is called
    /// after each; `keep` gets those that fail.
    ///
    /// # Errors
    /// If the reader cannot be started at all, a temporary file cannot be written, or `keep` fails.
    pub fn run(
        &self,
        cases: &[Case],
        jobs: usize,
        tick: &(dyn Fn() + Sync),
        keep: &(dyn Fn(&Case, &[u8]) -> io::Result<()> + Sync),
    ) -> io::Result<Vec<CaseReport>> {
        let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> io::Result<()> {
            let dir = tempfile::Builder::new().prefix("heapmatrix-").tempdir()?;
            while let Some((place, case)) = {
                let place = next.fetch_add(1, Ordering::Relaxed);
                cases.get(place).map(|case| (place, case))
            } {
                let dump = case.dump()?;
                let report = self.check(case, &dump, dir.path())?;
                if !report.verdict.is_right() {
                    keep(case, &dump)?;
                }
                tick();
                reports.lock().unwrap_or_else(|e| e.into_inner()).push((place, report));
            }
            Ok(())
        };
        let stop = |error| {
            next.store(cases.len(), Ordering::Relaxed);
            error
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(|| work().map_err(stop))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("workers do not panic"))
        })?;
        let mut reports = reports.into_inner().unwrap_or_else(|e| e.into_inner());
        reports.sort_by_key(|(place, _)| *place);
        Ok(reports.into_iter().map(|(_, report)| report).collect())
    }

    /// Runs the reader on one dump, in a file that is gone afterwards.
    fn check(&self, case: &Case, dump: &[u8], dir: &Path) -> io::Result<CaseReport> {
        let file = dir.join(format!("{}.dump", case.name.replace('/', "-")));
        fs::write(&file, dump)?;
        let start = Instant::now();
        let ended =
            child::run(&self.command, &file, child::Input::Nothing, &dir.join("printed"), self.limits);
        let seconds = start.elapsed().as_secs_f64();
        fs::remove_file(&file)?;
        let ended = ended?;
        let (verdict, what) = match self.judge(case, ended) {
            Ok(()) => (Verdict::Right, None),
            Err((verdict, what)) => (verdict, Some(what)),
        };
        let (name, machine, format) = (case.name.clone(), case.machine.clone(), case.format.clone());
        Ok(CaseReport { name, class: case.class, machine, format, verdict, what, seconds })
    }

    fn judge(&self, case: &Case, ended: Ended) -> Result<(), (Verdict, String)> {
        let printed = match ended {
            Ended::Hung => {
                let limit = self.limits.seconds;
                return Err((Verdict::Hung, format!("did not end within {limit} s")));
            }
            Ended::Crashed(how) => return Err((Verdict::Crashed, how)),
            Ended::Refused(why) => {
                return match case.expected {
                    Expected::Contents(_) | Expected::Read => Err((Verdict::Refused, why)),
                    Expected::Refusal | Expected::End => Ok(()),
                };
            }
            Ended::Printed(printed) => printed,
        };
        match &case.expected {
            Expected::End | Expected::Read => Ok(()),
            Expected::Refusal => {
                Err((Verdict::Taken, "was read as if it were sound (exit status 0)".to_owned()))
            }
            Expected::Contents(truth) => {
                let wrong = |what| (Verdict::Wrong, what);
                let said = match &self.adapter {
                    Some(adapter) => Said::adapted(&printed, adapter),
                    None => Said::parse(&printed),
                };
                truth.load().map_err(wrong)?.compare(&said.map_err(wrong)?).map_err(wrong)
            }
        }
    }
}
