//! The versions of the format, as far as they differ: the header, and how the architecture is spelled.

/// A version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// What a dump begins with (`dumphdr`).
    pub header: &'static [u8; 16],
}

/// The architecture in a dump's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// `thechar`, the letter of its Plan 9 compilers: up to Go 1.6.
    Letter(u8),
    /// `GOARCH`: since Go 1.7.
    Name(&'static str),
}
