//! `heapmatrix corpus`: the golden dumps, made again from their worlds.

use std::path::PathBuf;

use clap::Subcommand;
use heapmatrix_emu::world::World;

use super::{Outcome, Verdict, output, print};
use crate::golden::Golden;

/// Check the golden dumps against their worlds, or regenerate them
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 all files are up to date (or have been rewritten), 1 some differ, 2 bad usage or a file that \
cannot be read or written.

Examples:
  heapmatrix corpus check
  heapmatrix corpus regenerate --dir my/corpus")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the files that differ from what their worlds produce, and exit with 1 if there are any
    Check(Folder),
    /// Rewrite the files that differ, and remove files without a world
    Regenerate(Folder),
}

#[derive(Debug, clap::Args)]
struct Folder {
    /// The corpus: a folder with the worlds as JSON in worlds/
    #[arg(long, value_name = "DIR", default_value = "corpora/golden")]
    dir: PathBuf,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let (Action::Check(Folder { dir }) | Action::Regenerate(Folder { dir })) = &self.action;
        let regenerates = matches!(self.action, Action::Regenerate(_));
        let golden = Golden::open(dir).map_err(|error| {
            let there = dir.join("worlds").is_dir();
            let advice = if there { "" } else { " (name the folder that has worlds/ in it with --dir)" };
            format!("{error}{advice}")
        })?;
        let mut count = 0;
        for &target in World::MACHINES {
            let differences =
                if regenerates { golden.regenerate(target, output::write)? } else { golden.check(target)? };
            for difference in &differences {
                let verb = if regenerates { "rewritten: it " } else { "" };
                print(format_args!("{target}/{} {verb}{}\n", difference.name, difference.what))?;
            }
            count += differences.len();
        }
        let worlds = golden.worlds().count();
        match (count, regenerates) {
            (0, _) => print(format_args!(
                "{worlds} worlds on {} architectures, all up to date\n",
                World::MACHINES.len()
            ))?,
            (_, true) => print(format_args!("{count} files rewritten from {worlds} worlds\n"))?,
            (_, false) => {
                print(format_args!("{count} files differ: heapmatrix corpus regenerate rewrites them\n"))?
            }
        }
        Ok(if count == 0 || regenerates { Verdict::Sound } else { Verdict::Failed })
    }
}
