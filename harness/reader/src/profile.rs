//! The stacks of the memory profile.

use std::fmt;
use std::io::{self, Write};

use crate::cursor::Cursor;
use crate::wire::{Wire, put_uvarint, wire_structs};
use crate::{Result, Text, Version};

wire_structs! {
    /// A call on the stack of a [`MemProf`](crate::MemProf) bucket. Source: `dumpmemprof_callback`.
    pub struct Call<'a> {
        /// The function's name, or the program counter as `(0x1234)` if no function has it.
        pub function: Text<'a>,
        /// The source file's name, or `?`.
        pub file: Text<'a>,
        /// The line in the file, from 1; 0 if it isn't known.
        pub line: u64,
    }
}

/// The stack of a [`MemProf`](crate::MemProf) bucket, from the allocation outwards: an iterator over the
/// dump's own bytes, which have been validated. Clone it to iterate again.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Stack<'a> {
    depth: u64,
    calls: &'a [u8],
}

impl<'a> Stack<'a> {
    /// The stack in its encoded form.
    pub fn encode_list<'c>(calls: impl IntoIterator<Item = Call<'c>>) -> Vec<u8> {
        let mut depth = 0;
        let mut body = Vec::new();
        for call in calls {
            call.encode(&mut body).expect("memory does not fail");
            depth += 1;
        }
        let mut out = Vec::new();
        put_uvarint(depth, &mut out).expect("memory does not fail");
        out.append(&mut body);
        out
    }

    /// The stack that [`encode_list`](Self::encode_list) gave; what follows it is ignored.
    ///
    /// # Errors
    /// That of the first call which is not one; offsets count from the start of `bytes`.
    pub fn from_encoded(bytes: &'a [u8]) -> Result<Self> {
        Self::decode(&mut Cursor::new(bytes, 0, Version::Go17), "stack")
    }

    /// The number of calls that are left.
    pub fn depth(&self) -> u64 {
        self.depth
    }
}

impl<'a> Iterator for Stack<'a> {
    type Item = Call<'a>;

    fn next(&mut self) -> Option<Call<'a>> {
        self.depth = self.depth.checked_sub(1)?;
        let mut cursor = Cursor::new(self.calls, 0, Version::Go17);
        let call = Call::decode(&mut cursor, "stack").ok()?;
        self.calls = cursor.rest();
        Some(call)
    }
}

impl fmt::Debug for Stack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl<'a> Wire<'a> for Stack<'a> {
    fn decode(cursor: &mut Cursor<'a>, _: &'static str) -> Result<Self> {
        let depth = cursor.uvarint("depth")?;
        let start = cursor.consumed();
        // A depth that the input can't hold ends at the input's end: a call takes three bytes at least.
        for _ in 0..depth {
            Call::decode(cursor, "stack")?;
        }
        Ok(Self { depth, calls: cursor.since(start) })
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        put_uvarint(self.depth, out)?;
        out.write_all(self.calls)
    }
}
