//! Which Go toolchains there are.

use std::path::PathBuf;
use std::process::Command;

/// The first Go toolchain that there is.
pub fn toolchain() -> Option<PathBuf> {
    let debian =
        std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|e| e.path().join("bin/go"));
    let candidates = debian.filter(|p| p.to_string_lossy().contains("/go-"));
    let works = |go: &PathBuf| Command::new(go).arg("version").output().is_ok_and(|o| o.status.success());
    std::iter::once(PathBuf::from("go")).chain(candidates).find(works)
}

/// The toolchains that are named by `HEAPMATRIX_GO`, after that of the distribution: folders with `bin/go` in them.
pub fn toolchains() -> Vec<PathBuf> {
    let named = std::env::var_os("HEAPMATRIX_GO").unwrap_or_default();
    let named =
        std::env::split_paths(&named).filter(|dir| !dir.as_os_str().is_empty()).map(|dir| dir.join("bin/go"));
    toolchain().into_iter().chain(named).collect()
}
