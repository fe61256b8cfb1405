//! Oracle 1, the model: a dump holds its world, record by record and field by field.
//!
//! What each record must say follows from the [`World`], from where the image has put its things
//! ([`Locations`]) and from what the format means (`Dialect::Go15`). Guest memory is not looked at, so
//! that a world which the guest failed to build is found as surely as one that the writer got wrong.
//!
//! It finds wrong values, missing and superfluous records, and a wrong order. It cannot find what the
//! writer, the reader and this model misunderstand in the same way; the real runtime is there for that.

mod frames;
mod goroutines;
mod heap;
mod profile;
mod truth;
mod types;

use std::fmt::{self, Debug};

use heapmatrix_emu::image::Locations;
use heapmatrix_emu::world::{Contents, Funcval, Slot, Value, World};
use heapmatrix_reader::{Arch, Dump, Field, Fields, Kind, Record, Records, Text};
use serde_json::Value as Json;

use crate::tally::Tally;
pub use truth::Truth;

/// The first field of a dump that is not what the world says, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The offset in the dump of the record that it is in.
    pub offset: u64,
    /// The record, in the world's terms: "object 3".
    pub record: String,
    /// The field, under the reader's name.
    pub field: String,
    /// What the world says.
    pub expected: String,
    /// What the dump says.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { offset, record, field, expected, found } = self;
        write!(f, "{record}, {field}: expected {expected}, found {found} (record at offset {offset:#x})")
    }
}

impl std::error::Error for Mismatch {}

type Checked<T = ()> = Result<T, Box<Mismatch>>;

/// Checks a dump against its world.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check(world: &World, at: &Locations, dump: &[u8]) -> Checked<Tally> {
    Ok(walk(world, at, dump, None)?.tally)
}

/// What the world says that its dump must hold, record by record, for others to check a reader with. The dump is
/// checked on the way, and gives no value.
///
/// # Errors
/// The first [`Mismatch`].
pub fn truth(world: &World, at: &Locations, dump: &[u8]) -> Checked<Vec<Truth>> {
    Ok(walk(world, at, dump, Some(Vec::new()))?.truth.unwrap_or_default())
}

fn walk<'a>(
    world: &'a World,
    at: &'a Locations,
    dump: &'a [u8],
    truth: Option<Vec<Truth>>,
) -> Checked<Model<'a>> {
    let unreadable = |error: heapmatrix_reader::Error| {
        Box::new(Mismatch {
            offset: error.offset(),
            record: "the dump".into(),
            field: "syntax".into(),
            expected: "a dump that can be read".into(),
            found: error.to_string(),
        })
    };
    let parsed = Dump::new(dump).map_err(unreadable)?;
    let tally = Tally { bytes: dump.len() as u64, ..Tally::default() };
    let mut model =
        Model { world, at, records: parsed.records(), offset: 0, what: String::new(), tally, truth };
    model.params()?;
    model.itabs()?;
    let heap = model.heap_order();
    model.objects(&heap)?;
    model.goroutines()?;
    model.threads()?;
    model.segments()?;
    model.other_roots()?;
    model.finalizers(&heap)?;
    model.memstats()?;
    model.memprof()?;
    model.samples(&heap)?;
    model.eof()?;
    Ok(model)
}

/// The comparison, as far as it has come.
struct Model<'a> {
    world: &'a World,
    at: &'a Locations,
    records: Records<'a>,
    /// Where the current record begins.
    offset: u64,
    /// The current record, in the world's terms.
    what: String,
    tally: Tally,
    /// What the world says of the records so far, if that is wanted.
    truth: Option<Vec<Truth>>,
}

/// The fields of a record that are compared: `(name, expected, found)`.
macro_rules! compare {
    ($model:ident, $record:ident: $($($field:ident).+ = $expected:expr),* $(,)?) => {
        $($model.same(stringify!($($field).+), $expected, $record.$($field).+)?;)*
    };
}
use compare;

