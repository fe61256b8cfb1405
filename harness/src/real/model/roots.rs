//! Parameters, types, global variables, finalizers.

use std::collections::BTreeSet;

use heapmatrix_reader::{Finalizer, Kind, Segment};

use super::{Mismatch, Model, same, wrong};
use crate::real::known::Known;
use crate::real::report::Final;
use crate::real::world::SHAPES;

/// What the numbers of the guest's cells count from. Source: the guest's `world.go`.
pub const MAGIC: u64 = 0x4d41_0000;
/// How many cells hold objects.
const CELLS: u64 = 512;

impl Model<'_> {
    pub fn params(&mut self) -> Result<(), Mismatch> {
        let (dump, report) = (self.index.dump(), self.report);
        let params = dump.params();
        let arch = params.goarch().map(|arch| arch.to_string()).unwrap_or_default();
        if arch != report.arch {
            return wrong(Kind::Params, format!("the architecture is {arch:?}, not {:?}", report.arch));
        }
        let version = params.experiment.to_string();
        if version != report.version && self.release >= 17 {
            return wrong(Kind::Params, format!("the version is {version:?}, not {:?}", report.version));
        }
        same(Kind::Params, || "the number of CPUs".to_owned(), report.cpus, params.cpus)
    }

    /// The itabs that the guest's interfaces have, and their types.
    pub fn itabs(&mut self) -> Result<(), Mismatch> {
        for (shape, name, typ) in SHAPES {
            let Some(made) = self.report.shapes.get(shape) else { continue };
            let Some(itab) = self.dumped.itabs.iter().find(|itab| itab.address == made.address) else {
                return wrong(
                    Kind::Itab,
                    format!("that of {name} at {:#x} is not in the dump", made.address),
                );
            };
            same(Kind::Itab, || format!("the type of the itab of {name}"), made.typ, itab.type_address)?;
            let Some(found) = self.dumped.types.iter().find(|typ| typ.address == made.typ) else {
                return wrong(Kind::Type, format!("{name} at {:#x} is not in the dump", made.typ));
            };
            let named = found.name.to_string();
            let nameless = name.starts_with('*') && named == "main.";
            if named != name && !nameless {
                return wrong(Kind::Type, format!("the name of {name} is {}", found.name));
            }
            same(Kind::Type, || format!("the size of {name}"), self.layout.size(&typ()), found.size)?;
            if !found.data_is_pointer {
                return wrong(
                    Kind::Type,
                    format!("{name} is said to have no pointer in an interface's data word"),
                );
            }
            if nameless {
                self.known(Known::PointerTypeName);
            }
        }
        Ok(())
    }

    pub fn globals(&mut self) -> Result<(), Mismatch> {
        let (word, report) = (self.layout.word, self.report);
        let held = |i: u64| self.world.held.get(i as usize).map(|&object| report.objects[object].address);
        let cells = (0..CELLS).flat_map(|i| held(i).map_or([0, 0], |address| [address, MAGIC + i]));
        let bss = self.dumped.bss.as_ref();
        self.variable(Kind::Bss, bss, "main.cells", report.cells, cells)?;
        let initial = [(report.anchor, 512), (0, 513), (report.cells + 2 * word, 514), (0, 515)];
        let initial = initial.into_iter().flat_map(|(pointer, number)| [pointer, MAGIC + number]);
        let data = self.dumped.data.as_ref();
        self.variable(Kind::Data, data, "main.initial", report.initial, initial)?;
        self.variable(Kind::Data, data, "main.anchor", report.anchor, std::iter::once(report.cells))
    }

    /// A variable of words, every other of which, from the first on, is a pointer.
    fn variable(
        &self,
        kind: Kind,
        segment: Option<&Segment<'_>>,
        name: &str,
        address: u64,
        words: impl Iterator<Item = u64>,
    ) -> Result<(), Mismatch> {
        let Some(segment) = segment else { return wrong(kind, "there is none") };
        let Some(start) = address.checked_sub(segment.address) else {
            return wrong(
                kind,
                format!("{name} at {address:#x} is before its start, {:#x}", segment.address),
            );
        };
        let mut fields =
            segment.fields.map(|field| field.offset).skip_while(|&offset| offset < start).peekable();
        let mut end = start;
        for (i, expected) in (0_u64..).zip(words) {
            let at = start + i * self.layout.word;
            let Some(found) = self.word(segment.contents, at) else {
                return wrong(kind, format!("word {i} of {name} at {address:#x} is not in its contents"));
            };
            same(kind, || format!("word {i} of {name}"), expected, found)?;
            let field = fields.next_if_eq(&at).is_some();
            if field != (i % 2 == 0) {
                let says = if field { "is a field, and no pointer" } else { "is no field, and a pointer" };
                return wrong(kind, format!("word {i} of {name} {says}"));
            }
            end = at + self.layout.word;
        }
        match fields.next() {
            Some(field) if field < end => {
                wrong(kind, format!("{name} has a field at {field} that is no word of it"))
            }
            _ => Ok(()),
        }
    }

    pub fn finalizers(&mut self) -> Result<(), Mismatch> {
        once(Kind::Finalizer, &self.dumped.finalizers, &self.report.finalizers)?;
        once(Kind::QueuedFinalizer, &self.dumped.queued, &self.report.queued)?;
        // Cleanups and the handles of weak pointers hang on objects as finalizers do, and are none.
        let set: BTreeSet<u64> = self.report.finalizers.iter().map(|set| set.object).collect();
        let found: BTreeSet<u64> = self.dumped.finalizers.iter().map(|found| found.object).collect();
        for object in self.world.alive() {
            let address = self.report.objects[object].address;
            if found.contains(&address) && !set.contains(&address) {
                return wrong(
                    Kind::Finalizer,
                    format!("that of object {object} at {address:#x} was never set"),
                );
            }
        }
        // What is due of the guest's own is all there is of them.
        let code = self.report.queued.first().map(|due| due.code);
        let found = self.dumped.queued.iter().filter(|found| Some(found.entry) == code).count();
        same(Kind::QueuedFinalizer, || "their number".to_owned(), self.report.queued.len(), found)?;
        for (i, due) in (0_u64..).zip(&self.report.queued) {
            let mut cell = vec![0; 2 * self.layout.word as usize];
            self.put(&mut cell, self.layout.word, self.layout.word, MAGIC + 1024 + i);
            self.holds(&format!("the object of queued finalizer {i}"), due.object, &cell)?;
        }
        Ok(())
    }
}

/// Each of the expected records is there once.
fn once(kind: Kind, records: &[Finalizer], expected: &[Final]) -> Result<(), Mismatch> {
    for want in expected {
        let mut of_object = records.iter().filter(|found| found.object == want.object);
        let Some(found) = of_object.next() else {
            return wrong(kind, format!("that of the object at {:#x} is not in the dump", want.object));
        };
        let name = |field: &str| format!("the {field} of that of the object at {:#x}", want.object);
        same(kind, || name("closure"), want.closure, found.closure)?;
        same(kind, || name("entry"), want.code, found.entry)?;
        same(kind, || name("argument type"), want.argument, found.argument_type)?;
        same(kind, || name("object type"), want.typ, found.object_type)?;
        if of_object.next().is_some() {
            return wrong(kind, format!("that of the object at {:#x} is there twice", want.object));
        }
    }
    Ok(())
}
