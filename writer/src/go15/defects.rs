//! The reference's defects, each a switch, and the two dialects that set them.
//!
//! `runtime/heapdump.go` of Go 1.5 does not always write what its format means. A dump that is to
//! equal a real process's byte for byte must repeat that; a dump that is to be read must not.

use std::fmt;
use std::str::FromStr;

/// A preset of the reference's defects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `go1.5`: what the format means. No defect is repeated.
    #[default]
    Go15,
    /// `go1.5-exact`: what a real Go 1.5 process writes, byte for byte. Every defect is repeated.
    Go15Exact,
}

impl Dialect {
    /// Both dialects.
    pub const ALL: [Dialect; 2] = [Dialect::Go15, Dialect::Go15Exact];

    /// The name: `go1.5` or `go1.5-exact`.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Go15 => "go1.5",
            Dialect::Go15Exact => "go1.5-exact",
        }
    }

    /// The defects that this dialect repeats.
    pub const fn defects(self) -> Defects {
        match self {
            Dialect::Go15 => Defects::NONE,
            Dialect::Go15Exact => Defects::ALL,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no dialect's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect {0:?}: expected go1.5 or go1.5-exact")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|d| d.name() == s).ok_or_else(|| UnknownDialect(s.to_owned()))
    }
}

/// Which defects of the reference are repeated: `true` is what Go 1.5 does, `false` what the format
/// means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Defects {
    /// `dumptype` takes the address of a `*string` for that of a string header.
    ///
    /// A named type's record carries `pkgpath + "." + name`. The reference reads
    /// `(*stringStruct)(unsafe.Pointer(&t.x.pkgpath))`, but `t.x.pkgpath` is itself a pointer to the
    /// string. So the "package path" is the memory at the pointer `x.pkgpath`, as long as the *next
    /// word* of `uncommontype` says, which is `x.mhdr.array`, an address; the "name" is the memory
    /// at the pointer `x.name`, as long as the address `x.pkgpath` says. Megabytes of memory follow,
    /// cut off where memory ends (see [`write_errors_ignored`](Self::write_errors_ignored)), so
    /// that the announced length does not hold and a reader loses its way. Only types without
    /// `x`, without a package path or without a name escape.
    ///
    /// Off: the two strings that are pointed to, as Go 1.6 does (commit d4a7ea1b71).
    pub type_names_by_address: bool,

    /// `write(dumpfd, data, int32(len))`: a single datum longer than 2^31-1 bytes loses its upper bits.
    ///
    /// Linux makes of it: lengths up to 2^31-1 are cut at 0x7ffff000 (`MAX_RW_COUNT`). Where bit
    /// 31 of the length is set, amd64's system call takes the low 32 bits as unsigned and the same
    /// cut applies; everywhere else the call fails and nothing is written. The missing bytes are
    /// missing from the stream.
    ///
    /// Off: the datum is written whole.
    pub int32_lengths: bool,

    /// Nobody looks at what `write` answers.
    ///
    /// A short write, an interrupted one and a failed one each lose the rest of their bytes, and the
    /// dump goes on ([`Summary::lost`](crate::Summary::lost) counts them). A datum of 4096 bytes or
    /// more goes to the kernel in one call, which writes as far as the memory is readable; what
    /// follows is lost in the same way.
    ///
    /// Off: short writes are continued, interrupted ones repeated, errors are
    /// [`Error::Write`](crate::Error::Write) and unreadable memory is
    /// [`Error::Unreadable`](crate::Error::Unreadable).
    pub write_errors_ignored: bool,

    /// `flush`ing a buffer that is empty: `write(dumpfd, &buf, 0)`.
    ///
    /// It happens when a datum that does not fit comes right after another such one. It changes the
    /// sequence of writes and not the stream.
    ///
    /// Off: nothing is written when there is nothing to write.
    pub empty_writes: bool,

    /// `dumpframe`, for a function without a stack map for its locals, lists every word of the frame
    /// as a pointer field from offset `child.arglen` on.
    ///
    /// The callee's arguments, listed just before, lie in `[argoff, argoff+arglen)` of the frame. On
    /// machines with a link register `argoff` is one word and not 0, so that the last argument word
    /// is listed twice. And `arglen` need not be a multiple of the word's size, in which case
    /// fields are at odd offsets.
    ///
    /// Off: the list starts at `argoff+arglen`, rounded up to a multiple of the pointer size.
    pub locals_from_arglen: bool,

    /// `dumpframe` lists the callee's argument fields without looking at the frame's size.
    ///
    /// The arguments of a goroutine's first function lie above its `goexit` frame's contents, so the
    /// outermost frame names fields that its own record does not contain.
    ///
    /// Off: of the callee's argument fields, only those whose word lies whole in the frame's contents
    /// (`off + ptrSize <= fp - sp`) are listed.
    pub args_beyond_frame: bool,

    /// `makeheapobjbv` allocates `tmpbuf` from the system and books it under `memstats.other_sys`,
    /// which the dump then contains.
    ///
    /// `tmpbuf` holds one bit a word of an object: `size/ptrSize/8 + 1` bytes, for the largest object
    /// so far.
    ///
    /// Off: `other_sys` as it is in the target's memory.
    pub tmpbuf_in_other_sys: bool,

    /// The dumping code's own variables are dumped with what the dump itself has put into them.
    ///
    /// `typecache` and `tmpbuf` hold pointers and so live in the bss (or data) segment. (`buf`, `nbuf`,
    /// `dumpfd` and `freemark` hold none: the linker puts them into noptrbss, which is dumped
    /// only where [`type_names_by_address`](Self::type_names_by_address) reaches it.) On arm, the
    /// denominator of each division goes through the thread's `m.divmod`.
    ///
    /// On, and where [`Symbols`](crate::Symbols) tells their addresses: `typecache`, `buf` and `nbuf` as
    /// they are at the moment, `tmpbuf`'s header if
    /// [`Program::sys_alloc`](super::Program::sys_alloc) says where it was allocated, and
    /// `m.divmod` if a thread is "dumping heap".
    ///
    /// Off: memory as it is in the target.
    pub own_variables_in_bss: bool,
}

impl Defects {
    /// What the format means.
    pub const NONE: Defects = Self::all(false);
    /// What Go 1.5 does.
    pub const ALL: Defects = Self::all(true);

    const fn all(on: bool) -> Defects {
        Defects {
            type_names_by_address: on,
            int32_lengths: on,
            write_errors_ignored: on,
            empty_writes: on,
            locals_from_arglen: on,
            args_beyond_frame: on,
            tmpbuf_in_other_sys: on,
            own_variables_in_bss: on,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        let error = "go1.6".parse::<Dialect>().unwrap_err();
        assert_eq!(error.to_string(), "unknown dialect \"go1.6\": expected go1.5 or go1.5-exact");
    }

    #[test]
    fn the_dialects_are_the_two_extremes() {
        assert_eq!(Dialect::default().defects(), Defects::NONE);
        assert_eq!(Dialect::Go15Exact.defects(), Defects::ALL);
        assert_ne!(Defects::NONE, Defects::ALL);
    }
}
