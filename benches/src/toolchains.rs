//! The Go toolchains that are measured.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use heapmatrix_writer::AnyTarget;

/// The machines whose programs a Linux of amd64 runs.
pub const NATIVE: [AnyTarget; 2] = [AnyTarget::Amd64, AnyTarget::I386];

/// A Go toolchain.
pub struct Toolchain {
    go: PathBuf,
    /// What it calls its release, such as `go1.27.3`.
    pub version: String,
}

impl Toolchain {
    /// `go`, or what `GO` says; where that is none, it is said.
    pub fn first() -> Option<Toolchain> {
        Toolchain::open(std::env::var_os("GO").unwrap_or_else(|| "go".into()).into())
    }

    fn open(go: PathBuf) -> Option<Toolchain> {
        let output = Command::new(&go).arg("version").output().ok().filter(|output| output.status.success());
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let word =
            text.as_deref().and_then(|text| text.split_whitespace().find(|word| word.starts_with("go1")));
        let Some(version) = word.map(str::to_owned) else {
            eprintln!("NOT RUN: {} is no Go toolchain", go.display());
            return None;
        };
        Some(Toolchain { go, version })
    }

    /// Builds a program, `what` of a folder that is named from this crate's own; for this machine, if for no other.
    ///
    /// # Errors
    /// If Go does not build it, which says why.
    pub fn build(
        &self,
        (folder, what): (&str, &str),
        target: Option<AnyTarget>,
        to: &Path,
    ) -> Result<(), Box<dyn Error>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut command = Command::new(&self.go);
        command.args(["build", "-buildvcs=false", "-o"]).arg(to).arg(what).current_dir(&folder);
        command.envs([("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", ""), ("GOWORK", "off")]);
        if let Some(target) = target {
            command.env("GOARCH", target.goarch());
        }
        if command.status()?.success() {
            return Ok(());
        }
        let machine = target.map_or("this machine", |target| target.goarch());
        Err(format!("{} does not build {} for {machine}", self.go.display(), folder.join(what).display())
            .into())
    }
}

/// [`Toolchain::first`], and those of the folders that `HEAPMATRIX_GO` names.
pub fn toolchains() -> impl Iterator<Item = Toolchain> {
    let named = std::env::var_os("HEAPMATRIX_GO").unwrap_or_default();
    let folders: Vec<_> =
        std::env::split_paths(&named).filter(|folder| !folder.as_os_str().is_empty()).collect();
    let named = folders.into_iter().filter_map(|folder| Toolchain::open(folder.join("bin/go")));
    Toolchain::first().into_iter().chain(named)
}
