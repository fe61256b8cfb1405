//! `heapmatrix corpus`: the golden dumps, made again from their worlds, and all dumps as an archive.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use heapmatrix_emu::world::World;

use super::{Outcome, Verdict, output, print};
use crate::check::cases::is_dump;
use crate::check::source::Source;
use crate::golden::Golden;
use crate::pack;
use crate::units::Things;

/// Check the golden dumps against their worlds, regenerate them, or pack all dumps into an archive
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 all files are up to date (or have been rewritten), 1 some differ, 2 bad usage or a file that \
cannot be read or written.

Examples:
  heapmatrix corpus check
  heapmatrix corpus pack -o heapmatrix-corpus.tar.zst")]
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
    /// Pack dumps, what is known of them, and the README into a .tar.zst with checksums: the same bytes each time
    Pack(Pack),
}

#[derive(Debug, clap::Args)]
struct Pack {
    /// The corpus: a folder with golden/, real/ or regressions/ in it [default: the one that is part of this program]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where to write the archive; - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Folder {
    /// The corpus: a folder with the worlds as JSON in worlds/
    #[arg(long, value_name = "DIR", default_value = "corpora/golden")]
    dir: PathBuf,
}

impl Pack {
    fn execute(&self) -> Outcome {
        let source = self.dir.clone().map_or(Source::Embedded, Source::Folder);
        let files = source.names()?.into_iter().filter(|name| pack::belongs(name));
        let files = files.map(|name| Ok((name.clone(), source.read(&name)?)));
        let files = files.collect::<io::Result<Vec<_>>>()?;
        let dumps = files.iter().filter(|(name, _)| is_dump(name)).count() as u64;
        if dumps == 0 {
            let dir = self.dir.as_deref().unwrap_or(Path::new("this program")).display();
            return Err(format!("no dumps in {dir}: a corpus has them in golden/ and real/").into());
        }
        let count = files.len() as u64;
        let mut out = output::Output::create(&self.output)?;
        pack::pack(concat!("heapmatrix-corpus-", env!("CARGO_PKG_VERSION")), files, &mut out)?;
        out.commit()?;
        if !output::is_standard_output(&self.output) {
            let (files, dumps) = (Things(count, "file"), Things(dumps, "dump"));
            print(format_args!("{}: {files}, of them {dumps}\n", self.output.display()))?;
        }
        Ok(Verdict::Sound)
    }
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let (dir, regenerates) = match &self.action {
            Action::Check(Folder { dir }) => (dir, false),
            Action::Regenerate(Folder { dir }) => (dir, true),
            Action::Pack(pack) => return pack.execute(),
        };
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
