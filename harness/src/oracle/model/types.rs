//! Itabs, and the types that come before them.

use std::collections::HashMap;

use heapmatrix_reader::Record;

use super::{Checked, Kind, Model, compare, next};

/// How many types a bucket of the type cache remembers (`typeCacheAssoc`).
const REMEMBERED: usize = 4;

impl Model<'_> {
    pub(super) fn itabs(&mut self) -> Checked {
        // Each itab became the first of its bucket, and the buckets are walked in order.
        let mut order: Vec<usize> = (0..self.world.itabs.len()).rev().collect();
        order.sort_by_key(|&i| self.world.itabs[i].bucket);
        let mut cache: HashMap<u32, Vec<usize>> = HashMap::new();
        for i in order {
            let typ = self.world.itabs[i].typ;
            // The type of the data word: a pointer to the type, unless values are held in the word.
            let of_data_word = match self.world.types[typ].direct_iface {
                true => Some(typ),
                false => self.world.types[typ].ptrto,
            };
            if let Some(t) = of_data_word {
                let bucket = cache.entry(self.world.types[t].hash & 0xff).or_default();
                match bucket.iter().position(|&cached| cached == t) {
                    Some(place) => bucket[..=place].rotate_right(1),
                    None => {
                        bucket.insert(0, t);
                        bucket.truncate(REMEMBERED);
                        self.typ(t)?;
                    }
                }
            }
            let record = next!(self, Itab, || format!("itab {i}"));
            compare!(self, record:
                address = self.at.itabs[i].0,
                type_address = of_data_word.map_or(0, |t| self.at.types[t].0),
            );
        }
        Ok(())
    }

    fn typ(&mut self, i: usize) -> Checked {
        let t = &self.world.types[i];
        let record = next!(self, Type, || format!("type {i}"));
        compare!(self, record:
            address = self.at.types[i].0,
            size = t.size.on(self.ptr_size()),
            data_is_pointer = !t.direct_iface || !t.no_pointers,
        );
        let name = match t.qualified_name() {
            Some((package, name)) => format!("{package}.{name}"),
            None => t.string.clone(),
        };
        self.text("name", &name, record.name)?;
        // Go 1.5 itself writes memory in place of these names.
        self.tell("struck", || t.qualified_name().is_some().into());
        Ok(())
    }
}
