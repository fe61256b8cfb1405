//! The program of a dump, where `exec` has said which it is: `FILE.exe` is a link to it, beside the dump.
//!
//! A dump names no program. Whoever emulates one knows it, and a link says so for as long as both are there. It is only
//! believed as far as any program is: the dump must be of it.

use std::path::{Path, PathBuf};

/// Where the link to a dump's program is.
pub fn program_of(dump: &Path) -> PathBuf {
    let mut path = dump.as_os_str().to_owned();
    path.push(".exe");
    path.into()
}

/// Leaves a link to the program of a dump. Nothing but an older link is replaced, and a place without links has none.
#[cfg(feature = "emulator")]
pub fn leave_link(dump: &Path, program: &Path) {
    #[cfg(unix)]
    {
        let link = program_of(dump);
        let is_file = std::fs::symlink_metadata(dump).is_ok_and(|metadata| metadata.is_file());
        let Some(program) = std::fs::canonicalize(program).ok().filter(|_| is_file) else { return };
        if std::fs::symlink_metadata(&link).is_ok_and(|metadata| metadata.is_symlink()) {
            let _ = std::fs::remove_file(&link);
        }
        let _ = std::os::unix::fs::symlink(program, link);
    }
    #[cfg(not(unix))]
    let _ = (dump, program);
}
