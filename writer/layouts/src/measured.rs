//! Layouts that were measured once, for programs that say nothing themselves.
//!
//! A release lays its runtime out in the same way in every program for a machine. `tables/` has what
//! [`ask`](heapmatrix_writer::go119::ask) and the [search](crate::search) look up, as the DWARF of one program of each
//! release and machine has it; `examples/measure.rs` makes them anew. Only variables lie elsewhere in each program: their
//! addresses come from a symbol table, or from a search of the process's memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use heapmatrix_writer::{Addr, AnyTarget, FieldAt, Layouts, VariableAt, go119};

use crate::search::Offsets;

/// What was measured of each release: the number after `1.`, and the table.
const TABLES: [(u32, &str); 8] = [
    (19, include_str!("../tables/go1.19.txt")),
    (21, include_str!("../tables/go1.21.txt")),
    (22, include_str!("../tables/go1.22.txt")),
    (23, include_str!("../tables/go1.23.txt")),
    (24, include_str!("../tables/go1.24.txt")),
    (25, include_str!("../tables/go1.25.txt")),
    (26, include_str!("../tables/go1.26.txt")),
    (27, include_str!("../tables/go1.27.txt")),
];

/// The layouts of a release on a machine, and where the variables of one program are.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    sizes: HashMap<&'static str, u64>,
    fields: HashMap<(&'static str, &'static str), FieldAt>,
    constants: HashMap<&'static str, i64>,
    /// The size of each variable, in bytes.
    variables: HashMap<&'static str, u64>,
    /// Where those are that have been found.
    found: HashMap<&'static str, Addr>,
}

impl Measured {
    /// Those of Go 1.`release`, which know no variable yet: `None` for one that was not measured.
    pub fn new(release: u32, target: AnyTarget) -> Option<Self> {
        let (_, table) = TABLES.iter().find(|(measured, _)| *measured == release)?;
        let mut measured = Measured::default();
        let mut holds = false;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix(' ') {
                None => holds = line.split(' ').any(|arch| arch == target.goarch()),
                Some(row) if holds => measured.row(row)?,
                Some(_) => {}
            }
        }
        (!measured.sizes.is_empty()).then_some(measured)
    }

    /// A line of a table.
    fn row(&mut self, row: &'static str) -> Option<()> {
        let mut words = row.split(' ');
        let (kind, name, value) = (words.next()?, words.next()?, words.next()?);
        match kind {
            "size" => drop(self.sizes.insert(name, value.parse().ok()?)),
            "var" => drop(self.variables.insert(name, value.parse().ok()?)),
            "const" => drop(self.constants.insert(name, value.parse().ok()?)),
            _ => {
                let field = FieldAt { offset: value.parse().ok()?, size: words.next()?.parse().ok()? };
                self.fields.insert(name.rsplit_once('.')?, field);
            }
        }
        Some(())
    }

    /// The variables of this release whose addresses are not known, in alphabetical order.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing: Vec<_> =
            self.variables.keys().filter(|name| !self.found.contains_key(*name)).copied().collect();
        missing.sort_unstable();
        missing
    }

    /// Takes the variables' addresses from a symbol table.
    #[must_use]
    pub fn with_symbols(mut self, addr: impl Fn(&str) -> Option<Addr>) -> Self {
        let found = self.variables.keys().filter_map(|&name| Some((name, addr(name)?)));
        self.found.extend(found);
        self
    }

    /// Says where a variable is.
    pub(crate) fn set(&mut self, name: &'static str, addr: Addr) {
        self.found.insert(name, addr);
    }
}

impl Layouts for Measured {
    fn size(&self, structure: &str) -> Option<u64> {
        self.sizes.get(structure).copied()
    }

    fn field(&self, structure: &str, field: &str) -> Option<FieldAt> {
        self.fields.get(&(structure, field)).copied()
    }

    fn variable(&self, name: &str) -> Option<VariableAt> {
        Some(VariableAt { addr: *self.found.get(name)?, size: *self.variables.get(name)? })
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }
}

/// What a table has of a program's layouts: a line for each thing that may be looked up.
///
/// # Errors
/// What is missing there, and no dump can be written without.
pub fn rows(layouts: &dyn Layouts, target: AnyTarget) -> Result<BTreeSet<String>, String> {
    let recorder = Recorder { layouts, rows: RefCell::default() };
    go119::ask(&recorder, target.ptr_size()).map_err(|missing| missing.to_string())?;
    Offsets::find(&recorder).map_err(|missing| missing.to_string())?;
    Ok(recorder.rows.into_inner())
}

/// Writes down what it is asked, and what the answer is.
struct Recorder<'a> {
    layouts: &'a dyn Layouts,
    rows: RefCell<BTreeSet<String>>,
}

impl Recorder<'_> {
    fn note<V>(&self, answer: Option<V>, row: impl FnOnce(&V) -> String) -> Option<V> {
        if let Some(value) = &answer {
            self.rows.borrow_mut().insert(row(value));
        }
        answer
    }
}

impl Layouts for Recorder<'_> {
    fn size(&self, structure: &str) -> Option<u64> {
        self.note(self.layouts.size(structure), |size| format!("size {structure} {size}"))
    }

    fn field(&self, structure: &str, field: &str) -> Option<FieldAt> {
        let row = |at: &FieldAt| format!("field {structure}.{field} {} {}", at.offset, at.size);
        self.note(self.layouts.field(structure, field), row)
    }

    fn variable(&self, name: &str) -> Option<VariableAt> {
        self.note(self.layouts.variable(name), |at| format!("var {name} {}", at.size))
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.note(self.layouts.constant(name), |value| format!("const {name} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of every table is understood, and each machine of a release has all that a dump takes but variables.
    #[test]
    fn tables_have_what_a_dump_looks_up() {
        for (release, table) in TABLES {
            let machines: BTreeSet<_> = table
                .lines()
                .filter(|line| !line.starts_with(['#', ' ']))
                .flat_map(|line| line.split(' '))
                .collect();
            assert!(machines.len() >= 12, "{release}: {machines:?}");
            for arch in machines {
                let target: AnyTarget = arch.parse().unwrap();
                let measured = Measured::new(release, target).unwrap();
                assert!(measured.missing().contains(&"runtime.mheap_"), "{release} {arch}");
                let everywhere = measured.with_symbols(|_| Some(Addr(0x1000)));
                assert_eq!(everywhere.missing(), [""; 0]);
                let again = rows(&everywhere, target).unwrap();
                let Measured { sizes, fields, constants, variables, .. } = &everywhere;
                for (kind, n) in [
                    ("size ", sizes.len()),
                    ("field ", fields.len()),
                    ("const ", constants.len()),
                    ("var ", variables.len()),
                ] {
                    let asked = again.iter().filter(|row| row.starts_with(kind)).count();
                    assert_eq!(asked, n, "{release} {arch}: no line of {kind}is superfluous");
                }
            }
        }
        assert!(Measured::new(18, AnyTarget::Amd64).is_none());
        assert!(Measured::new(27, AnyTarget::Amd64p32).is_none());
    }
}
