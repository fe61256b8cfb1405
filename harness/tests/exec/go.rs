//! Building programs with an installed Go.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::stderr;
use crate::toolchains::toolchain;

/// A program, in a folder that goes when it does.
pub struct Program {
    pub dir: TempDir,
    path: PathBuf,
}

impl Program {
    /// Builds a program of this repository for an architecture, with what is installed and whatever the
    /// environment says about others. `None`, and a word about it, when no Go is installed.
    pub fn build(source: &str, arch: &str) -> Option<Program> {
        let Some(go) = toolchain() else {
            eprintln!("NOT RUN: no Go toolchain is installed (Debian: golang-go)");
            return None;
        };
        Some(Self::build_with(&go, source, arch, &[]))
    }

    /// Builds a program with one toolchain, which is given these flags too.
    pub fn build_with(go: &Path, source: &str, arch: &str, flags: &[&str]) -> Program {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guest");
        let output = Command::new(go)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(source))
            .args(["build", "-trimpath", "-buildvcs=false", "-o"])
            .arg(&path)
            .args(flags)
            .arg(".")
            .envs([("GOOS", "linux"), ("GOARCH", arch), ("CGO_ENABLED", "0"), ("GOFLAGS", "")])
            .envs([("GOWORK", "off"), ("GOTOOLCHAIN", "local"), ("GOPROXY", "off")])
            .output()
            .expect("go runs");
        assert!(output.status.success(), "go build for {arch}: {}", stderr(&output));
        Program { dir, path }
    }

    pub fn path(&self) -> &str {
        self.path.to_str().expect("temporary paths are text")
    }

    /// A path in the program's folder.
    pub fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("temporary paths are text").to_owned()
    }
}
