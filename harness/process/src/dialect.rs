//! How exactly a dump repeats what the program's own runtime writes.

use std::fmt;
use std::str::FromStr;

/// A dialect: of which generation of Go's runtime, and whether what that does wrong is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `go1.5`: what the format means, of a program of Go 1.5.
    Go15,
    /// `go1.5-exact`: what a program of Go 1.5 writes itself, byte for byte.
    Go15Exact,
    /// `go1.7`: what the format means, of a program of today's Go. The format has had this number since Go 1.7.
    Go17,
    /// `go1.7-exact`: what a program of today's Go writes itself, byte for byte.
    Go17Exact,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 4] = [Dialect::Go15, Dialect::Go15Exact, Dialect::Go17, Dialect::Go17Exact];

    /// The name, as `--dialect` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Go15 => "go1.5",
            Dialect::Go15Exact => "go1.5-exact",
            Dialect::Go17 => "go1.7",
            Dialect::Go17Exact => "go1.7-exact",
        }
    }

    /// Whether it is for programs of Go 1.5.
    pub const fn is_go15(self) -> bool {
        matches!(self, Dialect::Go15 | Dialect::Go15Exact)
    }

    /// Whether everything is repeated that the runtime does.
    pub const fn is_exact(self) -> bool {
        matches!(self, Dialect::Go15Exact | Dialect::Go17Exact)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no dialect's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect {0:?}: expected go1.5, go1.5-exact, go1.7 or go1.7-exact")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|d| d.name() == s).ok_or_else(|| UnknownDialect(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_say_all() {
        let message = "go1.6".parse::<Dialect>().unwrap_err().to_string();
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
            assert!(message.contains(dialect.name()), "{message}");
        }
    }
}
