//! The guest: its source, which is part of this program, and how it is built.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::report::release;

/// The guest's files.
pub const SOURCE: &[(&str, &str)] = &[
    ("finalizers.go", include_str!("guest/finalizers.go")),
    ("go.mod", include_str!("guest/go.mod")),
    ("goroutines.go", include_str!("guest/goroutines.go")),
    ("heap.go", include_str!("guest/heap.go")),
    ("main.go", include_str!("guest/main.go")),
    ("no_weak.go", include_str!("guest/no_weak.go")),
    ("report.go", include_str!("guest/report.go")),
    ("steps.go", include_str!("guest/steps.go")),
    ("weak.go", include_str!("guest/weak.go")),
    ("world.go", include_str!("guest/world.go")),
];

/// The oldest Go that builds the guest: 1.19.
const OLDEST: u8 = 19;

/// A Go toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Its `go` command.
    pub go: PathBuf,
    /// Its release, such as `go1.27.3`: what `go env GOVERSION` says.
    pub version: String,
    /// Further flags for `go build`, such as `-overlay` with a change.
    pub flags: Vec<String>,
}

/// Why there is no guest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The toolchain cannot be run.
    #[error("cannot run {}: {error}; name a go command, or the folder of a toolchain, which has it in bin", path.display())]
    NoGo {
        /// What was tried.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It runs, and is no Go toolchain.
    #[error("{} is no go command: `{} env GOVERSION` {says}", path.display(), path.display())]
    NotGo {
        /// What was tried.
        path: PathBuf,
        /// What it did instead of naming its version.
        says: String,
    },
    /// It is too old.
    #[error("{} is {version}: worlds need Go 1.19 or a newer one", path.display())]
    Old {
        /// What was tried.
        path: PathBuf,
        /// What it says that it is.
        version: String,
    },
    /// The guest's files cannot be written.
    #[error("cannot write the guest's source: {0}")]
    Source(#[from] io::Error),
    /// The compiler refuses.
    #[error("{go} cannot build the guest for {arch}: {}", first_line(message))]
    Build {
        /// The toolchain.
        go: String,
        /// The machine.
        arch: String,
        /// All that it says.
        message: String,
    },
}

/// The line that says what is wrong: those that begin with # name packages.
fn first_line(message: &str) -> &str {
    message
        .lines()
        .find(|line| !line.starts_with('#') && !line.trim().is_empty())
        .unwrap_or("no reason given")
        .trim()
}

impl Toolchain {
    /// The toolchain that a path names: its `go` command, or its folder.
    ///
    /// # Errors
    /// [`BuildError::NoGo`], [`BuildError::NotGo`] and [`BuildError::Old`].
    pub fn find(path: &Path) -> Result<Toolchain, BuildError> {
        let go = if path.is_dir() { path.join("bin").join("go") } else { path.to_owned() };
        // A path with a folder in it is relative to this one, not to where the guest is built.
        let go = if go.components().count() > 1 { std::path::absolute(&go).unwrap_or(go) } else { go };
        let run = |args: &[&str]| {
            let output = command(&go).args(args).output();
            let output = output.map_err(|error| BuildError::NoGo { path: go.clone(), error })?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Ok::<_, BuildError>((output, text))
        };
        let (output, version) = run(&["env", "GOVERSION"])?;
        if output.status.success() && version.is_empty() {
            // Go 1.15 and older have no such variable.
            let (_, said) = run(&["version"])?;
            if let Some(version) = said.strip_prefix("go version ") {
                return Err(BuildError::Old { path: go, version: version.to_owned() });
            }
        }
        if !output.status.success() || !version.contains("go1.") {
            let says = match first_line(&String::from_utf8_lossy(&output.stderr)) {
                _ if output.status.success() => format!("says {version:?}"),
                reason => format!("fails: {reason}"),
            };
            return Err(BuildError::NotGo { path: go, says });
        }
        if release(&version).is_some_and(|release| release < OLDEST) {
            return Err(BuildError::Old { path: go, version });
        }
        Ok(Toolchain { go, version, flags: Vec::new() })
    }

    /// Builds the guest for a machine in a folder, whose files it may replace. Returns the program.
    ///
    /// # Errors
    /// [`BuildError::Source`] and [`BuildError::Build`].
    pub fn build(&self, arch: &str, dir: &Path) -> Result<Vec<u8>, BuildError> {
        for (name, text) in SOURCE {
            std::fs::write(dir.join(name), text)?;
        }
        let program = dir.join(format!("guest-{arch}"));
        let output = command(&self.go)
            .current_dir(dir)
            .args(["build", "-trimpath", "-buildvcs=false", "-o"])
            .arg(&program)
            .args(&self.flags)
            .arg(".")
            .env("GOARCH", arch)
            .output()
            .map_err(|error| BuildError::NoGo { path: self.go.clone(), error })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BuildError::Build {
                go: self.go.display().to_string(),
                arch: arch.to_owned(),
                message,
            });
        }
        Ok(std::fs::read(program)?)
    }
}

/// A go command that is itself, whatever the environment says of others, and asks nobody.
fn command(go: &Path) -> Command {
    let mut command = Command::new(go);
    command
        .envs([("GOOS", "linux"), ("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")])
        .envs([("GOTOOLCHAIN", "local"), ("GOPROXY", "off"), ("GOENV", "off"), ("GO111MODULE", "on")])
        .envs([("GO386", "sse2"), ("GOAMD64", "v1"), ("GOARM", "7"), ("GOEXPERIMENT", "")])
        .env_remove("GOROOT");
    command
}
