//! The first line of a dump.

use std::fmt;

use crate::{Error, Problem, Result};

/// The versions of the format since Go 1.5, named after the Go release that brought them.
///
/// Source: `dumphdr` in `runtime/heapdump.go`. The records are the same in all three; the versions differ in
/// how `params` names the architecture and in what an itab's type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// Written by Go 1.5: the architecture is a character, and an itab names the type of the interface's
    /// data word. Dumps may be struck by a defect: see [`salvage`](crate::salvage()).
    Go15,
    /// Written by Go 1.6: as 1.5, without the defect.
    Go16,
    /// Written by Go 1.7 and all later releases, at least to 1.27: the architecture is its GOARCH, and an
    /// itab names the type that the interface holds. Somewhere between Go 1.11 and 1.19 the Go version
    /// took the place of the experiments in `params`.
    Go17,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::Go15, Self::Go16, Self::Go17];

    /// The bytes that a dump of this version starts with, to the end of the line.
    pub const fn header(self) -> &'static [u8; 16] {
        match self {
            Self::Go15 => b"go1.5 heap dump\n",
            Self::Go16 => b"go1.6 heap dump\n",
            Self::Go17 => b"go1.7 heap dump\n",
        }
    }

    /// The version's name: `go1.5`, `go1.6` or `go1.7`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Go15 => "go1.5",
            Self::Go16 => "go1.6",
            Self::Go17 => "go1.7",
        }
    }

    /// Recognises the start of a dump.
    ///
    /// # Errors
    /// [`Problem::Truncated`], [`Problem::UnknownVersion`] or [`Problem::NotADump`].
    pub fn recognise(input: &[u8]) -> Result<Self> {
        if let Some(version) = Self::ALL.into_iter().find(|version| input.starts_with(version.header())) {
            return Ok(version);
        }
        let found = &input[..input.len().min(16)];
        if Self::ALL.iter().any(|version| version.header().starts_with(found)) {
            return Err(Error::new(found.len() as u64, "header", Problem::Truncated));
        }
        // go1.3, go1.4 and, should it come, go1.28.
        let line = &input[..input.iter().take(32).position(|&byte| byte == b'\n').unwrap_or(0)];
        Err(Error::new(
            0,
            "header",
            if line.starts_with(b"go") && line.ends_with(b" heap dump") {
                Problem::UnknownVersion(line.to_vec())
            } else {
                Problem::NotADump(found.to_vec())
            },
        ))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
