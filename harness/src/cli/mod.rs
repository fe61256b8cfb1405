//! The command line: one file a command.
//!
//! Rules for all of them: results on standard output, `--json` for machines, progress on standard
//! error and only when that is a terminal, one-line errors that say what to do, and three exit
//! statuses: 0 all is well, 1 a check failed, 2 bad usage or unreadable input. Nothing is printed but
//! through `Out` and `note`, which escape what could deceive.
#![deny(clippy::print_stdout, clippy::print_stderr)]
// Some of what commands share is for those with machines alone.
#![cfg_attr(not(feature = "emulator"), allow(dead_code, unused_imports))]

#[cfg(feature = "emulator")]
mod arch;
mod beside;
#[cfg(feature = "emulator")]
mod check_go;
mod check_reader;
#[cfg(feature = "emulator")]
mod check_writer;
#[cfg(feature = "emulator")]
mod corpus;
#[cfg(all(test, feature = "emulator"))]
#[expect(clippy::print_stderr, reason = "says which input made a test fail")]
mod damage;
mod diff;
mod dump;
mod escape;
#[cfg(feature = "emulator")]
mod exec;
mod explain;
mod export;
#[cfg(any(test, not(feature = "emulator")))]
mod frames;
mod generate;
mod goroutines;
mod grep;
mod heap;
mod hex;
mod input;
mod inspect;
mod kept;
mod merge_reports;
mod number;
mod out;
mod output;
mod print;
mod progress;
mod record;
mod report;
#[cfg(feature = "emulator")]
mod run;
mod salvage;
mod search;
mod stdout;
mod summary;
mod top;
mod verify;
mod waste;
mod web;
mod whole;
mod why;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand, ValueEnum};

use out::{BAD, Out};
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
    /// When to use colours; NO_COLOR in the environment means never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    #[arg(help = "When to use colours: auto (on a terminal, unless NO_COLOR is set), always or never")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

/// What `--color` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Holds for the whole process.
    fn choose(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "emulator")]
    Run(run::Args),
    Dump(dump::Args),
    Inspect(inspect::Args),
    Print(print::Args),
    Grep(grep::Args),
    Top(top::Args),
    Why(why::Args),
    Explain(explain::Args),
    Diff(diff::Args),
    Goroutines(goroutines::Args),
    Export(export::Args),
    Web(web::Args),
    Verify(verify::Args),
    Salvage(salvage::Args),
    CheckReader(check_reader::Args),
    #[cfg(feature = "emulator")]
    CheckWriter(check_writer::Args),
    MergeReports(merge_reports::Args),
    #[cfg(feature = "emulator")]
    Exec(exec::Args),
    #[cfg(feature = "emulator")]
    CheckGo(check_go::Args),
    #[cfg(feature = "emulator")]
    Corpus(corpus::Args),
    #[command(hide = true)]
    Generate(generate::Args),
}

impl Command {
    fn execute(&self) -> Outcome {
        match self {
            #[cfg(feature = "emulator")]
            Self::Run(args) => args.execute(),
            Self::Dump(args) => args.execute(),
            Self::Inspect(args) => args.execute(),
            Self::Print(args) => args.execute(),
            Self::Grep(args) => args.execute(),
            Self::Top(args) => args.execute(),
            Self::Why(args) => args.execute(),
            Self::Explain(args) => args.execute(),
            Self::Diff(args) => args.execute(),
            Self::Goroutines(args) => args.execute(),
            Self::Export(args) => args.execute(),
            Self::Web(args) => args.execute(),
            Self::Verify(args) => args.execute(),
            Self::Salvage(args) => args.execute(),
            Self::CheckReader(args) => args.execute(),
            #[cfg(feature = "emulator")]
            Self::CheckWriter(args) => args.execute(),
            Self::MergeReports(args) => args.execute(),
            #[cfg(feature = "emulator")]
            Self::Exec(args) => args.execute(),
            #[cfg(feature = "emulator")]
            Self::CheckGo(args) => args.execute(),
            #[cfg(feature = "emulator")]
            Self::Corpus(args) => args.execute(),
            Self::Generate(args) => args.execute(),
        }
    }
}

/// Parses the arguments, runs the command, and says in one line what went wrong.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Who names no command wants to know which there are. Nothing in it is the user's.
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(error) if error.use_stderr() => return refuse(one_line(&error)),
        Err(help) => {
            // A closed pipe is no reason to complain: whoever asked has read enough.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    cli.color.choose();
    match cli.command.execute() {
        Ok(Verdict::Sound) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Ok(Verdict::Status(status)) => ExitCode::from(status),
        // A listing ends when its reader has seen enough.
        Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => refuse(with_causes(error.as_ref())),
    }
}

fn refuse(message: impl Display) -> ExitCode {
    to_stderr(|err| {
        err.paint(BAD, "error:")?;
        err.line(format_args!(" {message}"))
    });
    ExitCode::from(2)
}

/// Says something in a line on standard error.
fn note(message: impl Display) {
    to_stderr(|err| err.line(message));
}

