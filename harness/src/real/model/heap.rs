//! Objects: slots, contents, pointers; what was allocated for their values; what must be gone.

use std::collections::BTreeSet;

use heapmatrix_reader::Kind;

use super::{Mismatch, Model, same, wrong};
use crate::real::known::Known;
use crate::real::layout::Slot;
use crate::real::world::{Type, Value};

const KIND: Kind = Kind::Object;

/// What an object's bytes must be.
pub struct Expected {
    bytes: Vec<u8>,
    /// Which of them nobody can tell.
    open: Vec<std::ops::Range<u64>>,
}

/// What an allocation must look like in the dump.
struct Allocation {
    address: u64,
    size: u64,
    pointers: Vec<u64>,
    /// Words that may be fields or not: the first ones of interfaces.
    either: BTreeSet<u64>,
    contents: Expected,
}

impl Model<'_> {
    /// Every object that is alive is in the dump, in the slot that the allocator gave it.
    pub fn objects(&mut self) -> Result<(), Mismatch> {
        for object in self.world.alive() {
            let allocation = self.allocation(object);
            if self.allocated(&format!("object {object}"), &allocation)? {
                self.known(Known::FieldsBeyondType);
            }
        }
        Ok(())
    }

    /// No object is in the dump that nothing has held since before the last collection.
    pub fn garbage(&mut self) -> Result<(), Mismatch> {
        let alive = self.world.alive();
        for object in (0..self.world.objects.len()).filter(|object| !alive.contains(object)) {
            let Allocation { address, size, pointers, contents, .. } = self.allocation(object);
            // What has no address of its own, or nothing in it to know it by, may be somebody else's.
            let tiny = self.layout.slot(size, !pointers.is_empty(), self.release).offset.is_none();
            if tiny || contents.bytes.iter().all(|&byte| byte == 0) || !contents.open.is_empty() {
                continue;
            }
            let Some(found) = self.index.find(address) else { continue };
            let at = address - self.index.address(found);
            if self
                .index
                .contents(found)
                .get(at as usize..)
                .is_some_and(|rest| rest.starts_with(&contents.bytes))
            {
                let detail = "was freed before the last collection, and is in the dump with all it had";
                return wrong(KIND, format!("object {object} at {address:#x} {detail}"));
            }
        }
        Ok(())
    }

    /// What was allocated for the values of objects that are alive.
    pub fn parts(&mut self) -> Result<(), Mismatch> {
        let (word, alive) = (self.layout.word, self.world.alive());
        for &object in &alive {
            for assignment in &self.world.objects[object].set {
                let Some(address) = self.report.part(object, assignment.leaf) else { continue };
                let name = format!("of leaf {} of object {object}", assignment.leaf);
                match &assignment.value {
                    Value::Text(text) => self.holds(&format!("the text {name}"), address, text.as_bytes())?,
                    Value::Number(number) => {
                        let mut bytes = vec![0; 8];
                        self.put(&mut bytes, 0, 8, *number);
                        self.holds(&format!("the number {name}"), address, &bytes)?;
                    }
                    // `hmap.count`, an int, has become `Map.used`, a uint64.
                    Value::Map(entries) => {
                        let width = if self.release >= 24 { 8 } else { word };
                        let mut bytes = vec![0; width as usize];
                        self.put(&mut bytes, 0, width, *entries);
                        self.holds(&format!("the map {name}"), address, &bytes)?;
                    }
                    // `hchan` begins with how many elements it has, and takes.
                    Value::Chan(takes, has) => {
                        let mut bytes = vec![0; 2 * word as usize];
                        self.put(&mut bytes, 0, word, *has);
                        self.put(&mut bytes, word, word, *takes);
                        self.holds(&format!("the channel {name}"), address, &bytes)?;
                    }
                    Value::Closure(captured) => {
                        let mut contents =
                            Expected { bytes: vec![0; 2 * word as usize], open: vec![0..word; 1] };
                        self.put(&mut contents.bytes, word, word, self.report.objects[*captured].address);
                        let allocation = Allocation {
                            address,
                            size: 2 * word,
                            pointers: vec![word],
                            either: BTreeSet::new(),
                            contents,
                        };
                        self.allocated(&format!("the closure {name}"), &allocation)?;
                    }
                    // A handle is the address of its object as a number, and zero when that is gone.
                    Value::Weak(to) => {
                        let to = if alive.contains(to) { self.report.objects[*to].address } else { 0 };
                        let mut bytes = vec![0; word as usize];
                        self.put(&mut bytes, 0, word, to);
                        self.holds(&format!("the weak pointer's handle {name}"), address, &bytes)?;
                    }
                    Value::Object(_) | Value::Shape(_) => {}
                }
            }
        }
        Ok(())
    }

    /// What an object of the world must look like.
    fn allocation(&self, object: usize) -> Allocation {
        let typ = &self.world.objects[object].typ;
        let (mut pointers, mut either) = (Vec::new(), BTreeSet::new());
        self.layout.pointers(typ, 0, &mut pointers);
        self.layout.first_words(typ, 0, &mut either);
        Allocation {
            address: self.report.objects[object].address,
            size: self.layout.size(typ),
            pointers,
            either,
            contents: self.contents(object),
        }
    }

    /// Whether it has fields beyond its type.
    fn allocated(&self, name: &str, expected: &Allocation) -> Result<bool, Mismatch> {
        let mut beyond = false;
        let &Allocation { address, size, ref pointers, ref either, ref contents } = expected;
        let Some(found) = self.index.find(address) else {
            return wrong(KIND, format!("{name}, {size} bytes at {address:#x}, is not in the dump"));
        };
        let base = self.index.address(found);
        let Slot { size: slot, offset } = self.layout.slot(size, !pointers.is_empty(), self.release);
        let at = address - base;
        let name = || format!("{name} at {address:#x}");
        same(KIND, || format!("the size of the slot of {}", name()), slot, self.index.size(found))?;
        match offset {
            Some(offset) => {
                same(KIND, || format!("the address of the slot of {}", name()), address - offset, base)?
            }
            None if at + size > slot => {
                return wrong(
                    KIND,
                    format!("{} of {size} bytes does not end in its slot at {base:#x}", name()),
                );
            }
            None => {}
        }
        let bytes = &self.index.contents(found)[at as usize..];
        for (i, (&expected, &byte)) in (0_u64..).zip(contents.bytes.iter().zip(bytes)) {
            if expected != byte && !contents.open.iter().any(|open| open.contains(&i)) {
                return wrong(KIND, format!("byte {i} of {} is {byte:#04x}, not {expected:#04x}", name()));
            }
        }
        let fields = self.index.object(found).fields.map(|field| field.offset);
        let mut fields =
            fields.filter(|offset| offset.checked_sub(at).is_none_or(|word| !either.contains(&word)));
        for expected in pointers.iter().map(|pointer| at + pointer) {
            match fields.next() {
                Some(field) if field == expected => {}
                Some(field) => {
                    return wrong(
                        KIND,
                        format!("{} has a field at {field}, where {expected} is due", name()),
                    );
                }
                None => return wrong(KIND, format!("{} has no field at {expected}", name())),
            }
        }
        let described = slot <= self.layout.described();
        for field in fields {
            // As though there were more elements of the type, up to the end of the slot.
            let repeats = field >= at + size && {
                let again = (field - at) % size;
                pointers.binary_search(&again).is_ok() || either.contains(&again)
            };
            if described || !repeats || !self.known_of_release(Known::FieldsBeyondType) {
                return wrong(KIND, format!("{} has a field at {field}, which is no pointer", name()));
            }
            beyond = true;
        }
        Ok(beyond)
    }

    /// Some bytes that must be in an object.
    pub fn holds(&self, name: &str, address: u64, bytes: &[u8]) -> Result<(), Mismatch> {
        let Some(found) = self.index.find(address) else {
            return wrong(KIND, format!("{name}, at {address:#x}, is not in the dump"));
        };
        let at = (address - self.index.address(found)) as usize;
        let contents = &self.index.contents(found)[at..];
        if contents.starts_with(bytes) {
            return Ok(());
        }
        let contents = contents.get(..bytes.len()).unwrap_or(contents);
        wrong(KIND, format!("{name}, at {address:#x}, is {contents:02x?}, not {bytes:02x?}"))
    }

    /// The bytes of an object.
    fn contents(&self, object: usize) -> Expected {
        let (layout, word) = (self.layout, self.layout.word);
        let spec = &self.world.objects[object];
        let mut expected = Expected { bytes: vec![0; layout.size(&spec.typ) as usize], open: Vec::new() };
        for assignment in &spec.set {
            let (at, typ) = layout.leaf(&spec.typ, assignment.leaf);
            let part = self.report.part(object, assignment.leaf).unwrap_or(0);
            let mut put =
                |index: u64, value: u64| self.put(&mut expected.bytes, at + index * word, word, value);
            match (&assignment.value, &typ) {
                (Value::Number(_), Type::Any) => {
                    put(0, self.report.number);
                    put(1, part);
                }
                (Value::Number(number), _) => {
                    let width = layout.size(&typ).min(8);
                    self.put(&mut expected.bytes, at, width, *number);
                }
                (Value::Object(reference), Type::Any) => {
                    put(0, self.report.objects[reference.to].typ);
                    put(1, self.report.objects[reference.to].address);
                }
                (Value::Object(reference), _) => {
                    let (within, _) = layout.leaf(&self.world.objects[reference.to].typ, reference.leaf);
                    put(0, self.report.objects[reference.to].address + within);
                    if matches!(typ, Type::Slice(_)) {
                        put(1, reference.len);
                        put(2, reference.cap);
                    }
                }
                (Value::Text(text), _) => {
                    put(0, part);
                    put(1, text.len() as u64);
                }
                (Value::Map(_) | Value::Chan(..) | Value::Closure(_) | Value::Weak(_), _) => put(0, part),
                (Value::Shape(shape), _) => {
                    put(0, self.report.shapes.get(shape).map_or(0, |made| made.address));
                    expected.open.push(at + word..at + 2 * word);
                }
            }
        }
        expected
    }

    /// Stores a number as the machine does.
    pub fn put(&self, bytes: &mut [u8], at: u64, width: u64, value: u64) {
        let (at, width) = (at as usize, width as usize);
        let big_endian = self.index.dump().params().big_endian;
        if big_endian {
            bytes[at..at + width].copy_from_slice(&value.to_be_bytes()[8 - width..]);
        } else {
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
    }
}
