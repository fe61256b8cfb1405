//! `heapmatrix corpus`: the golden dumps, made again from their worlds.

use std::path::PathBuf;

use clap::Subcommand;
use heapmatrix_emu::world::World;

use super::{Outcome, Verdict, output, print};
use crate::golden::Golden;

/// Compare the golden dumps with what their worlds give, or make them anew
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 all files are what their worlds give (or have been made so), 1 some are not, 2 bad usage or a file that \
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
    /// Say which files are not what their worlds give, and exit with 1 if there are any
    Check(Folder),
    /// Write the files that are not what their worlds give, and remove those of no world
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
                let verb = if regenerates { "made anew: it " } else { "" };
                print(format_args!("{target}/{} {verb}{}\n", difference.name, difference.what))?;
            }
            count += differences.len();
        }
        let worlds = golden.worlds().count();
        match (count, regenerates) {
            (0, _) => print(format_args!(
                "{worlds} worlds on {} architectures, all as they are\n",
                World::MACHINES.len()
            ))?,
            (_, true) => print(format_args!("{count} files made anew from {worlds} worlds\n"))?,
            (_, false) => {
                print(format_args!("{count} files differ: heapmatrix corpus regenerate writes them\n"))?
            }
        }
        Ok(if count == 0 || regenerates { Verdict::Sound } else { Verdict::Failed })
    }
}