/// The next record, which must be of the kind named.
macro_rules! next {
    ($model:ident, $kind:ident, $what:expr) => {
        match $model.next(Kind::$kind, $what)? {
            Record::$kind(record) => record,
            other => return Err($model.unexpected(Kind::$kind, other.kind())),
        }
    };
}
use next;

impl<'a> Model<'a> {
    fn next(&mut self, kind: Kind, what: impl FnOnce() -> String) -> Checked<Record<'a>> {
        self.what = what();
        if let Some(truth) = &mut self.truth {
            truth.push(Truth::new(kind, &self.what));
        }
        self.offset = self.records.offset();
        match self.records.next() {
            Some(Ok((_, record))) => {
                *self.tally.kinds.entry(record.kind().name()).or_default() += 1;
                Ok(record)
            }
            Some(Err(error)) => {
                Err(self.mismatch("syntax", "a record that can be read".into(), error.to_string()))
            }
            None => Err(self.mismatch("record", "a record".into(), "the end of the dump".into())),
        }
    }

    fn mismatch(&self, field: &str, expected: String, found: String) -> Box<Mismatch> {
        let (offset, record, field) = (self.offset, self.what.clone(), field.to_owned());
        Box::new(Mismatch { offset, record, field, expected, found })
    }

    fn unexpected(&self, expected: Kind, found: Kind) -> Box<Mismatch> {
        self.mismatch("kind of record", expected.to_string(), found.to_string())
    }

    /// Compares a number or a truth value.
    fn same<T, U: Debug>(&mut self, field: &str, expected: T, found: U) -> Checked
    where
        T: PartialEq<U> + Debug + Copy + Into<Json>,
    {
        self.tell(field, || expected.into());
        self.equal(field, expected, found)
    }

    /// Compares a string.
    fn text(&mut self, field: &str, expected: &str, found: Text<'_>) -> Checked {
        self.tell(field, || expected.into());
        self.equal(field, Text::from(expected), found)
    }

    /// Notes what the world says of a field, if that is wanted.
    fn tell(&mut self, field: &str, value: impl FnOnce() -> Json) {
        if let Some(record) = self.truth.as_mut().and_then(|truth| truth.last_mut()) {
            record.tell(field, value());
        }
    }

    fn equal<T: PartialEq<U> + Debug, U: Debug>(&self, field: &str, expected: T, found: U) -> Checked {
        if expected == found {
            return Ok(());
        }
        Err(self.mismatch(field, format!("{expected:x?}"), format!("{found:x?}")))
    }

    /// Compares contents, and names the first byte that differs.
    fn contents(&mut self, expected: &[u8], found: &[u8]) -> Checked {
        if let Some(record) = self.truth.as_mut().and_then(|truth| truth.last_mut()) {
            record.tell_contents(expected);
        }
        self.equal("length of contents", expected.len(), found.len())?;
        match expected.iter().zip(found).position(|(e, f)| e != f) {
            None => Ok(()),
            Some(i) => {
                let word = |bytes: &[u8]| {
                    let end = bytes.len().min(i + 8);
                    format!("{:02x?}", &bytes[i..end])
                };
                Err(self.mismatch(&format!("contents from byte {i:#x}"), word(expected), word(found)))
            }
        }
    }

    /// Compares a list of pointer fields by their offsets, and names the first that differs.
    fn fields(
        &mut self,
        expected: impl IntoIterator<Item = u64, IntoIter: Clone>,
        mut found: Fields<'_>,
    ) -> Checked {
        let mut expected = expected.into_iter();
        self.tell("fields", || expected.clone().collect());
        for i in 0.. {
            let (e, f) = (expected.next().map(Field::pointer), found.next());
            self.equal(&format!("fields[{i}]"), e, f)?;
            if e.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The offsets of the words that the mask says are pointers.
    fn pointer_slots(&self, slots: &[Slot]) -> impl Iterator<Item = u64> + Clone + use<> {
        let ptr_size = self.ptr_size();
        let pointers: Vec<u64> =
            (0..).zip(slots).filter(|(_, slot)| slot.is_pointer()).map(|(i, _)| i * ptr_size).collect();
        pointers.into_iter()
    }

    fn ptr_size(&self) -> u64 {
        self.at.target.ptr_size()
    }

    /// A `*funcval` and the PC in it.
    fn funcval(&self, fun: Funcval) -> (u64, u64) {
        match fun {
            Funcval::Static(function) => (self.at.funcvals[function].0, self.at.functions[function].0),
            Funcval::Closure(object) => {
                (self.at.objects[object].addr.0, self.at.value(&self.first_word(object)))
            }
        }
    }

    /// What an object's first word holds.
    fn first_word(&self, object: usize) -> Value {
        match &self.world.objects[object].contents {
            Contents::Words { slots, .. } => slots.first().map_or(Value::NIL, |slot| *slot.value()),
            Contents::Bytes { .. } => Value::NIL,
        }
    }

    fn params(&mut self) -> Checked {
        let params = next!(self, Params, || "the parameters".into());
        let (target, at) = (self.at.target, self.at);
        compare!(self, params:
            big_endian = target.big_endian(),
            heap_start = at.arena_start.0,
            heap_end = at.arena_used.0,
            cpus = self.world.ncpu as i64 as u64,
        );
        self.same("pointer_size", target.ptr_size(), params.pointer_size.bytes())?;
        self.tell("arch", || super::thechar(target).into());
        self.equal("arch", Arch::Char(super::thechar(target)), params.arch)?;
        self.text("experiment", &self.world.goexperiment, params.experiment)
    }

    fn threads(&mut self) -> Checked {
        for (i, thread) in self.world.threads.iter().enumerate() {
            let record = next!(self, OsThread, || format!("thread {i}"));
            compare!(self, record:
                address = self.at.threads[i].0,
                id = i64::from(thread.id) as u64,
                os_id = thread.procid,
            );
        }
        Ok(())
    }

    fn segments(&mut self) -> Checked {
        let data = next!(self, Data, || "the data segment".into());
        self.same("address", self.at.data.addr.0, data.address)?;
        self.contents(&self.at.data_contents(self.world), data.contents)?;
        self.fields(self.pointer_slots(&self.world.data), data.fields)?;

        let bss = next!(self, Bss, || "the bss segment".into());
        self.same("address", self.at.bss.addr.0, bss.address)?;
        self.contents(&self.at.bss_contents(self.world), bss.contents)?;
        // After the world's words may lie the runtime's: typecache; an m, of which the mask says nothing;
        // and tmpbuf of which the first of three words is a pointer.
        const TYPECACHE: u64 = 256 * 4;
        let ptr_size = self.ptr_size();
        let tail_words = self.at.bss.tail / ptr_size;
        let first = self.world.bss.len() as u64 * ptr_size;
        let tail = (0..tail_words).filter(move |&word| word < TYPECACHE || word + 3 == tail_words);
        let tail = tail.map(move |word| first + word * ptr_size);
        self.fields(self.pointer_slots(&self.world.bss).chain(tail), bss.fields)
    }

    fn other_roots(&mut self) -> Checked {
        for (i, root) in self.world.other_roots.iter().enumerate() {
            let record = next!(self, OtherRoot, || format!("other root {i}"));
            self.text("description", &root.description, record.description)?;
            self.same("target", self.at.value(&root.target), record.target)?;
        }
        Ok(())
    }

    fn eof(&mut self) -> Checked {
        match self.next(Kind::Eof, || "the end".into())? {
            Record::Eof => match self.records.next() {
                None => Ok(()),
                Some(more) => Err(self.mismatch("what follows it", "nothing".into(), format!("{more:?}"))),
            },
            other => Err(self.unexpected(Kind::Eof, other.kind())),
        }
    }
}
