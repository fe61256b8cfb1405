//! The command line: one file a command.
//!
//! Rules for all of them: results on standard output, `--json` for machines, progress on standard
//! error and only when that is a terminal, one-line errors that say what to do, and three exit
//! statuses: 0 all is well, 1 a check failed, 2 bad usage or unreadable input.

mod corpus;
#[cfg(test)]
mod damage;
mod dump;
mod exec;
mod input;
mod inspect;
mod output;
mod print;
mod run;
mod salvage;
mod stdout;
mod summary;
mod verify;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use heapmatrix_writer::AnyTarget;

use crate::matrix::EMULATED;
use stdout::{list_to_stdout, print, print_json, to_stdout, write_json};

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was checked holds: exit status 0.
    Sound,
    /// A check failed, and the command has said which: exit status 1.
    Failed,
    /// A program was run, and this is its exit status.
    Status(u8),
}

/// What a command returns: its verdict, or the reason why it could not come to one (exit status 2).
pub type Outcome = Result<Verdict, Box<dyn Error>>;

/// A cross-architecture emulation test harness for Go heap dumps.
#[derive(Debug, Parser)]
#[command(name = "heapmatrix", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Dump(dump::Args),
    Inspect(inspect::Args),
    Print(print::Args),
    Verify(verify::Args),
    Salvage(salvage::Args),
    Exec(exec::Args),
    Corpus(corpus::Args),
}

impl Command {
    fn execute(&self) -> Outcome {
        match self {
            Self::Run(args) => args.execute(),
            Self::Dump(args) => args.execute(),
            Self::Inspect(args) => args.execute(),
            Self::Print(args) => args.execute(),
            Self::Verify(args) => args.execute(),
            Self::Salvage(args) => args.execute(),
            Self::Exec(args) => args.execute(),
            Self::Corpus(args) => args.execute(),
        }
    }
}

/// Parses the arguments, runs the command, and says in one line what went wrong.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Who names no command wants to know which there are.
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return refuse(error.render().to_string().trim_end());
        }
        Err(error) if error.use_stderr() => return refuse(&one_line(&error.render().to_string())),
        Err(help) => {
            // A closed pipe is no reason to complain: whoever asked has read enough.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match cli.command.execute() {
        Ok(Verdict::Sound) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Ok(Verdict::Status(status)) => ExitCode::from(status),
        // A listing ends when its reader has seen enough.
        Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("error: {}", with_causes(error.as_ref()))),
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(2)
}

/// Clap's report without its usage: the paragraph that says what is wrong, on one line.
fn one_line(report: &str) -> String {
    let problem = report.split("\n\n").next().unwrap_or(report);
    let words: Vec<&str> = problem.split_whitespace().collect();
    format!("{} (see --help)", words.join(" "))
}

/// An error and its causes, each said once.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An architecture that has an emulated machine.
fn emulated_target(name: &str) -> Result<AnyTarget, String> {
    let known = EMULATED.into_iter().find(|target| target.goarch() == name);
    known.ok_or_else(|| "no machine of this architecture: choose from amd64, 386, arm, ppc64".to_owned())
}
