//! Which Go releases a dump may be of.

use std::fmt;

use crate::{Params, Version};

/// Go releases by their minor version: Go 1.`first` to Go 1.`last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Releases {
    first: u8,
    last: u8,
}

/// The release from which on `params` has the Go version where the experiments were. Source: `dumpparams`.
const NAMES_ITSELF: u8 = 17;

/// Functions of the runtime that show in stacks, and the release that brought them.
const FUNCTIONS: [(&[u8], u8); 2] = [(b"runtime.bgscavenge", 13), (b"runtime.asyncPreempt", 14)];

impl Releases {
    /// All that write dumps in this format.
    pub const ALL: Self = Self::since(5);

    /// Go 1.`first` to Go 1.`last`.
    pub const fn between(first: u8, last: u8) -> Self {
        Self { first, last }
    }

    /// Go 1.`first` and all that came later.
    pub const fn since(first: u8) -> Self {
        Self { first, last: u8::MAX }
    }

    /// The releases that write such a header and such `params`: one for Go 1.5, 1.6, and since 1.17; for those
    /// between, Go 1.7 to 1.16, since they don't say.
    ///
    /// A Go whose `VERSION` file names no release, only itself, may be any since 1.7.
    pub fn of(version: Version, params: &Params<'_>) -> Self {
        match version {
            Version::Go15 => Self::between(5, 5),
            Version::Go16 => Self::between(6, 6),
            Version::Go17 => match minor(&params.experiment) {
                Some(minor) => Self::between(minor, minor),
                None if params.experiment.is_empty() => Self::between(7, NAMES_ITSELF - 1),
                None => Self::since(7),
            },
        }
    }

    /// The minor version of the first one.
    pub const fn first(self) -> u8 {
        self.first
    }

    /// Whether a release is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether all of these are among `other`.
    pub const fn within(self, other: Self) -> bool {
        other.first <= self.first && self.last <= other.last
    }

    /// Leaves out what came before a release. What contradicts itself stays as it is.
    pub(crate) fn not_before(&mut self, first: u8) {
        if self.overlaps(Self::since(first)) {
            self.first = self.first.max(first);
        }
    }

    /// Leaves out the releases that don't have a function.
    pub(crate) fn with_function(&mut self, name: &[u8]) {
        if let Some(&(_, first)) = FUNCTIONS.iter().find(|(function, _)| *function == name) {
            self.not_before(first);
        }
    }
}

/// The minor version in a text like `go1.27.3`, `go1.22.10 X:noallocheaders` or `devel go1.28-3ac8a3c Tue …`.
fn minor(text: &[u8]) -> Option<u8> {
    let after = text.windows(4).position(|window| window == b"go1.")? + 4;
    let digits = text[after..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[after..after + digits])
        .ok()?
        .parse()
        .ok()
        .filter(|&minor| minor >= NAMES_ITSELF)
}

/// Whether a dump's Go was built with an experiment, such as `nogreenteagc`: its version says so after `X:`.
pub(crate) fn has_experiment(params: &Params<'_>, name: &str) -> bool {
    let text: &[u8] = &params.experiment;
    let list = text.windows(2).position(|window| window == b"X:").map_or(&b""[..], |at| &text[at + 2..]);
    list.split(|byte| matches!(byte, b',' | b' ')).any(|experiment| experiment == name.as_bytes())
}

impl fmt::Display for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { first, last: u8::MAX } => write!(f, "Go 1.{first} and later"),
            Self { first, last } if first == last => write!(f, "Go 1.{first}"),
            Self { first, last } => write!(f, "Go 1.{first} to 1.{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_begin_with_the_first() {
        assert_eq!((Releases::between(5, 7).first(), Releases::since(19).first()), (5, 19));
    }
}