/// Writes to standard error, in one piece. Who has closed that does not want to know.
fn to_stderr(write: impl FnOnce(&mut Out<'_>) -> io::Result<()>) {
    let mut text = Vec::new();
    let _ = write(&mut Out::new(&mut text, stdout::has_colors(&io::stderr())));
    let _ = io::stderr().lock().write_all(&text);
}

/// Commands that a program without machines lacks.
const NEED_MACHINES: [&str; 5] = ["run", "check-writer", "exec", "check-go", "corpus"];

/// Clap's report without its usage: what is wrong, on one line, and what may have been meant.
fn one_line(error: &clap::Error) -> String {
    if let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand)
        && NEED_MACHINES.contains(&name.as_str())
    {
        return format!(
            "{name} needs the emulated machines, and this program was built without (--no-default-features)"
        );
    }
    let report = error.render().to_string();
    let problem = report.split("\n\n").next().unwrap_or(&report);
    let words: Vec<&str> = problem.split_whitespace().skip_while(|&word| word == "error:").collect();
    let meant = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = meant.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(one) => Some(one.clone()),
        // The closest comes last.
        ContextValue::Strings(all) => all.last().cloned(),
        _ => None,
    });
    let meant = meant.map_or(String::new(), |meant| format!(", did you mean {meant}?"));
    format!("{}{meant} (see --help)", words.join(" "))
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The commands and those below them, with their words.
    fn commands(command: &clap::Command, words: &[String], all: &mut Vec<(Vec<String>, clap::Command)>) {
        for command in command.get_subcommands() {
            let words = [words, &[command.get_name().to_owned()]].concat();
            commands(command, &words, all);
            all.push((words, command.clone()));
        }
    }

    #[test]
    fn definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_tells_its_exit_statuses_and_has_two_examples() {
        for command in Cli::command().get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let mut command = command.clone().term_width(0);
            let help = command.render_long_help().to_string();
            assert!(help.contains("\nExit status: "), "{name}: {help}");
            let examples = help.split("\nExamples:\n").nth(1).unwrap_or_else(|| panic!("{name}: {help}"));
            let examples: Vec<&str> = examples.lines().collect();
            assert_eq!(examples.len(), 2, "{name}: {examples:?}");
            for example in examples {
                // Up to a pipe, and each side of it that is ours.
                for part in example.split(" | ").filter(|part| part.trim_start().starts_with("heapmatrix ")) {
                    let words = part.split_whitespace().map(|word| word.trim_matches('\''));
                    let parsed = Cli::try_parse_from(words);
                    assert!(parsed.is_ok(), "{part}: {parsed:?}");
                }
                assert!(example.starts_with(&format!("  heapmatrix {name} ")), "{example}");
            }
        }
    }

    /// Were one missing here, the program without machines would take it for a mistake of the user's.
    #[test]
    #[cfg(feature = "emulator")]
    fn commands_that_need_machines_are_those_of_the_feature() {
        let source = include_str!("mod.rs");
        let commands = &source[source.find("enum Command {").unwrap()..source.find("impl Command").unwrap()];
        let optional = commands.matches("#[cfg(feature = \"emulator\")]").count();
        assert_eq!(optional, NEED_MACHINES.len());
        let command = Cli::command();
        assert!(NEED_MACHINES.iter().all(|name| command.find_subcommand(name).is_some()));
    }

    #[test]
    fn what_may_have_been_meant_is_said_in_the_line() {
        for (args, said) in [
            (&["inspct", "x"][..], "unrecognized subcommand 'inspct', did you mean inspect? (see --help)"),
            (
                &["inspect", "x", "--jsn"],
                "unexpected argument '--jsn' found, did you mean --json? (see --help)",
            ),
            (
                &["print", "x", "--records", "objet"],
                "invalid value 'objet' for '--records <KIND>': the kinds are eof, ",
            ),
            (
                &["dump", "--arch", "arm"],
                "the following required arguments were not provided: --output <FILE> (see",
            ),
            (&["print", "x", "--offset", "c000"], "expected a number, such as 4096 or 0x1000 (see --help)"),
            (&["run", "--worlds", "abc"], "expected a number, such as 4096 or 0x1000 (see --help)"),
            (&["grep", "x", "y", "--hex", "00"], "cannot be used with"),
            (&["grep", "--hex", "00", "y", "-i"], "'--hex <BYTES>' cannot be used with '--ignore-case'"),
            (&["inspect", "x", "--color", "blue"], "invalid value 'blue' for '--color <WHEN>'"),
        ] {
            let error = Cli::try_parse_from([&["heapmatrix"], args].concat()).unwrap_err();
            let line = one_line(&error);
            assert!(line.contains(said) && line.lines().count() == 1, "{args:?}: {line}");
        }
    }

    #[test]
    fn the_readme_has_every_command_and_option() {
        let readme = include_str!("../../../README.md");
        let mut all = Vec::new();
        commands(&Cli::command(), &[], &mut all);
        for (words, command) in all {
            if words.len() == 1 && !command.is_hide_set() && command.get_subcommands().next().is_none() {
                let row = format!("| `heapmatrix {} ", words[0]);
                assert!(readme.contains(&row), "{words:?}");
            }
        }
    }
}
