//! The Go toolchains that are measured.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The toolchains to measure: `go` (or what `GO` says), and those of the folders that `HEAPMATRIX_GO` names.
pub fn toolchains() -> Vec<PathBuf> {
    let named = std::env::var_os("HEAPMATRIX_GO").unwrap_or_default();
    let named =
        std::env::split_paths(&named).filter(|dir| !dir.as_os_str().is_empty()).map(|dir| dir.join("bin/go"));
    std::iter::once(std::env::var_os("GO").unwrap_or_else(|| "go".into()).into()).chain(named).collect()
}

/// What a toolchain calls its release, if it is one.
pub fn version(go: &Path) -> Option<String> {
    let output = Command::new(go).arg("version").output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find(|word| word.starts_with("go1")).map(str::to_owned)
}
