//! Work that is measured, so that hostile input cannot make more of it than there is input.

use crate::cursor::Cursor;
use crate::{Dump, Record, Result, Text};

/// How much may still be read more than once, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Budget(u64);

/// What deciding about one place costs in any case.
const STEP: u64 = 16;

impl Budget {
    /// For an input of so many bytes.
    pub fn new(length: usize) -> Self {
        Self((length as u64).saturating_mul(32).saturating_add(1 << 16))
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.0 == 0
    }

    /// Takes what looking at so many bytes costs.
    pub fn spend(&mut self, bytes: u64) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Reads a record, and pays for the bytes that had to be looked at: contents and strings are skipped.
    pub fn decode<'a>(&mut self, dump: &Dump<'a>, at: usize) -> Result<(Record<'a>, usize)> {
        let mut cursor = cursor(dump, at);
        let result = Record::decode(&mut cursor);
        let text = result.as_ref().map_or(0, |record| texts(record).map(valid_length).sum());
        self.spend(STEP + (cursor.looked_at() + text) as u64);
        result.map(|record| (record, at + cursor.consumed()))
    }
}

/// A cursor at a place of a dump.
pub(super) fn cursor<'a>(dump: &Dump<'a>, at: usize) -> Cursor<'a> {
    Cursor::new(&dump.bytes()[at..], at as u64, dump.version())
}

/// The texts of a record, which are looked at to judge it.
fn texts<'a>(record: &Record<'a>) -> impl Iterator<Item = &'a [u8]> {
    let (text, stack) = match record {
        Record::Type(ty) => (ty.name, None),
        Record::Goroutine(goroutine) => (goroutine.wait_reason, None),
        Record::StackFrame(frame) => (frame.function.name, None),
        Record::MemProf(bucket) => (Text::default(), Some(bucket.stack)),
        _ => (Text::default(), None),
    };
    let calls = stack.into_iter().flatten().flat_map(|call| [call.function.0, call.file.0]);
    std::iter::once(text.0).chain(calls)
}

/// How far bytes have to be looked at to see that they are no text.
fn valid_length(bytes: &[u8]) -> usize {
    bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::beginning;
    use crate::{Call, Fields, Function, Goroutine, MemProf, PointerSize, Stack, StackFrame, Type};

    /// What reading a record costs.
    fn cost(record: &Record<'_>) -> u64 {
        let mut file = beginning(PointerSize::Eight);
        let at = file.len();
        record.write_to(&mut file).unwrap();
        let length = file.len();
        file.push(0);
        let dump = Dump::new(&file).unwrap();
        let mut budget = Budget::new(1000);
        let (read, end) = budget.decode(&dump, at).unwrap();
        assert_eq!((&read, end), (record, length));
        Budget::new(1000).0 - budget.0
    }

    /// Numbers and texts that are judged are paid for, by the byte; contents are not.
    #[test]
    fn what_is_looked_at_is_paid_for() {
        assert_eq!(Budget::new(1000).0, 32_000 + 65_536);
        let name = "main.function";
        // A tag, an address, a size, the name's length, and whether it is a pointer.
        let ty = |name| Record::Type(Type { address: 1, size: 8, name, data_is_pointer: false });
        assert_eq!(cost(&ty(name.into())), STEP + 5 + 13);
        assert_eq!(cost(&ty(Text(b"main\xff.function"))), STEP + 5 + 4, "as far as it is a text");
        assert_eq!(cost(&ty("".into())), STEP + 5);
        // A tag, ten numbers, two flags, and the reason's length.
        let goroutine = Goroutine {
            address: 1,
            sp: 1,
            id: 1,
            creation_pc: 1,
            status: 1,
            is_system: false,
            is_background: false,
            wait_since: 1,
            wait_reason: name.into(),
            context: 1,
            thread: 1,
            defer: 1,
            panic: 1,
        };
        assert_eq!(cost(&Record::Goroutine(goroutine)), STEP + 14 + 13);
        // A tag, six numbers, two lengths, and the end of the list.
        let function = Function { entry: 1, pc: 1, continuation_pc: 1, name: name.into() };
        let frame = StackFrame {
            sp: 1,
            depth: 0,
            child_sp: 0,
            contents: &[7; 100],
            function,
            fields: Fields::default(),
        };
        assert_eq!(cost(&Record::StackFrame(frame)), STEP + 10 + 13);
        // A tag, four numbers, the depth, and for each call two lengths and a line.
        let calls = [("main.f", "f.go"), ("main.main", "main.go")];
        let calls =
            calls.map(|(function, file)| Call { function: function.into(), file: file.into(), line: 1 });
        let list = Stack::encode_list(calls);
        let stack = Stack::from_encoded(&list).unwrap();
        let bucket = Record::MemProf(MemProf { address: 1, size: 1, stack, allocs: 1, frees: 1 });
        let texts = "main.ff.gomain.mainmain.go".len() as u64;
        assert_eq!(cost(&bucket), STEP + 6 + 2 * 3 + texts);
        assert_eq!(cost(&Record::Eof), STEP + 1);
    }
}
