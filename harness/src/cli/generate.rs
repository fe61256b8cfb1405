//! `heapmatrix generate`: shell completions and man pages, for packages. Not in the help: users have no use for it.

use std::fs;
use std::path::PathBuf;

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Cli, Outcome, Verdict, output};

/// Write shell completions and man pages
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the files are written, 2 bad usage or a file that cannot be written.

Examples:
  heapmatrix generate --dir target/share
  heapmatrix generate --dir /usr/local/share")]
pub struct Args {
    /// The folder to write completions/ and man/man1/ in
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let folder = |name: &str| {
            let dir = self.dir.join(name);
            fs::create_dir_all(&dir)
                .map_err(|error| format!("cannot write to {}: {error}", dir.display()))?;
            Ok::<_, String>(dir)
        };
        let (completions, pages) = (folder("completions")?, folder("man/man1")?);
        let mut command = Cli::command();
        for &shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "heapmatrix", &mut script);
            output::write(
                &completions.join(clap_complete::Generator::file_name(&shell, "heapmatrix")),
                &script,
            )?;
        }
        page(&command, &pages)?;
        Ok(Verdict::Sound)
    }
}

/// Writes the page of a command and those of the commands below it, without those that would describe `help`.
fn page(command: &clap::Command, dir: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let man = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    man.render(&mut text)?;
    output::write(&dir.join(man.get_filename()), &text)?;
    let described = |command: &&clap::Command| !command.is_hide_set() && command.get_name() != "help";
    command.get_subcommands().filter(described).try_for_each(|command| page(command, dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Args { dir: dir.path().to_owned() }.execute().unwrap(), Verdict::Sound);
        let read =
            |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let scripts =
            ["heapmatrix.bash", "_heapmatrix", "heapmatrix.fish", "_heapmatrix.ps1", "heapmatrix.elv"];
        let scripts = scripts.map(|name| read(&format!("completions/{name}")));
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            assert!(scripts.iter().all(|script| script.contains(name)), "{name}");
            let page = read(&format!("man/man1/heapmatrix-{name}.1"));
            assert!(page.contains("Exit status: 0") || page.contains("Exit status: that"), "{name}: {page}");
        }
        assert!(read("man/man1/heapmatrix.1").contains("heapmatrix\\-inspect(1)"));
        read("man/man1/heapmatrix-corpus-check.1");
        for name in ["generate", "help", "corpus-help"] {
            assert!(!dir.path().join(format!("man/man1/heapmatrix-{name}.1")).exists(), "{name}");
        }
    }
}
